"""Settlements against brute force: the weighted Nash point, never under the fallback, never against policy."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutti.errors import Invalid
from tutti.model.negotiation import Belief, Constraints, Limit, Utility
from tutti.negotiation import Space, settle
from tutti.negotiation.settle import candidates, judge, ranked


def a_model(rng, sizes, pairs=2, reservation=0.4):
    contrib = tuple(tuple((rng.random(size) * rng.random()).round(3).tolist()) for size in sizes)
    extra = []
    for _ in range(pairs if len(sizes) > 1 else 0):
        i, j = sorted(rng.choice(len(sizes), 2, replace=False).tolist())
        extra.append((i, int(rng.integers(sizes[i])), j, int(rng.integers(sizes[j])), round(float(rng.normal(0, 0.2)), 3)))
    top = sum(max(column) for column in contrib)
    return Utility(contrib, tuple(extra), round(reservation * top, 3))


def some_rules(rng, sizes, name="rule", limited=True):
    values = ((f"{name} value", 0, int(rng.integers(sizes[0]))),) if sizes[0] > 1 else ()
    pairs = ((f"{name} pair", 0, 0, len(sizes) - 1, int(rng.integers(sizes[-1]))),) if len(sizes) > 1 else ()
    cost = tuple(tuple(rng.random(size).round(2).tolist()) for size in sizes)
    limits = (Limit(f"{name} limit", cost, round(0.65 * sum(map(max, cost)), 2)),) if limited else ()
    return Constraints(values, pairs, limits)


def utility(model, offer):
    return sum(column[value] for column, value in zip(model.contrib, offer, strict=True)) + sum(
        extra for i, a, j, b, extra in model.pairs if offer[i] == a and offer[j] == b
    )


def breaks(rules, offer):
    return (
        any(offer[issue] == value for _, issue, value in rules.values)
        or any(offer[i] == a and offer[j] == b for _, i, a, j, b in rules.pairs)
        or any(sum(costs[value] for costs, value in zip(limit.cost, offer, strict=True)) > limit.limit + 1e-9 for limit in rules.limits)
    )


def by_hand(sizes, rules, models, weights):
    """(weight of those who gain, weighted mean log of their gains) of the best outcome, and all outcomes that have it."""
    best, found = (0.0, 0.0), []
    for offer in itertools.product(*map(range, sizes)):
        gains = [utility(model, offer) - model.reservation for model in models]
        if any(breaks(each, offer) for each in rules) or min(gains) < -1e-9 or max(gains) <= 1e-9:
            continue
        gaining = [(weight, gain) for weight, gain in zip(weights, gains, strict=True) if gain > 1e-9]
        key = (sum(weight for weight, _ in gaining) / sum(weights), sum(weight * math.log(gain) for weight, gain in gaining) / sum(weights))
        if not found or (key[0] > best[0] + 1e-9 or (abs(key[0] - best[0]) < 1e-9 and key[1] > best[1] + 1e-9)):
            best, found = key, [offer]
        elif abs(key[0] - best[0]) < 1e-9 and abs(key[1] - best[1]) <= 1e-9:
            found.append(offer)
    return best, found


def a_case(seed):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 5, size=int(rng.integers(1, 5))).tolist()
    models = [a_model(rng, sizes, reservation=rng.uniform(0.2, 0.75)) for _ in range(int(rng.integers(1, 5)))]
    weights = rng.uniform(0.2, 3, size=len(models)).round(2).tolist()
    return rng, sizes, models, weights


def known(models):
    return [Belief((model,)) for model in models]


@given(seed=st.integers(0, 2**31))
@settings(max_examples=120, deadline=None)
def test_the_settlement_is_the_best_there_is_by_hand(seed):
    rng, sizes, models, weights = a_case(seed)
    policy, approval = some_rules(rng, sizes), some_rules(rng, sizes, "approval", limited=False)
    settlement = settle(Space(sizes, policy, approval), known(models), weights)
    best, found = by_hand(sizes, (policy, approval), models, weights)
    if not found:
        assert settlement.offer is None
        assert settlement.reason in ("nothing allowed", "nobody gains", "somebody loses")
    else:
        assert settlement.offer in found
        assert settlement.gains == pytest.approx([utility(model, settlement.offer) - model.reservation for model in models])
        if best[0] > 1 - 1e-9:
            assert settlement.value == pytest.approx(best[1])
    asked, wider = by_hand(sizes, (policy,), models, weights)
    if asked[0] > best[0] + 1e-6 or (asked[0] > best[0] - 1e-9 and asked[1] > best[1] + 1e-6) or (wider and not found):
        assert settlement.better is not None
        assert settlement.better.offer in wider
        assert set(settlement.better.needs) <= {"approval value", "approval pair"}
        assert settlement.better.needs
    else:
        assert settlement.better is None


@given(seed=st.integers(0, 2**31), party=st.integers(0, 3), factor=st.floats(0.01, 1000), shift=st.floats(-50, 50))
@settings(max_examples=60, deadline=None)
def test_scale_and_origin_of_a_partys_numbers_do_not_matter(seed, party, factor, shift):
    rng, sizes, models, weights = a_case(seed)
    space = Space(sizes, some_rules(rng, sizes))
    before = settle(space, known(models), weights)
    at = party % len(models)
    old = models[at]
    first = tuple(number * factor + shift for number in old.contrib[0])
    rest = tuple(tuple(number * factor for number in column) for column in old.contrib[1:])
    models[at] = Utility((first, *rest), tuple((*where, extra * factor) for *where, extra in old.pairs), old.reservation * factor + shift)
    after = settle(space, known(models), weights)
    _, found = by_hand(sizes, (space.policy,), models, weights)
    assert after.offer == before.offer or {after.offer, before.offer} <= set(found)


@given(seed=st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_uncertain_wishes_are_settled_within_the_risk_and_proposed_by_what_is_hoped_for(seed):
    rng, sizes, _, weights = a_case(seed)
    space = Space(sizes, some_rules(rng, sizes))
    beliefs = [Belief(tuple(a_model(rng, sizes, reservation=0.5) for _ in range(8))) for _ in weights]

    def chances(offer):
        return [np.mean([utility(model, offer) < model.reservation - 1e-9 for model in belief.models]) for belief in beliefs]

    settlement = settle(space, beliefs, weights, risk=0.25)
    if settlement.offer is not None:
        assert space.allows(settlement.offer)
        assert max(chances(settlement.offer)) <= 0.25
        assert settlement.risks == pytest.approx(chances(settlement.offer))
    order = ranked(space, beliefs, weights, 10, worst=0.5)
    assert all(space.allows(each.offer) and max(each.risks) <= 0.5 for each in order)
    assert len({each.offer for each in order}) == len(order)
    hoped = [each.value for each in order]
    assert hoped == pytest.approx(sorted(hoped, reverse=True))
    if settlement.offer is not None and math.isfinite(settlement.value):
        assert hoped[0] >= settlement.value - 1e-9
        assert [each.offer for each in ranked(space, beliefs, weights, 1, worst=0.25)] == [settlement.offer]
    assert set(candidates(space, beliefs, weights, 10, np.random.default_rng(0))) <= {space.offer(row) for row in range(len(space.codes))}


def test_where_not_all_can_gain_the_most_weight_gains_and_nobody_loses():
    models = [Utility(((0.0, 1.0, 0.2, 3.0),)), Utility(((0.0, 0.0, 0.3, -1.0),)), Utility(((0.0, 0.0, 0.0, 3.0),))]
    assert settle(Space([4]), known(models), [1, 1, 1]).offer == (2,)
    assert settle(Space([4]), known(models), [1, 1, 1]).value == -math.inf
    assert settle(Space([4], without=[(2,)]), known(models), [1, 1, 1]).offer == (1,)


def test_ties_go_to_the_higher_welfare_then_to_the_first():
    even, odd = Utility(((0.5, 0.25, 1.0, 0.5),)), Utility(((0.5, 1.0, 0.25, 0.5),))
    assert settle(Space([4]), known([even, odd]), [1, 1]).offer == (1,)
    assert settle(Space([4], without=[(1,), (2,)]), known([even, odd]), [1, 1]).offer == (0,)


def test_without_agreement_the_smallest_reason_is_named():
    seller, buyer = Utility(((0.0, 1.0, 2.0),), (), 1.5), Utility(((2.0, 1.0, 0.0),), (), 0.5)
    third = Utility(((0.5, 0.5, 0.5),))
    split = settle(Space([3]), known([seller, buyer, third]), [1, 1, 1])
    assert (split.offer, split.reason, split.blocking) == (None, "somebody loses", ("party 0", "party 1"))
    ruled = settle(Space([3], Constraints((("no middle", 0, 1), ("no last", 0, 2), ("first", 0, 0)))), known([third]), [1])
    assert (ruled.offer, ruled.reason) == (None, "nothing allowed")
    cheap = Utility(((2.0, 1.0, 0.0),), (), 0.0)
    capped = settle(Space([3], Constraints((("cap", 0, 0), ("harmless", 0, 2)))), known([cheap, Utility(((1.0, -1.0, -2.0),))]), [1, 1])
    assert (capped.offer, capped.reason, capped.blocking) == (None, "somebody loses", ("policy: cap", "party 1"))
    flat = settle(Space([3]), known([Utility(((1.0, 1.0, 1.0),), (), 1.0)]), [1])
    assert (flat.offer, flat.reason) == (None, "nobody gains")


def test_an_uncertain_risk_is_not_taken_without_a_partys_word():
    sure, unsure = Utility(((1.0, 0.2),)), Belief((Utility(((1.0, 0.1),)), Utility(((-1.0, 0.1),)), Utility(((1.0, 0.1),)), Utility(((1.0, 0.1),))))
    beliefs = [Belief((sure,)), unsure]
    assert settle(Space([2]), beliefs, [1, 1]).offer == (1,)
    assert settle(Space([2], without=[(1,)]), beliefs, [1, 1]).reason == "uncertain"
    assert [each.offer for each in ranked(Space([2]), beliefs, [1, 1], 5, worst=0.5)] == [(0,), (1,)]  # to be proposed: most draws gain far more by it
    assert [each.offer for each in ranked(Space([2]), beliefs, [1, 1], 5, worst=0.2)] == [(1,)]


@pytest.mark.parametrize(("low", "vague", "hoped"), [(0.0, False, 0.25), (0.0, True, 0.25), (-1.0, False, 1.0), (-1.0, True, 0.25)])
def test_an_uncertain_gain_counts_as_the_square_of_its_mean_root_and_a_loss_as_a_no(low: float, vague: bool, hoped: float):
    """Where a no is to be expected again and again it counts as no gain; else what is gained after a yes is what counts."""
    belief = Belief((Utility(((1.0, low),)), Utility(((low, 1.0),))), vague)
    told = judge(Space([2]).gains(*belief.models), [belief])
    assert told.logs[0].tolist() == pytest.approx([math.log(hoped)] * 2)
    assert told.risks[0].tolist() == [0.5 * (low < 0)] * 2


def test_a_gain_that_no_draw_has_counts_as_none():
    belief = Belief((Utility(((-1.0, 1.0),)), Utility(((-2.0, 1.0),))))
    told = judge(Space([2]).gains(*belief.models), [belief])
    assert (told.strict[0].tolist(), told.risks[0].tolist()) == ([False, True], [1.0, 0.0])


def test_what_could_be_settled_on_is_asked_about_first_though_more_is_hoped_for_elsewhere():
    sure, unsure = Utility(((1.0, 0.2),)), Belief((Utility(((1.0, 0.1),)), Utility(((-1.0, 0.1),)), Utility(((1.0, 0.1),)), Utility(((1.0, 0.1),))))
    assert candidates(Space([2]), [Belief((sure,)), unsure], [1, 1], 2, np.random.default_rng(0))[0] == (1,)


def test_what_does_not_fit_is_refused():
    with pytest.raises(Invalid):
        Space([])
    with pytest.raises(Invalid):
        Space([2], Constraints(((("rule", 0, 2)),)))
    with pytest.raises(Invalid):
        Space([2], Constraints(limits=(Limit("cap", ((1.0,),), 1.0),)))
    with pytest.raises(Invalid):
        settle(Space([2]), [Belief((Utility(((1.0,),)),))], [1])
    with pytest.raises(Invalid):
        settle(Space([2]), [Belief((Utility(((1.0, math.nan),)),))], [1])
    with pytest.raises(Invalid):
        settle(Space([2]), [Belief((Utility(((1.0, 2.0),)),))], [0])
    assert not Space([2, 2]).allows((0,))
    assert not Space([2, 2]).allows((0, 2))
    assert not Space([2, 2]).allows((0, True))
    assert not Space([2, 2], without=[(0, 1)]).allows((0, 1))
