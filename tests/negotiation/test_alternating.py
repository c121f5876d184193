"""Free bargaining: it ends in time whatever the parties do, and nobody who knows what it wants ends under its fallback."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutti.model.negotiation import Case, Constraints, Issue, Level, Party, Utility
from tutti.negotiation import Space
from tutti.negotiation.alternating import Act, Aspiration, Micro, Mind, Move, bargain, table

STRATEGIES = (Aspiration(0.2), Aspiration(1.0), Aspiration(4.0), Micro())


def a_case(sizes, parties, turns=20, policy=None, approval=None):
    return Case(
        "case",
        tuple(Issue(f"issue {at}", tuple(map(str, range(size)))) for at, size in enumerate(sizes)),
        tuple(Party(f"party {at}", Level.FUNCTION) for at in range(parties)),
        policy or Constraints(),
        approval or Constraints(),
        turns=turns,
    )


def minds(case, models, strategies):
    space = Space(case.sizes, case.policy, case.approval)
    return {at: (Mind(space, model, np.random.default_rng(at)), strategy) for at, (model, strategy) in enumerate(zip(models, strategies, strict=True))}


def opposed(rng, sizes, parties):
    return [Utility(tuple(tuple((rng.random(size) * rng.random()).tolist()) for size in sizes), (), float(rng.uniform(0.2, 0.9))) for _ in range(parties)]


@given(seed=st.integers(0, 2**31), picks=st.lists(st.sampled_from(STRATEGIES), min_size=2, max_size=4))
@settings(max_examples=50, deadline=None)
def test_it_ends_in_time_within_policy_and_nobody_under_its_fallback(seed, picks):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(2, 5, 3).tolist()
    policy, approval = Constraints((("no", 0, 0),)), Constraints((("ask", 1, 1),))
    case = a_case(sizes, len(picks), 12, policy, approval)
    models = opposed(rng, sizes, len(picks))
    end, moves = bargain(case, minds(case, models, picks))
    assert end.over
    assert len(moves) <= 12 * len(picks)
    assert table(case, moves) == end
    assert [move.party for move in moves] == [at % len(picks) for at in range(len(moves))]
    if end.offer is not None:
        assert Space(sizes, policy, approval).unattended.allows(end.offer)
        assert min(Space(sizes).worth(models, [end.offer])[:, 0]) >= -1e-9


@given(
    moves=st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(list(Act)), st.one_of(st.none(), st.lists(st.integers(-1, 3), max_size=3).map(tuple))).map(
            lambda each: Move(*each)
        ),
        max_size=40,
    )
)
@settings(max_examples=150, deadline=None)
def test_any_moves_leave_the_table_in_order(moves):
    case = a_case([2, 2], 3, 4, Constraints((("no", 0, 0),)))
    stand = table(case, moves)
    assert 0 <= stand.party < 3
    assert stand.taken <= 12
    assert stand.offer is None or stand.offer in ((1, 0), (1, 1))
    assert stand.over == bool(stand.why)
    assert (stand.why == "agreed") == (stand.over and stand.offer is not None)


def test_an_offer_holds_when_everybody_else_accepts_it():
    case = a_case([3], 3)
    moves = [Move(0, Act.OFFER, (1,)), Move(1, Act.ACCEPT), Move(2, Act.OFFER, (2,)), Move(0, Act.ACCEPT)]
    assert not table(case, moves).over
    agreed = table(case, [*moves, Move(0, Act.LEAVE), Move(1, Act.ACCEPT), Move(2, Act.LEAVE)])
    assert (agreed.over, agreed.why, agreed.offer) == (True, "agreed", (2,))
    assert table(case, [Move(0, Act.OFFER, (1,)), Move(1, Act.PASS), Move(2, Act.ACCEPT)]).offer is None
    assert table(case, [Move(0, Act.LEAVE)]).why == "left"


def test_who_says_nothing_ends_it_without_agreement_by_the_deadline():
    case = a_case([3], 2, 5)
    end, moves = bargain(case, {})
    assert (end.offer, end.why, len(moves)) == (None, "out of turns", 10)
    assert table(a_case([3], 1), []).over


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_opposed_parties_meet_between_their_wishes(strategy):
    case = a_case([11], 2, 30)
    models = [Utility((tuple(value / 10 for value in range(11)),)), Utility((tuple(1 - value / 10 for value in range(11)),))]
    end, _ = bargain(case, minds(case, models, [strategy, strategy]))
    assert end.why == "agreed"
    assert 3 <= end.offer[0] <= 7


def test_the_late_conceder_gets_more_than_the_early_one():
    case = a_case([101], 2, 40)
    models = [Utility((tuple(value / 100 for value in range(101)),)), Utility((tuple(1 - value / 100 for value in range(101)),))]
    end, _ = bargain(case, minds(case, models, [Aspiration(0.2), Aspiration(4.0)]))
    assert end.offer[0] > 60


def test_in_a_large_space_parties_bargain_over_what_they_found():
    rng = np.random.default_rng(4)
    sizes = [4] * 11
    case = a_case(sizes, 2, 30)
    models = [Utility(tuple(tuple(rng.random(4).tolist()) for _ in sizes), (), 5.0) for _ in range(2)]
    end, _ = bargain(case, minds(case, models, [Aspiration(1.0)] * 2))
    assert end.why == "agreed"
    assert min(Space(sizes).worth(models, [end.offer])[:, 0]) > 0
