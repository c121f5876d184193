"""Caps on calls to models: reserved before, settled after, never exceeded."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

import pytest

from tutti import Context, Fleet, Settings, Workspace
from tutti.app import FOLDS, TABLES
from tutti.errors import Invalid
from tutti.journal import rebuild, verify
from tutti.model.usage import Price, Spent


def caller(*, most: int, took: Any, calls: int = 1, seconds: float = 0.0, child: str = ""):
    """An agent that calls a model which costs a millionth a token: it may take `most` tokens, and takes `took`."""

    async def call(input: Any, ctx: Context) -> int:
        line, made = ctx._open_line(), 0
        for _ in range(calls):
            held = await line.reserve("scripted", Spent(most // 2, most - most // 2, 0, most))
            await asyncio.sleep(seconds)
            tokens = took() if callable(took) else took
            await line.settle(held, Spent(tokens, 0, 0, tokens))
            ctx.cost += tokens / 1_000_000
            made += 1
        if child:
            made += await ctx.ask(child, {})
        return made

    return call


async def taken(run: Any, name: str) -> dict[str, int]:
    rows = await run.workspace.journal.select("SELECT SUM(money) AS money, SUM(tokens) AS tokens, SUM(calls) AS calls FROM capped WHERE cap = ?", (name,))
    return {column: int(value or 0) for column, value in rows[0].items()}


@pytest.mark.parametrize("seed", range(6))
async def test_random_calls_at_once_never_exceed_a_cap(tutti, seed):
    draws = random.Random(seed)
    limit, most = draws.randint(300, 900), draws.randint(20, 120)
    fleet = Fleet("storm")
    for name in ("one", "two", "three"):
        fleet.agent(skill=f"{name}.do", department="ops", name=name, attempts=1)(
            caller(most=most, took=lambda: draws.randint(0, most), calls=3, seconds=draws.random())
        )
    fleet.cap("ops-all", department="ops", tokens=limit, money=limit / 1_000_000)
    fleet.cap("one-calls", agent="one", calls=7)
    run = await tutti(fleet).advance(timedelta())
    await asyncio.gather(*(run.workspace.submit(f"{draws.choice(('one', 'two', 'three'))}.do", {}) for _ in range(30)))
    seen: list[int] = []
    while True:  # at every moment, with calls under way
        counted = await taken(run, "ops-all")
        seen.append(counted["tokens"])
        assert counted["tokens"] <= limit
        assert counted["money"] <= limit
        assert (await taken(run, "one-calls"))["calls"] <= 7
        if not (await run.workspace.tasks(state="working", limit=1))["tasks"] and not (await run.workspace.tasks(state="submitted", limit=1))["tasks"]:
            break
        await asyncio.sleep(0.05)
    await run.advance(timedelta())
    spent = sum(fact["data"]["input_tokens"] for fact in await run.facts("model.called"))
    assert spent == (await taken(run, "ops-all"))["tokens"] <= limit
    assert max(seen) > limit - 2 * most  # the cap was worth having: calls ran up to it
    assert any("cap " in (task.detail or "") for task in run.tasks())


async def test_over_the_cap_a_task_fails_with_its_name_and_is_not_tried_again(tutti):
    fleet = Fleet("small")
    fleet.agent(skill="job.do", department="ops", name="clerk", attempts=3)(caller(most=100, took=60))
    fleet.cap("clerk-day", agent="clerk", tokens=150, per="day")
    run = await tutti(fleet).submit("job.do", {})
    assert run.task("job.do").state == "completed"
    await run.submit("job.do", {})  # 60 are used, 100 more might make 160
    task = run.task("job.do")
    assert (task.state, task.attempts) == ("failed", 1)
    assert "cap clerk-day is reached: it allows 150 tokens today" in task.detail
    assert len(await run.facts("model.called")) == 1
    await run.advance(timedelta(days=1))
    await run.submit("job.do", {})
    assert run.task("job.do").state == "completed"


async def test_the_cap_of_a_chain_holds_over_the_agents_it_asks(tutti):
    fleet = Fleet("chain")
    fleet.agent(skill="first.do", department="a", name="first", attempts=1)(caller(most=40, took=40, child="second.do"))
    fleet.agent(skill="second.do", department="b", name="second", attempts=1)(caller(most=40, took=40, child="third.do"))
    fleet.agent(skill="third.do", department="c", name="third", attempts=1)(caller(most=40, took=40))
    fleet.cap("per-case", per_task=True, tokens=100)
    run = await tutti(fleet).submit("first.do", {})
    assert [run.task(f"{name}.do").state for name in ("first", "second", "third")] == ["failed"] * 3
    assert "cap per-case is reached" in run.task("third.do").detail
    assert "for one task and all that follows it" in run.task("third.do").detail
    await run.submit("second.do", {})  # a chain of its own
    assert run.task("second.do").output == 2


async def test_a_call_whose_end_nobody_saw_stays_counted_in_full(tutti):
    hold: list[bool] = [True]
    fleet = Fleet("lost")

    async def call(input: Any, ctx: Context) -> str:
        line = ctx._open_line()
        held = await line.reserve("scripted", Spent(50, 50, 0, 100))
        if hold.pop():
            await asyncio.get_running_loop().create_future()
        await line.settle(held, Spent(10, 0, 0, 10))
        return "done"

    fleet.agent(skill="job.do", department="ops", attempts=1, timeout=timedelta(seconds=1))(call)
    fleet.cap("all", tokens=250)
    run = await tutti(fleet).submit("job.do", {})
    assert (run.task("job.do").state, (await taken(run, "all"))["tokens"]) == ("failed", 100)
    usage = (await run.workspace.measures())["usage"]["department"]
    assert usage == [{"name": "ops", "calls": 0, "input_tokens": 0, "output_tokens": 0, "cached": 0, "unpriced": 0, "cost": 0.0, "unsettled": 0.0001}]
    await run.restart()
    hold.append(False)
    await run.submit("job.do", {})
    assert (await taken(run, "all"))["tokens"] == 110


async def test_what_calls_took_is_told_per_agent_department_and_model(tutti):
    fleet = Fleet("told")
    fleet.agent(skill="a.do", department="ops", name="a")(caller(most=100, took=30, calls=2))
    fleet.agent(skill="b.do", department="ops", name="b")(caller(most=100, took=5))
    run = await (await tutti(fleet).submit("a.do", {})).submit("b.do", {})
    usage = (await run.workspace.measures())["usage"]
    assert [(row["name"], row["calls"], row["input_tokens"], row["cost"]) for row in usage["agent"]] == [("a", 2, 60, 60e-6), ("b", 1, 5, 5e-6)]
    assert [(row["name"], row["cost"]) for row in usage["department"]] == [("ops", 65e-6)]
    assert [row["name"] for row in usage["model"]] == ["scripted"]
    assert [fact["data"]["cost"] for fact in await run.facts("run.finished")] == [60, 5]
    assert not await run.facts("model.reserved")  # no cap, nothing to reserve


async def test_a_cap_on_money_refuses_a_model_whose_price_nobody_said(tutti):
    fleet = Fleet("unpriced")

    async def call(input: Any, ctx: Context) -> str:
        await ctx._open_line().reserve("scripted", Spent(10, 10))
        return "done"

    fleet.agent(skill="job.do", department="ops")(call)
    fleet.cap("purse", money=5)
    run = await tutti(fleet).submit("job.do", {})
    assert run.task("job.do").state == "failed"
    assert "cap purse counts money, and nobody said what this model costs" in run.task("job.do").detail


async def test_a_cap_that_is_no_longer_declared_holds_no_longer(tutti):
    fleet = Fleet("gone")
    fleet.agent(skill="job.do", department="ops")(caller(most=10, took=10))
    fleet.cap("none", calls=0)
    run = await tutti(fleet).submit("job.do", {})
    assert run.task("job.do").state == "failed"
    fleet.caps.clear()
    await (await run.restart()).submit("job.do", {})
    assert run.task("job.do").state == "completed"
    assert [fact["about"] for fact in await run.facts("cap.removed")] == ["none"]


def test_a_cap_of_an_agent_or_department_that_is_not_there_is_told():
    fleet = Fleet("typo")
    fleet.agent(skill="job.do", department="ops", name="clerk", owner="ana")(caller(most=1, took=1))
    fleet.cap("a", agent="clark", calls=1)
    fleet.cap("b", department="opps", calls=1)
    fleet.cap("c", agent="clerk", department="ops", calls=1)
    assert fleet.problems() == ["cap a: there is no agent clark", "cap b: no agent is in opps"]


def two_nodes() -> Fleet:
    fleet = Fleet("nodes")
    fleet.agent(skill="job.do", department="ops", attempts=1)(caller(most=100, took=30, calls=2))
    fleet.cap("all", tokens=400)
    return fleet


async def test_two_nodes_on_one_database_do_not_exceed_a_cap_together(postgres_url, tmp_path):
    settings = Settings("capped-pair", tmp_path, postgres_url)
    async with Workspace(two_nodes(), settings) as first, Workspace(two_nodes(), settings) as second:
        for number in range(12):
            await (first, second)[number % 2].submit("job.do", {})
        for _ in range(3):
            for node in (first, second):
                await node.journal.catch_up()
                await node.quiet()
        rows = await first.journal.select("SELECT tokens, calls FROM capped")
        assert 4 * 30 <= rows[0]["tokens"] <= 400, "four reservations fit at least, however the calls fall together"
        refused = [task for task in (await first.tasks(state="failed"))["tasks"] if task["reason"] == "held_back"]
        assert refused, "the cap was reached"
        took = await first.journal.select("SELECT SUM(input_tokens) AS n, SUM(reserved) AS reserved FROM usage WHERE scope = 'agent'")
        assert (int(took[0]["n"]), int(took[0]["reserved"])) == (rows[0]["tokens"], 0)
    assert verify(settings.place, witness=settings.witness, workspace="capped-pair").ok
    assert rebuild(settings.place, TABLES, FOLDS, workspace="capped-pair") == []  # replaying the facts gives the same rows


def test_caps_that_limit_nothing_or_are_no_limits_are_refused():
    fleet = Fleet("wrong")
    with pytest.raises(Invalid, match="limits nothing"):
        fleet.cap("a")
    with pytest.raises(Invalid, match="no period"):
        fleet.cap("a", calls=1, per="year")  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="below nothing"):
        fleet.cap("a", tokens=-1)
    fleet.cap("a", calls=1)
    with pytest.raises(Invalid, match="twice"):
        fleet.cap("a", calls=1)


def test_a_price_counts_cached_tokens_apart_and_rounds_up():
    price = Price(3_000_000, 300_000, 15_000_000)
    assert price.of(1000, 0, 100) == 4500
    assert price.of(1000, 1000, 0) == 300
    assert price.of(1, 0, 0) == 3
    assert Price(1, 0, 0).of(1, 0, 0) == 1  # a millionth of a millionth is still something
