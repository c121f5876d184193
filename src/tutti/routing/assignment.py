"""Who does what, decided for many tasks at once: the assignment that is worth most, and how far each pair was from being in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_PRICES = 40  # halvings of the interval that the budget's price lies in: 1e-12 of its width
_CLOSE = 1e-9  # relative gap at which an assignment counts as proven
_NOBODY: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Assignment:
    """What was decided: for each task its agents (none: left out), what it is worth, and what no assignment can exceed."""

    choice: tuple[tuple[int, ...], ...]
    value: float
    bound: float
    by: str  # matching | budget price | milp
    price: float = 0.0  # what one unit of the budget was worth when it was decided

    @property
    def gap(self) -> float:
        """How much better another one could be at most, relative to the bound; 0 is proven."""
        return max(self.bound - self.value, 0.0) / abs(self.bound) if self.bound > self.value else 0.0


def assign(
    scores: Any,
    eligible: Any,
    capacity: Sequence[int],
    *,
    costs: Any = None,
    budget: float | None = None,
    needs: Sequence[int] | None = None,
    apart: Sequence[tuple[int, int]] = (),
    seconds: float = 2.0,
) -> Assignment:
    """The assignment of tasks (rows) to agents (columns) with the largest sum of scores; leaving a task out is worth 0.

    `eligible` says which pairs may be; `capacity` is how many tasks an agent can take. `costs` of the pairs may add up to `budget`. `needs` is
    how many different agents each task takes, all of them or none (default 1); `apart` names pairs of tasks that no agent may do both of.
    Exact where only capacities bind. Otherwise within `seconds`: what is best by then, with a bound. Raises: `ValueError` for shapes that differ.
    Source: Jonker and Volgenant (matching, in scipy); a price for the budget by bisection, then HiGHS over the pairs that the price leaves open.
    """
    worth = np.asarray(scores, dtype=float)
    able = np.asarray(eligible, dtype=bool)
    places = np.asarray(capacity, dtype=int)
    if worth.ndim != 2 or able.shape != worth.shape or places.shape != worth.shape[1:]:
        raise ValueError(f"scores {worth.shape}, eligible {able.shape} and capacity {places.shape} do not fit together")
    if not worth.size:
        return Assignment((_NOBODY,) * len(worth), 0.0, 0.0, "matching")
    able = able & (worth > 0)
    price = np.zeros_like(worth) if costs is None else np.asarray(costs, dtype=float)
    if apart or any(need != 1 for need in needs or ()):
        return _solve(worth, able, places, price, budget, list(needs or [1] * len(worth)), apart, seconds, None)
    chosen = _match(worth, able, places)
    if budget is None or _sum(price, chosen) <= budget + _CLOSE:
        value = _sum(worth, chosen)
        return Assignment(_choice(chosen), value, value, "matching")
    return _within(worth, able, places, price, budget, seconds)


def shortfalls(scores: Any, eligible: Any, capacity: Sequence[int], choice: Sequence[Sequence[int]]) -> np.ndarray:
    """What each pair's score lacked: the least rise of that score alone with which the pair is in an assignment that is worth most.

    0 for the pairs chosen, infinite for those that may not be. `choice` must be one that is worth most under capacities alone, each task with
    at most one agent. Source: distances in the residual graph of the minimum cost flow (Floyd and Warshall over the agents and "left out").
    """
    worth, able, places = np.asarray(scores, dtype=float), np.asarray(eligible, dtype=bool), np.asarray(capacity, dtype=int)
    tasks, agents = worth.shape
    at = np.array([agents_of[0] if agents_of else agents for agents_of in choice], dtype=int)
    whole = np.hstack([np.where(able, worth, -np.inf), np.zeros((tasks, 1))])  # the last column: left out
    held = whole[np.arange(tasks), at]
    load = np.bincount(at, minlength=agents + 1)
    distance = np.full((agents + 1, agents + 1), np.inf)
    for place in range(agents + 1):
        here = at == place
        if here.any():
            distance[place] = (held[here, None] - whole[here]).min(axis=0)
    spare = load[:agents] < places
    distance[:agents, agents][spare] = np.minimum(distance[:agents, agents][spare], 0.0)
    used = load[:agents] > 0
    distance[agents, :agents][used] = np.minimum(distance[agents, :agents][used], 0.0)
    np.fill_diagonal(distance, 0.0)
    for middle in range(agents + 1):
        distance = np.minimum(distance, distance[:, middle, None] + distance[None, middle, :])
    lacked = held[:, None] - whole[:, :agents] + distance[:agents, at].T
    lacked[places[None, :].repeat(tasks, axis=0) <= 0] = np.inf
    lacked[np.arange(tasks)[at < agents], at[at < agents]] = 0.0
    return np.asarray(np.maximum(lacked, 0.0))


def _match(worth: np.ndarray, able: np.ndarray, places: np.ndarray) -> np.ndarray:
    """The agent of each task (-1: left out), optimal under capacities."""
    from scipy.optimize import linear_sum_assignment

    columns = np.repeat(np.arange(len(places)), np.clip(places, 0, len(worth)))
    chosen = np.full(len(worth), -1)
    if len(columns):
        rows, taken = linear_sum_assignment(np.where(able, worth, 0.0)[:, columns], maximize=True)
        agents = columns[taken]
        real = able[rows, agents]
        chosen[rows[real]] = agents[real]
    return chosen


def _sum(values: np.ndarray, chosen: np.ndarray) -> float:
    rows = np.flatnonzero(chosen >= 0)
    return float(values[rows, chosen[rows]].sum())


def _choice(chosen: np.ndarray) -> tuple[tuple[int, ...], ...]:
    return tuple(_NOBODY if agent < 0 else (agent,) for agent in chosen.tolist())


def _within(worth: np.ndarray, able: np.ndarray, places: np.ndarray, costs: np.ndarray, budget: float, seconds: float) -> Assignment:
    """One budget besides the capacities: a price on costs splits it into matchings, and tells which pairs can still be in the best one."""
    if budget < 0:
        raise ValueError(f"a budget of {budget} leaves no assignment, not even none")
    best, value, bound, fair = np.full(len(worth), -1), 0.0, np.inf, 0.0
    low, high = 0.0, float((worth[able] / np.maximum(costs[able], 1e-12)).max())
    kept = best
    for _ in range(_PRICES):
        price = (low + high) / 2
        dear = worth - price * costs
        chosen = _match(dear, able & (dear > 0), places)
        limit = _sum(dear, chosen) + price * budget
        if limit < bound:
            bound, fair, kept = limit, price, chosen
        if _sum(costs, chosen) <= budget:
            high = price
            if _sum(worth, chosen) > value:
                best, value = chosen, _sum(worth, chosen)
        else:
            low = price
        if bound - value <= _CLOSE * max(bound, 1.0):
            return Assignment(_choice(best), value, bound, "budget price", fair)
    best, value = _fill(worth, able, places, costs, budget, best)
    dear = worth - fair * costs
    open_to = able & (bound - shortfalls(dear, able, places.tolist(), _choice(kept)) >= value - _CLOSE)
    found = _solve(worth, open_to, places, costs, budget, [1] * len(worth), (), seconds, bound)
    if found.value < value:
        return Assignment(_choice(best), value, min(bound, found.bound), found.by, fair)
    return Assignment(found.choice, found.value, max(min(bound, found.bound), found.value), found.by, fair)


def _fill(worth: np.ndarray, able: np.ndarray, places: np.ndarray, costs: np.ndarray, budget: float, chosen: np.ndarray) -> tuple[np.ndarray, float]:
    """Better an assignment under a budget pair by pair, the largest gain first, while the rest of the budget allows it."""
    chosen = chosen.copy()
    rows = np.arange(len(worth))
    padded = np.hstack([worth, np.zeros((len(worth), 1))])
    paid = np.hstack([costs, np.zeros((len(worth), 1))])
    while True:
        load = np.bincount(chosen[chosen >= 0], minlength=len(places))
        rest = budget - _sum(costs, chosen)
        gain = np.where(able & (load < places), worth - padded[rows, chosen][:, None], -np.inf)
        gain[costs - paid[rows, chosen][:, None] > rest] = -np.inf
        task, agent = divmod(int(gain.argmax()), len(places))
        if gain[task, agent] <= _CLOSE:
            return chosen, _sum(worth, chosen)
        chosen[task] = agent


def _solve(
    worth: np.ndarray,
    able: np.ndarray,
    places: np.ndarray,
    costs: np.ndarray,
    budget: float | None,
    needs: list[int],
    apart: Sequence[tuple[int, int]],
    seconds: float,
    bound: float | None,
) -> Assignment:
    """The same as an integer programme over the pairs that may be; with whatever is best when the time is over."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    several = [task for task, need in enumerate(needs) if need != 1]
    tasks, agents = np.nonzero(able)
    pairs, whole = len(tasks), len(tasks) + len(several)  # a task that takes several agents has a variable of its own: all of them or none
    if not pairs:
        return Assignment((_NOBODY,) * len(worth), 0.0, 0.0 if bound is None else bound, "milp")
    rows: list[np.ndarray] = [tasks, len(worth) + agents]
    columns: list[np.ndarray] = [np.arange(pairs), np.arange(pairs)]
    values: list[np.ndarray] = [np.ones(pairs), np.ones(pairs)]
    least = np.full(len(worth) + len(places), -np.inf)
    most = np.concatenate([np.ones(len(worth)), places.astype(float)])
    for number, task in enumerate(several):
        rows.append(np.array([task]))
        columns.append(np.array([pairs + number]))
        values.append(np.array([-float(needs[task])]))
        least[task] = most[task] = 0.0
    more_least, more_most = [], []
    if budget is not None:
        rows.append(np.full(pairs, len(most)))
        columns.append(np.arange(pairs))
        values.append(costs[tasks, agents])
        more_least.append(-np.inf)
        more_most.append(float(budget))
    place = {(row, column): number for number, (row, column) in enumerate(zip(tasks.tolist(), agents.tolist(), strict=True))}
    for first, second in apart:
        for column in range(worth.shape[1]):
            if (first, column) in place and (second, column) in place:
                rows.append(np.full(2, len(most) + len(more_most)))
                columns.append(np.array([place[first, column], place[second, column]]))
                values.append(np.ones(2))
                more_least.append(-np.inf)
                more_most.append(1.0)
    least, most = np.concatenate([least, more_least]), np.concatenate([most, more_most])
    matrix = csr_array((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(len(most), whole))
    gains = np.concatenate([worth[tasks, agents], np.zeros(len(several))])
    solved = milp(
        -gains, constraints=LinearConstraint(matrix, least, most), integrality=np.ones(whole), bounds=Bounds(0, 1),
        options={"time_limit": seconds, "mip_rel_gap": 1e-6},
    )  # fmt: skip
    proven = -float(solved.mip_dual_bound) if solved.mip_dual_bound is not None else float(gains[gains > 0].sum())
    if solved.x is None:  # the time was over before anything was found
        return Assignment((_NOBODY,) * len(worth), 0.0, proven, "milp")
    choice: list[list[int]] = [[] for _ in worth]
    for number in np.flatnonzero(solved.x[:pairs] > 0.5).tolist():
        choice[tasks[number]].append(int(agents[number]))
    value = float(gains[:pairs][solved.x[:pairs] > 0.5].sum())
    return Assignment(tuple(map(tuple, choice)), value, max(proven, value), "milp")
