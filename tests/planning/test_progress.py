"""Which steps begin, which are skipped, and which have to be done again when a note has changed."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutti.model.plan import ordered
from tutti.planning import Plan, Progress, Step, begin, result, stale


def begun(plan: Plan, progress: Progress, under_way: tuple[str, ...] = (), input: Any = None, notes: dict[str, Any] | None = None) -> dict[str, Any]:
    return {step.name: value for step, value in begin(plan, progress, under_way, input, notes or {})}


def test_steps_that_wait_for_nobody_begin_together_and_others_after():
    plan = Plan((Step("a", "x", "{input.n}"), Step("b", "x", 2), Step("c", "x", {"sum": "{steps.a}"}, after=("b",))))
    assert begun(plan, Progress(), input={"n": 1}) == {"a": 1, "b": 2}
    assert begun(plan, Progress({"a": 5}), ("b",), {"n": 1}) == {}
    assert begun(plan, Progress({"a": 5, "b": 6}), input={"n": 1}) == {"c": {"sum": 5}}
    assert result(plan, Progress({"a": 5, "b": 6, "c": 7}), None, {}) == {"a": 5, "b": 6, "c": 7}


def test_a_condition_that_does_not_hold_skips_the_step_and_those_that_need_it():
    plan = Plan(
        (
            Step("a", "x", when="input.n > 1"),
            Step("b", "x", "{steps.a}"),
            Step("c", "x", {"a": "{steps.a?}"}),
            Step("d", "x", after=("a",)),
            Step("e", "x", "{steps.b}"),
        )
    )
    progress = Progress()
    assert begun(plan, progress, input={"n": 1}) == {"c": {"a": None}, "d": None}
    assert progress.skipped == {
        "a": "its condition does not hold: input.n > 1",
        "b": "it takes what a gives, which was skipped",
        "e": "it takes what b gives, which was skipped",
    }
    assert set(begun(plan, Progress(), input={"n": 2})) == {"a"}


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("input.none.n > 1", "no such key: none"), ("input['none'] == 1", "no such key: none"), ("steps.b.n > 1", "a value is not of the type that it needs"),
        ("input.text", "it gives neither true nor false"), ("input.list[7] == 1", "no such place in a list"), ("1 / input.zero > 1", "division by zero"),
        ("input.list.startsWith('a')", "startsWith() is not known, or does not take what it is given"), ("input.big * input.big > 1", "a number is too large"),
        ("int(input.text) > 1", "int() is not known, or does not take what it is given"),
    ],
)  # fmt: skip
def test_a_condition_that_cannot_be_evaluated_skips_the_step_and_says_on_what(when: str, why: str):
    progress = Progress(skipped={"b": "it failed"})
    input = {"text": "a secret", "list": [1, 2], "zero": 0, "big": 2**62}
    assert begun(Plan((Step("a", "x", when=when), Step("b", "x"))), progress, input=input) == {}
    assert progress.skipped["a"] == f"its condition could not be evaluated ({why}): {when}"


@given(
    st.text().map("zq".__add__),
    st.sampled_from(
        ["input[input.name] == 1", "{'a': 1}[input.name] > 1", "input.list[input.name]", "int(input.name) > 1", "timestamp(input.name) > timestamp('x')"]
    ),
)
def test_what_a_condition_looked_at_does_not_stand_in_the_reason(name: str, when: str):
    progress, other = Progress(), Progress()
    for value, each in ((name, progress), ("another name", other)):
        assert begun(Plan((Step("a", "x", when=when),)), each, input={"name": value, "list": [1]}) == {}
    assert progress.skipped == other.skipped


def test_any_waits_for_one_and_is_skipped_where_none_came():
    plan = Plan((Step("a", "x"), Step("b", "x"), Step("c", "x", after=("a", "b"), join="any")))
    assert begun(plan, Progress({"b": 1}), ("a",)) == {"c": None}
    assert begun(plan, Progress({}, {"b": "failed"}), ("a",)) == {}
    progress = Progress({}, {"a": "failed", "b": "failed"})
    assert begun(plan, progress) == {}
    assert progress.skipped["c"] == "none of a, b came to anything"


def test_what_took_a_note_is_stale_with_all_that_took_its_output_but_no_action():
    plan = Plan(
        (
            Step("a", "x", "{notes.risk}"),
            Step("b", "y", "{steps.a}"),
            Step("c", "act", "{steps.b}"),
            Step("d", "z", "{notes.other}"),
            Step("e", "z", "{steps.c}"),
        )
    )
    done = Progress(dict.fromkeys("abcd"))
    assert stale(plan, done, ("e",), {"risk"}, {"act"}) == {"a", "b"}
    assert stale(plan, done, (), {"other"}, {"act"}) == {"d"}
    assert stale(plan, Progress(), (), {"risk"}, set()) == set(), "what has not begun is not stale"


@settings(max_examples=80, deadline=None)
@given(seed=st.integers(0, 10**9))
def test_every_plan_comes_to_its_end_and_nothing_begins_before_what_it_awaits(seed: int):
    rng = random.Random(seed)
    names = [f"s{n}" for n in range(rng.randint(1, 8))]
    steps = []
    for place, name in enumerate(names):
        after = tuple(rng.sample(names[:place], min(place, rng.randint(0, 2))))
        when = rng.choice([None, None, "true", "false"])
        steps.append(Step(name, "x", after=after, when=when, join="any" if after and rng.random() < 0.3 else "all"))
    plan, progress, under_way, order = Plan(tuple(rng.sample(steps, len(steps)))), Progress(), set(), []
    by_name = {step.name: step for step in ordered(plan)}
    while True:
        for step, _ in begin(plan, progress, under_way, None, {}):
            ended = [progress.ended(name) for name in by_name[step.name].awaits]
            assert all(ended) if step.join == "all" else any(name in progress.outputs for name in step.after)
            under_way.add(step.name)
            order.append(step.name)
        if not under_way:
            break
        one = rng.choice(sorted(under_way))
        under_way.discard(one)
        (progress.outputs if rng.random() < 0.8 else progress.skipped)[one] = "over"  # type: ignore[index]
    assert all(map(progress.ended, names))
    assert len(order) == len(set(order))
