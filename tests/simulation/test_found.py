"""What seeds have found, each as one small case."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tutti import Context, Fleet
from tutti.errors import AgentFailed, Conflict
from tutti.model.fact import Fact
from tutti.testing import World


def acting(world: World, error: BaseException | None = None, *, idempotent: bool = False, output: Any = None) -> Fleet:
    fleet = Fleet("acting")

    @fleet.action("mail.send", department="d", idempotent=idempotent, name="first")
    async def first(text: str, ctx: Context) -> str:
        await world.do(ctx, "mail")
        if error is not None:
            raise error
        return output

    @fleet.action("mail.send", department="d", idempotent=idempotent, name="second", quality=0.1)
    async def second(text: str, ctx: Context) -> str:
        await world.do(ctx, "mail")
        return "sent"

    fleet.autonomy("mail.send", level="act")
    fleet.budget("mails", action="mail.send", count=5, per="ever")
    return fleet


@pytest.mark.parametrize(("error", "output"), [(TimeoutError(), None), (ConnectionError("gone"), None), (None, 5)], ids=["timeout", "raised", "wrong output"])
async def test_an_action_that_fails_after_its_effect_is_not_made_twice(tutti, error, output):
    world = World()
    run = await tutti(acting(world, error, output=output)).submit("mail.send", "hello")
    assert run.task("mail.send").reason == "nobody knows whether it happened, and the agent does not promise to do it once"
    assert len(world.calls) == 1
    assert run.workspace.journal.hot.table("spending")["mails", "ever"]["count"] == 1  # it may have been used


async def test_an_action_that_says_nothing_happened_is_given_to_another(tutti):
    world = World(honours_keys=False)
    run = await tutti(acting(world, AgentFailed("the letter box is full"))).submit("mail.send", "hello")
    assert (run.task("mail.send").state, run.task("mail.send").agent) == ("completed", "second")
    assert run.workspace.journal.hot.table("spending")["mails", "ever"]["count"] == 1  # the first one gave its share back


def health(fails: int) -> Fleet:
    fleet = Fleet("health")
    calls: list[int] = []

    @fleet.agent(skill="account.health", department="d", fresh_for=timedelta(seconds=60), attempts=1)
    async def health(account: dict[str, Any]) -> dict[str, Any]:
        calls.append(1)
        await asyncio.sleep(1)
        if len(calls) <= fails:
            raise AgentFailed("locked")
        return {"score": len(calls)}

    return fleet


async def test_one_that_follows_at_the_moment_of_the_end_has_the_result_too(tutti):
    run = await tutti(health(0)).submit("account.health", {"a": 0})
    workspace = run.workspace
    second: list[asyncio.Task[Any]] = []

    def ask(facts: list[Fact]) -> None:
        if any(fact.kind == "run.started" for fact in facts):
            asyncio.get_running_loop().call_later(1.0, lambda: second.append(asyncio.create_task(workspace.submit("account.health", {"a": 1}))))

    workspace.journal.on_facts.append(ask)
    await run.submit("account.health", {"a": 1})
    await asyncio.gather(*second)
    await run.advance(timedelta(seconds=1))
    assert {task.state for task in run.tasks()} == {"completed"}


async def test_after_a_failure_the_work_is_done_anew_and_its_result_is_the_right_one(tutti):
    run = tutti(health(1))
    workspace = (await run.advance(timedelta())).workspace
    await asyncio.gather(*(workspace.submit("account.health", {"a": 1}) for _ in range(2)))
    await run.advance(timedelta(seconds=5))
    await run.submit("account.health", {"a": 1})
    assert [(task.state, task.output) for task in run.tasks()] == [("failed", None), ("completed", {"score": 2}), ("completed", {"score": 2})]


async def test_a_follower_goes_on_when_the_first_one_fails_as_the_process_starts(tutti):
    fleet = Fleet("late")

    @fleet.agent(skill="account.health", department="d", fresh_for=timedelta(seconds=60))
    async def health(account: dict[str, Any], ctx: Context) -> int:
        if ctx.attempt == 1 and ctx.deadline is not None:
            await asyncio.get_running_loop().create_future()
        return 5

    run = tutti(fleet)
    workspace = (await run.advance(timedelta())).workspace
    await workspace.submit("account.health", {}, deadline=timedelta(seconds=10))
    await asyncio.sleep(1)
    await workspace.submit("account.health", {})
    await asyncio.sleep(1)
    await run._close_workspace()
    await asyncio.sleep(20)  # the deadline passes while no process is there
    await run.advance(timedelta())
    assert [(task.state, task.output) for task in run.tasks()] == [("failed", None), ("completed", 5)]


@pytest.mark.parametrize("retry", [False, True])
async def test_a_kill_switch_between_start_and_call_leaves_no_task_behind(tutti, retry):
    """The start is recorded, what is known of the subject is being read, and the switch is thrown."""
    called: list[str] = []
    fleet = Fleet("acting")

    @fleet.action("mail.send", department="d", when="true", idempotent=True)
    async def mail(text: str, ctx: Context) -> str:
        called.append(ctx.task)
        if retry:
            raise AgentFailed("busy", retry=len(called) == 1)
        return "sent"

    fleet.autonomy("mail.send", level="act")
    run = tutti(fleet)
    workspace = (await run.advance(timedelta())).workspace
    kills: list[asyncio.Task[Any]] = []

    def throw(facts: list[Fact]) -> None:
        if any(fact.kind == ("run.finished" if retry else "run.started") for fact in facts) and not kills:
            kills.append(asyncio.create_task(workspace.kill("action", "mail.send", reason="stop")))

    workspace.house.notes.forget = lambda subject: None
    workspace.journal.on_facts.append(throw)
    await run.submit("mail.send", "hello", subject="account/1")
    await asyncio.gather(*kills)
    await run.advance(timedelta(seconds=30))
    assert run.task("mail.send").stage == "parked"
    assert len(called) == retry
    await run.lift("action", "mail.send")
    assert run.task("mail.send").state == ("failed" if retry else "completed")


async def test_quiet_is_told_when_one_of_two_that_are_awaited_has_ended(tutti):
    fleet = Fleet("waiting")

    @fleet.agent(skill="both.ask", department="d")
    async def both(_: Any, ctx: Context) -> Any:
        return await asyncio.gather(ctx.ask("person.ask", {}), ctx.ask("slow.do", {}))

    @fleet.agent(skill="person.ask", department="d")
    async def person(_: Any, ctx: Context) -> Any:
        return await ctx.input("Well?")

    @fleet.agent(skill="slow.do", department="d")
    async def slow(_: Any) -> int:
        await asyncio.sleep(5)
        return 1

    run = await tutti(fleet).submit("both.ask", {})
    await run.answer("person.ask", "yes")
    assert run.task("both.ask").output == ["yes", 1]


def asking() -> Fleet:
    fleet = Fleet("asking")

    @fleet.action("price.change", department="d")
    async def change(price: dict[str, Any]) -> str:
        return "changed"

    return fleet


@pytest.mark.parametrize("answer", ["approve", "reject"])
async def test_a_task_that_was_canceled_cannot_be_approved_any_more(tutti, answer):
    run = await tutti(asking()).submit("price.change", {})
    approval = run.task("price.change").approval
    await run.cancel("price.change")
    with pytest.raises(Conflict, match=r"was answered already: expired|is not asked any more"):
        await run.workspace.answer_as_owner(approval, answer)
    assert await run.workspace.approvals() == []
    await run.advance(timedelta())
    assert (run.task("price.change").state, run.task("price.change").stage) == ("canceled", "ended")


async def test_a_yes_that_a_kill_switch_made_void_is_asked_for_again(tutti):
    run = await tutti(asking()).submit("price.change", {})
    first = run.task("price.change").approval
    await run.kill("action", "price.change")
    await run.approve("price.change")
    assert run.task("price.change").stage == "parked"
    await run.lift("action", "price.change")
    assert run.task("price.change").approval != first
    assert [row["id"] for row in run.workspace.journal.hot.table("approval").values()] == [run.task("price.change").approval]
    await run.approve("price.change")
    assert run.task("price.change").state == "completed"


async def test_after_a_failure_the_next_ones_share_the_work_again(tutti):
    run = tutti(health(1))
    workspace = (await run.submit("account.health", {"a": 1})).workspace
    await asyncio.gather(*(workspace.submit("account.health", {"a": 1}) for _ in range(3)))
    await run.advance(timedelta(seconds=5))
    assert [task.state for task in run.tasks()] == ["failed", "completed", "completed", "completed"]
    assert {task.output["score"] for task in run.tasks()[1:]} == {2}


async def test_a_task_whose_subject_was_erased_is_parked_with_the_reason(tutti):
    run = tutti(asking())
    await run.kill("action", "price.change")
    await run.submit("price.change", {}, subject="account/1")
    await run.workspace.erase("account/1")
    await run.lift("action", "price.change")
    assert "was erased" in run.task("price.change").reason


async def test_what_an_action_did_is_recorded_also_when_its_subject_is_erased_meanwhile(tutti):
    fleet, world = Fleet("acting"), World()

    @fleet.action("mail.send", department="d")
    async def mail(text: str, ctx: Context) -> str:
        await world.do(ctx, "mail")
        await asyncio.sleep(5)
        return "sent"

    fleet.check("mail.send")(lambda input, output: 1.0)
    fleet.autonomy("mail.send", level="act")
    run = await tutti(fleet).advance(timedelta())
    task = await run.workspace.submit("mail.send", "hello", subject="account/1")
    await asyncio.sleep(1)
    await run.workspace.erase("account/1")
    await run.advance(timedelta(seconds=10))
    assert (run.task(task).state, run.task(task).quality, len(world.effects)) == ("completed", None, 1)
