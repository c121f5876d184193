"""Taking a negotiation over: a person ends it once, within its policy, and the record says who."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from tutti import Context, Fleet, Settings, Workspace, negotiation
from tutti.errors import Conflict, Invalid, NotFound, Refused
from tutti.negotiation import End

CASE: dict[str, Any] = {
    "issues": {"price": [0, 5, 10], "term": [12, 24]}, "parties": {"buyer": 1, "seller": 1}, "fallback": {"price": 0, "term": 12},
    "policy": [{"rule": "no long terms at 10", "forbid": {"price": 10, "term": 24}}], "approval": [{"rule": "ten needs a yes", "forbid": {"price": 10}}],
    "deadline": timedelta(hours=1), "about": {"order": 7},
}  # fmt: skip


class Slow:
    """A party that takes its time."""

    def __init__(self, name: str, seconds: float) -> None:
        self.name, self.seconds = name, seconds

    async def score(self, outcomes: list[dict[str, Any] | None]) -> list[float]:
        await asyncio.sleep(self.seconds)
        return [float(len(str(outcome))) for outcome in outcomes]


def market(seconds: float = 1200.0) -> Fleet:
    fleet = Fleet("market")
    for name in ("buyer", "seller"):
        fleet.party(Slow(name, seconds), name=name, department="sales")

    @fleet.agent(skill="deal.book", department="sales")
    async def book(settled: dict[str, Any], ctx: Context) -> dict[str, Any]:
        return settled

    fleet.on("negotiation.settled", do="deal.book")
    return fleet


async def going_on(run: Any, **more: Any) -> str:
    await run.advance(timedelta(seconds=1))
    id = await run.workspace.negotiate(**CASE | more, subject="account/7")
    await asyncio.sleep(5)
    assert run.workspace.journal.hot.table("task")[id,]["stage"] == "running"
    return str(id)


async def test_it_ends_with_the_outcome_that_a_person_names(tutti):
    run = tutti(market())
    id = await going_on(run)
    waiting = asyncio.ensure_future(run.workspace.result(id))
    told = await run.workspace.take_over(id, {"price": 5, "term": 24}, note="they are friends", by="person/ben")
    assert (told["how"], told["state"], told["decided_by"]) == ("person", "completed", "person/ben")
    assert (told["settled"]["outcome"], told["settled"]["why"]) == ({"price": 5, "term": 24}, "ben took it over: they are friends")
    assert (await waiting)["outcome"] == {"price": 5, "term": 24}
    await run.advance(timedelta(hours=2))
    assert [task.state for task in run.tasks("negotiation.answer")] == ["canceled", "canceled"]
    assert len(await run.facts("negotiation.settled")) == 1
    assert [(fact["by"], fact["about"]) for fact in await run.facts("task.completed") if fact["about"] == id] == [("person/ben", id)]
    booked = run.task("deal.book")
    assert booked.output == {"negotiation": id, "how": "person", "outcome": {"price": 5, "term": 24}, "about": {"order": 7}}
    why = await run.workspace.why(id)
    assert "ben took it over: they are friends" in why["sentence"]


async def test_without_an_outcome_the_fallback_stands(tutti):
    run = tutti(market())
    id = await going_on(run)
    told = await run.workspace.take_over(id, None, by="person/ben")
    assert (told["settled"]["outcome"], told["settled"]["why"]) == ({"price": 0, "term": 12}, "ben took it over and let the fallback stand")


async def test_what_policy_rules_out_is_refused_with_the_rule_and_changes_nothing(tutti):
    run = tutti(market())
    id = await going_on(run)
    head = run.workspace.journal.head.seq
    with pytest.raises(Refused, match="no long terms at 10"):
        await run.workspace.take_over(id, {"price": 10, "term": 24})
    for wrong in ({"price": 5}, {"price": 7, "term": 12}, {"price": 5, "term": 12, "more": 1}):
        with pytest.raises(Invalid, match="no outcome"):
            await run.workspace.take_over(id, wrong)
    with pytest.raises(NotFound):
        await run.workspace.take_over("t-none", None)
    assert run.workspace.journal.head.seq == head
    assert await run.workspace.needs_approval(id, {"price": 10, "term": 12}) == ("ten needs a yes",)
    assert await run.workspace.needs_approval(id, {"price": 5, "term": 12}) == ()


async def test_it_ends_once_whoever_else_ends_it(tutti):
    run = tutti(market())
    id = await going_on(run)
    calls = [run.workspace.take_over(id, {"price": price, "term": 12}, by=f"person/{price}") for price in (0, 5)]
    said = await asyncio.gather(*calls, return_exceptions=True)
    assert sorted(isinstance(each, Conflict) for each in said) == [False, True]
    with pytest.raises(Conflict, match="has ended: person"):
        await run.workspace.take_over(id, None)
    await run.advance(timedelta(hours=2))
    assert len(await run.facts("negotiation.settled")) == 1
    assert len(run.tasks("deal.book")) == 1


@pytest.mark.parametrize("moment", [0.0, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005])
async def test_a_round_that_ends_at_the_same_moment_leaves_one_end(tutti, moment: float):
    run = tutti(market(seconds=20.0))
    id = await going_on(run)
    await asyncio.sleep(15 + moment)
    taken = await asyncio.gather(run.workspace.take_over(id, None, by="person/ben"), return_exceptions=True)
    await run.advance(timedelta(hours=2))
    assert len(await run.facts("negotiation.settled")) == 1
    assert len([fact for fact in await run.facts("task.completed") if fact["about"] == id]) == 1
    told = await run.workspace.negotiation(id)
    assert (told["how"] == "person") == (not isinstance(taken[0], Exception))
    facts = [fact["kind"] for fact in await run.facts() if fact["about"] == id]
    assert "negotiation.answered" not in facts[facts.index("negotiation.settled") :]


async def test_what_was_taken_over_stays_so_after_the_process_has_died(tmp_path):
    settings = Settings("market", tmp_path, grace=timedelta(0))
    async with Workspace(market(), settings) as workspace:
        id = await workspace.negotiate(**CASE)
        while not await workspace.journal.select("SELECT id FROM task WHERE parent = ?", (id,)):
            await asyncio.sleep(0.01)
        workspace.corridor.traffic.cancel = lambda task: None  # nobody stops what runs: the process dies before
        taken = asyncio.ensure_future(workspace.take_over(id, {"price": 5, "term": 12}, by="person/ben"))
        while (id,) in workspace.journal.hot.table("task"):
            await asyncio.sleep(0.001)
        taken.cancel()
        await asyncio.gather(taken, return_exceptions=True)
        workspace.journal.abandon()
    async with Workspace(market(0.0), settings) as workspace:
        await workspace.quiet()
        told = await workspace.negotiation(id)
        assert (told["how"], told["state"], told["decided_by"]) == ("person", "completed", "person/ben")
        assert (await workspace.result(id))["outcome"] == {"price": 5, "term": 12}
        assert len(await workspace.facts(kind="negotiation.settled")) == 1
        assert (await workspace.tasks(skill="deal.book"))["tasks"][0]["state"] == "completed"


async def test_one_that_asks_a_person_is_ended_by_taking_it_over(tutti, monkeypatch):
    """Where no outcome and no fallback can stand, the mediator asks: then the record holds what the person said, and by whom."""
    monkeypatch.setattr(negotiation, "step", lambda case, said, functions=None, *, brief=False, last=False: End(None, "person", "nothing may stand by itself"))
    run = await tutti(market()).submit("negotiation.mediate", {"issues": CASE["issues"], "parties": {"buyer": 1, "seller": 1}, "policy": CASE["policy"]})
    id = run.task("negotiation.mediate").id
    assert run.task(id).stage == "asking"
    with pytest.raises(Refused, match="no long terms"):
        await run.workspace.take_over(id, {"price": 10, "term": 24})
    told = await run.workspace.take_over(id, {"price": 5, "term": 12}, by="person/ben")
    await run.workspace.quiet()
    assert (told["state"], told["how"], told["decided_by"], told["settled"]["outcome"]) == ("completed", "person", "person/ben", {"price": 5, "term": 12})
    assert (await run.workspace.result(id))["outcome"] == {"price": 5, "term": 12}
    with pytest.raises(Conflict):
        await run.workspace.answer(id, {"price": 0, "term": 12})
