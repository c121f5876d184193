"""Seeds of negotiations, and that the simulation bites. `python -m tests.simulation --part negotiation --seeds 1000` runs more of them."""

from __future__ import annotations

import os
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import pytest
from sim_parties import run_table
from sim_run import Result, broken

from tutti import negotiation
from tutti.mediation import mediate
from tutti.negotiation import End

FEW = range(4)
SABOTAGED = range(10, 18)


def hold(results: list[Result]) -> None:
    """No seed broke a promise, and the seeds were worth running."""
    assert {result.seed: result.violations for result in results if result.violations} == {}
    assert sum((result.crashes for result in results), Counter()).total() >= len(results) // 3
    assert sum(result.tasks for result in results) > 10 * len(results)


def test_few_seeds():
    hold([run_table(seed) for seed in FEW])


def test_a_party_that_only_says_yes_or_no_is_bound_by_its_yes_alone():
    """Found by simulation: its turns were spent on other offers, and an estimate of its wishes stood for its word."""
    assert run_table(10843).violations == []


@pytest.mark.slow
def test_many_seeds():
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        hold(list(pool.map(run_table, range(1000, 2000), chunksize=10)))


bites = partial(broken, run_table, SABOTAGED)


def test_it_bites_when_rounds_are_not_kept(monkeypatch):
    """A run that starts again asks everything anew."""
    from tutti.house import House

    memo = House.memo

    async def forgets(self: Any, task: str, name: str) -> Any:
        return None if name.startswith("round/") else await memo(self, task, name)

    monkeypatch.setattr(House, "memo", forgets)
    assert bites("is out of order")


def test_it_bites_when_nobody_looks_at_the_clock(monkeypatch):
    """Each question has a minute, whatever the deadline says."""
    monkeypatch.setattr(mediate._Mediation, "_patience", lambda self, questions: 60.0)
    monkeypatch.setattr(mediate._Mediation, "_over", lambda self: False)
    assert bites("after its deadline")


def test_it_bites_when_the_decision_is_another_than_the_replies_lead_to(monkeypatch):
    """What is settled is drawn, not decided."""
    settle = mediate._Mediation._settle

    async def draws(self: Any, end: End) -> Any:
        offer = tuple(0 for _ in self._case.issues)
        return await settle(self, End(offer, "settled", end.why, None, end.beliefs))

    monkeypatch.setattr(mediate._Mediation, "_settle", draws)
    assert bites("and the replies lead to", "forbids", "without")


def test_it_bites_when_money_is_not_counted(monkeypatch):
    monkeypatch.setattr(mediate._Mediation, "_affordable", lambda self, questions, **rounds: True)
    assert bites("it cost")


def test_it_bites_when_the_room_fails_unseen(monkeypatch):
    """The fallback holds then, and the case is not lost; that it failed is told all the same."""
    step = negotiation.step

    def fails(case: Any, said: Any, *more: Any, **last: Any) -> Any:
        if len(said) > 6:
            raise ZeroDivisionError
        return step(case, said, *more, **last)

    monkeypatch.setattr(negotiation, "step", fails)
    assert bites("the room fails")
