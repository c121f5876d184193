"""Seeds of opposing actions. `python -m tests.simulation --part conflicts --seeds 1000` runs more of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sim_conflicts import Market, run_market
from sim_run import PLACES

from tutti.arbiter import Arbiter
from tutti.arbiter.ends import Ends
from tutti.arbiter.ladder import Ladder
from tutti.arbiter.standing import Standing
from tutti.conflicts import Fate, Resolution

FEW = range(18)
SABOTAGED = range(10, 40)  # at least one of these fails when a safeguard is taken away


def test_few_seeds_of_opposing_actions_break_no_promise(monkeypatch: pytest.MonkeyPatch):
    seen: Counter[str] = Counter()
    overlapping = Market._overlapping

    def counting(self: Market, facts: list[Any]) -> list[str]:
        seen.update(fact.data["rung"] for fact in facts if fact.kind == "conflict.resolved")
        seen.update(fact.kind for fact in facts)
        return overlapping(self, facts)

    monkeypatch.setattr(Market, "_overlapping", counting)
    results = [run_market(seed) for seed in FEW]
    assert {result.seed: result.violations for result in results if result.violations} == {}
    assert set(sum((result.crashes for result in results), Counter())) == set(PLACES) - {"none"}
    assert "queued" in sum((result.stages for result in results), Counter())
    assert {"order", "packing", "line", "authority", "lease", "ended"} <= set(seen)
    assert {"task.amended", "conflict.asked", "lease.expired", "resource.idle", "task.rejected"} <= set(seen)


def without_resolution(monkeypatch: pytest.MonkeyPatch) -> None:
    async def goes(self: Ladder, *_: Any) -> Resolution:
        return Resolution(Fate.GOES, "")

    monkeypatch.setattr(Ladder, "resolve", goes)


def without_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """The versions are read when the lease is granted, not before it is decided: the race that this once was."""
    claim = Arbiter.claim

    async def claimed(self: Arbiter, bundle: Any, *rest: Any, **options: Any) -> bool:
        goes = await claim(self, bundle, *rest, **options)
        for thing in [thing for thing in bundle.expect if thing[0] == "resource"]:
            del bundle.expect[thing]
        return goes

    monkeypatch.setattr(Arbiter, "claim", claimed)


def test_a_person_who_decides_while_it_is_parked_for_that_is_heard():
    """The decision came between the look at the conflict and the append that parks the task: nobody was asked again."""
    assert run_market(40102).violations == []


def without_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Standing, "unsure", lambda self, task: False)


def without_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("arbiter", "expiry", "ladder", "standing"):
        monkeypatch.setattr(f"tutti.arbiter.{module}.live", lambda row, now: row["state"] == "held")


def without_waking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ends, "resume", lambda self, bundle, id, place: None)


@pytest.mark.parametrize("sabotage", [without_resolution, without_fence, without_doubt, without_windows, without_waking])
def test_a_safeguard_that_is_taken_away_is_missed(monkeypatch: pytest.MonkeyPatch, sabotage: Any):
    sabotage(monkeypatch)
    assert any(run_market(seed).violations for seed in SABOTAGED)
