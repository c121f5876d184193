"""Bids: quality as finished work says, latency as measured; exact sums that every replay finds again."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutti import routing
from tutti.model.fact import Fact
from tutti.model.route import Bid

MILLION = 1_000_000
KNOWN = {"mean": 0.5, "latency_ms": 100.0, "cost": 1.0}


def record(outcomes: list[tuple[float, float]], paces: list[tuple[int, int]] = ()) -> dict[str, int]:
    """The row that judgements of claims (claim, quality) and runs (claimed ms, measured ms) fold into."""
    table = next(table for table in routing.TABLES if table.name == "calibration")
    row = {column: 0 for column in table.columns if column not in table.key}
    facts = [{"claimed": round(claim * MILLION), "quality": round(quality * MILLION), "ms": 0} for claim, quality in outcomes]
    facts += [{"claimed": 0, "quality": 0, "claimed_ms": claimed, "ms": ms} for claimed, ms in paces]
    for number, data in enumerate(facts):
        said = {"skill": "s", "agent": "a", "version": "1", "class": "", **data}
        for _, key, deltas in routing.FOLDS["task.judged"](Fact(number, 0, "task.judged", "t", "check/x", None, said)):
            assert key == ("s", "a", "1")
            for column, delta in deltas.items():
                row[column] += delta
    return row


def used(claim: float, row=None, **bid):
    known = {name: bid.pop(name, value) for name, value in KNOWN.items()}
    return routing.calibrate(Bid(claim, **bid), "a", "1", row, **known)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_claim_without_a_record_counts_for_nothing(claim, mean):
    assert used(claim, mean=mean).quality == pytest.approx(mean, abs=1e-6)


def test_claims_that_come_out_are_believed_and_boasts_are_not():
    honest = record([(claim, claim) for claim in (0.15, 0.35, 0.55, 0.75, 0.95) for _ in range(60)])
    for claim in (0.15, 0.55, 0.95):
        assert used(claim, honest).quality == pytest.approx(claim, abs=0.06)
    boaster = record([(0.95, 0.2)] * 60)
    assert used(0.95, boaster).quality == pytest.approx(0.2, abs=0.05)


@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_a_higher_claim_never_counts_for_less_and_what_counts_is_a_quality(seed, low, high):
    rng = np.random.default_rng(seed)
    row = record([(float(claim), float(quality)) for claim, quality in rng.random((30, 2))])
    low, high = sorted((low, high))
    assert 0 <= used(low, row).quality <= used(high, row).quality + 1e-6 <= 1 + 1e-6


def test_with_little_confidence_the_mean_counts():
    row = record([(0.95, 1.0)] * 50)
    assert used(0.95, row, confidence=0.0).quality == pytest.approx(0.5)
    assert used(0.95, row).quality > used(0.95, row, confidence=0.5).quality > 0.6


def test_latency_is_the_claim_as_80_percent_of_the_runs_kept_it():
    row = record([], [(100, 400)] * 50)
    assert used(0.5, row, latency=timedelta(milliseconds=100)).latency_ms == pytest.approx(400, rel=0.1)
    assert used(0.5, row, latency=timedelta(milliseconds=200)).latency_ms == pytest.approx(800, rel=0.15)
    mixed = record([], [(100, 100)] * 70 + [(100, 800)] * 30)
    assert used(0.5, mixed, latency=timedelta(milliseconds=100)).latency_ms > 600
    assert used(0.5).latency_ms == 100.0


@given(st.integers(1, 10**7), st.integers(0, 10**7))
def test_the_class_of_a_pace_is_its_place_among_roots_of_two(claimed, ms):
    row = record([], [(claimed, ms)])
    (number,) = (number for number in range(13) if row[f"pace{number}"])
    ratio = ms / claimed
    expected = 0 if ratio <= 0.125 else min(math.ceil(2 * math.log2(ratio) - 1e-9) + 6, 12)
    assert number == expected or abs(2 * math.log2(ratio) - round(2 * math.log2(ratio))) < 1e-6


def test_a_rating_takes_the_place_of_a_check_in_the_calibration_too():
    said = {"skill": "s", "agent": "a", "version": "1", "class": "", "claimed": 950_000, "quality": 100_000, "was": 900_000, "ms": 5, "claimed_ms": 5}
    (change,) = routing.FOLDS["task.judged"](Fact(1, 0, "task.judged", "t", "person/owner", None, said))
    assert change.deltas == {"judged9": -800_000}
