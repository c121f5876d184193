"""Negotiations on the road: opened, asked, settled, in process and on virtual time."""

from __future__ import annotations

import asyncio
from itertools import product
from math import log
from typing import Any

import pytest

from tutti import Fleet, negotiation
from tutti.model.negotiation import Belief, Case, Question, Utility
from tutti.negotiation import Ask, End

ISSUES = {"price": ["-10 %", "-5 %", "0 %", "+5 %"], "term": [12, 24, 36]}
FALLBACK = {"price": "0 %", "term": 12}
WANTS = {  # what each value is worth
    "renewal": {"price": {"-10 %": 6, "-5 %": 4, "0 %": 1, "+5 %": 0}, "term": {"12": 0, "24": 1, "36": 3}},
    "pricing": {"price": {"-10 %": 0, "-5 %": 2, "0 %": 4, "+5 %": 5}, "term": {"12": 0, "24": 2, "36": 4}},
}


def worth(name: str, outcome: dict[str, Any] | None) -> float:
    outcome = FALLBACK if outcome is None else outcome
    return float(sum(WANTS[name][issue][str(value)] for issue, value in outcome.items()))


class Scoring:
    """A party that gives numbers; `sleeps` before it does, `silent` after so many messages."""

    def __init__(self, name: str, *, sleeps: float = 0.0, says: int = 1000) -> None:
        self.name, self.sleeps, self.says = name, sleeps, says
        self.asked: list[Any] = []

    async def score(self, outcomes: list[dict[str, Any] | None]) -> list[float]:
        self.asked.append(outcomes)
        await asyncio.sleep(self.sleeps)
        if len(self.asked) > self.says:
            await asyncio.get_running_loop().create_future()
        return [worth(self.name, each) for each in outcomes]


def fleet_of(*parties: Scoring) -> Fleet:
    fleet = Fleet("deal")
    for party in parties:
        fleet.party(party, name=party.name, department="sales")
    return fleet


def all_scored(case: Case, said: Any, functions: Any = None, *, last: bool = False) -> Any:
    """The simplest mediator: everybody scores everything once; who says nothing is indifferent; the best product is settled."""
    offers = [*product(*(range(size) for size in case.sizes))]
    if not said and not last:
        return Ask(tuple(Question(party, 1, "score", ((*offers, None),)) for party in range(len(case.parties))))
    scores = {reply.party: reply.value for _, reply in said if reply.value is not None}
    if not scores:
        return End(None, "fallback", "nobody has said anything")
    gains = {party: [value - its[-1] for value in its[:-1]] for party, its in scores.items()}
    best = max(range(len(offers)), key=lambda place: sum(log(max(its[place], 1e-9)) for its in gains.values()))
    beliefs = tuple(Belief((Utility(tuple((0.0,) * size for size in case.sizes)),)) for _ in case.parties)
    return End(offers[best], "settled", "the best product", beliefs=beliefs)


@pytest.fixture
def simple(monkeypatch):
    monkeypatch.setattr(negotiation, "step", all_scored)


def opening(**more: Any) -> dict[str, Any]:
    return {"issues": ISSUES, "parties": {"renewal": 1, "pricing": 1}, "fallback": FALLBACK, **more}


async def test_parties_are_asked_and_the_best_for_all_is_settled(tutti, simple):
    parties = Scoring("renewal"), Scoring("pricing")
    run = await tutti(fleet_of(*parties)).submit("negotiation.mediate", opening(), subject="account/7")
    task = run.task("negotiation.mediate")
    assert (task.state, task.agent, task.output["how"]) == ("completed", "mediator", "settled")
    assert task.output["outcome"] == {"price": "-5 %", "term": 36}
    assert [len(party.asked) for party in parties] == [1, 1]
    assert parties[0].asked[0][0] == {"price": "-10 %", "term": 12}
    assert parties[0].asked[0][-1] == FALLBACK
    assert [child.parent for child in run.tasks("negotiation.answer")] == [task.id] * 2
    kinds = [fact["kind"] for fact in await run.facts() if fact["kind"].startswith("negotiation.")]
    assert kinds == ["negotiation.opened", "negotiation.answered", "negotiation.settled"]
