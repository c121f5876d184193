"""Attempts, fallback, breakers, unknown outcomes, deadlines, cancel, questions, versions, modes."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest

from tutti import Context, Fleet, Settings, Workspace
from tutti.clock import to_text
from tutti.errors import AgentFailed, Conflict
from tutti.testing import World, agents


async def test_a_failure_that_passes_is_tried_again_with_the_same_key(tutti):
    keys = []
    fleet = Fleet("retries")

    @fleet.agent(skill="job.do", department="ops")
    async def do(_: Any, ctx: Context) -> str:
        keys.append(ctx.key)
        if ctx.attempt < 3:
            raise ConnectionError("line is down")
        return "done"

    run = await tutti(fleet).submit("job.do", {})
    assert run.task("job.do").output == "done"
    assert (len(keys), len(set(keys))) == (3, 1)
    assert "2 of 3 attempts did not succeed" in await run.why("job.do")


async def test_another_agent_takes_over_when_one_keeps_failing(tutti):
    fleet = Fleet("fallback")
    fleet.action("job.do", department="ops", name="broken", quality=0.9, attempts=2, idempotent=True)(agents.failing(retry=True))
    fleet.action("job.do", department="ops", name="spare", quality=0.1, idempotent=True)(agents.lying("spare did it"))
    fleet.autonomy("job.do", level="act")
    run = await tutti(fleet).submit("job.do", {})
    assert (run.task("job.do").agent, run.task("job.do").output) == ("spare", "spare did it")
    assert {"agent": "broken@1", "rule": "already failed at this task"} in (await run.explain("job.do"))["route"]["ruled_out"]


async def test_what_nobody_may_take_does_not_wait_for_the_breaker_of_another_skills_agent(tutti):
    fleet = Fleet("elsewhere")
    fleet.agent(skill="job.do", department="ops", attempts=1, name="broken")(agents.failing(retry=False))
    fleet.agent(skill="letter.write", department="ops", name="writer")(agents.lying("dear"))
    run = tutti(fleet)
    for _ in range(5):
        await run.submit("job.do", {})
    await run.kill("agent", "writer")
    await run.submit("letter.write", {})
    parked = (await run.facts("task.parked"))[-1]
    assert parked["about"] == run.task("letter.write").id
    assert parked["at"] < to_text((await run.facts("agent.tripped"))[-1]["data"]["until"])


async def test_a_breaker_opens_and_lets_one_trial_through_later(tutti):
    calls = []
    fleet = Fleet("breaker")

    @fleet.agent(skill="job.do", department="ops", attempts=1)
    async def do(input: dict[str, Any]) -> str:
        calls.append(input)
        if input["fail"]:
            raise AgentFailed("no", retry=False)
        return "ok"

    run = tutti(fleet)
    for _ in range(5):
        await run.submit("job.do", {"fail": True})
    assert len(await run.facts("agent.tripped")) == 1
    await run.submit("job.do", {"fail": False})
    facts = await run.facts()
    tripped = next(fact for fact in facts if fact["kind"] == "agent.tripped")
    started = [fact for fact in facts if fact["kind"] == "run.started"][-1]
    assert started["at"] > tripped["at"], "the sixth waited until the breaker let a trial through"
    assert (await run.facts("agent.recovered"))[0]["about"] == "do"
    assert run.task("job.do").state == "completed"


async def test_why_says_that_what_ran_out_of_time_waited_for_an_open_circuit(tutti):
    fleet = Fleet("breaker")

    @fleet.agent(skill="job.do", department="ops", attempts=1, name="broken")
    async def do(input: str) -> str:
        if input == "fail":
            raise AgentFailed("no", retry=False)
        if input == "slow":
            await asyncio.sleep(60)
        return "ok"

    workspace = await tutti(fleet)._open()
    ran = await workspace.submit("job.do", "slow", deadline=timedelta(seconds=2))
    await asyncio.sleep(0.5)
    for _ in range(5):
        await workspace.submit("job.do", "fail")
    await asyncio.sleep(0.5)
    waited = await workspace.submit("job.do", "ok", deadline=timedelta(seconds=2))
    await workspace.quiet()
    told = "It failed: deadline_passed. It waited while the circuit of broken 1 was open: 6 failures in a row."  # the slow one is the sixth
    assert told in (await workspace.why(waited))["sentence"]
    sentence = (await workspace.why(ran))["sentence"]
    assert ("It failed: deadline_passed." in sentence, "circuit" in sentence) == (True, False)
    later = await workspace.submit("job.do", "ok")
    await workspace.quiet()
    assert (await workspace.task(later))["state"] == "completed"
    assert told in (await workspace.why(waited))["sentence"], "what comes later changes nothing of it"


@pytest.mark.parametrize(("idempotent", "state", "calls"), [(True, "completed", 2), (False, "input-required", 1)])
async def test_an_unknown_outcome_is_repeated_only_where_the_key_is_honoured(tutti, idempotent, state, calls):
    world = World()
    fleet = Fleet("unknown")

    @fleet.action("job.do", department="ops", idempotent=idempotent, timeout=timedelta(seconds=1))
    async def do(_: Any, ctx: Context) -> str:
        await world.do(ctx)
        if ctx.attempt == 1:
            await asyncio.sleep(60)
        return "done"

    fleet.autonomy("job.do", level="act")
    run = await tutti(fleet).submit("job.do", {})
    assert (run.task("job.do").state, run.task("job.do").attempts) == (state, calls)
    assert not world.twice()
    if not idempotent:
        assert run.task("job.do").reason.startswith("nobody knows whether it happened")
        await run.settle("job.do", "happened", reason="the bank confirms")
        assert (run.task("job.do").state, run.task("job.do").output) == ("completed", "the bank confirms")


async def test_a_deadline_holds_queue_and_run(tutti):
    fleet = Fleet("late")
    fleet.agent(skill="job.do", department="ops", concurrency=1, timeout=timedelta(minutes=1))(agents.slow(20, "ok"))
    run = tutti(fleet)
    await run.facts()
    for _ in range(3):
        await run.workspace.submit("job.do", {}, deadline=timedelta(seconds=30))
    await run.advance(timedelta(seconds=90))
    assert sorted(task.state for task in run.tasks()) == ["completed", "failed", "failed"]
    assert {task.reason for task in run.tasks() if task.state == "failed"} <= {"deadline_passed", "timed_out"}


async def test_cancel_stops_what_runs_and_refuses_what_has_ended(tutti):
    fleet = Fleet("cancel")
    fleet.agent(skill="job.do", department="ops")(agents.hanging())
    run = tutti(fleet)
    await run.facts()
    id = await run.workspace.submit("job.do", {})
    await asyncio.sleep(1)
    assert (await run.workspace.cancel(id, reason="not needed"))["state"] == "canceled"
    with pytest.raises(Conflict, match="has ended"):
        await run.workspace.cancel(id)


async def test_one_agent_answers_another_s_question_and_a_circle_is_stopped(tutti):
    fleet = Fleet("asking")

    @fleet.agent(skill="ping", department="ops")
    async def ping(n: int, ctx: Context) -> int:
        return await ctx.ask("pong", n + 1)

    @fleet.agent(skill="pong", department="ops")
    async def pong(n: int, ctx: Context) -> int:
        return n if n < 0 else await ctx.ask("ping", n + 1)

    run = await tutti(fleet).submit("ping", -5)
    assert run.task("ping").state == "completed"
    await run.submit("ping", 1)
    assert run.tasks("ping")[1].state == "failed"
    assert len(run.tasks()) < 20, "two agents that ask each other for ever are stopped by the hop limit"


async def test_a_task_keeps_the_agent_version_it_started_with(tutti):
    def build(version: str) -> Fleet:
        fleet = Fleet("versions")
        for each in sorted({"1", version}):

            @fleet.agent(skill="job.do", department="ops", name="worker", version=each)
            async def do(_: Any, ctx: Context, each: str = each) -> str:
                return f"{await ctx.input('Go on?')} by version {each}"

        return fleet

    run = await tutti(build("1")).submit("job.do", {})
    assert run.task("job.do").version == "1"
    run._fleet = build("2")
    await run.restart()
    await run.answer("job.do", "yes")
    assert run.task("job.do").output == "yes by version 1"


async def test_coalescing_gives_the_second_asker_the_first_one_s_result(tutti):
    calls = []
    fleet = Fleet("coalescing")

    @fleet.agent(skill="account.health", department="success", fresh_for=timedelta(minutes=10))
    async def health(account: dict[str, Any]) -> dict[str, Any]:
        calls.append(account)
        number = len(calls)
        await asyncio.sleep(5)
        return {"score": number}

    run = tutti(fleet)
    await run.facts()
    for _ in range(3):
        await run.workspace.submit("account.health", {"id": 1}, subject="account/1")
    await run.submit("account.health", {"id": 2}, subject="account/2")
    assert len(calls) == 2
    await run.submit("account.health", {"id": 1}, subject="account/1")
    assert [task.output["score"] for task in run.tasks()].count(run.tasks()[0].output["score"]) == 4
    assert run.task("account.health").coalesced_into == run.tasks()[0].id
    await run.restart()
    await run.submit("account.health", {"id": 1}, subject="account/1")
    assert len(calls) == 2, "the work is remembered by the journal, not by the process"
    await run.advance(timedelta(minutes=11))
    await run.submit("account.health", {"id": 1}, subject="account/1")
    assert len(calls) == 3, "after its freshness window the work is done again"


def slow_square(n: int) -> int:
    """Runs in a process of its own."""
    return n * n


async def test_sync_functions_run_in_threads_and_heavy_ones_in_processes_while_the_loop_goes_on(tmp_path):
    fleet = Fleet("modes")
    fleet.agent(skill="number.square", department="ops", cpu=True)(slow_square)

    asleep, woken = threading.Semaphore(0), threading.Event()

    @fleet.agent(skill="nap", department="ops")
    def nap(seconds: float) -> str:
        asleep.release()
        return "rested" if woken.wait(seconds) else "overslept"

    async with Workspace(fleet, Settings("modes", tmp_path)) as workspace:
        naps = [await workspace.submit("nap", 20.0) for _ in range(2)]
        for _ in naps:
            while not asleep.acquire(blocking=False):
                await asyncio.sleep(0.01)
        woken.set()  # by the loop, which goes on while both sleep
        assert [await workspace.result(id) for id in naps] == ["rested", "rested"]
        assert await workspace.result(await workspace.submit("number.square", 12)) == 144


async def test_departments_share_by_weight_under_overload_and_priorities_count_inside(tutti):
    order = []
    fleet = Fleet("shares", departments={"support": 3, "marketing": 1})
    for department in ("support", "marketing"):

        @fleet.agent(skill=f"{department}.work", department=department, name=department, concurrency=4)
        async def work(n: int, department: str = department) -> int:
            order.append((department, n))
            await asyncio.sleep(1)
            return n

    run = tutti(fleet)
    await run.facts()
    run.workspace.corridor.traffic._slots = 4
    for n in range(40):
        for department in ("marketing", "support"):
            await run.workspace.submit(f"{department}.work", n, priority=5 if n == 39 else 0)
    await run.advance(timedelta(minutes=2))
    middle = [department for department, _ in order[8:40]]
    assert abs(middle.count("support") / len(middle) - 0.75) <= 0.1
    assert order.index(("support", 39)) < order.index(("support", 20)), "a higher priority overtakes inside its department"
    assert len(order) == 80
