"""MCP servers as agents: tools through the gates, questions, progress, versions; and servers that misbehave."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tool_servers import MONEY, PAID, TEXT, Crm, raw, tool

from tutti import Fleet, Intent, Settings, Workspace, telemetry
from tutti.errors import AgentFailed, Refused
from tutti.model.agent import Endpoint


def fleet_of(url: str, *, tools: dict[str, Any] | None = None, auth: str = "", name: str = "crm") -> Fleet:
    fleet = Fleet("outer")
    fleet.mcp(url, department="sales", owner="ana@example.com", name=name, tools=tools, auth=auth)
    return fleet


def opened(fleet: Fleet, folder: Path) -> Workspace:
    return Workspace(fleet, Settings(fleet.name, folder / "tutti", grace=timedelta(0)))


async def test_a_call_carries_the_token_of_the_lease_that_it_holds(tmp_path):
    crm = Crm()
    tools = {"mark": {"intends": [Intent("customer/{text}", effect="mark")]}, "look": {}}
    async with crm.serve() as url:
        fleet = fleet_of(url, tools=tools)
        fleet.autonomy("crm.mark", level="act")
        async with opened(fleet, tmp_path) as workspace:
            await workspace.result(await workspace.submit("crm.look", {"text": "x"}))
            assert "tutti/lease" not in crm.meta
            marked = await workspace.submit("crm.mark", {"text": "x"})
            await workspace.result(marked)
            (granted,) = await workspace.journal.facts(about=marked, kind=("lease.granted",))
            assert crm.meta["tutti/lease"] == granted.seq


async def until(workspace: Workspace, id: str, stage: str) -> dict[str, Any]:
    """The task once it is at a stage."""
    async with asyncio.timeout(30):
        while True:
            changed = workspace.corridor.traffic.wait("any")  # before the look, so that no change falls between
            if (task := await workspace.task(id))["stage"] == stage:
                return task
            await changed


@pytest.mark.parametrize("legacy", [False, True])
async def test_tools_are_skills_with_their_schemas_and_hints(tmp_path, legacy):
    crm = Crm()
    async with crm.serve(legacy=legacy) as url, opened(fleet_of(url), tmp_path) as workspace:
        skills = {each["skill"]: each for each in await workspace.agents()}
        assert set(skills) == {f"crm.{each.name}" for each in crm.tools}
        assert {name: skills[f"crm.{name}"]["nature"] for name in ("look", "pay", "mark")} == {"look": "advice", "pay": "action", "mark": "action"}
        card = workspace.corridor.house.registry.offers("crm.pay")[0]
        assert (card.skills["crm.pay"].idempotent, card.skills["crm.mark"].idempotent) == (False, True)
        assert card.skills["crm.pay"].output_schema == PAID
        assert await workspace.result(await workspace.submit("crm.look", {"text": "x"})) == "seen x"
        assert crm.meta["tutti/key"].startswith("t-")


@pytest.mark.parametrize("legacy", [False, True])
async def test_an_action_tool_waits_for_a_yes_keeps_to_its_budget_and_stands_in_the_record(tmp_path, legacy):
    crm = Crm()
    async with crm.serve(legacy=legacy) as url:
        fleet = fleet_of(url, tools={"pay": {"amount": "amount", "currency": "EUR", "says": "Pay {amount} EUR."}})
        fleet.autonomy("crm.pay", level="act", up_to=100)
        fleet.budget("payments", action="crm.pay", money=150)
        async with opened(fleet, tmp_path) as workspace:
            asked = await workspace.submit("crm.pay", {"amount": 120})
            await until(workspace, asked, "approval")
            assert crm.calls == []
            assert (await workspace.approval(asked))["question"] == "Pay 120 EUR."
            await workspace.answer_as_owner(asked, "approve")
            assert await workspace.result(asked) == {"paid": 120}
            over = await workspace.submit("crm.pay", {"amount": 50})
            with pytest.raises(Refused):
                await workspace.result(over)
            assert crm.calls == [("pay", {"amount": 120})]
            kinds = [fact["kind"] for fact in await workspace.facts(about=asked)]
            assert (
                kinds == ["task.submitted", "task.routed", "task.gated", "task.gated", "run.started", "run.finished", "task.completed"]
                or "run.finished" in kinds
            )
            why = await workspace.why(asked)
            assert why["route"]["chosen"].startswith("crm ")


@pytest.mark.parametrize("legacy", [False, True])
async def test_a_servers_question_goes_to_a_person_and_the_answer_back(tmp_path, legacy):
    crm = Crm()
    async with crm.serve(legacy=legacy) as url:
        fleet = fleet_of(url)
        fleet.autonomy("crm.ask", level="act")
        async with opened(fleet, tmp_path) as workspace:
            id = await workspace.submit("crm.ask", {"text": "x"})
            task = await until(workspace, id, "asking")
            assert "Which account?" in task["question"]
            await workspace.answer(id, "4711")
            assert await workspace.result(id) == "accept {'account': '4711'}"
            declined = await workspace.submit("crm.ask", {"text": "y"})
            await until(workspace, declined, "asking")
            await workspace.answer(declined, None)
            assert await workspace.result(declined) == "decline None"


@pytest.mark.parametrize("legacy", [False, True])
async def test_what_a_tool_says_of_itself_and_what_it_may_not_do(tmp_path, legacy):
    crm = Crm()
    async with crm.serve(legacy=legacy) as url, opened(fleet_of(url), tmp_path) as workspace:
        for skill, said in (("crm.fail", "no such customer"), ("crm.lie", "does not declare"), ("crm.dream", "crm|dream|agent")):
            id = await workspace.submit(skill, {"text": "x"})
            with pytest.raises(Refused, match=said):
                await workspace.result(id)
        assert [name for name, _ in crm.calls].count("fail") == 1, "what a tool calls an error is not tried again"


async def test_a_tool_that_hangs_is_parked_when_it_may_have_acted(tmp_path):
    crm = Crm()
    async with crm.serve() as url:
        fleet = fleet_of(url, tools={"slow": {"timeout_ms": 2_000}})
        fleet.autonomy("crm.slow", level="act")
        async with opened(fleet, tmp_path) as workspace:
            task = await until(workspace, await workspace.submit("crm.slow", {"text": "x"}), "parked")
            assert "nobody knows" in task["reason"]
            assert len(crm.calls) == 1


@pytest.mark.parametrize("legacy", [False, True])
async def test_a_list_that_changes_is_another_version(tmp_path, legacy):
    crm = Crm()
    async with crm.serve(legacy=legacy) as url, opened(fleet_of(url), tmp_path) as workspace:
        before = {each["version"] for each in await workspace.agents()}
        await crm.change(tool("look", TEXT, reads=True), tool("refund", MONEY))
        async with asyncio.timeout(30):
            while {each["skill"] for each in await workspace.agents()} != {"crm.look", "crm.refund"}:
                await asyncio.sleep(0.02)
        assert before.isdisjoint({each["version"] for each in await workspace.agents()})
        assert await workspace.result(await workspace.submit("crm.look", {"text": "x"})) == "seen x"


async def test_the_token_is_a_reference_until_the_moment_of_the_call(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTTI_SECRET_CRM", "Bearer CANARY-TOKEN")
    crm = Crm()
    async with crm.serve() as url, opened(fleet_of(url, auth="secret://crm"), tmp_path) as workspace:
        assert await workspace.result(await workspace.submit("crm.look", {"text": "x"})) == "seen x"
        assert crm.headers["authorization"] == "Bearer CANARY-TOKEN"
        monkeypatch.setenv("TUTTI_SECRET_CRM", "Bearer CANARY-SECOND")
        assert await workspace.result(await workspace.submit("crm.look", {"text": "y"})) == "seen y"
        assert crm.headers["authorization"] == "Bearer CANARY-SECOND"
        assert "CANARY" not in json.dumps(await workspace.facts(limit=1000)) + json.dumps(await workspace.card("crm"))
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and b"CANARY" in file.read_bytes()]


async def outcome(url: str, folder: Path, skill: str, timeout_ms: int) -> dict[str, Any]:
    fleet = fleet_of(url, name="raw", tools={name: {"timeout_ms": timeout_ms, "attempts": 1} for name in ("do", "see")})
    fleet.autonomy("raw.do", level="act")
    async with opened(fleet, folder) as workspace:
        id = await workspace.submit(skill, {})
        async with asyncio.timeout(30):
            while (task := await workspace.task(id))["stage"] not in ("parked", "ended"):
                await asyncio.sleep(0.005)
        return task


async def gives(status: int, body: bytes) -> tuple[int, bytes]:
    return status, body


@pytest.mark.parametrize(
    ("status", "body", "action"),
    [
        (200, b"no json at all", "parked"),
        (200, b'{"jsonrpc": "2.0", "id": 999999, "result": {}}', "parked"),
        (200, b'{"jsonrpc": "2.0", "id": %d, "result": {"content": 5}}', "parked"),
        (200, b"x" * 12_000_000, "parked"),
        (500, b"oops", "parked"),
        (302, b"", "parked"),
        (401, b"", "failed"),
        (429, b"", "failed"),
    ],
)  # fmt: skip
async def test_hostile_answers_are_contained(tmp_path, status, body, action):
    async def answer(asked: dict[str, Any]) -> tuple[int, bytes]:
        return status, body.replace(b"%d", str(asked["id"]).encode())

    timeout_ms = 1_000 if b"999999" in body else 30_000  # only an answer to another request is waited for in vain
    async with raw(answer) as url:
        task = await outcome(url, tmp_path / "a", "raw.do", timeout_ms)
        assert (task["stage"] if action == "parked" else task["state"]) == action, task
        assert (await outcome(url, tmp_path / "b", "raw.see", timeout_ms))["state"] == "failed"


async def test_a_server_that_vanishes_before_the_call_has_done_nothing(tmp_path):
    crm = Crm()
    fleet = Fleet("outer")
    async with crm.serve() as url:
        fleet = fleet_of(url, tools={"mark": {"attempts": 1}, "pay": {"attempts": 1}})
        fleet.autonomy("crm.pay", level="act")
        workspace = opened(fleet, tmp_path)
        await workspace.open()
    try:
        task = await workspace.submit("crm.pay", {"amount": 1})
        async with asyncio.timeout(30):
            while (seen := await workspace.task(task))["stage"] not in ("parked", "ended"):
                await asyncio.sleep(0.005)
        assert (seen["state"], crm.calls) == ("failed", [])
    finally:
        await workspace.close()


async def test_who_is_not_there_or_not_allowed_is_said_at_the_door(tmp_path):
    async with opened(Fleet("outer"), tmp_path) as workspace:
        workspace.outside.egress.allow("127.0.0.1:9")
        with pytest.raises(AgentFailed, match="not reached"):
            await workspace.register(Endpoint("mcp", "http://127.0.0.1:9/mcp"), department="sales")
        with pytest.raises(Refused):
            await workspace.register(Endpoint("mcp", "http://169.254.169.254/mcp"), department="sales")


@pytest.mark.parametrize("legacy", [False, True])
async def test_a_call_of_a_tool_carries_the_tasks_trace(spans, tmp_path, legacy):
    crm = Crm()
    async with crm.serve(legacy=legacy) as url, opened(fleet_of(url), tmp_path) as workspace:
        with telemetry.within({"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}):
            id = await workspace.submit("crm.look", {"text": "x"})
        await workspace.result(id)
    (run,) = [span for span in spans.get_finished_spans() if span.name == "execute_tool look"]
    assert crm.meta["traceparent"] == f"00-0af7651916cd43dd8448eb211c80319c-{run.context.span_id:016x}-01"
    assert {span.name for span in spans.get_finished_spans()} == {"invoke_workflow crm.look", "invoke_agent crm", "execute_tool look"}


async def test_a_call_that_asks_a_person_goes_on_after_a_crash(tmp_path):
    crm = Crm()
    async with crm.serve() as url:
        fleet = fleet_of(url)
        fleet.autonomy("crm.ask", level="act")
        async with opened(fleet, tmp_path) as workspace:
            id = await workspace.submit("crm.ask", {"text": "x"})
            await until(workspace, id, "asking")
        async with opened(fleet, tmp_path) as workspace:
            await workspace.quiet()
            assert "Which account?" in (await workspace.task(id))["question"]
            assert len(crm.calls) == 1, "an action that is not idempotent is not begun a second time"
            await workspace.answer(id, "4711")
            assert await workspace.result(id) == "accept {'account': '4711'}"
            assert len(crm.calls) == 2


async def test_a_second_question_gets_its_own_answer_after_a_crash(tmp_path):
    crm = Crm()
    async with crm.serve() as url:
        fleet = fleet_of(url)
        fleet.autonomy("crm.twice", level="act")
        async with opened(fleet, tmp_path) as workspace:
            id = await workspace.submit("crm.twice", {"text": "x"})
            await until(workspace, id, "asking")
            await workspace.answer(id, "4711")
            async with asyncio.timeout(30):
                while len(crm.calls) < 2 or (await workspace.task(id))["stage"] != "asking":
                    await asyncio.sleep(0.005)
        async with opened(fleet, tmp_path) as workspace:
            await workspace.quiet()
            assert "Which bank?" in (await workspace.task(id))["question"]
            await workspace.answer(id, "north")
            assert await workspace.result(id) == "4711 at north"
        assert len(crm.calls) == 3


async def test_on_the_older_wire_a_call_that_asks_is_parked_after_a_crash(tmp_path):
    crm = Crm()
    async with crm.serve(legacy=True) as url:
        fleet = fleet_of(url)
        fleet.autonomy("crm.ask", level="act")
        async with opened(fleet, tmp_path) as workspace:
            id = await workspace.submit("crm.ask", {"text": "x"})
            await until(workspace, id, "asking")
        async with opened(fleet, tmp_path) as workspace:
            task = await until(workspace, id, "parked")
            assert "nobody knows" in task["reason"]
            assert "had asked a question" in task["detail"]
            assert len(crm.calls) == 1
            await workspace.settle(id, "drop")


async def test_on_the_older_wire_what_only_reads_asks_again_after_a_crash(tmp_path):
    crm = Crm()
    async with crm.serve(legacy=True) as url:
        fleet = fleet_of(url, tools={"ask": {"nature": "advice"}})
        async with opened(fleet, tmp_path) as workspace:
            id = await workspace.submit("crm.ask", {"text": "x"})
            await until(workspace, id, "asking")
        async with opened(fleet, tmp_path) as workspace:
            await workspace.quiet()
            await workspace.answer(id, "4711")
            assert await workspace.result(id) == "accept {'account': '4711'}"
