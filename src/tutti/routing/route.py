"""Choosing an agent: eligibility, score parts that add up, Thompson draws with their propensities."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tutti.model.route import Candidate, Route, RuledOut, Weights
from tutti.registry import Condition
from tutti.routing.board import Board

SHORTLIST = 16  # arms that are drawn; 256 would cost 17 ms, 16 cost 0.3 ms (DESIGN section 4)
DRAWS = 64  # vectors drawn; a propensity is known to 1/64
LISTED = 16  # ruled-out agents that are named; the rest are counted
CONDITION_NAMES = ("input", "case", "subject", "priority", "skill")

Permit = Callable[[int], str | None]  # index on the board → the rule that forbids it, or None


@dataclass(frozen=True, slots=True)
class Case:
    """What a route may look at: the task's input and what is known of its subject (topic → value)."""

    input: Any = None
    known: Mapping[str, Any] = field(default_factory=dict)
    subject: str | None = None
    priority: int = 0
    time_left_ms: float | None = None

    def values(self, skill: str) -> dict[str, Any]:
        """The names a condition may use."""
        return {"input": self.input, "case": dict(self.known), "subject": self.subject, "priority": self.priority, "skill": skill}


def route(
    skill: str,
    task_class: str,
    board: Board,
    case: Case,
    *,
    weights: Weights,
    explore: bool,
    rng: np.random.Generator,
    shut: Mapping[tuple[str, str], str],
    excluded: Collection[str] = (),
    conditions: Mapping[tuple[str, str], Condition] | None = None,
    permit: Permit | None = None,
) -> Route:
    """The best agent for a task, with every reason.

    `shut` names agents that are ill or stopped, with the rule; `excluded` (ids `name@version`) are those that already failed at this task.
    With `explore` the quality part is one draw of each posterior, else its mean. The parts of each candidate add up to its score.
    """
    number = len(board.cards)
    eligible = np.ones(number, dtype=bool)
    ruled: list[RuledOut] = []
    count = 0
    busy = False

    def rule_out(index: int, rule: str) -> None:
        nonlocal count
        eligible[index] = False
        count += 1
        if len(ruled) < LISTED:
            ruled.append(RuledOut(board.cards[index].id, rule))

    for key, rule in shut.items():
        index = board.index.get(key)
        if index is not None:
            rule_out(index, rule)
    for id in excluded:
        name, _, version = id.rpartition("@")
        index = board.index.get((name, version))
        if index is not None and eligible[index]:
            rule_out(index, "already failed at this task")
    if board.conditional and conditions:
        values = case.values(skill)
        for index in board.conditional:
            card = board.cards[index]
            condition = conditions.get((card.name, card.version))
            if eligible[index] and condition is not None and not condition.holds(values):
                rule_out(index, f"its condition does not hold: {condition.text}")
    for full in np.flatnonzero(eligible & (board.running >= board.concurrency)).tolist():
        busy = True
        rule_out(full, f"at capacity: {int(board.running[full])} of {int(board.concurrency[full])} runs")

    left = np.flatnonzero(eligible)
    mean = board.good / (board.good + board.bad)
    latency, cost, load = _fixed_parts(board, left, case, weights)
    quality = weights.quality * mean[left]
    order = np.argsort(-(quality + latency + cost + load), kind="stable")
    shortlist: list[int] = []
    for position in order:
        candidate = int(left[position])
        forbidden = permit(candidate) if permit is not None else None
        if forbidden is None:
            shortlist.append(int(position))
            if len(shortlist) == SHORTLIST:
                break
        else:
            rule_out(candidate, forbidden)
    found = Route(skill, task_class, None, (), tuple(ruled), number, count, busy=busy, weights=weights)
    if not shortlist:
        return found

    arms = left[shortlist]
    fixed = (latency + cost + load)[shortlist]
    drawn, propensity, winner = _draw(board, arms, fixed, weights, mean, explore, rng)
    scores = weights.quality * drawn + fixed
    ranked = np.argsort(-scores, kind="stable")
    candidates = tuple(
        _candidate(board, int(arms[i]), mean, drawn[i], weights, latency[shortlist[i]], cost[shortlist[i]], load[shortlist[i]], propensity[i]) for i in ranked
    )
    chosen = candidates[int(np.flatnonzero(ranked == winner)[0])]
    return replace(found, chosen=chosen, candidates=candidates, explored=explore and len(shortlist) > 1)


def _fixed_parts(board: Board, left: np.ndarray, case: Case, weights: Weights) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latency against the deadline, cost against the dearest, load against capacity: each from 0 down to minus its weight."""
    spare = case.time_left_ms if case.time_left_ms is not None and case.time_left_ms > 0 else 30_000.0
    latency = -weights.latency * np.minimum(board.latency_ms[left] / spare, 1.0)
    dearest = board.cost[left].max(initial=0.0)
    cost = -weights.cost * (board.cost[left] / dearest) if dearest > 0 else np.zeros(len(left))
    load = -weights.load * np.minimum(board.running[left] / np.maximum(board.concurrency[left], 1.0), 1.0)
    return latency, cost, load


def _draw(
    board: Board, arms: np.ndarray, fixed: np.ndarray, weights: Weights, mean: np.ndarray, explore: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, int]:
    """Draws of the choice, propensities, and the winner among the arms."""
    if not explore or len(arms) == 1:
        drawn = mean[arms]
        winner = int(np.argmax(weights.quality * drawn + fixed))
        propensity = np.zeros(len(arms))
        propensity[winner] = 1.0
        return drawn, propensity, winner
    draws = rng.beta(board.good[arms], board.bad[arms], size=(DRAWS, len(arms)))
    winners = np.argmax(weights.quality * draws + fixed, axis=1)
    pick = int(rng.integers(DRAWS))
    propensity = np.bincount(winners, minlength=len(arms)) / DRAWS
    return draws[pick], propensity, int(winners[pick])


def _candidate(
    board: Board, index: int, mean: np.ndarray, drawn: float, weights: Weights, latency: float, cost: float, load: float, propensity: float
) -> Candidate:
    card = board.cards[index]
    parts = {
        "quality": round(weights.quality * float(drawn), 6),
        "latency": round(float(latency), 6),
        "cost": round(float(cost), 6),
        "load": round(float(load), 6),
    }
    return Candidate(
        agent=card.name,
        version=card.version,
        quality=round(float(mean[index]), 6),
        drawn=round(float(drawn), 6),
        judged=int(board.judged[index]),
        latency_ms=round(float(board.latency_ms[index]), 3),
        cost=float(board.cost[index]),
        load=round(float(board.running[index] / max(board.concurrency[index], 1.0)), 4),
        parts=parts,
        score=round(sum(parts.values()), 6),
        propensity=round(float(propensity), 6),
    )
