"""One search box: ids, beginnings of ids, audit numbers, traces, subjects and names; only what the caller may read, and no table walked through."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from api_site import as_caller, make_fleet
from opentelemetry.sdk.trace import TracerProvider
from pydantic import BaseModel

from tutti import Fleet, Intent, Settings, Workspace, telemetry
from tutti.model.caller import OWNER, Caller

FINANCE = Caller("person/vera", ("viewer",), ("finance",))
SENDER = Caller("service/crm", ("sender",))


class Price(BaseModel):
    account: str


async def search(workspace: Workspace, q: str, caller: Caller = OWNER, limit: int = 20) -> list[dict[str, Any]]:
    async with as_caller(workspace, caller) as client:
        answer = await client.get("/v1/search", params={"q": q, "limit": limit})
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found


def kinds(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(each["kind"], each["id"]) for each in found]


async def sent(workspace: Workspace, **data: Any) -> dict[str, Any]:
    event = {"specversion": "1.0", "id": str(data), "source": "/crm", "type": "ticket.opened", "subject": "account/7", "data": {"text": "hello", **data}}
    got = await workspace.send(event)
    await workspace.quiet()
    return got


async def test_ids_and_their_beginnings(workspace: Workspace) -> None:
    got = await sent(workspace, refund=700)
    signal, task = got["signal"], got["tasks"][0]
    approval = (await workspace.approvals())[0]
    assert await search(workspace, task) == [
        {"kind": "task", "id": task, "title": "ticket.triage", "detail": "account/7", "state": "done", "at": (await workspace.task(task))["submitted_at"]}
    ]
    assert kinds(await search(workspace, f"  {task.lower()} ")) == [("task", task)]
    (found,) = await search(workspace, signal)
    assert (found["kind"], found["title"], found["detail"], found["state"]) == ("signal", "ticket.opened", "account/7", None)
    (found,) = await search(workspace, approval["id"])
    assert (found["kind"], found["title"], found["detail"], found["state"]) == ("approval", "refund.pay", f"for {approval['task']}", "open")
    assert ("task", task) in kinds(await search(workspace, task[:8])), "six characters after the letter"
    assert await search(workspace, task[:7]) == []
    assert kinds(await search(workspace, task[:22])) == [("task", task)]
    for nothing in ("t-" + "0" * 26, f"{task}0", "t-", "t-%%%%%%", "s-______", "'; DROP TABLE task; --", "\u0000", "x" * 200, " "):
        assert await search(workspace, nothing) == [], nothing


async def test_audit_numbers_as_people_write_them(workspace: Workspace) -> None:
    await sent(workspace)
    fact = (await workspace.facts(limit=1000))[9]
    for number in ("10", "#10", "# 10"):
        (found,) = await search(workspace, number)
        assert (found["kind"], found["id"], found["title"], found["at"]) == ("fact", "10", fact["kind"], fact["at"])
    for number in ("0", "99,999", "1 000 000", "9" * 18, "10,1", "-10", "1e1"):
        assert await search(workspace, number) == [], number
    async with as_caller(workspace) as client:
        assert (await client.get("/v1/search", params={"q": "1" * 201})).status_code == 400
        assert (await client.get("/v1/search")).status_code == 400


async def test_numbers_with_separators(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    async def select(sql: str, params: Any = ()) -> list[Any]:
        asked.extend(params if "FROM fact" in sql else ())
        return []

    monkeypatch.setattr(workspace.journal, "select", select)
    for number in ("#182,041", "182 041", "182.041", "182'041", "182_041", "182\u202f041"):
        await workspace.search(number)
    assert asked == [182041] * 6


async def test_a_subject_by_its_name(workspace: Workspace) -> None:
    first, second = [await workspace.submit("ticket.triage", {"text": text}, subject="account/7") for text in ("1", "2")]
    await workspace.submit("ticket.triage", {"text": "3"}, subject="account/70")
    assert kinds(await search(workspace, "account/7")) == [("task", second), ("task", first)], "newest first"
    assert len(await search(workspace, "account/7", limit=1)) == 1
    await workspace.quiet()
    await workspace.erase("account/7")
    assert {each["detail"] for each in await search(workspace, "account/7")} <= {"support"}, "the name is gone from what is told"


async def test_names_of_agents_and_skills(workspace: Workspace) -> None:
    found = await search(workspace, "TRI")
    assert kinds(found) == [("agent", "triage"), ("skill", "ticket.triage")]
    assert (found[0]["state"], found[1]["detail"]) == ("live", "offered by triage")
    assert found[0]["detail"].startswith("support, ")
    assert kinds(await search(workspace, "pay")) == [("agent", "pay"), ("skill", "refund.pay")]
    assert kinds(await search(workspace, "refund.pay")) == [("skill", "refund.pay")]


async def test_only_what_one_may_read(workspace: Workspace) -> None:
    got = await sent(workspace, refund=700)
    (triage,), (approval,) = got["tasks"], await workspace.approvals()
    own = await workspace.submit("ticket.triage", {"text": "mine"}, subject="account/7", by=SENDER.id)
    await workspace.quiet()
    assert await search(workspace, triage, FINANCE) == []
    assert kinds(await search(workspace, approval["task"], FINANCE)) == [("task", approval["task"])]
    assert kinds(await search(workspace, approval["id"], FINANCE)) == [("approval", approval["id"])]
    assert kinds(await search(workspace, "account/7", FINANCE)) == [("task", approval["task"])]
    assert kinds(await search(workspace, "account/7", SENDER)) == [("task", own)]
    assert await search(workspace, approval["id"], SENDER) == []
    assert await search(workspace, "10", FINANCE) == []
    assert kinds(await search(workspace, "i", FINANCE)) == [] == kinds(await search(workspace, "pay", SENDER))
    assert kinds(await search(workspace, "pay", FINANCE)) == [("agent", "pay"), ("skill", "refund.pay")]
    assert await search(workspace, got["signal"], FINANCE) == [], "it led to nothing of theirs by itself"
    assert kinds(await search(workspace, got["signal"], Caller("person/sal", ("viewer",), ("support",)))) == [("signal", got["signal"])]
    scoped = Caller("person/owner", ("owner",), scopes=(f"tasks:{own}:read",))
    assert kinds(await search(workspace, "account/7", scoped)) == [("task", own)]


@pytest.fixture
async def opposed(tmp_path: Path) -> AsyncIterator[Workspace]:
    """A workspace in which two actions collide."""
    fleet = Fleet("prices")
    for skill, department, effect in (("renewal.discount", "renewal", "discount"), ("price.raise", "pricing", "raise")):

        async def act(price: Price) -> str:
            return "done"

        fleet.action(skill, department=department, intends=[Intent("price/{account}", effect=effect, lasts=timedelta(days=1))], name=department)(act)
        fleet.autonomy(skill, level="approve")
    fleet.resource("price", incompatible=[("discount", "raise")])
    async with Workspace(fleet, Settings("prices", tmp_path / "tutti", grace=timedelta(0))) as workspace:
        tasks = [await workspace.submit(skill, {"account": "17"}) for skill in ("renewal.discount", "price.raise")]
        await workspace.quiet()
        for task in tasks:
            await workspace.answer_as_owner(task, "approve")
        await workspace.quiet()
        yield workspace


async def test_conflicts(opposed: Workspace) -> None:
    (conflict,) = (await opposed.conflicts(state="all"))["conflicts"]
    (found,) = await search(opposed, conflict["id"])
    assert (found["kind"], found["id"], found["title"]) == ("conflict", conflict["id"], conflict["resource"])
    assert {"renewal.discount", "price.raise"} == set(found["detail"].split(" and "))
    assert kinds(await search(opposed, conflict["id"], Caller("person/p", ("viewer",), ("pricing",)))) == [("conflict", conflict["id"])]
    assert await search(opposed, conflict["id"], Caller("person/p", ("viewer",), ("elsewhere",))) == []


async def test_negotiations(tmp_path: Path) -> None:
    fleet = Fleet("market")
    for name, table in {"buyer": {"0": 1, "5": 4}, "seller": {"0": 0, "5": 2}}.items():
        fleet.party(_Party(table), name=name, department="sales")
    async with Workspace(fleet, Settings("market", tmp_path / "tutti", grace=timedelta(0))) as workspace:
        case = {"issues": {"price": [0, 5]}, "parties": {"buyer": 1, "seller": 1}, "fallback": {"price": 0}}
        id = await workspace.negotiate(**case, deadline=timedelta(seconds=20))
        await workspace.result(id)
        (found,) = await search(workspace, id)
        assert (found["kind"], found["title"], found["state"]) == ("negotiation", "between buyer and seller", "settled")


class _Party:
    def __init__(self, table: dict[str, float]) -> None:
        self.table = table

    def utility(self) -> dict[str, dict[str, float]]:
        return {"price": self.table}


async def test_a_trace_finds_its_tasks(tmp_path: Path) -> None:
    telemetry.use(TracerProvider())
    try:
        async with Workspace(make_fleet(), Settings("support", tmp_path / "tutti", grace=timedelta(0))) as workspace:
            trace = "4bf92f3577b34da6a3ce929d0e0e4736"
            with telemetry.within({"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}):
                task = await workspace.submit("ticket.triage", {"text": "money", "refund": 700})
            other = await workspace.submit("ticket.triage", {"text": "x"})
            await workspace.quiet()
            for said in (trace, trace[:8], f"00-{trace}-00f067aa0ba902b7-01", trace.upper()):
                found = await search(workspace, said)
                assert kinds(found)[:2] == [("trace", trace), ("task", task)], said
                assert ("task", other) not in kinds(found)
            assert found[0]["detail"] == f"began with {task}"
            assert {each["title"] for each in found[1:]} == {"ticket.triage", "refund.pay"}
            theirs = await search(workspace, trace, FINANCE)
            assert [each["kind"] for each in theirs] == ["trace", "task"]
            assert await search(workspace, trace, Caller("person/p", ("viewer",), ("elsewhere",))) == []
    finally:
        telemetry.use(None)


async def test_no_table_is_walked_through(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    await sent(workspace, refund=700)
    select, asked = workspace.journal.select, []

    async def noted(sql: str, params: Any = ()) -> list[Any]:
        asked.append((sql, params))
        return await select(sql, params)

    monkeypatch.setattr(workspace.journal, "select", noted)
    for said in ("t-01ABCDEF", "a-01ABCDEF", "s-01ABCDEF", "c-01ABCDEF", "12", "4bf92f3577b34da6", "account/7", "triage"):
        await workspace.search(said)
    assert len({sql for sql, _ in asked}) >= 7
    for sql, params in asked:
        plan = await select(f"EXPLAIN QUERY PLAN {sql}", params)
        assert not [step["detail"] for step in plan if "SCAN" in step["detail"]], sql
