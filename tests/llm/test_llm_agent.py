"""LLM agents against a scripted model over real HTTP: outputs, tools, failures, money, keys."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from llm_site import Answer, calls, ended, fails, opened, says, served
from pydantic import BaseModel

from tutti import Context, Fleet
from tutti.errors import Invalid, NotFound

KEY = "sk-test-very-secret-0123456789"


class Triage(BaseModel):
    """How urgent a ticket is."""

    urgency: float
    reason: str


def fleet_with(url: str, name: str = "llm", **options: Any) -> Fleet:
    fleet = Fleet(name)
    options = {"instructions": "Say how urgent this is.", "skill": "ticket.triage", "model": "scripted", "price": (3, 15)} | options
    fleet.llm_agent("triager", department="support", base_url=url, **options)
    return fleet


def tools_of(request: dict[str, Any]) -> set[str]:
    return {tool["function"]["name"] for tool in request.get("tools", ())}


async def facts(workspace: Any, kind: str) -> list[dict[str, Any]]:
    return [fact["data"] for fact in await workspace.facts(kind=kind, limit=1000)]


async def test_text_comes_back_and_its_money_is_recorded(tmp_path):
    async with served(says("quite urgent", usage=(1000, 100, 400))) as model, opened(fleet_with(model.url, price=(3, 15, 0.3)), tmp_path) as workspace:
        task = await ended(workspace, "ticket.triage", {"text": "it burns"})
        assert (task["state"], task["output"]) == ("completed", "quite urgent")
        (called,) = await facts(workspace, "model.called")
        cost = 600 * 3 + 400 * 0.3 + 100 * 15
        assert (called["model"], called["input_tokens"], called["output_tokens"], called["cached"], called["cost"]) == ("scripted", 1000, 100, 400, cost)
        (finished,) = await facts(workspace, "run.finished")
        assert finished["cost"] == cost
        first, second = model.requests[0]["messages"]
        assert (first["role"], first["content"]) == ("system", "Say how urgent this is.")  # what stays the same comes first
        assert json.loads(second["content"]) == {"text": "it burns"}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_typed_answer_that_does_not_fit_is_sent_back(tmp_path, stream):
    def again(request: dict[str, Any]) -> Any:
        (tool,) = tools_of(request)
        return calls((tool, {"urgency": "very"})) if len(model.requests) == 1 else calls((tool, {"urgency": 0.9, "reason": "fire"}))

    async with served(again) as model, opened(fleet_with(model.url, output=Triage, stream=stream), tmp_path) as workspace:
        task = await ended(workspace, "ticket.triage", "it burns")
        assert task["output"] == {"urgency": 0.9, "reason": "fire"}
        assert len(await facts(workspace, "model.called")) == 2
        assert bool(model.requests[0].get("stream")) is stream


async def test_an_answer_is_held_against_a_json_schema(tmp_path):
    schema = {"type": "object", "properties": {"level": {"enum": ["low", "high"]}}, "required": ["level"]}

    def again(request: dict[str, Any]) -> Any:
        (tool,) = tools_of(request)
        return calls((tool, {"level": "medium" if len(model.requests) == 1 else "high"}))

    async with served(again) as model, opened(fleet_with(model.url, output=schema), tmp_path) as workspace:
        task = await ended(workspace, "ticket.triage", "x")
        assert (task["output"], len(model.requests)) == ({"level": "high"}, 2)


async def test_answers_that_never_fit_end_the_task_and_are_paid_for(tmp_path):
    async with served(says("no form at all")) as model, opened(fleet_with(model.url, output=Triage, retries=1), tmp_path) as workspace:
        task = await ended(workspace, "ticket.triage", "x")
        assert (task["state"], len(model.requests)) == ("failed", 2)
        assert "no answer of the declared form" in task["detail"]
        (finished,) = await facts(workspace, "run.finished")
        assert finished["cost"] == 2 * (100 * 3 + 20 * 15)


async def test_an_answer_that_never_fits_a_schema_is_told_with_the_last_complaint(tmp_path):
    schema = {"type": "object", "properties": {"level": {"enum": ["low", "high"]}}, "required": ["level"]}

    def never(request: dict[str, Any]) -> Any:
        return calls((*tools_of(request), {"level": "medium"}))

    async with served(never) as model, opened(fleet_with(model.url, output=schema), tmp_path) as workspace:
        task = await ended(workspace, "ticket.triage", "x")
        assert (task["reason"], len(model.requests)) == ("agent_failed", 3)
        assert task["detail"].startswith("scripted gave no answer of the declared form in 3 tries: ")
        assert "'medium' is not one of ['low', 'high']" in task["detail"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer({"role": "assistant", "content": None, "refusal": "That I do not do."}), ("scripted declined to answer: ", "That I do not do.")),
        (
            Answer(body={"id": "c", "object": "chat.completion", "created": 1, "model": "scripted", "choices": []}),
            ("scripted gave no answer of the declared form: ", "no chat completion"),
        ),
        (fails(401, "no such key"), ("scripted answered 401: no such key",)),
    ],
    ids=["refusal", "nothing", "error"],
)
async def test_why_a_model_gave_nothing_is_said_in_one_line_of_words(tmp_path, answer, words):
    async with served(answer) as model, opened(fleet_with(model.url), tmp_path) as workspace:
        task = await ended(workspace, "ticket.triage", "x")
        assert (task["state"], task["reason"], len(model.requests)) == ("failed", "agent_failed", 1)
        assert all(word in task["detail"] for word in words), task["detail"]
        assert not set(task["detail"]) & set("{}\n")


async def test_what_is_refused_for_now_is_tried_again_and_costs_nothing(tmp_path):
    script = (fails(429, **{"Retry-After": "0"}), fails(503, **{"Retry-After": "0"}), says("there"))
    async with served(*script) as model, opened(fleet_with(model.url), tmp_path) as workspace:
        assert (await ended(workspace, "ticket.triage", "x"))["output"] == "there"
        assert [(called.get("error"), called["cost"]) for called in await facts(workspace, "model.called")] == [("429", 0), ("503", 0), (None, 600)]
        assert len(model.requests) == 3


async def test_a_request_the_provider_refuses_is_not_tried_again(tmp_path):
    async with served(fails(400, "this model does not exist")) as model, opened(fleet_with(model.url), tmp_path) as workspace:
        task = await ended(workspace, "ticket.triage", "x")
        assert (task["state"], len(model.requests)) == ("failed", 1)
        assert "scripted answered 400" in task["detail"]
        assert "does not exist" in task["detail"]


async def test_a_model_that_hangs_is_left_at_the_timeout_and_its_reservation_stays(tmp_path):
    async with served(replace(says(""), hang=True)) as model:
        fleet = fleet_with(model.url, timeout=timedelta(seconds=0.3), attempts=1)
        fleet.cap("day", tokens=100_000, per="day")
        async with opened(fleet, tmp_path) as workspace:
            task = await ended(workspace, "ticket.triage", "x")
            assert (task["state"], task["reason"]) == ("failed", "timed_out")
            (held,) = await facts(workspace, "model.reserved")
            rows = await workspace.journal.select("SELECT tokens FROM capped")
            assert rows[0]["tokens"] == held["tokens"] > 4096
            assert not await facts(workspace, "model.called")


async def test_a_line_that_breaks_in_a_stream_may_have_been_paid_for(tmp_path):
    async with served(replace(says("one two three four"), cut=True), says("there")) as model:
        fleet = fleet_with(model.url, stream=True)
        fleet.cap("day", tokens=100_000, per="day")
        async with opened(fleet, tmp_path) as workspace:
            assert (await ended(workspace, "ticket.triage", "x"))["output"] == "there"
            held = await facts(workspace, "model.reserved")
            rows = await workspace.journal.select("SELECT tokens FROM capped")
            assert (len(held), rows[0]["tokens"]) == (2, held[0]["tokens"] + 120)


async def test_an_answer_without_usage_counts_as_the_most_it_can_be(tmp_path):
    async with served(says("there", usage=None)) as model, opened(fleet_with(model.url, max_tokens=50), tmp_path) as workspace:
        await ended(workspace, "ticket.triage", "x")
        (called,) = await facts(workspace, "model.called")
        assert called["output_tokens"] == 50
        assert called["input_tokens"] > len(json.dumps(model.requests[0]["messages"]))


async def test_the_cap_is_held_before_the_call_is_made(tmp_path):
    async with served(says("there")) as model:
        fleet = fleet_with(model.url, max_tokens=1000)
        fleet.cap("little", agent="triager", money=0.01)  # one answer of 1,000 tokens alone could cost 0.015
        async with opened(fleet, tmp_path) as workspace:
            task = await ended(workspace, "ticket.triage", "x")
            assert (task["state"], model.requests, task["attempts"]) == ("failed", [], 1)
            assert "cap little is reached: it allows 0.01 in all" in task["detail"]


async def test_progress_of_a_streamed_answer_is_told_and_no_token_is_a_fact(tmp_path):
    told: list[tuple[float, str]] = []
    async with served(says("word " * 100)) as model, opened(fleet_with(model.url, stream=True), tmp_path) as workspace:
        seen = workspace.corridor.runs.progress

        class Watched(dict[str, Any]):
            def __setitem__(self, key: str, value: Any) -> None:
                told.append(value)
                super().__setitem__(key, value)

        workspace.corridor.runs.progress = Watched(seen)
        before = (await workspace.head())["seq"]
        await ended(workspace, "ticket.triage", "x")
        assert told[-1][1].startswith("call 1: about 1")
        assert len(told) > 10
        assert (await workspace.head())["seq"] - before < 9


# --- tools ------------------------------------------------------------------------------------------------------------


def shop(url: str, tools: Any, paid: list[Any], **options: Any) -> Fleet:
    fleet = fleet_with(url, "shop", instructions="Help.", tools=tools, output=str, **options)

    @fleet.agent(skill="order.find", department="sales")
    async def find(input: dict[str, Any]) -> dict[str, Any]:
        """Find an order by its number."""
        return {"number": input["number"], "total": 40}

    @fleet.action(skill="refund.pay", department="finance", amount="amount")
    async def pay(input: dict[str, Any], ctx: Context) -> str:
        paid.append((ctx.key, input))
        return "paid"

    return fleet


async def test_an_advice_tool_is_a_task_of_its_own_and_an_action_is_only_proposed(tmp_path):
    paid: list[Any] = []
    script = (calls(("order_find", {"number": 7})), calls(("refund_pay", {"amount": 40})), says("I proposed a refund"))
    async with served(*script) as model, opened(shop(model.url, ["order.find", "refund.pay"], paid), tmp_path) as workspace:
        task = await ended(workspace, "ticket.triage", "refund me")
        assert task["output"] == "I proposed a refund"
        assert paid == []  # nobody approved
        by_skill = {row["skill"]: row for row in (await workspace.tasks())["tasks"]}
        assert by_skill["order.find"]["parent"] == by_skill["refund.pay"]["parent"] == task["id"]
        assert (by_skill["refund.pay"]["stage"], by_skill["refund.pay"]["amount"]) == ("approval", 40)
        assert tools_of(model.requests[0]) == {"order_find", "refund_pay"}
        answers = [message["content"] for message in model.requests[2]["messages"] if message["role"] == "tool"]
        assert json.loads(answers[0]) == {"number": 7, "total": 40}
        assert "do not say that it has happened" in answers[1]
        await workspace.answer_as_owner(by_skill["refund.pay"]["approval"], "approve")
        await workspace.quiet()
        assert [input for _, input in paid] == [{"amount": 40}]


async def test_an_action_that_is_waited_for_goes_through_the_gates_too(tmp_path):
    paid: list[Any] = []
    script = (calls(("refund_pay", {"amount": 40})), says("done"))
    async with served(*script) as model, opened(shop(model.url, {"refund.pay": {"wait": True}}, paid), tmp_path) as workspace:
        id = await workspace.submit("ticket.triage", "x")
        await workspace.quiet()
        (waiting,) = await workspace.approvals()
        assert (paid, waiting["input"]) == ([], {"amount": 40})
        await workspace.answer_as_owner(waiting["id"], "reject")
        assert await workspace.result(id) == "done"
        (told,) = [message["content"] for message in model.requests[1]["messages"] if message["role"] == "tool"]
        assert "rejected" in told
        assert paid == []


async def test_arguments_that_do_not_fit_a_tool_are_sent_back_before_anything_happens(tmp_path):
    schema = {"type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]}
    done: list[Any] = []
    async with served(calls(("clerk_find", {"number": "seven"})), calls(("clerk_find", {"number": 7})), says("found")) as model:
        fleet = fleet_with(model.url, tools=["clerk.find"])
        fleet.llm_agent("clerk", department="x", instructions="Find.", skill="clerk.find", model="scripted", base_url=model.url, input=schema)
        bound = fleet.functions[next(key for key in fleet.functions if key[2] == "clerk.find")]

        async def find(input: Any, ctx: Context) -> str:
            done.append(input)
            return "found"

        fleet.functions[next(key for key in fleet.functions if key[2] == "clerk.find")] = replace(bound, function=find)
        async with opened(fleet, tmp_path) as workspace:
            assert (await ended(workspace, "ticket.triage", "x"))["output"] == "found"
    assert done == [{"number": 7}]


async def test_a_run_that_comes_to_no_end_is_stopped(tmp_path):
    async with served(calls(("order_find", {"number": 7}))) as model, opened(shop(model.url, ["order.find"], [], max_calls=4), tmp_path) as workspace:
        task = await ended(workspace, "ticket.triage", "x")
        assert (task["state"], len(model.requests)) == ("failed", 4)
        assert "no end within 4 calls" in task["detail"]


async def test_after_a_crash_answers_that_were_paid_for_are_not_asked_for_again(tmp_path):
    stuck = asyncio.Event()

    async def find(input: dict[str, Any]) -> str:
        stuck.set()
        if not go:
            await asyncio.Event().wait()
        return "found"

    go: list[int] = []
    async with served(calls(("order_find", {"number": 7})), says("there")) as model:
        fleet = fleet_with(model.url, "crash", tools=["order.find"])
        fleet.agent(skill="order.find", department="sales", name="finder")(find)
        async with opened(fleet, tmp_path, grace=timedelta(0)) as workspace:
            id = await workspace.submit("ticket.triage", "x")
            await asyncio.wait_for(stuck.wait(), 30)
        go.append(1)
        async with opened(fleet, tmp_path) as workspace:
            async with asyncio.timeout(60):
                assert await workspace.result(id) == "there"
            assert len(model.requests) == 2
            assert len([row for row in (await workspace.tasks())["tasks"] if row["skill"] == "order.find"]) == 1
            (finished,) = [fact for fact in await facts(workspace, "run.finished") if fact["agent"] == "triager" and fact["outcome"] == "done"]
            assert finished["cost"] == 2 * (100 * 3 + 20 * 15)


# --- keys and addresses -----------------------------------------------------------------------------------------------


async def test_a_key_reaches_the_provider_only(tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("TUTTI_SECRET_PROVIDER", KEY)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/elsewhere")
    script = (fails(401, f"Incorrect API key provided: {KEY}"), says("there"))
    async with served(*script) as model, opened(fleet_with(model.url, api_key="secret://provider", attempts=1), tmp_path) as workspace:
        task = await ended(workspace, "ticket.triage", "x")
        assert (task["state"], "Incorrect API key provided: ***" in task["detail"]) == ("failed", True)
        assert (await ended(workspace, "ticket.triage", "y"))["output"] == "there"
        assert {headers["Authorization"] for headers in model.headers} == {f"Bearer {KEY}"}
        told = json.dumps([await workspace.facts(limit=1000), await workspace.task(task["id"]), await workspace.why(task["id"]), await workspace.agents()])
        assert KEY not in told
        assert "sk-of-the-environment" not in json.dumps(model.headers)
    assert KEY not in caplog.text
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


async def test_a_secret_that_is_missing_is_named_and_nothing_is_called(tmp_path, monkeypatch):
    monkeypatch.delenv("TUTTI_SECRET_PROVIDER", raising=False)
    async with served(says("x")) as model, opened(fleet_with(model.url, api_key="secret://provider"), tmp_path) as workspace:
        task = await ended(workspace, "ticket.triage", "x")
        assert (task["state"], model.requests) == ("failed", [])
        assert "There is no secret provider" in task["detail"]
    assert NotFound.code == "not_found"


async def test_only_the_declared_address_on_this_machine_is_called(tmp_path):
    async with served(says("there")) as declared, served(fails(307, location="")) as other:
        other.script[0].headers["Location"] = f"{declared.url}/chat/completions"
        async with opened(fleet_with(other.url), tmp_path) as workspace:
            task = await ended(workspace, "ticket.triage", "x")
            assert (task["state"], declared.requests) == ("failed", [])  # where the first one sends it, it does not go


def test_the_version_is_what_makes_the_answers():
    def version(**options: Any) -> str:
        ((_, version),) = fleet_with("http://127.0.0.1:1/v1", **options).cards
        return version

    first = version()
    assert first.startswith("1+")
    changed = [
        version(model="other"),
        version(instructions="Else."),
        version(output=Triage),
        version(tools=["a.b"]),
        version(temperature=0.5),
        version(max_tokens=7),
    ]
    assert len({first, *changed}) == 7
    assert version() == first


def test_declarations_that_cannot_work_are_refused_at_their_line():
    def declare(**options: Any) -> None:
        Fleet("wrong").llm_agent("a", department="x", **({"instructions": "Do.", "skill": "a.do", "model": "m", "base_url": "http://h/v1"} | options))

    for wrong, message in (
        ({"api_key": KEY}, "must be a reference"),
        ({"base_url": ""}, "names no provider"),
        ({"base_url": "", "model": "openai:m"}, "has no key for openai"),
        ({"instructions": " "}, "no instructions"),
        ({"skill": ""}, "offers no skill"),
        ({"model": ""}, "names no model"),
        ({"mode": "x"}, "no mode"),
        ({"output": {"type": "string"}}, "an output schema is an object's"),
        ({"price": (1,)}, "price is"),
        ({"tools": {"a": {"x": 1}}}, "is no tool"),
        ({"base_url": "ftp://h"}, "no address"),
        ({"max_calls": 0}, "1 or more"),
    ):
        with pytest.raises(Invalid, match=message) as raised:
            declare(**wrong)
        assert KEY not in str(raised.value)
