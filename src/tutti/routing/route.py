"""Choosing an agent: eligibility, score parts that add up, Thompson draws with their propensities."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from tutti.model.route import Candidate, Route, RuledOut, Weights
from tutti.registry import Condition, prepared
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
    out: dict[int, str] = {}  # who is ruled out, by which rule: the first one that says so

    for key, rule in shut.items():
        index = board.index.get(key)
        if index is not None:
            out[index] = rule
    for id in excluded:
        name, _, version = id.rpartition("@")
        index = board.index.get((name, version))
        if index is not None:
            out.setdefault(index, "already failed at this task")
    if board.conditional and conditions:
        values = prepared(case.values(skill))
        for index in board.conditional:
            card = board.cards[index]
            condition = conditions.get((card.name, card.version))
            if index not in out and condition is not None and not condition.holds(values):
                out[index] = f"its condition does not hold: {condition.text}"
    full = sorted(board.full.difference(out))
    for index in full:
        out[index] = f"at capacity: {board.running[index]} of {board.concurrency[index]} runs"

    left, fixed = _fixed_parts(board, out, case, weights)
    shortlist = []
    for position in _best_first(weights.quality * board.mean[left] + fixed.sum(axis=0)):
        index = int(left[position])
        rule_said = permit(index) if permit is not None else None
        if rule_said is None:
            shortlist.append(position)
            if len(shortlist) == SHORTLIST:
                break
        else:
            out[index] = rule_said
    ruled = tuple(RuledOut(board.cards[index].id, rule) for index, rule in islice(out.items(), LISTED))
    candidates: list[Candidate] = []
    chosen = None
    if shortlist:
        arms, parts = (left, fixed) if len(shortlist) == len(left) else (left[shortlist], fixed[:, shortlist])
        drawn, propensity, winner = _draw(board, arms, parts.sum(axis=0), weights, explore, rng)
        candidates = [_candidate(board, weights, *arm) for arm in zip(arms.tolist(), drawn, propensity, *parts.tolist(), strict=True)]
        chosen = candidates[winner]
        candidates.sort(key=lambda candidate: -candidate.score)
    return Route(
        skill,
        task_class,
        chosen,
        tuple(candidates),
        ruled,
        number,
        len(out),
        explored=explore and len(shortlist) > 1,
        busy=bool(full),
        weights=weights,
    )


def _fixed_parts(board: Board, out: Collection[int], case: Case, weights: Weights) -> tuple[np.ndarray, np.ndarray]:
    """Who is left, and three rows for them: latency against the deadline, cost against the dearest, load against capacity.

    Each goes from 0 down to minus its weight.
    """
    eligible = np.ones(len(board.cards), dtype=bool)
    if out:
        eligible[list(out)] = False
    left = eligible.nonzero()[0]
    spare = case.time_left_ms if case.time_left_ms is not None and case.time_left_ms > 0 else 30_000.0
    parts = np.zeros((3, len(left)))
    np.minimum(board.latency_ms[left] * (weights.latency / spare), weights.latency, out=parts[0])
    dearest = board.cost[left].max(initial=0.0)
    if dearest > 0:
        np.multiply(board.cost[left], weights.cost / dearest, out=parts[1])
    np.multiply(board.load[left], weights.load, out=parts[2])
    return left, np.negative(parts, out=parts)


def _best_first(worth: np.ndarray) -> list[int]:
    """Positions by falling worth; as they stand where all of them fit the shortlist anyway."""
    if len(worth) <= SHORTLIST:
        return list(range(len(worth)))
    order: list[int] = np.argsort(-worth, kind="stable").tolist()
    return order


def _draw(board: Board, arms: np.ndarray, fixed: np.ndarray, weights: Weights, explore: bool, rng: np.random.Generator) -> tuple[list[float], list[float], int]:
    """Draws of the choice, propensities, and the winner among the arms."""
    if not explore or len(arms) == 1:
        drawn = board.mean[arms]
        winner = int((weights.quality * drawn + fixed).argmax())
        return drawn.tolist(), [float(arm == winner) for arm in range(len(arms))], winner
    draws = rng.beta(board.good[arms], board.bad[arms], size=(DRAWS, len(arms)))
    winners = (weights.quality * draws + fixed).argmax(axis=1)
    pick = int(rng.random() * DRAWS)
    return draws[pick].tolist(), (np.bincount(winners, minlength=len(arms)) / DRAWS).tolist(), int(winners[pick])


def _candidate(board: Board, weights: Weights, index: int, drawn: float, propensity: float, latency: float, cost: float, load: float) -> Candidate:
    card = board.cards[index]
    parts = {"quality": round(weights.quality * drawn, 6), "latency": round(latency, 6), "cost": round(cost, 6), "load": round(load, 6)}
    return Candidate(
        agent=card.name,
        version=card.version,
        quality=round(float(board.mean[index]), 6),
        drawn=round(drawn, 6),
        judged=int(board.judged[index]),
        latency_ms=round(float(board.latency_ms[index]), 3),
        cost=float(board.cost[index]),
        load=round(board.running[index] / max(board.concurrency[index], 1), 4),
        parts=parts,
        score=round(sum(parts.values()), 6),
        propensity=round(propensity, 6),
    )
