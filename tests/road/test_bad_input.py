"""Wrong input: a clear error that says what to do, and nothing is lost."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from tutti import Context, Fleet
from tutti.errors import Invalid, NoRoute, NotFound
from tutti.testing import agents

EVENT = {"specversion": "1.0", "id": "1", "source": "/desk", "type": "ticket.opened", "subject": "account/7", "data": {"n": 1}}


class Ticket(BaseModel):
    n: int


def desk() -> Fleet:
    fleet = Fleet("desk")

    @fleet.agent(skill="ticket.read", department="support")
    async def read(ticket: Ticket) -> dict[str, int]:
        return {"n": ticket.n}

    fleet.on("ticket.opened", do="ticket.read")
    return fleet


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"specversion": "0.3"}, "specversion '0.3'"),
        ({"specversion": None}, "no `specversion`"),
        ({"id": ""}, "no `id`"),
        ({"id": 7}, "no `id`"),
        ({"source": "  "}, "no `source`"),
        ({"type": None}, "no `type`"),
        ({"subject": ""}, "`subject`"),
        ({"time": "yesterday"}, "RFC 3339"),
        ({"priority": "high"}, "`priority`"),
        ({"priority": True}, "`priority`"),
        ({"Bad-Name": "x"}, "no CloudEvents attribute name"),
        ({"extra": {"a": 1}}, "`extra` must be"),
        ({"data_base64": "!!!", "data": None}, "base 64"),
        ({"data_base64": base64.b64encode(b"{").decode()}, "both `data` and `data_base64`"),
        ({"data": nested(40)}, "deeper than 32 levels"),
        ({"data": nested(100_000)}, "deeper than 32 levels"),
    ],
)
async def test_a_malformed_signal_is_refused_with_what_is_wrong_and_leaves_nothing(tutti, change, says):
    run = tutti(desk())
    before = len(await run.facts())
    event = {name: value for name, value in {**EVENT, **change}.items() if value is not None}
    with pytest.raises(Invalid, match=says) as error:
        await run.workspace.send(event)
    assert error.value.hint
    assert len(await run.facts()) == before


@pytest.mark.parametrize("event", [None, [], "x", 7])
async def test_what_is_no_object_is_no_signal(tutti, event):
    run = tutti(desk())
    await run.facts()
    with pytest.raises(Invalid, match="A signal is a JSON object"):
        await run.workspace.send(event)


async def test_data_in_base_64_is_read(tutti):
    run = tutti(desk())
    await run.facts()
    event = {name: value for name, value in EVENT.items() if name != "data"} | {"data_base64": base64.b64encode(json.dumps({"n": 5}).encode()).decode()}
    sent = await run.workspace.send(event)
    assert await run.workspace.result(sent["tasks"][0]) == {"n": 5}


async def test_ten_megabytes_are_refused_and_the_next_signal_is_taken(tutti):
    run = tutti(desk())
    await run.facts()
    with pytest.raises(Invalid, match="over the limit"):
        await run.workspace.send({**EVENT, "data": {"n": 1, "text": "x" * 10_000_000}})
    assert (await run.workspace.send(EVENT))["tasks"]


async def test_an_answer_of_ten_megabytes_fails_its_task_and_says_why(tutti):
    fleet = Fleet("large")
    fleet.agent(skill="text.write", department="marketing")(agents.lying("x" * 10_000_000))
    run = await tutti(fleet).submit("text.write", {})
    assert run.task("text.write").state == "failed"
    assert "over the limit" in run.task("text.write").detail


async def test_a_repeated_signal_is_taken_once(tutti):
    run = tutti(desk())
    await run.facts()
    first = await run.workspace.send(EVENT)
    again = await run.workspace.send({**EVENT, "data": {"n": 2}})
    assert (again["signal"], again["duplicate"], again["tasks"]) == (first["signal"], True, [])
    await run.restart()
    assert (await run.workspace.send(EVENT))["duplicate"]
    assert len(run.tasks("ticket.read")) == 1


async def test_an_unknown_skill_is_refused_in_code_and_parked_on_a_signal(tutti):
    fleet = desk()
    fleet.on("account.unhappy", do="renewal.check")
    run = await tutti(fleet).send("account.unhappy", data={})
    assert (run.task("renewal.check").waiting_for, run.task("renewal.check").reason) == ("person", "No agent offers renewal.check.")
    with pytest.raises(NoRoute, match=r"No agent offers renewal\.check") as error:
        await run.workspace.submit("renewal.check", {})
    assert "Offered are: ticket.read" in error.value.hint
    assert fleet.problems() == ['fleet.on("account.unhappy", do="renewal.check"): no agent offers renewal.check', "agent read 1 has no owner"]

    @fleet.agent(skill="renewal.check", department="success", owner="ana")
    async def check(_: Any) -> str:
        return "checked"

    await run.restart()
    await run.settle("renewal.check", "again")
    assert run.task("renewal.check").output == "checked", "the parked task goes on once somebody offers its skill"


async def test_input_of_the_wrong_form_is_refused_in_code_and_fails_on_a_signal(tutti):
    run = tutti(desk())
    await run.facts()
    with pytest.raises(Invalid, match="n: Input should be a valid integer"):
        await run.workspace.submit("ticket.read", {"n": "many"})
    await run.send("ticket.opened", data={"n": "many"})
    assert (run.task("ticket.read").state, run.task("ticket.read").reason) == ("failed", "invalid_input")
    assert "n: Input should be a valid integer" in run.task("ticket.read").detail


async def test_an_agent_that_returns_the_wrong_type_fails_and_is_named(tutti):
    fleet = Fleet("garbage")
    fleet.agent(skill="job.do", department="ops", name="liar")(agents.garbage({"not": "a list"}))
    run = await tutti(fleet).submit("job.do", {})
    assert (run.task("job.do").state, run.task("job.do").reason) == ("failed", "wrong_output")
    assert "returned what it does not declare" in run.task("job.do").detail


async def test_signals_in_a_circle_stop_after_a_stated_number(tutti):
    fleet = Fleet("circle")

    @fleet.agent(skill="echo", department="ops")
    async def echo(data: dict[str, int], ctx: Context) -> int:
        ctx.signal("echo.heard", data={"n": data["n"] + 1})
        return data["n"]

    fleet.on("echo.heard", do="echo")
    run = await tutti(fleet).send("echo.heard", data={"n": 0})
    assert [task.state for task in run.tasks("echo")] == ["completed"] * 9
    last = (await run.facts("signal.received"))[-1]
    assert last["data"]["stopped"] == "more than 8 signals led from one to the next"


@pytest.mark.parametrize(
    ("declare", "says", "hint"),
    [
        (lambda fleet: fleet.on("a", do="b", when="data.urgency >> 0.8"), "is not CEL: extraneous input '>' at column 15", "for example: data.urgency > 0.8"),
        (lambda fleet: fleet.on("a", do="b", when="payload.urgency > 1"), "speaks of `payload`", "`data`"),
        (lambda fleet: fleet.on("a*b", do="b"), "no type pattern", "prefix"),
        (lambda fleet: fleet.policy("permit (principal action, resource);"), "not a valid Cedar policy", "A policy looks like"),
        (lambda fleet: fleet.policy('permit (principal, action == Tutti::Action::"act", resource) when { context.nope == 1 };'), "nope", "A policy looks like"),
        (lambda fleet: fleet.autonomy("a", level="free"), "no level", "approve, act"),
        (lambda fleet: fleet.budget("b", action="a"), "limits nothing", "money="),
        (lambda fleet: fleet.budget("b", action="a", money="lots"), "not an amount", "20.00"),
        (lambda fleet: fleet.agent(skill="ticket read", department="x"), "no skill name", "noun.verb"),
        (lambda fleet: fleet.agent(skill="ticket.read", department="x", name="read")(agents.lying(1)), "offers ticket.read already", "version="),
        (lambda fleet: fleet.action("ticket.read", department="x"), "declared as advice already", "another name"),
        (lambda fleet: fleet.agent(skill="x", department="x")(lambda: 1), "must take its input", "ctx: Context"),
        (lambda fleet: fleet.agent(skill="x", department="x", cpu=True)(agents.lying(1)), "runs in another process", "plain function"),
        (lambda fleet: fleet.action("y", department="x", amount="sum")(_typed), "no field 'sum'", "Its fields are: n"),
        (lambda fleet: fleet.add(object(), department="x"), "has no skill", "tutti.skill"),
        (lambda fleet: fleet.goal("g", weights={"beauty": 1}), "weights are", "quality"),
        (lambda fleet: fleet.classify("ticket.read", "case."), "is not CEL", "at risk"),
    ],
)
def test_a_wrong_declaration_is_refused_at_its_line_with_what_to_write(declare, says, hint):
    with pytest.raises(Invalid) as error:
        declare(desk())
    assert says in error.value.message
    assert hint in error.value.hint


async def _typed(ticket: Ticket) -> int:
    return ticket.n


async def test_wrong_answers_and_ids_say_what_there_is(tutti):
    run = await tutti(desk()).submit("ticket.read", {"n": 1})
    workspace = run.workspace
    for call in (workspace.task("t-none"), workspace.why("t-none"), workspace.lineage("s-none"), workspace.card("nobody"), workspace.approval("a-none")):
        with pytest.raises(NotFound) as error:
            await call
        assert error.value.message.startswith("There is no")
    for quality in (-1, 2, "good", True):
        with pytest.raises(Invalid, match="no rating"):
            await workspace.rate(run.task("ticket.read").id, quality)
    with pytest.raises(Invalid, match="no kill switch"):
        await workspace.kill("planet")
    with pytest.raises(NotFound, match="to wait for"):
        await workspace.submit("ticket.read", {}, after={"n": "t-none"})


async def test_a_task_past_its_deadline_is_not_started(tutti):
    run = tutti(desk())
    await run.submit("ticket.read", {"n": 1}, deadline=timedelta(seconds=-1))
    assert (run.task("ticket.read").state, run.task("ticket.read").reason) == ("failed", "deadline_passed")
