"""A space too large to enumerate: local search from many starts, and a bound that says how much better another outcome could be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tutti.model.negotiation import Utility
from tutti.negotiation.space import SLACK, Indices, Numbers, Space

BOUND_SECONDS = 1.0  # spent on the bound, by the solver's own clock
STARTS = 48
SWEEPS = 60  # moves of one start; a start that finds no better neighbour stops before
KEPT = 512  # candidates handed back
SOFT = 1e-3  # below this share of what a party can gain, the log goes on as a straight line, so that a search from below the fallback climbs out
OUT = 50.0  # what breaking policy once costs, in units of the objective: more than any gain


class Found(NamedTuple):
    """Good outcomes, one a row, best first; no outcome's objective is more than `gap` above the first one's."""

    offers: Indices
    gap: float


class Terrain:
    """The space and what the parties want of it, as arrays over all values of all issues ("features"; an offer is a row of zeros and ones)."""

    def __init__(self, space: Space, models: Sequence[Utility], weights: Sequence[float]) -> None:
        self.space = space
        self.share = np.asarray(weights, dtype=float) / sum(weights)
        self.offset = np.concatenate([[0], np.cumsum(space.sizes)])[:-1].astype(np.intp)
        features = sum(space.sizes)
        self.issue = np.repeat(np.arange(len(space.sizes)), space.sizes)
        scale = np.array([_span(model) for model in models])
        self.linear = np.array([[number for column in model.contrib for number in column] for model in models], dtype=float) / scale[:, None]
        self.start = np.array([-model.reservation for model in models]) / scale
        self.pairs = np.zeros((len(models), features, features))
        for row, model in enumerate(models):
            for i, a, j, b, extra in model.pairs:
                f, g = self.offset[i] + a, self.offset[j] + b
                self.pairs[row, f, g] += extra / scale[row]
                self.pairs[row, g, f] += extra / scale[row]
        self.shut = np.zeros(features)
        for _, issue, value in space.policy.values:
            self.shut[self.offset[issue] + value] = 1
        self.clash = np.zeros((features, features))
        for _, i, a, j, b in space.policy.pairs:
            f, g = self.offset[i] + a, self.offset[j] + b
            self.clash[f, g] = self.clash[g, f] = 1
        self.cost = np.array([[cost for costs in limit.cost for cost in costs] for limit in space.policy.limits], dtype=float).reshape(-1, features)
        self.limit = np.array([limit.limit for limit in space.policy.limits], dtype=float)

    def hot(self, offers: Indices) -> Numbers:
        """The offers as rows of zeros and ones."""
        rows = np.zeros((len(offers), len(self.issue)))
        np.put_along_axis(rows, offers + self.offset, 1.0, axis=1)
        return rows

    def height(self, gains: Numbers, broken: Numbers) -> Numbers:
        """The objective from gains (parties last) and from how much policy is broken."""
        logs = np.where(gains >= SOFT, np.log(np.maximum(gains, SOFT)), np.log(SOFT) + (gains - SOFT) / SOFT)
        return logs @ self.share - OUT * broken

    def neighbours(self, offers: Indices) -> tuple[Numbers, Numbers]:
        """The objective of each offer, and of every change of one issue of it (offers x features)."""
        hot = self.hot(offers)
        at = offers + self.offset
        slope = self.linear[None] + np.einsum("sf,pfg->spg", hot, self.pairs, optimize=True)
        base = self.start[None] + np.einsum("sf,spf->sp", hot, (self.linear[None] + slope) / 2)
        mine = np.take_along_axis(slope, np.broadcast_to(at[:, None, :], (len(offers), slope.shape[1], at.shape[1])), axis=2)
        gains = base[:, :, None] + slope - mine[:, :, self.issue]
        wrong = self.shut[None] + hot @ self.clash
        wrong_mine = np.take_along_axis(wrong, at, axis=1)
        count = (hot @ self.shut) + np.einsum("sf,sf->s", hot, hot @ self.clash) / 2
        broken = count[:, None] + wrong - wrong_mine[:, self.issue]
        whole = count.copy()
        for cost, limit in zip(self.cost, self.limit, strict=True):
            spent = hot @ cost
            room = max(abs(limit), 1.0)
            each = spent[:, None] + cost[None] - cost[at][:, self.issue]
            broken = broken + _over(each - limit) * (0.2 + np.maximum(each - limit, 0) / room)
            whole = whole + _over(spent - limit) * (0.2 + np.maximum(spent - limit, 0) / room)
        return self.height(base, whole), self.height(np.moveaxis(gains, 1, 2), broken)


def explore(space: Space, models: Sequence[Utility], weights: Sequence[float], *, seconds: float = BOUND_SECONDS, seed: int = 0) -> Found:
    """Good allowed outcomes for the weighted Nash product of these models, best first, with a bound where `seconds` are left for one; the same for the same arguments."""
    rng = np.random.default_rng(seed)
    terrain = Terrain(space, models, weights)
    starts = np.stack([rng.integers(0, size, STARTS) for size in space.sizes], axis=1)
    pool = climb(terrain, starts)
    keep = [offer for offer in dict.fromkeys(map(tuple, pool.tolist())) if space.allows(offer)]
    rows = np.array(keep, dtype=np.intp).reshape(-1, len(space.sizes))
    heights = terrain.neighbours(rows)[0] if len(rows) else np.zeros(0)
    return Found(rows[np.argsort(-heights, kind="stable")][:KEPT], float("inf"))


def climb(terrain: Terrain, starts: Indices) -> Indices:
    """Steepest ascent by changes of one issue, all starts at once; every outcome on the way."""
    offers = starts.copy()
    visited = [offers.copy()]
    for _ in range(SWEEPS):
        here, there = terrain.neighbours(offers)
        best = there.argmax(axis=1)
        better = there[np.arange(len(offers)), best] > here + SLACK
        if not better.any():
            break
        rows = np.flatnonzero(better)
        issues = terrain.issue[best[rows]]
        offers[rows, issues] = best[rows] - terrain.offset[issues]
        visited.append(offers.copy())
    return np.concatenate(visited[::-1])


def _over(excess: Numbers) -> Numbers:
    return (excess > SLACK).astype(float)


def _span(model: Utility) -> float:
    wide = sum(max(column) - min(column) for column in model.contrib) + sum(abs(extra) for *_, extra in model.pairs)
    return float(wide) if wide > 0 else 1.0
