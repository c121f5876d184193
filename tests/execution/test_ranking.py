"""Joint orders: the least weight against them among all that keep the precedences; nobody dictates; the reasons check."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutti.errors import Invalid
from tutti.execution import rank

PATIENT = 30.0  # seconds for the solver, which needs a fraction of one: the machine may be busy


def ballots_of(seed: int, items: int, voters: int) -> tuple[dict[str, list[int]], dict[str, float], list[tuple[int, int]]]:
    rng = np.random.default_rng(seed)
    ballots = {f"v{n}": rng.permutation(items)[: rng.integers(0, items + 1)].tolist() for n in range(voters)}
    weights = {voter: round(float(rng.uniform(0.2, 2)), 2) for voter in ballots}
    hidden = rng.permutation(items).tolist()
    pairs = [tuple(sorted(rng.choice(items, 2, replace=False).tolist())) for _ in range(rng.integers(0, 3))] if items > 1 else []
    return ballots, weights, [(hidden[a], hidden[b]) for a, b in pairs]


def cost(order, ballots, weights):
    place = {item: number for number, item in enumerate(order)}
    return sum(weights[voter] for voter, ballot in ballots.items() for a, b in itertools.combinations(ballot, 2) if place[a] > place[b])


def keeps(order, pairs):
    return all(order.index(first) < order.index(second) for first, second in pairs)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 5))
def test_no_order_that_keeps_the_precedences_is_better(seed, items, voters):
    ballots, weights, pairs = ballots_of(seed, items, voters)
    found = rank(range(items), ballots, weights=weights, must_precede=pairs, most=1.0)
    assert sorted(found.order) == list(range(items))
    assert keeps(found.order, pairs)
    least = min(cost(order, ballots, weights) for order in itertools.permutations(range(items)) if keeps(order, pairs))
    assert found.cost == pytest.approx(cost(found.order, ballots, weights)) == pytest.approx(least)
    assert found.exact


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 7), st.integers(1, 6))
def test_each_pair_against_its_majority_says_which_precedence_or_circle_is_why(seed, items, voters):
    ballots, weights, pairs = ballots_of(seed, items, voters)
    found = rank(range(items), ballots, weights=weights, must_precede=pairs, most=1.0)
    place = {item: number for number, item in enumerate(found.order)}
    wish = lambda a, b: found.majorities[place[a]][place[b]]  # noqa: E731
    named = {(pair.above, pair.below) for pair in found.against}
    for above, below in itertools.combinations(found.order, 2):
        assert ((above, below) in named) == (wish(below, above) > wish(above, below) + 1e-9)
    for pair in found.against:
        assert pair.margin == pytest.approx(wish(pair.below, pair.above) - wish(pair.above, pair.below))
        if pair.why == "cycle":
            assert pair.cycle[:2] == (pair.below, pair.above)
            assert len(pair.cycle) >= 3
            for first, second in itertools.pairwise((*pair.cycle, pair.cycle[0])):
                assert wish(first, second) > wish(second, first) or (first, second) in closure(pairs)
        else:
            assert (pair.above, pair.below) in closure(pairs)


def closure(pairs):
    found = set(pairs)
    while more := {(a, d) for a, b in found for c, d in found if b == c} - found:
        found |= more
    return found


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 6))
def test_the_nearest_change_of_the_first_three_costs_what_it_says(seed, items):
    ballots, weights, pairs = ballots_of(seed, items, 4)
    found = rank(range(items), ballots, weights=weights, must_precede=pairs, most=1.0)
    moved = [list(found.order) for _ in range(items * items)]
    costs = []
    for order, (at, place) in zip(moved, itertools.product(range(items), repeat=2), strict=True):
        order.insert(place, order.pop(at))
        if at != place and min(at, place) < 3 and keeps(order, pairs):
            costs.append(cost(order, ballots, weights) - found.cost)
    if found.nearest is None:
        assert not costs
    else:
        assert found.nearest.margin == pytest.approx(max(min(costs), 0), abs=1e-9)
        order = [item for item in found.order if item != found.nearest.item]
        order.insert(found.nearest.place, found.nearest.item)
        assert cost(order, ballots, weights) - found.cost == pytest.approx(found.nearest.margin, abs=1e-9)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.floats(0, 100), min_size=1, max_size=8), st.floats(0.2, 0.9))
def test_no_voter_has_more_than_the_share_that_one_may_have(weights, most):
    ballots = {f"v{n}": [0, 1] for n in range(len(weights))}
    counted = rank([0, 1], ballots, weights={f"v{n}": weight for n, weight in enumerate(weights)}, most=most).weights
    total = sum(counted.values())
    voices = sum(weight > 0 for weight in weights)
    for voter, weight in counted.items():
        assert weight <= max(most, 1 / max(voices, 1)) * total + 1e-6
        assert weight <= weights[int(voter[1:])] + 1e-9
    under = [n for n, weight in enumerate(weights) if weight > 0 and voices * most >= 1 and counted[f"v{n}"] < weight - 1e-6]
    for n in under:  # only who would have more is held back, and no further than needed
        assert counted[f"v{n}"] == pytest.approx(most * total, rel=1e-6)


def test_a_loud_voter_alone_moves_nothing_against_all_others():
    others = {f"v{n}": ["b", "a"] for n in range(3)}
    loud = {"loud": ["a", "b"], **others}
    assert rank(["a", "b"], loud, weights={"loud": 100.0}, most=1.0).order == ("a", "b")
    assert rank(["a", "b"], loud, weights={"loud": 100.0}, most=0.49).order == ("b", "a")


def test_what_nobody_speaks_of_stays_in_its_order():
    assert rank("abcd", {"x": ["d", "b"]}).order == ("a", "c", "d", "b")
    assert rank("abcd", {}).order == tuple("abcd")
    assert rank([], {}).order == ()


@pytest.mark.parametrize(("items", "voters"), [(22, 3), (24, 9)])
def test_above_the_table_cuts_find_what_the_table_would(items, voters, monkeypatch):
    rng = np.random.default_rng(items)
    ballots = {f"v{n}": rng.permutation(items).tolist() for n in range(voters)}
    found = rank(range(items), ballots, seconds=PATIENT)
    assert found.by == "cuts"
    assert found.exact
    assert found.cost == pytest.approx(cost(found.order, ballots, dict.fromkeys(ballots, 1.0)))
    few = {voter: [item for item in ballot if item < 12] for voter, ballot in ballots.items()}
    by_table = rank(range(12), few)
    monkeypatch.setattr("tutti.execution.ranking.EXACT", 2)
    by_cuts = rank(range(12), few, seconds=PATIENT)
    assert by_table.by == "table" != by_cuts.by
    assert by_cuts.cost == pytest.approx(by_table.cost)


def test_wrong_ballots_precedences_and_weights_are_told():
    for arguments, words in (
        ({"ballots": {"x": ["a", "a"]}}, "twice"),
        ({"ballots": {"x": ["z"]}}, "not to be ranked"),
        ({"ballots": {"x": ["a"]}, "weights": {"x": -1.0}}, "below 0"),
        ({"ballots": {}, "must_precede": [("a", "b"), ("b", "a")]}, "circle"),
        ({"ballots": {}, "must_precede": [("a", "z")]}, "not to be ranked"),
    ):
        with pytest.raises(Invalid, match=words):
            rank("ab", **arguments)
