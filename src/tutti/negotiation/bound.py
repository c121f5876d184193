"""The best outcome of a large space, proven: the choice as a mixed-integer programme, the logs of the gains from above by tangents."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tutti.model.negotiation import Offer
from tutti.negotiation.space import Indices, Numbers
from tutti.negotiation.terrain import SOFT, Terrain
from tutti.solver import Outcome, Programme, solve

ROUNDS = 5  # programmes solved, each with the tangents at the last one's solution; two or three suffice
RELAXED = 2  # programmes solved before these without the choices being whole: quick, and a bound even where time is short
FIRST = np.append(SOFT, np.geomspace(0.03, 1.0, 10))  # where the first tangents touch, in shares of what a party can gain or lose at all
PROOF = 1e-6  # a gap this small counts as none: gains that differ by a millionth


class Bound(NamedTuple):
    """No outcome's objective is above `value`; `offer` is the best outcome that the solver found, where it is better than the one known before."""

    value: float
    offer: Offer | None


def bound(terrain: Terrain, known: Offer | None, seconds: float) -> Bound:
    """An upper bound on the objective (`Terrain.height`) and perhaps a better outcome than `known`, with at most twice `seconds` of the solver's clock: each programme gets half the time of the one before.

    The value is plus infinity where the solver came to nothing in time, and minus infinity where no outcome is allowed and leaves everybody at the fallback or above.
    """
    from scipy.sparse import csr_array, vstack

    programme = _programme(terrain)
    high_value, low_value, offer = float("inf"), float("-inf"), None
    touches = [FIRST] * len(terrain.start)
    if known is not None:
        low_value, gains = _height(terrain, known)
        touches = [_with(old, gain) for old, gain in zip(touches, gains, strict=True)]
    for turn in range(-RELAXED, ROUNDS):
        relaxed = turn < 0
        rows, limits = _tangents(programme, terrain, touches)
        parts, low, high = [programme.rows, rows], [programme.low, np.full(len(limits), -np.inf)], [programme.high, limits]
        if np.isfinite(low_value):  # only what is as good as what is at hand
            parts.append(csr_array(programme.goal[None]))
            low.append(np.array([low_value - PROOF]))
            high.append(np.array([np.inf]))
        whole = 0 * programme.whole if relaxed else programme.whole
        asked = Programme(programme.goal, vstack(parts, format="csr"), np.concatenate(low), np.concatenate(high), programme.least, programme.most, whole)
        found = solve(asked, seconds / 2 ** max(turn, 0))
        if found.outcome is Outcome.INFEASIBLE:  # nothing is better than what is known
            return Bound(min(high_value, low_value), offer)
        high_value = min(high_value, found.bound)
        if found.x is None:
            if relaxed:
                continue
            break
        if relaxed:
            gains = programme.gains @ found.x + terrain.start
        else:
            here = _offer(terrain, found.x)
            value, gains = _height(terrain, here)
            if value > low_value + PROOF and terrain.space.allows(here):
                low_value, offer = value, here
        if high_value - low_value <= PROOF or (not relaxed and found.outcome is not Outcome.PROVEN):
            break
        touches = [_with(old, gain) for old, gain in zip(touches, gains, strict=True)]
    return Bound(high_value, offer)


class _Programme(NamedTuple):
    """Columns: one a value (chosen or not), one a pair of values that somebody cares about (both chosen or not), one a party (its log, from above)."""

    rows: Any
    low: Numbers
    high: Numbers
    gains: Numbers
    goal: Numbers
    whole: Numbers
    least: Numbers
    most: Numbers


def _programme(terrain: Terrain) -> _Programme:
    from scipy.sparse import csr_array

    parties, features = terrain.linear.shape
    first, second = terrain.first, terrain.second
    columns = features + len(first) + parties
    rows: list[Numbers] = []
    low: list[float] = []
    high: list[float] = []

    def row(at: Indices, numbers: Numbers | float, least: float, most: float) -> None:
        line = np.zeros(columns)
        line[at] = numbers
        rows.append(line)
        low.append(least)
        high.append(most)

    for issue in range(len(terrain.space.sizes)):
        row(np.flatnonzero(terrain.issue == issue), 1.0, 1.0, 1.0)
    for at, (f, g) in enumerate(zip(first, second, strict=True)):
        both = features + at
        row(np.array([both, f]), np.array([1.0, -1.0]), -np.inf, 0.0)
        row(np.array([both, g]), np.array([1.0, -1.0]), -np.inf, 0.0)
        row(np.array([both, f, g]), np.array([1.0, -1.0, -1.0]), -1.0, np.inf)
    for f, g in zip(*np.nonzero(np.triu(terrain.clash)), strict=True):
        row(np.array([f, g]), 1.0, -np.inf, 1.0)
    for costs, limit in zip(terrain.cost, terrain.limit, strict=True):
        row(np.arange(features), costs, -np.inf, float(limit))
    for offer in terrain.space.without:
        if terrain.space.fits(offer):
            row(terrain.offset + np.array(offer), 1.0, -np.inf, len(offer) - 1.0)
    gains = np.zeros((parties, columns))
    gains[:, :features] = terrain.linear
    gains[:, features : features + len(first)] = terrain.extras
    for party in range(parties):
        row(np.arange(columns), gains[party], -float(terrain.start[party]), np.inf)
    logs = features + len(first)
    goal = np.zeros(columns)
    goal[logs:] = terrain.share
    least, most, whole = np.zeros(columns), np.ones(columns), np.zeros(columns)
    most[:features] -= terrain.shut > 0
    least[logs:] = np.log(SOFT) - 1.0  # the straight line's height where nothing is gained
    reach = [np.maximum.reduceat(row, terrain.offset).sum() for row in terrain.linear]
    most[logs:] = np.log(np.maximum(terrain.start + np.array(reach) + np.maximum(terrain.extras, 0).sum(axis=1), SOFT)) + PROOF
    whole[:features] = 1.0
    return _Programme(csr_array(np.array(rows)), np.array(low), np.array(high), gains, goal, whole, least, most)


def _tangents(programme: _Programme, terrain: Terrain, touches: list[Numbers]) -> tuple[Any, Numbers]:
    """log g <= log a + (g - a) / a for every party and every touching point a."""
    from scipy.sparse import csr_array

    rows, limits = [], []
    parties = len(terrain.start)
    for party, points in enumerate(touches):
        for point in points:
            line = -programme.gains[party] / point
            line[len(line) - parties + party] = 1.0
            rows.append(line)
            limits.append(np.log(point) - 1.0 + terrain.start[party] / point)
    return csr_array(np.array(rows)), np.array(limits)


def _with(points: Numbers, gain: float) -> Numbers:
    return np.unique(np.append(points, gain)) if gain > SOFT else points


def _offer(terrain: Terrain, solution: Numbers) -> Offer:
    chosen = solution[: len(terrain.issue)]
    return tuple(int(chosen[terrain.issue == issue].argmax()) for issue in range(len(terrain.space.sizes)))


def _height(terrain: Terrain, offer: Offer) -> tuple[float, Numbers]:
    gains = terrain.gains(np.array([offer]))
    return float(terrain.height(gains)[0]), gains[0]
