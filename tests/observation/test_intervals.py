"""Intervals hold their number, narrow with evidence, and the one of a difference covers what it should."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutti.observation.intervals import Estimate, difference, mean, mean_of_shares, share

shares = st.lists(st.floats(0, 1), min_size=1, max_size=50)


@given(st.integers(1, 10_000), st.data())
def test_a_share_lies_in_its_interval(of, data):
    hits = data.draw(st.integers(0, of))
    value, low, high = share(hits, of)
    assert 0 <= low <= value <= high <= 1
    assert high - low < 1
    many = share(hits * 20, of * 20)
    assert many.high - many.low < high - low


@given(shares)
def test_a_mean_of_shares_lies_in_its_interval_and_is_never_certain(numbers):
    value, low, high = mean_of_shares(len(numbers), sum(numbers), sum(number**2 for number in numbers))
    assert low - 1e-9 <= value <= high + 1e-9
    assert 0 <= low < high <= 1


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=50))
def test_a_mean_lies_in_its_interval(numbers):
    value, low, high = mean(len(numbers), sum(numbers), sum(number**2 for number in numbers))
    assert low - 1e-6 <= value <= high + 1e-6


def test_nothing_seen_is_nothing_known():
    assert share(0, 0) == mean(0, 0, 0) == mean_of_shares(0, 0, 0) == Estimate(None, None, None)
    assert mean(1, 5.0, 25.0) == Estimate(5.0, None, None)
    assert difference(share(1, 2), Estimate()) is None
    assert difference(Estimate(1.0, None, None), share(1, 2)) is None


def test_known_numbers():
    assert [round(bound, 4) for bound in share(81, 263)] == [0.308, 0.2553, 0.3662], "Newcombe 1998, table I"
    low, high = difference(share(56, 70), share(48, 80))
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339), "Newcombe 1998, II, example a, method 10"


@given(st.integers(0, 30), st.integers(0, 30))
def test_a_difference_is_that_of_the_values_and_turns_round_with_them(one, other):
    a, b = share(one, 30), share(other, 30)
    low, high = difference(a, b)
    assert low <= a.value - b.value <= high
    assert difference(b, a) == pytest.approx((-high, -low))


def test_the_interval_of_a_difference_covers_the_true_one_nineteen_times_of_twenty():
    rng = random.Random(5)
    covered = 0
    for _ in range(2000):
        low, high = difference(share(sum(rng.random() < 0.7 for _ in range(40)), 40), share(sum(rng.random() < 0.5 for _ in range(40)), 40))
        covered += low <= 0.2 <= high
    assert 0.93 < covered / 2000 < 0.97
