"""Assignments: worth most among those that are allowed, and what each pair lacked, against every assignment there is."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutti.routing import assign, shortfalls

PATIENT = 30.0  # seconds for the solver, which needs a fraction of one: the machine may be busy


def problem(seed: int, tasks: int, agents: int) -> tuple[np.ndarray, np.ndarray, list[int], np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(2, 3, (tasks, agents))
    return scores, rng.random((tasks, agents)) < 0.7, rng.integers(0, 3, agents).tolist(), rng.gamma(2, 1, (tasks, agents))


def worth(scores, choice):
    return sum(scores[task, agent] for task, agents in enumerate(choice) for agent in agents)


def allowed(choice, eligible, capacity, costs=None, budget=None, needs=None, apart=()):
    load = [0] * len(capacity)
    for task, agents in enumerate(choice):
        if len(set(agents)) != len(agents) or not all(eligible[task, agent] for agent in agents):
            return False
        if agents and len(agents) != (needs[task] if needs else 1):
            return False
        for agent in agents:
            load[agent] += 1
    if any(used > places for used, places in zip(load, capacity, strict=True)):
        return False
    if budget is not None and sum(costs[task, agent] for task, agents in enumerate(choice) for agent in agents) > budget + 1e-6:
        return False
    return not any(set(choice[first]) & set(choice[second]) for first, second in apart)


def best(scores, eligible, capacity, costs=None, budget=None, needs=None, apart=()):
    tasks, agents = scores.shape
    options = [[(), *itertools.combinations(range(agents), needs[task] if needs else 1)] for task in range(tasks)]
    return max(worth(scores, choice) for choice in itertools.product(*options) if allowed(choice, eligible, capacity, costs, budget, needs, apart))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 3))
def test_capacities_alone_are_exact(seed, tasks, agents):
    scores, eligible, capacity, _ = problem(seed, tasks, agents)
    found = assign(scores, eligible, capacity)
    assert allowed(found.choice, eligible, capacity)
    assert found.value == pytest.approx(worth(scores, found.choice)) == pytest.approx(best(scores, eligible, capacity))
    assert found.gap == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 3), st.floats(0, 1))
def test_a_budget_is_kept_and_nothing_better_fits_it(seed, tasks, agents, share):
    scores, eligible, capacity, costs = problem(seed, tasks, agents)
    budget = share * float(costs.max(axis=1).sum())
    found = assign(scores, eligible, capacity, costs=costs, budget=budget, seconds=PATIENT)
    assert allowed(found.choice, eligible, capacity, costs, budget)
    assert found.value == pytest.approx(best(scores, eligible, capacity, costs, budget), abs=1e-5)
    assert found.value <= found.bound + 1e-9


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6))
def test_several_agents_for_a_task_all_or_none_and_pairs_that_are_kept_apart(seed):
    scores, eligible, capacity, costs = problem(seed, 4, 3)
    rng = np.random.default_rng(seed)
    needs, apart = rng.integers(1, 3, 4).tolist(), [(0, 1), (2, 3)]
    budget = float(costs.mean() * 4)
    found = assign(scores, eligible, capacity, costs=costs, budget=budget, needs=needs, apart=apart, seconds=PATIENT)
    assert allowed(found.choice, eligible, capacity, costs, budget, needs, apart)
    # with several agents the pairs of a task count together, also one that is worth less than nothing by itself: those are never taken
    assert found.value == pytest.approx(best(np.where(scores > 0, scores, -1e6), eligible, capacity, costs, budget, needs, apart), abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 4))
def test_what_a_pair_lacked_is_the_least_rise_that_wins_it(seed, tasks, agents):
    scores, eligible, capacity, _ = problem(seed, tasks, agents)
    lacked = shortfalls(scores, eligible, capacity, assign(scores, eligible, capacity).choice)
    for task, agent in itertools.product(range(tasks), range(agents)):
        if not np.isfinite(lacked[task, agent]):
            assert not eligible[task, agent] or capacity[agent] == 0
            continue
        more, less = scores.copy(), scores.copy()
        more[task, agent] += lacked[task, agent] + 1e-6
        assert assign(more, eligible, capacity).choice[task] == (agent,)
        if lacked[task, agent] > 1e-5:
            less[task, agent] += lacked[task, agent] - 1e-6
            assert assign(less, eligible, capacity).choice[task] != (agent,)


def test_large_problems_with_a_budget_are_within_a_thousandth_of_the_bound():
    rng = np.random.default_rng(5)
    quality, costs = rng.beta(4, 2, (80, 12)), rng.gamma(2, 1.5, (80, 12))
    scores, eligible, capacity = 10 * quality - 0.6 * costs, rng.random((80, 12)) < 0.7, rng.integers(1, 12, 12)
    free = assign(scores, eligible, capacity, seconds=PATIENT)
    spent = worth(costs, free.choice)
    found = assign(scores, eligible, capacity, costs=costs, budget=spent / 2, seconds=PATIENT)
    assert worth(costs, found.choice) <= spent / 2 + 1e-6
    assert found.gap <= 1e-3
    assert found.price > 0
    assert found.value < free.value


def test_shapes_that_do_not_fit_are_told():
    with pytest.raises(ValueError, match="do not fit"):
        assign([[1.0, 2.0]], [[True]], [1, 1])
    with pytest.raises(ValueError, match="budget"):
        assign([[1.0]], [[True]], [1], costs=[[1.0]], budget=-1.0)
    assert assign(np.zeros((2, 0)), np.zeros((2, 0)), []).choice == ((), ())
