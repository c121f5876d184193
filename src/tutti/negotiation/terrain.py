"""A space and what the parties want of it, as arrays over all values of all issues: what a search walks on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tutti.model.negotiation import Utility
from tutti.negotiation.algebra import product
from tutti.negotiation.space import SLACK, Indices, Mask, Numbers, Space

SOFT = 1e-4  # below this share of what a party can gain or lose the log goes on as a straight line, so that a search from below the fallback climbs out
STEP = 1e-5  # a change of the objective that is none: a hundred-thousandth of the Nash product
OUT = 50.0  # what breaking policy once costs, in units of the objective: more than any gain


def span(model: Utility) -> float:
    """What a model's outcomes can differ by at most: the scale on which its gains are small or large. Above 0."""
    wide = sum(max(column) - min(column) for column in model.contrib) + sum(abs(extra) for *_, extra in model.pairs)
    return float(wide) if wide > 0 else 1.0


class Terrain:
    """The objective over a space: weighted mean log gain (gains as shares of each party's span), policy broken counting heavily.

    An offer's values are numbered through over all issues ("features"). Whoever walks on it takes a `Walk`.
    """

    def __init__(self, space: Space, models: Sequence[Utility], weights: Sequence[float]) -> None:
        self.space = space
        self.share = np.asarray(weights, dtype=float) / sum(weights)
        self.offset = (np.cumsum(space.sizes) - np.array(space.sizes)).astype(np.intp)
        self.issue = np.repeat(np.arange(len(space.sizes)), space.sizes)
        features = len(self.issue)
        self.key = np.random.default_rng(1).integers(0, 2**64, features, dtype=np.uint64)  # sums of these (modulo 2^64) tell offers apart
        scale = np.array([span(model) for model in models])
        self.linear = np.array([[number for column in model.contrib for number in column] for model in models], dtype=float) / scale[:, None]
        self.start = np.array([-model.reservation for model in models]) / scale
        self.pairs = np.zeros((features, features, len(models)))  # parties last: what is looked up of a feature lies together
        told = [(row, i, a, j, b, extra) for row, model in enumerate(models) for i, a, j, b, extra in model.pairs]
        if told:
            rows, i, a, j, b = np.array([each[:5] for each in told], dtype=np.intp).T
            for f, g in ((self.offset[i] + a, self.offset[j] + b), (self.offset[j] + b, self.offset[i] + a)):
                np.add.at(self.pairs, (f, g, rows), np.array([each[5] for each in told]) / scale[rows])
        self.first, self.second = np.nonzero(np.triu(self.pairs.any(axis=2)))  # the pairs that somebody cares about
        self.extras = self.pairs[self.first, self.second].T
        self.singles = self.pairs.astype(np.float32)
        self.shut = np.zeros(features)
        for _, issue, value in space.policy.values:
            self.shut[self.offset[issue] + value] = 1.0
        self.clash = np.zeros((features, features))
        for _, i, a, j, b in space.policy.pairs:
            f, g = self.offset[i] + a, self.offset[j] + b
            self.clash[f, g] = self.clash[g, f] = 1.0
        self.one, self.other = np.nonzero(np.triu(self.clash))  # the pairs that policy rules out
        self.cost = np.array([[cost for costs in limit.cost for cost in costs] for limit in space.policy.limits], dtype=float).reshape(-1, features)
        self.limit = np.array([limit.limit for limit in space.policy.limits], dtype=float)

    def gains(self, offers: Indices) -> Numbers:
        """Each party's gain as a share of its span (offers x parties)."""
        hot = self.hot(offers)
        both = hot[:, self.first] * hot[:, self.second]
        return np.asarray(self.start + product(hot, self.linear.T) + product(both, self.extras.T))

    def height(self, gains: Numbers) -> Numbers:
        """The objective from gains (parties last)."""
        logs = np.where(gains >= SOFT, np.log(np.maximum(gains, SOFT)), np.log(SOFT) + (gains - SOFT) / SOFT)
        return np.asarray(np.einsum("...p,p->...", logs, self.share))

    def broken(self, offers: Indices) -> Numbers:
        """How much policy each offer breaks: 0 where it is allowed."""
        at = offers + self.offset
        hot = self.hot(offers)
        broken = self.shut[at].sum(axis=1) + (hot[:, self.one] * hot[:, self.other]).sum(axis=1)
        for cost, limit in zip(self.cost, self.limit, strict=True):
            broken = broken + _over(cost[at].sum(axis=1) - limit, limit)
        return np.asarray(broken)

    def allowed(self, offers: Indices) -> Mask:
        """Whether the space allows each offer."""
        allowed = self.broken(offers) == 0
        if self.space.without:
            allowed &= np.array([tuple(offer) not in self.space.without for offer in offers.tolist()], dtype=bool)
        return np.asarray(allowed)

    def heights(self, offers: Indices) -> Numbers:
        """The objective of each offer, with what policy it breaks."""
        return np.asarray(self.height(self.gains(offers)) - OUT * self.broken(offers))

    def hot(self, offers: Indices) -> Numbers:
        """The offers as rows of zeros and ones, a column a feature."""
        rows = np.zeros((len(offers), len(self.issue)))
        np.put_along_axis(rows, offers + self.offset, 1.0, axis=1)
        return rows


class Walk:
    """Several offers at once, each of which may change one issue after another: what every such change would come to is kept up to date, not computed anew.

    In single precision, which is twice as quick: it tells changes apart that are worth `STEP` or more.
    """

    def __init__(self, terrain: Terrain, offers: Indices) -> None:
        self.terrain = terrain
        self.at = offers + terrain.offset  # each offer's features
        self.share = terrain.share.astype(np.float32)
        self.slope = np.repeat(terrain.linear.T.astype(np.float32)[None], len(offers), axis=0)  # what a feature is worth here: offers x features x parties
        for column in self.at.T:
            self.slope += terrain.singles[column]
        self.gains = terrain.gains(offers)
        clash = terrain.clash[self.at].sum(axis=1)
        self.wrong = terrain.shut + clash  # what policy a feature would break here
        self.whole = terrain.shut[self.at].sum(axis=1) + np.take_along_axis(clash, self.at, axis=1).sum(axis=1) / 2
        self.spent = terrain.cost.T[self.at].sum(axis=1)

    @property
    def offers(self) -> Indices:
        """Where they are."""
        return np.asarray(self.at - self.terrain.offset)

    def around(self) -> tuple[Numbers, Numbers]:
        """The objective of each offer, and of every change of one issue of it (offers x features)."""
        rows = np.arange(len(self.at))
        terrain = self.terrain
        without = self.gains.astype(np.float32)[:, None, :] - self.slope[rows[:, None], self.at]
        gains = np.take(without, terrain.issue, axis=1)
        gains += self.slope
        if gains.min() < SOFT:
            over = np.maximum(gains, np.float32(SOFT))
            gains -= over  # how far below the floor
            gains *= np.float32(1 / SOFT)
            logs = np.log(over, out=over)
            logs += gains
        else:
            logs = np.log(gains, out=gains)
        broken = self.whole[:, None] + self.wrong - np.take_along_axis(self.wrong, self.at, axis=1)[:, terrain.issue]
        for at, (cost, limit) in enumerate(zip(terrain.cost, terrain.limit, strict=True)):
            broken += _over(self.spent[:, at, None] + cost - cost[self.at][:, terrain.issue] - limit, limit)
        there = logs @ self.share - OUT * broken
        return there[rows, self.at[:, 0]], there  # a change to what it has already is none

    def move(self, features: Indices) -> None:
        """Each offer takes this feature in place of its issue's."""
        terrain, rows = self.terrain, np.arange(len(features))
        issues = terrain.issue[features]
        old = self.at[rows, issues]
        self.gains += self.slope[rows, features] - self.slope[rows, old]
        self.slope += terrain.singles[features]
        self.slope -= terrain.singles[old]
        self.whole += self.wrong[rows, features] - self.wrong[rows, old]
        self.wrong += terrain.clash[features] - terrain.clash[old]
        self.spent += terrain.cost[:, features].T - terrain.cost[:, old].T
        self.at[rows, issues] = features

    def keep(self, rows: Mask) -> None:
        """Only these go on."""
        self.at, self.slope, self.gains, self.wrong, self.whole, self.spent = (
            part[rows] for part in (self.at, self.slope, self.gains, self.wrong, self.whole, self.spent)
        )


def _over(excess: Numbers, limit: float) -> Numbers:
    """How much a sum over its limit counts: something for being over at all, more the further."""
    return np.where(excess > SLACK, 0.2 + excess / max(abs(limit), 1.0), 0.0)
