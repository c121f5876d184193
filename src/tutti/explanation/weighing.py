"""A route's record, weighed again: the candidates as they were known, what their scores are made of, and the smallest change of each input that flips the choice.

A change is computed as the route would have computed it. What is kept of a score is rounded to six places, so a threshold is as exact as that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tutti.model.route import PRIOR_WEIGHT, SPARE_MS

PARTS = ("quality", "latency", "cost", "load")
COLUMNS = ("agent", "version", "quality", "drawn", "judged", "latency_ms", "cost", "load", "score", "propensity")
TIE = 0.005  # scores that lie nearer than this are called a tie
_HALVINGS = 60
_LEAST = 1e-6  # of a currency: what costs less costs nothing, as in routing
_DEAR = 1e6  # times the dearest: as dear as it can be


@dataclass(frozen=True, slots=True)
class _Scored:
    """One candidate's inputs to its score."""

    name: str
    quality: float  # as it counted: drawn, or the mean
    latency: float
    cost: float
    load: float


@dataclass(frozen=True, slots=True)
class _Scale:
    """How inputs became parts: weights, what a millisecond takes, and the dearest that costs are held against."""

    weights: Mapping[str, float]
    per_ms: float
    dearest: float

    def score(self, one: _Scored, dearest: float) -> float:
        """A candidate's score, with this as the dearest cost."""
        weights = self.weights
        latency = min(one.latency * self.per_ms, weights["latency"])
        cost = weights["cost"] * one.cost / dearest if dearest >= _LEAST else 0.0
        return weights["quality"] * one.quality - latency - cost - weights["load"] * one.load


def candidates(data: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The candidates of a `task.routed` fact, best first, with their parts."""
    found = []
    for row in data["candidates"]:
        candidate = dict(zip(COLUMNS, row[: len(COLUMNS)], strict=True))
        candidate["parts"] = dict(zip(PARTS, row[len(COLUMNS) :], strict=True))
        found.append(candidate)
    return found


def as_known(data: Mapping[str, Any], level: int | None) -> list[dict[str, Any]]:
    """The candidates as they were known then: ranked, with the 95 % interval of their quality; `tie` with the one that was chosen.

    Source of the interval: the posterior is Beta with as many judgements as are recorded and a card's claim worth `PRIOR_WEIGHT`, and its mean is recorded.
    """
    from scipy.special import betaincinv

    chosen = (data["agent"], data["version"])
    score = data["score"]
    known = []
    for rank, one in enumerate(candidates(data), 1):
        weight = PRIOR_WEIGHT + one["judged"]
        good, bad = max(one["quality"] * weight, 0.01), max((1 - one["quality"]) * weight, 0.01)
        wins = (one["agent"], one["version"]) == chosen
        low, high = (round(float(betaincinv(good, bad, q)), 4) for q in (0.025, 0.975))
        known.append({
            "rank": rank, "agent": one["agent"], "version": one["version"], "state": "live", "level": level, "quality": one["quality"], "drawn": one["drawn"], "low": low,
            "high": high, "judged": one["judged"], "latency_ms": one["latency_ms"], "cost": one["cost"], "load": one["load"], "score": one["score"],
            "parts": one["parts"], "propensity": one["propensity"], "chosen": wins, "tie": not wins and abs(one["score"] - score) < TIE,
        })  # fmt: skip
    return known


def parts(data: Mapping[str, Any]) -> dict[str, Any] | None:
    """What the scores of the chosen one and of the best other one are made of; the rows add up to the totals. None without a candidate."""
    every = candidates(data)
    winner, rival = _two(data, every)
    if winner is None:
        return None
    weights = dict(zip(PARTS, data["weights"], strict=True))
    rows = []
    for part in PARTS:
        mine, its = winner["parts"][part], None if rival is None else rival["parts"][part]
        rows.append({
            "part": part, "weight": weights[part], "formula": _formula(part, weights[part], winner), "formula_runner_up": None if rival is None else _formula(part, weights[part], rival),
            "winner": mine, "runner_up": its, "difference": None if its is None else round(mine - its, 6),
        })  # fmt: skip
    total = None if rival is None else round(winner["score"] - rival["score"], 6)
    return {
        "winner": _name(winner), "runner_up": None if rival is None else _name(rival), "rows": rows,
        "total": {"winner": winner["score"], "runner_up": None if rival is None else rival["score"], "difference": total},
    }  # fmt: skip


def flips(data: Mapping[str, Any], left_ms: float | None = None) -> list[dict[str, Any]]:
    """For each input of the chosen one, the least change for the worse that gives the task to another, or that none does; and what the best other one lacked.

    `left_ms` is the time that was left until the task's deadline.
    """
    every = candidates(data)
    winner, rival = _two(data, every)
    if winner is None or rival is None:
        return []
    scale = _scale(data, every, left_ms)
    scored = [_Scored(_name(one), one["drawn"], one["latency_ms"], one["cost"], one["load"]) for one in every]
    place, its = every.index(winner), every.index(rival)
    found = [_worse(scale, scored, place, part) for part in PARTS if scale.weights[part] > 0]
    if scale.weights["quality"] > 0:
        found.append(_better(scale, scored, place, its))
    return found


def _worse(scale: _Scale, scored: Sequence[_Scored], place: int, part: str) -> dict[str, Any]:
    one = scored[place]
    was = getattr(one, part)
    worst = {"quality": 0.0, "latency": max(was, scale.weights["latency"] / scale.per_ms), "cost": max(scale.dearest, 1.0) * _DEAR, "load": max(was, 1.0)}[part]

    def taken(value: float) -> str | None:
        changed = {"quality": one.quality, "latency": one.latency, "cost": one.cost, "load": one.load, part: value}
        return _other(scale, [_Scored(one.name, **changed) if at == place else each for at, each in enumerate(scored)], place)

    needed = _least(was, worst, lambda value: taken(value) is not None)
    text, side = _WORDS[part], "below" if part == "quality" else "above"
    if needed is None:
        return _change(part, one.name, was, None, f"its {part} as bad as it can be (was {text(was)})", one.name, flips=False)
    return _change(part, one.name, was, needed, f"its {part} {side} {text(needed)} (was {text(was)})", taken(needed) or one.name, flips=True)


def _better(scale: _Scale, scored: Sequence[_Scored], place: int, its: int) -> dict[str, Any]:
    other = scored[its]

    def taken(value: float) -> bool:
        return _other(scale, [replace(other, quality=value) if at == its else each for at, each in enumerate(scored)], place) is not None

    needed = _least(other.quality, 1.0, taken)
    if needed is None:
        words = f"the quality of {other.name} as good as it can be (was {other.quality:.3f})"
        return _change("quality", other.name, other.quality, None, words, scored[place].name, flips=False)
    return _change(
        "quality", other.name, other.quality, needed, f"the quality of {other.name} above {needed:.3f} (was {other.quality:.3f})", other.name, flips=True
    )


def _change(input: str, of: str, was: float, needed: float | None, change: str, to: str, *, flips: bool) -> dict[str, Any]:
    return {"input": input, "of": of, "was": was, "needed": needed, "change": change, "to": to, "flips": flips}


_WORDS: dict[str, Callable[[float], str]] = {
    "quality": lambda value: f"{value:.3f}", "latency": lambda value: f"{value:.0f} ms", "cost": lambda value: f"{value:.4g}", "load": lambda value: f"{value:.0%}",
}  # fmt: skip


def _other(scale: _Scale, scored: Sequence[_Scored], place: int) -> str | None:
    """Who would have been chosen instead; None where the choice stays."""
    dearest = max(scale.dearest, *(one.cost for one in scored))
    scores = [scale.score(one, dearest) for one in scored]
    best = max(range(len(scores)), key=scores.__getitem__)
    return scored[best].name if scores[best] > scores[place] else None


def _least(start: float, end: float, holds: Callable[[float], bool]) -> float | None:
    """The value nearest to `start`, on the way to `end`, from which on it holds; None where it does not hold at the end."""
    if not holds(end):
        return None
    for _ in range(_HALVINGS):
        middle = (start + end) / 2
        if holds(middle):
            end = middle
        else:
            start = middle
    return end


def _scale(data: Mapping[str, Any], every: Sequence[Mapping[str, Any]], left_ms: float | None) -> _Scale:
    weights = dict(zip(PARTS, data["weights"], strict=True))
    dearest = max(one["cost"] for one in every)
    top = next(one for one in every if one["cost"] == dearest)
    taken = -top["parts"]["cost"]
    if 0 < taken < weights["cost"] - 1e-5:  # one that is not listed was dearer
        dearest = weights["cost"] * dearest / taken
    return _Scale(weights, weights["latency"] / (left_ms if left_ms is not None and left_ms > 0 else SPARE_MS), dearest)


def _two(data: Mapping[str, Any], every: Sequence[dict[str, Any]]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The one that was chosen, and the best other one."""
    winner = next((one for one in every if (one["agent"], one["version"]) == (data["agent"], data["version"])), None)
    others = [one for one in every if one is not winner]
    return winner, max(others, key=lambda one: one["score"], default=None)


def _name(one: Mapping[str, Any]) -> str:
    return f"{one['agent']} {one['version']}"


def _formula(part: str, weight: float, one: Mapping[str, Any]) -> str:
    share = -one["parts"][part] / weight if weight else 0.0
    match part:
        case "quality":
            return f"{weight:g} × {one['drawn']:.3f}"
        case "latency":
            return f"−{weight:g} × {share + 0.0:.3f} ({one['latency_ms']:.0f} ms of the time there is)"
        case "cost":
            return f"−{weight:g} × {share + 0.0:.3f} ({one['cost']:.4g} of the dearest)"
        case _:
            return f"−{weight:g} × {share + 0.0:.3f} ({one['load']:.0%} busy)"
