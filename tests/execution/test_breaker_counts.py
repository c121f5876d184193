"""What a breaker counts: failures of the agent, and not what a cap, a gate, a switch or a person did to it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tutti import Context, Fleet
from tutti.errors import AgentFailed, Invalid
from tutti.execution.breakers import THRESHOLD
from tutti.model.task import Stage
from tutti.model.usage import Spent

TIMES = THRESHOLD + 2


def paying(fleet: Fleet, **options: Any) -> None:
    @fleet.agent(skill="text.write", department="ops", name="writer", attempts=1, **options)
    async def write(input: Any, ctx: Context) -> str:
        held = await ctx._open_line().reserve("scripted", Spent(50, 50, 0, None))
        await ctx._open_line().settle(held, Spent(50, 50, 0, None))
        return "written"


def asking(fleet: Fleet, skill: str) -> None:
    @fleet.agent(skill="case.solve", department="ops", name="solver", attempts=1)
    async def solve(input: Any, ctx: Context) -> Any:
        return await ctx.ask(skill, input)


async def failed(tutti: Any, fleet: Fleet, skill: str) -> Any:
    run = tutti(fleet)
    for number in range(TIMES):
        await run.submit(skill, {"number": number, "amount": 5})
        assert run.task(skill).state == "failed"
        assert run.task(skill).reason == "held_back"
    return run


@pytest.mark.parametrize("limit", [{"tokens": 10}, {"money": 1}])
async def test_a_cap_that_says_no_opens_no_breaker(tutti, limit):
    fleet = Fleet("capped")
    paying(fleet)
    asking(fleet, "text.write")
    fleet.cap("day", agent="writer", **limit)
    run = await failed(tutti, fleet, "text.write")
    assert await run.facts("agent.tripped") == []


async def test_nor_for_who_asked_the_one_that_is_capped(tutti):
    fleet = Fleet("chain")
    paying(fleet)
    asking(fleet, "text.write")
    fleet.cap("day", agent="writer", tokens=10)
    run = await failed(tutti, fleet, "case.solve")
    assert await run.facts("agent.tripped") == []


@pytest.mark.parametrize("how", ["budget", "policy", "canceled"])
async def test_a_gate_or_a_person_that_says_no_opens_no_breaker_of_who_asked(tutti, how):
    fleet = Fleet("gated")
    asking(fleet, "refund.pay")

    @fleet.action("refund.pay", department="finance", amount="amount", idempotent=True)
    async def pay(input: dict[str, Any]) -> str:
        return "paid"

    fleet.autonomy("refund.pay", level="approve" if how == "canceled" else "act")
    if how == "budget":
        fleet.budget("refunds", action="refund.pay", money=1)
    if how == "policy":
        fleet.policy('permit (principal, action, resource); forbid (principal, action == Tutti::Action::"act", resource);')
    if how != "canceled":
        run = await failed(tutti, fleet, "case.solve")
    else:
        run = tutti(fleet)
        for _ in range(TIMES):
            await run.submit("case.solve", {"amount": 5})
            (open_one,) = [task for task in run.tasks("refund.pay") if task.stage == Stage.APPROVAL]
            await run.workspace.cancel(open_one.id)
            await run.advance(timedelta())
            assert run.task("case.solve").reason == "held_back"
    assert await run.facts("agent.tripped") == []


async def test_what_the_agent_itself_does_wrong_still_opens_it(tutti):
    fleet = Fleet("broken")

    @fleet.agent(skill="job.do", department="ops", attempts=1)
    async def do(input: Any) -> str:
        raise AgentFailed("no", retry=False)

    run = tutti(fleet)
    for _ in range(THRESHOLD):
        await run.submit("job.do", {})
    assert len(await run.facts("agent.tripped")) == 1


@pytest.mark.parametrize("how", ["wrong input", "canceled"])
async def test_a_trial_that_says_nothing_of_the_agent_leaves_room_for_another(tutti, how):
    fleet = Fleet("trial")

    @fleet.agent(skill="job.do", department="ops", name="clerk", attempts=1)
    async def do(input: dict[str, Any], ctx: Context) -> str:
        match input["do"]:
            case "fail":
                raise AgentFailed("no", retry=False)
            case "odd":
                raise Invalid("This cannot be done.", code="invalid_input")
            case "ask":
                return str(await ctx.input("And now?"))
        return "done"

    run = tutti(fleet)
    for _ in range(THRESHOLD):
        await run.submit("job.do", {"do": "fail"})
    await run.advance(timedelta(seconds=10))
    if how == "canceled":
        await run.submit("job.do", {"do": "ask"})
        await run.workspace.cancel(run.task("job.do").id)
        await run.advance(timedelta())
        assert run.task("job.do").state == "canceled"
    else:
        await run.submit("job.do", {"do": "odd"})
        assert run.task("job.do").reason == "invalid_input"
    await run.submit("job.do", {"do": "well"})
    assert run.task("job.do").output == "done"
    assert len(await run.facts("agent.recovered")) == 1
