"""Spaces too large to enumerate: searched and bounded, compared with the same spaces enumerated."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.negotiation.test_settle import a_model, breaks, known, some_rules, utility

from tutti.model.negotiation import Belief, Constraints, Utility
from tutti.negotiation import Space, settle
from tutti.negotiation.search import explore
from tutti.negotiation.settle import RISK, candidates, ranked
from tutti.negotiation.terrain import Terrain, Walk

PATIENT = 30.0  # seconds for the solver, which needs a fraction of one: the machine may be busy


class Searched(Space):
    """A small space that says that it is too large to enumerate."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.enumerable = False


@given(seed=st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_the_search_finds_what_enumeration_finds_and_the_gap_holds(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 5, size=int(rng.integers(2, 6))).tolist()
    models = [a_model(rng, sizes, pairs=3, reservation=rng.uniform(0.2, 0.6)) for _ in range(int(rng.integers(1, 5)))]
    weights = rng.uniform(0.3, 2, len(models)).tolist()
    policy = some_rules(rng, sizes)
    exact = settle(Space(sizes, policy), known(models), weights)
    searched = settle(Searched(sizes, policy), known(models), weights, seconds=PATIENT)
    assert (searched.offer is None) == (exact.offer is None)
    if exact.offer is not None and np.isfinite(exact.value):
        assert searched.value == pytest.approx(exact.value, abs=1e-6)
        assert exact.value <= searched.value + searched.gap + 1e-9


def test_a_large_space_is_settled_with_the_gap_stated_and_within_policy():
    rng = np.random.default_rng(5)
    sizes = [4] * 10
    models = [a_model(rng, sizes, pairs=2, reservation=0.5) for _ in range(8)]
    policy, approval = some_rules(rng, sizes), Constraints((("needs a person", 3, int(np.argmax(models[0].contrib[3]))),))
    space = Space(sizes, policy, approval)
    settlement = settle(space, known(models), [1.0 + at for at in range(8)], seconds=PATIENT)
    assert not space.enumerable
    assert settlement.offer is not None
    assert settlement.gap < 1e-4
    assert not breaks(policy, settlement.offer)
    assert not breaks(approval, settlement.offer)
    assert settlement.gains == pytest.approx([utility(model, settlement.offer) - model.reservation for model in models])
    assert min(settlement.gains) > 0
    other = settle(space.less([settlement.offer]), known(models), [1.0 + at for at in range(8)], seconds=PATIENT)
    assert other.offer not in (None, settlement.offer)
    assert other.value < settlement.value - 1e-6
    assert other.gap < (settlement.value - other.value) / 2  # the bound knows what was rejected


def test_a_walk_knows_what_every_change_comes_to():
    rng = np.random.default_rng(6)
    sizes = [3, 4, 2, 5]
    terrain = Terrain(Space(sizes, some_rules(rng, sizes)), [a_model(rng, sizes, pairs=6) for _ in range(3)], [1.0, 2.0, 0.5])
    walk = Walk(terrain, np.stack([rng.integers(0, size, 6) for size in sizes], axis=1))
    for _ in range(12):
        walk.move(rng.integers(0, sum(sizes), len(walk.offers)))
        here, there = walk.around()
        assert here == pytest.approx(terrain.heights(walk.offers), rel=1e-5, abs=1e-5)  # single precision
        for feature, issue in enumerate(terrain.issue):
            changed = walk.offers
            changed[:, issue] = feature - terrain.offset[issue]
            assert there[:, feature] == pytest.approx(terrain.heights(changed), rel=1e-5, abs=1e-5)
    walk.keep(np.arange(6) < 2)
    assert len(walk.around()[0]) == 2


def test_the_solver_finds_what_the_search_misses():
    rng = np.random.default_rng(5)
    sizes = [4] * 10
    models = [a_model(rng, sizes, pairs=5, reservation=0.45) for _ in range(6)]
    space, weights = Space(sizes, some_rules(rng, sizes)), [1.0] * 6
    poor = explore(space, models, weights, seconds=0.0, starts=1, shakes=0)
    good = explore(space, models, weights, seconds=PATIENT, starts=1, shakes=0)
    assert poor.gap == float("inf")
    assert good.gap < 1e-4
    assert utility_product(models, good.offers[0]) > 1.01 * utility_product(models, poor.offers[0])


def utility_product(models, offer):
    return float(np.prod([max(0.0, utility(model, offer) - model.reservation) for model in models]))


def test_in_a_large_space_where_nobody_can_agree_the_fallback_holds():
    seller = Utility(((0.0, 1.0, 2.0, 3.0),) * 12, (), 30.0)
    buyer = Utility(((3.0, 2.0, 1.0, 0.0),) * 12, (), 30.0)
    settlement = settle(Space([4] * 12), known([seller, buyer]), [1, 1])
    assert (settlement.offer, settlement.reason) == (None, "somebody loses")


def test_uncertain_wishes_in_a_large_space_give_offers_to_ask_about():
    rng = np.random.default_rng(3)
    sizes = [4] * 11
    beliefs = [Belief(tuple(a_model(rng, sizes, pairs=1, reservation=0.45) for _ in range(6))) for _ in range(3)]
    space = Space(sizes, some_rules(rng, sizes), some_rules(rng, sizes, "approval", limited=False))
    asked = candidates(space, beliefs, [1, 1, 2], 18, np.random.default_rng(1))
    assert asked == candidates(space, beliefs, [1, 1, 2], 18, np.random.default_rng(1))
    assert len(asked) == len(set(asked)) == 18
    assert all(space.allows(offer) and not space.needs_person(offer) for offer in asked)
    assert asked[0] == ranked(space, beliefs, [1, 1, 2], 1, worst=RISK)[0].offer  # what could be settled on as it is comes first
