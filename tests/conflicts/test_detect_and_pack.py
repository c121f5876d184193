"""Pairs that collide and packings, held against looking at everything."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tutti.conflicts import Option, collide, detect, pack
from tutti.model.conflict import Need, Rule, Rules

RULES = Rules(
    price=Rule(None, frozenset({("discount", "raise")})),
    slot=Rule(2),
    room=Rule(1, exclusive=frozenset({"hall"})),
    hall=Rule(1),
)
PATIENT = 30.0  # seconds for the solver, which needs a fraction of one: the machine may be busy
needs = st.builds(
    lambda kind, name, start, length, effect, units: Need(f"{kind}/{name}", start, start + length, effect, units),
    st.sampled_from(["price", "slot", "room", "hall", "unknown"]),
    st.sampled_from("ab"),
    st.integers(0, 12),
    st.integers(1, 6),
    st.sampled_from(["discount", "raise", "look"]),
    st.integers(1, 2),
)


@given(st.dictionaries(st.integers(0, 99), st.lists(needs, min_size=1, max_size=2), max_size=12))
def test_the_sweep_finds_what_looking_at_all_pairs_finds(intents):
    slow = {
        (one, other)
        for one, other in itertools.combinations(intents, 2)
        if any(collide(mine, theirs, RULES) for mine in intents[one] for theirs in intents[other])
    }
    assert set(detect(intents, RULES)) == slow


def test_each_rule_names_itself():
    at = lambda resource, effect="", units=1, start=0, end=10: Need(resource, start, end, effect, units)  # noqa: E731
    assert collide(at("price/a", "raise"), at("price/a", "discount"), RULES) == "incompatible"
    assert collide(at("price/a", "raise"), at("price/a", "raise"), RULES) == ""
    assert collide(at("price/a", "raise"), at("price/b", "discount"), RULES) == ""
    assert collide(at("slot/a"), at("slot/a"), RULES) == ""
    assert collide(at("slot/a", units=2), at("slot/a"), RULES) == "capacity"
    assert collide(at("hall/a"), at("room/a"), RULES) == "exclusive"
    assert collide(at("hall/a"), at("room/b"), RULES) == ""
    assert collide(at("room/a"), at("room/a", start=10, end=12), RULES) == ""
    assert collide(at("unknown/a", "x"), at("unknown/a", "y"), RULES) == "capacity"


def feasible(chosen, intents, taken=()):
    held = list(taken) + [need for id, option in chosen.items() for need in intents[id][option].needs]
    for one, other in itertools.combinations(held, 2):
        if collide(one, other, RULES) in ("incompatible", "exclusive"):
            return False
    for need in held:
        capacity = RULES.of(need.resource).capacity
        load = sum(other.units for other in held if other.resource == need.resource and other.start <= need.start < other.end)
        if capacity is not None and load > capacity:
            return False
    return True


def best(intents, taken=()):
    ids = list(intents)
    value = 0.0
    for pick in itertools.product(*([None, *range(len(intents[id]))] for id in ids)):
        chosen = {id: option for id, option in zip(ids, pick, strict=True) if option is not None}
        if feasible(chosen, intents, taken):
            value = max(value, sum(intents[id][option].value for id, option in chosen.items()))
    return value


options = st.lists(st.builds(lambda need, value: Option((need,), value / 10), needs, st.integers(1, 50)), min_size=1, max_size=2)


@settings(max_examples=60, deadline=None)
@given(st.lists(options, min_size=1, max_size=6), st.lists(needs, max_size=1))
def test_a_packing_is_feasible_and_worth_the_most(lists, taken):
    intents = dict(enumerate(lists))
    if not feasible({}, intents, taken):
        return
    packing = pack(intents, RULES, taken=taken, within=PATIENT)
    assert feasible(packing.chosen, intents, taken)
    assert abs(packing.value - best(intents, taken)) < 1e-6
    assert packing.gap < 1e-3


def test_a_large_packing_is_feasible_and_says_its_gap():
    rng = np.random.default_rng(5)
    rules = Rules({f"r{number}": Rule(int(rng.integers(1, 3))) for number in range(10)})
    intents = {}
    for number in range(150):
        start, length, value = int(rng.integers(40)), int(rng.integers(1, 6)), float(rng.gamma(2, 2))
        intents[number] = [
            Option((Need(f"r{rng.integers(10)}/x", max(0, start + move), max(0, start + move) + length),), value * share)
            for move, share in ((0, 1.0), (3, 0.8))
        ]
    packing = pack(intents, rules, within=PATIENT)
    taken = [(number, intents[number][option].needs[0]) for number, option in packing.chosen.items()]
    for name, rule in rules.items():
        for moment in range(60):
            assert sum(need.resource == f"{name}/x" and need.start <= moment < need.end for _, need in taken) <= rule.capacity
    assert packing.gap < 0.01
    first_come = pack(intents, rules, within=0.001)
    assert first_come.value <= packing.value + 1e-9
