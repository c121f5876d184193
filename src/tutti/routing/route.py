"""Choosing an agent: eligibility, score parts that add up, Thompson draws with their propensities."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from tutti.model.route import SPARE_MS, Candidate, Route, RuledOut, Weights
from tutti.registry import Condition, prepared
from tutti.routing.board import Board

_LEAST = 1e-6  # of a currency: what costs less than the smallest amount that a fact keeps costs nothing
SHORTLIST = 16  # arms that are drawn; 256 would cost 17 ms, 16 cost 0.3 ms (DESIGN section 4)
DRAWS = 64  # vectors drawn; a propensity is known to 1/64
LISTED = 16  # ruled-out agents that are named; the rest are counted
CONDITION_NAMES = ("input", "case", "subject", "priority", "skill")

Permit = Callable[[int], str | None]  # index on the board → the rule that forbids it, or None


class Case(NamedTuple):
    """What a route may look at: the task's input and what is known of its subject (topic → value)."""

    input: Any = None
    known: Mapping[str, Any] = MappingProxyType({})
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
    out, busy = _ruled_out(skill, board, case, shut, excluded, conditions)
    left = dict.fromkeys(index for index in range(number) if index not in out) if out else range(number)
    costs = _Costs(board, left, case, weights)
    shortlist: list[int] = []
    for index in _best_first(board, left, costs):
        said = permit(index) if permit is not None else None
        if said is None:
            shortlist.append(index)
            if len(shortlist) == SHORTLIST:
                break
        else:
            out[index] = said
    candidates, chosen = _draw(board, shortlist, costs, explore, rng) if shortlist else ((), None)
    ruled = tuple(RuledOut(board.cards[index].id, rule) for index, rule in islice(out.items(), LISTED))
    return Route(
        skill,
        task_class,
        chosen,
        candidates,
        ruled,
        number,
        len(out),
        explored=explore and len(shortlist) > 1,
        busy=busy,
        weights=weights,
    )


def worths(
    skill: str,
    board: Board,
    case: Case,
    *,
    weights: Weights,
    shut: Mapping[tuple[str, str], str],
    excluded: Collection[str] = (),
    conditions: Mapping[tuple[str, str], Condition] | None = None,
) -> dict[int, float]:
    """The score of each agent (by index) that may take a task, busy or not; nothing is drawn."""
    out = _unfit(skill, board, case, shut, excluded, conditions)
    left = [index for index in range(len(board.cards)) if index not in out]
    costs = _Costs(board, left, case, weights)
    return {index: weights.quality * board.mean[index] + sum(costs.of(index)) for index in left}


def _ruled_out(
    skill: str,
    board: Board,
    case: Case,
    shut: Mapping[tuple[str, str], str],
    excluded: Collection[str],
    conditions: Mapping[tuple[str, str], Condition] | None,
) -> tuple[dict[int, str], bool]:
    """Who cannot be taken, by which rule (the first one that says so), and whether waiting for capacity would help."""
    out = _unfit(skill, board, case, shut, excluded, conditions)
    full = sorted(board.full.difference(out))
    for index in full:
        out[index] = f"at capacity: {board.running[index]} of {board.concurrency[index]} runs"
    return out, bool(full)


def _unfit(
    skill: str,
    board: Board,
    case: Case,
    shut: Mapping[tuple[str, str], str],
    excluded: Collection[str],
    conditions: Mapping[tuple[str, str], Condition] | None,
) -> dict[int, str]:
    """Who cannot be taken however long one waits, by which rule."""
    out: dict[int, str] = {}
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
            if index not in out and condition is not None and (unmet := condition.unmet(values)):
                out[index] = unmet.words
    return out


class _Costs:
    """What latency (against the time left), price (against the dearest) and load cost an agent: each from 0 down to minus its weight."""

    __slots__ = ("board", "per_cost", "per_ms", "weights")

    def __init__(self, board: Board, left: Collection[int], case: Case, weights: Weights) -> None:
        spare = case.time_left_ms if case.time_left_ms is not None and case.time_left_ms > 0 else SPARE_MS
        dearest = max(map(board.cost.__getitem__, left), default=0.0)
        self.board = board
        self.weights = weights
        self.per_ms = weights.latency / spare
        self.per_cost = weights.cost / dearest if dearest >= _LEAST else 0.0

    def of(self, index: int) -> tuple[float, float, float]:
        board, weights = self.board, self.weights
        return -min(board.latency_ms[index] * self.per_ms, weights.latency), -board.cost[index] * self.per_cost, -board.load[index] * weights.load


def _best_first(board: Board, left: Collection[int], costs: _Costs) -> Collection[int]:
    """Who is left, by falling worth; as they stand where all of them fit the shortlist anyway."""
    if len(left) <= SHORTLIST:
        return left
    weights = costs.weights
    mean, latency_ms, cost, load = board.columns()
    worth = weights.quality * mean - np.minimum(latency_ms * costs.per_ms, weights.latency) - cost * costs.per_cost - load * weights.load
    order: list[int] = np.argsort(-worth, kind="stable").tolist()
    return order if len(left) == len(order) else [index for index in order if index in left]


def _draw(board: Board, arms: list[int], costs: _Costs, explore: bool, rng: np.random.Generator) -> tuple[tuple[Candidate, ...], Candidate]:
    """The arms as candidates, best first, and the winner. Each draw of all posteriors has a winner: one draw is taken, all give the propensities."""
    quality = costs.weights.quality
    parts = [costs.of(index) for index in arms]
    fixed = [sum(part) for part in parts]
    if explore and len(arms) > 1:
        draws = rng.beta([board.good[index] for index in arms], [board.bad[index] for index in arms], size=(DRAWS, len(arms)))
        winners = (draws * quality + fixed).argmax(axis=1).tolist()
        pick = int(rng.random() * DRAWS)
        drawn, winner = draws[pick].tolist(), winners[pick]
        chances = [winners.count(arm) / DRAWS for arm in range(len(arms))]
    else:
        drawn = [board.mean[index] for index in arms]
        scores = [quality * mean + cost for mean, cost in zip(drawn, fixed, strict=True)]
        winner = scores.index(max(scores))
        chances = [float(arm == winner) for arm in range(len(arms))]
    candidates = [_candidate(board, quality, *arm) for arm in zip(arms, drawn, chances, parts, strict=True)]
    chosen = candidates[winner]
    candidates.sort(key=_score, reverse=True)
    return tuple(candidates), chosen


def _score(candidate: Candidate) -> float:
    return candidate.score


@lru_cache(8192)
def _rounded(value: float, digits: int) -> float:
    """A figure as it is kept. Most come again from one task to the next, and rounding takes as long as the rest of a candidate."""
    return round(value, digits) + 0.0  # of the two zeros always the same one, whichever came first


def _candidate(board: Board, weight: float, index: int, drawn: float, propensity: float, costs: tuple[float, float, float]) -> Candidate:
    card = board.cards[index]
    quality, latency, cost, load = _rounded(weight * drawn, 6), _rounded(costs[0], 6), _rounded(costs[1], 6), _rounded(costs[2], 6)
    return Candidate(
        card.name,
        card.version,
        _rounded(board.mean[index], 6),
        _rounded(drawn, 6),
        board.judged[index],
        _rounded(board.latency_ms[index], 3),
        board.cost[index],
        _rounded(board.load[index], 4),
        {"quality": quality, "latency": latency, "cost": cost, "load": load},
        _rounded(quality + latency + cost + load, 6),
        propensity,
    )
