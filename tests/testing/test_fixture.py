"""The fixture `tutti`, as a user's tests see it."""

from __future__ import annotations

import asyncio
import textwrap
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from tutti import Context, Fleet
from tutti.testing import World, agents

pytest_plugins = ["pytester"]


class Refund(BaseModel):
    account: str
    amount: float


def support() -> Fleet:
    fleet = Fleet("support")

    @fleet.agent(skill="ticket.triage", department="support")
    async def triage(ticket: dict[str, Any], ctx: Context) -> dict[str, Any]:
        ctx.propose("refund.pay", Refund(account=ticket["account"], amount=ticket["amount"]))
        return {"urgent": True}

    @fleet.action("refund.pay", department="finance", amount="amount", idempotent=True)
    async def pay(refund: Refund, ctx: Context) -> str:
        return f"paid {refund.amount}"

    @fleet.agent(skill="colour.choose", department="support")
    async def choose(_: Any, ctx: Context) -> list[Any]:
        return await asyncio.gather(ctx.input("Which colour?"), ctx.ask("colour.list", {}))

    @fleet.agent(skill="colour.list", department="support")
    def colours(_: Any) -> list[str]:
        return ["red", "green"]

    fleet.on("ticket.opened", do="ticket.triage")
    fleet.autonomy("refund.pay", level="act", up_to=10)
    return fleet


async def test_a_large_refund_waits_for_a_person(tutti):
    run = await tutti(support()).send("ticket.opened", subject="account/7", data={"account": "7", "amount": 20})
    task = run.task("refund.pay")
    assert (task.state, task.waiting_for, task.amount, task.subject) == ("input-required", "person", 20, "account/7")
    await run.approve("refund.pay")
    assert run.task("refund.pay").output == "paid 20.0"
    assert "asked because 20.00 is above 10.00" in await run.why("refund.pay")


async def test_a_small_one_is_paid_and_a_no_is_a_no(tutti):
    run = await tutti(support()).send("ticket.opened", data={"account": "7", "amount": 5})
    assert run.task("refund.pay").state == "completed"
    await run.send("ticket.opened", data={"account": "8", "amount": 50})
    await run.reject("refund.pay", note="too much")
    assert [task.state for task in run.tasks("refund.pay")] == ["completed", "rejected"]


async def test_questions_are_answered_also_after_a_restart(tutti):
    run = await tutti(support()).submit("colour.choose", {})
    assert run.task("colour.choose").waiting_for == "person"
    await run.restart()
    await run.answer("colour.choose", "green")
    assert run.task("colour.choose").output == ["green", ["red", "green"]]


async def test_an_approval_expires_in_virtual_time(tutti):
    run = await tutti(support()).send("ticket.opened", data={"account": "7", "amount": 20})
    await run.advance(timedelta(hours=25))
    assert run.task("refund.pay").reason == "nobody answered before the approval expired"


async def test_sleeping_in_a_test_takes_no_time(tutti):
    run = tutti(support())
    before = run.clock.now()
    await asyncio.sleep(3600)
    assert run.clock.now() - before == 3_600_000_000


async def test_a_kill_switch_parks_and_lifting_it_goes_on(tutti):
    run = tutti(support())
    await run.kill("action", "refund.pay", reason="audit")
    await run.send("ticket.opened", data={"account": "7", "amount": 5})
    assert run.task("refund.pay").reason == "kill switch on action refund.pay: audit"
    await run.lift("action", "refund.pay")
    assert run.task("refund.pay").state == "completed"


async def test_two_fleets_side_by_side(tutti):
    one, two = tutti(support()), tutti(support())
    await one.send("ticket.opened", data={"account": "7", "amount": 5})
    assert (len(one.tasks()), len(two.tasks())) == (2, 0)


async def test_asking_for_what_is_not_there_says_what_is(tutti):
    run = await tutti(support()).send("ticket.opened", data={"account": "7", "amount": 5})
    with pytest.raises(LookupError, match=r"there is no task of refund\.make; there is: <ticket\.triage"):
        run.task("refund.make")
    with pytest.raises(LookupError, match=r"refund\.pay asks for no approval; there is: <refund\.pay t-\S+: completed>"):
        await run.approve("refund.pay")
    with pytest.raises(AttributeError, match="a task has no 'colour'"):
        run.task("refund.pay").colour  # noqa: B018


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: agents.failing("closed today"), "agent_failed"),
        (agents.hanging, "timed_out"),
        (agents.garbage, "wrong_output"),
        (lambda: agents.flaky(1.0), "agent_raised"),
    ],
)
async def test_scripted_agents_fail_as_they_say(tutti, make, reason):
    fleet = Fleet("scripted")
    fleet.agent(skill="do.it", department="d", timeout=timedelta(seconds=5))(make())
    run = await tutti(fleet).submit("do.it", {})
    assert (run.task("do.it").state, run.task("do.it").reason) == ("failed", reason)


async def test_scripted_agents_answer_in_the_end(tutti):
    fleet = Fleet("scripted")
    fleet.agent(skill="slow.one", department="d")(agents.slow(20, lambda input: input["a"] + 1))
    fleet.agent(skill="late.one", department="d")(agents.failing(retry=True, times=2, gives="at last"))
    fleet.agent(skill="false.one", department="d")(agents.lying({"sure": True}))
    run = tutti(fleet)
    await run.submit("slow.one", {"a": 1})
    await run.submit("late.one", {})
    await run.submit("false.one", {})
    assert [task.output for task in run.tasks()] == [2, "at last", {"sure": True}]
    assert run.task("late.one").attempts == 3


async def test_the_world_honours_keys_and_loses_acknowledgements(tutti):
    world = World(latency=0.2, lost=1.0)
    fleet = Fleet("acting")

    @fleet.action("mail.send", department="d", idempotent=True, timeout=timedelta(seconds=2))
    async def mail(text: str, ctx: Context) -> None:
        await world.do(ctx, "mail")

    fleet.autonomy("mail.send", level="act")
    run = await tutti(fleet).submit("mail.send", "hello")
    assert run.task("mail.send").reason == "nobody knows whether it happened, after 3 attempts"
    assert (len(world.calls), len(world.effects), world.twice()) == (3, 1, [])


async def test_a_world_that_ignores_keys_shows_what_happened_twice(tutti):
    world = World(honours_keys=False)
    fleet = Fleet("acting")

    @fleet.agent(skill="mail.send", department="d")
    async def mail(text: str, ctx: Context) -> None:
        await world.do(ctx, "mail")
        await world.do(ctx, "mail")

    run = await tutti(fleet).submit("mail.send", "hello")
    assert world.twice() == [run.task("mail.send").id]


USERS_TEST = """
    from typing import Any
    from tutti import Fleet

    fleet = Fleet("mine")

    @fleet.agent(skill="number.double", department="d")
    def double(number: int) -> int:
        return number * 2

    async def test_double(tutti):
        run = await tutti(fleet).submit("number.double", 21)
        assert run.task("number.double").output == 42

    async def test_that_fails(tutti):
        run = await tutti(fleet).submit("number.double", 21)
        assert run.task("number.double").output == 43

    class TestInAClass:
        async def test_double(self, tutti, tmp_path):
            run = await tutti(fleet).submit("number.double", 4)
            assert run.task("number.double").output == 8 and tmp_path.exists()

    async def test_that_waits_for_nothing(tutti):
        import asyncio
        await asyncio.get_running_loop().create_future()
"""


@pytest.mark.parametrize("options", [["-p", "no:asyncio"], ["-o", "asyncio_mode=strict"], ["-o", "asyncio_mode=auto"]])
def test_a_users_test_needs_no_configuration(pytester, options):
    pytester.makepyfile(textwrap.dedent(USERS_TEST))
    plugin = [] if pytester._request.config.pluginmanager.hasplugin("tutti") else ["-p", "tutti.testing.plugin"]
    others = ["-p", "no:schemathesis", "-p", "no:hypothesispytest"]  # a user has none of these, and they take longer than the test
    result = pytester.runpytest_subprocess("-W", "ignore", *plugin, *others, *options)
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*assert 42 == 43*", "*Hang: Nothing is scheduled*"])
