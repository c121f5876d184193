"""Queue, breakers and what follows an attempt."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from tutti import execution
from tutti.clock import MICROS
from tutti.execution.breakers import FIRST_REST, LONGEST_REST, THRESHOLD
from tutti.model.agent import Nature, Skill
from tutti.model.outcome import Ending, Outcome

ADVICE = Skill("job.do", Nature.ADVICE, {}, {}, attempts=3)
ONCE = replace(ADVICE, nature=Nature.ACTION, idempotent=False)
KEYED = replace(ADVICE, nature=Nature.ACTION, idempotent=True)
TASK = {"deadline_at": None}


def always(skill: str) -> bool:
    return True


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-3, 3), st.none() | st.integers(0, 5)), max_size=60))
def test_every_task_comes_out_once_and_priorities_hold_inside_a_department(puts):
    queue = execution.Queue({"a": 2, "b": 1})
    for n, (department, priority, deadline) in enumerate(puts):
        queue.put(f"t{n}", department, "skill", priority, deadline)
        queue.put(f"t{n}", department, "skill", priority, deadline)
    out = []
    while (task := queue.take(always)) is not None:
        out.append(task)
    assert sorted(out) == sorted(f"t{n}" for n in range(len(puts)))
    for department in "abc":
        keys = [(-puts[n][1], puts[n][2] if puts[n][2] is not None else 1 << 62, n) for n in (int(task[1:]) for task in out) if puts[n][0] == department]
        assert keys == sorted(keys)


@given(st.integers(1, 9), st.integers(1, 9))
def test_shares_follow_the_weights_while_both_departments_wait(first, second):
    queue = execution.Queue({"a": first, "b": second})
    for n in range(400):
        queue.put(f"a{n}", "a", "x", 0, None)
        queue.put(f"b{n}", "b", "y", 0, None)
    taken = [queue.take(always)[0] for _ in range(300)]
    assert abs(taken.count("a") / 300 - first / (first + second)) < 0.02


def test_an_idle_department_saves_nothing_up():
    queue = execution.Queue({"a": 1, "b": 1})
    for n in range(100):
        queue.put(f"a{n}", "a", "x", 0, None)
    for _ in range(90):
        queue.take(always)
    for n in range(10):
        queue.put(f"b{n}", "b", "y", 0, None)
    assert [queue.take(always)[0] for _ in range(10)].count("b") <= 6


def test_a_skill_without_capacity_is_passed_over_and_a_dropped_task_is_gone():
    queue = execution.Queue()
    queue.put("t1", "a", "full", 9, None)
    queue.put("t2", "a", "free", 0, None)
    queue.put("t3", "a", "free", 5, None)
    queue.drop("t3")
    assert queue.take(lambda skill: skill == "free") == "t2"
    assert queue.take(lambda skill: skill == "free") is None
    assert len(queue) == 1
    assert queue.take(always) == "t1"


def test_a_breaker_opens_rests_longer_each_time_and_closes_on_success():
    breakers, key, now = execution.Breakers(), ("agent", "1"), 0
    for _ in range(THRESHOLD):
        assert breakers.shut(now) == {}
        changed = breakers.ended(key, Outcome(Ending.FAILED), now)
    assert changed == ("tripped", int(FIRST_REST.total_seconds() * MICROS))
    rests = []
    for _ in range(9):
        now = breakers.opens_at(now, [key])
        assert breakers.shut(now) == {}, "one trial is let through"
        breakers.started(key)
        assert key in breakers.shut(now), "and no second one beside it"
        _, until = breakers.ended(key, Outcome(Ending.TIMED_OUT), now)
        rests.append(until - now)
    assert rests == sorted(rests)
    assert rests[-1] == int(LONGEST_REST.total_seconds() * MICROS)
    breakers.started(key)
    assert breakers.ended(key, Outcome(Ending.DONE), now) == ("recovered", 0)
    assert breakers.shut(now) == {}


def step(
    skill: Skill,
    ending: Ending,
    *,
    attempt: int = 1,
    rivals: bool = True,
    retry: bool = False,
    now: int = 0,
    error: str = "agent_raised",
    deadline_at: int | None = None,
):
    outcome = Outcome(ending, error=error, detail="words", retry=retry)
    return execution.next_step(skill, {"deadline_at": deadline_at}, outcome, attempt=attempt, rivals=rivals, now=now, rng=random.Random(1))


def test_an_unknown_outcome_of_an_action_that_does_not_honour_its_key_is_parked():
    for ending in (Ending.TIMED_OUT, Ending.UNKNOWN):
        for attempt in (1, 3):
            assert isinstance(step(ONCE, ending, attempt=attempt), execution.Park)
            assert isinstance(step(ONCE, ending, attempt=attempt, deadline_at=0, now=1), execution.Park)
        assert isinstance(step(KEYED, ending), execution.Retry)
        assert isinstance(step(KEYED, ending, attempt=3), execution.Park)
        assert isinstance(step(ADVICE, ending), execution.Retry)


def test_a_poison_task_is_parked_after_its_attempts():
    assert isinstance(step(ADVICE, Ending.UNKNOWN, attempt=2), execution.Retry)
    assert step(ADVICE, Ending.UNKNOWN, attempt=3) == execution.Park("the process went away 3 times while this task ran")


def test_failures_are_repeated_then_given_to_another_then_given_up():
    assert isinstance(step(ADVICE, Ending.FAILED, retry=True), execution.Retry)
    assert isinstance(step(ADVICE, Ending.FAILED, retry=True, attempt=3), execution.Fallback)
    assert isinstance(step(ADVICE, Ending.FAILED, retry=False), execution.Fallback)
    assert step(ADVICE, Ending.FAILED, retry=False, rivals=False) == execution.Fail("agent_raised")
    assert step(ADVICE, Ending.FAILED, error="invalid_input") == execution.Fail("invalid_input"), "another agent would be given the same input"
    assert step(ADVICE, Ending.FAILED, retry=True, deadline_at=0, now=1) == execution.Fail("deadline_passed")


def test_pauses_grow_with_jitter_and_have_a_longest():
    rng = random.Random(2)
    skill = replace(ADVICE, attempts=50)

    def pause(attempt: int) -> float:
        outcome = Outcome(Ending.FAILED, error="x", retry=True)
        return execution.next_step(skill, TASK, outcome, attempt=attempt, rivals=False, now=0, rng=rng).at / MICROS

    first = [pause(1) for _ in range(50)]
    assert 0.1 <= min(first) < max(first) <= 0.3
    assert pause(4) > max(first)
    assert pause(40) <= 90.0
    assert timedelta(seconds=pause(40)) >= timedelta(seconds=30)
