"""The ladder: who goes, who takes an alternative, who waits, who asks a person, and that both sides decide alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutti.conflicts import Claim, Fate, Held, Option, resolve
from tutti.model.conflict import Need, Rule, Rules

RULES = Rules(
    price=Rule(None, frozenset({("discount", "raise")})),
    ordered=Rule(None, frozenset({("discount", "raise")}), ("discount", "raise")),
    slot=Rule(1),
)


def claim(task, resource, effect="use", *, value=None, also=(), at=0, rank=0, moves=True):
    first = Option((Need(resource, at, at + 10, effect),), value or 0.0)
    others = tuple(Option((Need(*where, effect),), worth) for *where, worth in also)
    return Claim(task, f"do.{effect}", (first, *others), (rank, task), moves, value is not None)


def both(one, other, rules=RULES):
    return resolve(one, [other], [], rules), resolve(other, [one], [], rules)


def test_without_a_collision_it_goes_and_no_rung_is_named():
    resolution = resolve(claim("a", "slot/1"), [claim("b", "slot/2")], [], RULES)
    assert (resolution.fate, resolution.rung, resolution.met) == (Fate.GOES, "", ())


def test_policy_order_decides_before_value():
    mine, other = both(claim("a", "ordered/1", "discount", value=1), claim("b", "ordered/1", "raise", value=9))
    assert (mine.fate, mine.rung) == (Fate.GOES, "order")
    assert (other.fate, other.rung) == (Fate.WAITS, "order")
    assert "discount goes before raise" in other.reason


def test_the_loser_by_order_takes_an_alternative_that_fits():
    loser = claim("b", "ordered/1", "raise", value=5, also=[("ordered/1", 5, 15, 4), ("ordered/1", 10, 20, 3)])
    resolution = resolve(loser, [claim("a", "ordered/1", "discount", value=1)], [], RULES)
    assert (resolution.fate, resolution.option) == (Fate.TAKES, 2)


def test_a_packing_lets_both_have_something_even_where_the_first_is_worth_more():
    mine, other = both(claim("a", "slot/1", value=10, also=[("slot/1", 10, 20, 9)]), claim("b", "slot/1", value=8))
    assert (mine.fate, mine.rung, mine.option) == (Fate.TAKES, "packing", 1)
    assert (other.fate, other.rung) == (Fate.GOES, "packing")


def test_what_is_worth_more_goes_first():
    mine, other = both(claim("a", "price/1", "discount", value=3), claim("b", "price/1", "raise", value=4))
    assert (mine.fate, other.fate) == (Fate.WAITS, Fate.GOES)


def test_values_count_only_where_all_have_one():
    mine, other = both(claim("a", "price/1", "discount", value=3), claim("b", "price/1", "raise"))
    assert (mine.fate, other.fate) == (Fate.ASKS, Fate.ASKS)
    assert mine.rung == "authority"


def test_a_line_is_for_room_and_not_for_contradictions():
    mine, other = both(claim("a", "slot/1", rank=2), claim("b", "slot/1", rank=1))
    assert (mine.fate, mine.rung, other.fate) == (Fate.WAITS, "line", Fate.GOES)


def test_who_waits_for_an_approval_takes_no_place_in_a_line():
    assert resolve(claim("a", "slot/1", rank=2), [claim("b", "slot/1", rank=1, moves=False)], [], RULES).fate is Fate.GOES
    asleep = claim("b", "price/1", "raise", moves=False)
    assert resolve(claim("a", "price/1", "discount"), [asleep], [], RULES).fate is Fate.ASKS


def test_a_lease_cannot_be_overtaken_by_order_or_value():
    held = Held("b", "do.raise", Need("ordered/1", 0, 30, "raise"))
    resolution = resolve(claim("a", "ordered/1", "discount", value=99), [], [held], RULES)
    assert (resolution.fate, resolution.rung) == (Fate.WAITS, "lease")
    moved = claim("a", "ordered/1", "discount", value=99, also=[("ordered/1", 30, 40, 1)])
    assert resolve(moved, [], [held], RULES).option == 1


@pytest.mark.parametrize(("first", "fate"), [(True, Fate.GOES), (False, Fate.WAITS)])
def test_a_person_has_the_last_word(first, fate):
    resolution = resolve(claim("a", "ordered/1", "raise"), [claim("b", "ordered/1", "discount")], [], RULES, ruled={"b": first})
    assert (resolution.fate, resolution.rung) == (fate, "authority")


claims = st.builds(
    lambda resource, effect, value, at, length, rank: (resource, effect, value, at, length, rank),
    st.sampled_from(["price/1", "ordered/1", "slot/1"]), st.sampled_from(["discount", "raise"]), st.none() | st.integers(1, 3), st.integers(0, 15),
    st.none() | st.integers(0, 30), st.integers(0, 3),
)  # fmt: skip


@given(claims, claims)
def test_two_sides_never_both_go_and_never_both_wait(one, two):
    """Whoever comes to its turn first, the other finds the same: a pair ends with one that goes, or with a person."""
    made = []
    for task, (resource, effect, value, at, other, rank) in (("a", one), ("b", two)):
        also = [] if other is None else [(resource, other, other + 10, (value or 1) * 0.9)]
        made.append(claim(task, resource, effect, value=value, at=at, rank=rank, also=also))
    mine, other = both(*made)
    fates = {mine.fate, other.fate}
    if mine.met or other.met:
        assert bool(mine.met) == bool(other.met)
        assert fates not in ({Fate.GOES}, {Fate.WAITS})
        assert (mine.fate is Fate.ASKS) == (other.fate is Fate.ASKS)
    else:
        assert fates == {Fate.GOES}
