"""A space and what the parties want of it, as arrays over all values of all issues: what a search walks on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tutti.model.negotiation import Utility
from tutti.negotiation.space import SLACK, Indices, Numbers, Space

SOFT = 1e-4  # below this share of what a party can gain or lose the log goes on as a straight line, so that a search from below the fallback climbs out
OUT = 50.0  # what breaking policy once costs, in units of the objective: more than any gain


def span(model: Utility) -> float:
    """What a model's outcomes can differ by at most: the scale on which its gains are small or large. Above 0."""
    wide = sum(max(column) - min(column) for column in model.contrib) + sum(abs(extra) for *_, extra in model.pairs)
    return float(wide) if wide > 0 else 1.0


class Terrain:
    """The objective over a space: weighted mean log gain (gains as shares of each party's span), policy broken counting heavily.

    An offer's values are numbered through over all issues ("features"); `neighbours` gives the objective of every change of one issue at once.
    """

    def __init__(self, space: Space, models: Sequence[Utility], weights: Sequence[float]) -> None:
        self.space = space
        self.share = np.asarray(weights, dtype=float) / sum(weights)
        self.offset = (np.cumsum(space.sizes) - np.array(space.sizes)).astype(np.intp)
        self.issue = np.repeat(np.arange(len(space.sizes)), space.sizes)
        features = len(self.issue)
        scale = np.array([span(model) for model in models])
        self.linear = np.array([[number for column in model.contrib for number in column] for model in models], dtype=float) / scale[:, None]
        self.start = np.array([-model.reservation for model in models]) / scale
        self.pairs = np.zeros((len(models), features, features))
        for row, model in enumerate(models):
            for i, a, j, b, extra in model.pairs:
                f, g = self.offset[i] + a, self.offset[j] + b
                self.pairs[row, f, g] += extra / scale[row]
                self.pairs[row, g, f] += extra / scale[row]
        self.first, self.second = np.nonzero(np.triu(np.abs(self.pairs).sum(axis=0)))  # the pairs that somebody cares about
        self.shut = np.zeros(features)
        for _, issue, value in space.policy.values:
            self.shut[self.offset[issue] + value] = 1.0
        self.clash = np.zeros((features, features))
        for _, i, a, j, b in space.policy.pairs:
            f, g = self.offset[i] + a, self.offset[j] + b
            self.clash[f, g] = self.clash[g, f] = 1.0
        self.cost = np.array([[cost for costs in limit.cost for cost in costs] for limit in space.policy.limits], dtype=float).reshape(-1, features)
        self.limit = np.array([limit.limit for limit in space.policy.limits], dtype=float)

    def gains(self, offers: Indices) -> Numbers:
        """Each party's gain as a share of its span (offers x parties)."""
        hot = self._hot(offers)
        both = hot[:, self.first] * hot[:, self.second]
        return np.asarray(self.start + hot @ self.linear.T + both @ self.pairs[:, self.first, self.second].T)

    def height(self, gains: Numbers) -> Numbers:
        """The objective from gains (parties last)."""
        logs = np.where(gains >= SOFT, np.log(np.maximum(gains, SOFT)), np.log(SOFT) + (gains - SOFT) / SOFT)
        return np.asarray(logs @ self.share)

    def heights(self, offers: Indices) -> Numbers:
        """The objective of each offer, with what policy it breaks."""
        hot = self._hot(offers)
        broken = hot @ self.shut + np.einsum("sf,sf->s", hot, hot @ self.clash) / 2
        for cost, limit in zip(self.cost, self.limit, strict=True):
            broken = broken + _over(hot @ cost - limit, limit)
        return np.asarray(self.height(self.gains(offers)) - OUT * broken)

    def neighbours(self, offers: Indices) -> tuple[Numbers, Numbers]:
        """The objective of each offer, and of every change of one issue of it (offers x features)."""
        hot = self._hot(offers)
        at = offers + self.offset
        slope = self.linear[None] + np.tensordot(hot, self.pairs, axes=(1, 1))
        base = self.start[None] + np.einsum("sf,spf->sp", hot, (self.linear[None] + slope) / 2)
        mine = np.take_along_axis(slope, np.broadcast_to(at[:, None, :], (len(offers), slope.shape[1], at.shape[1])), axis=2)
        gains = base[:, :, None] + slope - mine[:, :, self.issue]
        wrong = self.shut[None] + hot @ self.clash
        whole = hot @ self.shut + np.einsum("sf,sf->s", hot, hot @ self.clash) / 2
        broken = whole[:, None] + wrong - np.take_along_axis(wrong, at, axis=1)[:, self.issue]
        for cost, limit in zip(self.cost, self.limit, strict=True):
            spent = hot @ cost
            whole = whole + _over(spent - limit, limit)
            broken = broken + _over(spent[:, None] + cost[None] - cost[at][:, self.issue] - limit, limit)
        return self.height(base) - OUT * whole, self.height(np.moveaxis(gains, 1, 2)) - OUT * broken

    def _hot(self, offers: Indices) -> Numbers:
        rows = np.zeros((len(offers), len(self.issue)))
        np.put_along_axis(rows, offers + self.offset, 1.0, axis=1)
        return rows


def _over(excess: Numbers, limit: float) -> Numbers:
    """How much a sum over its limit counts: something for being over at all, more the further."""
    return np.where(excess > SLACK, 0.2 + excess / max(abs(limit), 1.0), 0.0)
