"""What a party that only accepts, rejects or counters may want: utilities that agree with its answers, drawn from what is possible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tutti.model.negotiation import Offer
from tutti.negotiation.space import Indices, Numbers

Mask = npt.NDArray[np.bool_]

MINDS = 256  # utilities that are held possible at a time
ORDERED = 0.5  # how often an issue's values go from bad to good in their order, as prices and dates do
FEW = 4  # values; with fewer, an order says nothing
SHARP, BLUNT = 0.002, 0.1  # how far a counter may be from the best, as a share of what the issues are worth together
WORTHLESS, DEAR = 0.4, 0.8  # how often the fallback is worth nothing, and what it is worth at most, as a share of the best outcome
DIGITS = 5  # of what a value is worth, where the best outcome is worth 1: the doubt is larger, and the record of a case holds every draw
SLIGHT = 1e-12  # a coefficient below this is none


class Heard(NamedTuple):
    """An offer and what came back: the issue and value that would be changed (-1: it named none, -2: it was not asked to), and 1, 0 or 2 (unknown): acceptable."""

    offer: Offer
    issue: int
    value: int
    fine: int


@dataclass(slots=True)
class Minds:
    """Utilities held possible, one a row: how much each issue weighs, what share of that is lacking with each value (nothing with the best), the fallback's worth
    (a share of the best outcome), and how blunt counters are (log).

    `ordered` says of which issues the lacks follow a shape along the values. Weights are not normalised: bluntness is on the scale of their mean.
    """

    sizes: tuple[int, ...]
    fallback: Offer | None
    weight: Numbers
    lacks: Numbers
    ordered: Mask
    worth: Numbers
    bluntness: Numbers

    def columns(self) -> list[slice]:
        """Where each issue's values are among the lacks."""
        ends = np.cumsum((0, *self.sizes))
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]

    def tables(self) -> tuple[Numbers, Numbers]:
        """What each value is worth, and what the fallback is: rows are minds, weights made to sum to 1."""
        weights = self.weight / self.weight.sum(axis=1, keepdims=True)
        out = ((1 - self.lacks) * np.repeat(weights, self.sizes, axis=1)).round(DIGITS)
        if self.fallback is None:
            return out, self.worth.round(DIGITS)
        return out, out[:, places(self.sizes, [self.fallback])[0]].sum(axis=1)

    def of(self, at: Indices) -> Minds:
        """These rows of it."""
        return Minds(self.sizes, self.fallback, self.weight[at], self.lacks[at], self.ordered[at], self.worth[at], self.bluntness[at])


def places(sizes: Sequence[int], offers: Indices | Sequence[Offer]) -> Indices:
    """Where an offer's values are among all issues' values: one row an offer."""
    found: Indices = np.asarray(offers, dtype=np.intp).reshape(-1, len(sizes)) + np.cumsum((0, *sizes))[:-1]
    return found


@lru_cache(maxsize=128)  # each answer adds to what the ones before gave: without this, the whole talk would be gone through for each
def after(sizes: tuple[int, ...], fallback: Offer | None, seed: tuple[int, int], heard: tuple[Heard, ...]) -> Minds:
    """The minds that are possible after these answers; the same ones for the same answers and seed."""
    rng = np.random.default_rng([*seed, len(heard)])
    if not heard:
        return _prior(sizes, fallback, rng)
    before = after(sizes, fallback, seed, heard[:-1])
    told = _Talk(before, heard[-1:]).likely(before.bluntness)
    chance = np.exp(told - told.max())
    at = np.searchsorted(np.cumsum(chance / chance.sum()), (rng.random() + np.arange(MINDS)) / MINDS).clip(0, MINDS - 1)
    talk = _Talk(before.of(at), heard)
    talk.sweep(rng)
    return talk.minds


def _prior(sizes: tuple[int, ...], fallback: Offer | None, rng: np.random.Generator) -> Minds:
    lacks, ordered = zip(*(_shapes(size, rng) for size in sizes), strict=True)
    return Minds(
        sizes,
        fallback,
        rng.gamma(1.0, size=(MINDS, len(sizes))) + 1e-4,
        np.concatenate(lacks, axis=1),
        np.stack(ordered, axis=1),
        _worths(rng),
        rng.uniform(np.log(SHARP), np.log(BLUNT / 2), MINDS),
    )


def _shapes(size: int, rng: np.random.Generator) -> tuple[Numbers, Mask]:
    """What is lacking with an issue's values before anything is known, the best one's 0; in some minds in order, rising toward a peak."""
    loose = rng.random((MINDS, size))
    loose[np.arange(MINDS), rng.integers(size, size=MINDS)] = 0.0
    if size < FEW:
        return loose, np.zeros(MINDS, dtype=bool)
    peak = np.where(rng.random(MINDS) < 0.85, np.where(rng.random(MINDS) < 0.5, 0, size - 1), rng.integers(size, size=MINDS))
    away = np.abs(np.arange(size)[None] - peak[:, None])
    least = np.where(rng.random(MINDS) < 0.6, 0.0, 0.7 * rng.random(MINDS))[:, None]
    bend = np.exp(rng.normal(0, 0.35, MINDS))[:, None]
    falling = (1 - least) * (away / away.max(axis=1, keepdims=True)) ** bend
    ordered = rng.random(MINDS) < ORDERED
    return np.where(ordered[:, None], falling, loose), ordered


def _worths(rng: np.random.Generator) -> Numbers:
    """What the fallback is worth before anything is known, as a share of the best outcome: often nothing."""
    return np.where(rng.random(MINDS) < WORTHLESS, 0.0, rng.uniform(0, DEAR, MINDS))


class _Talk:
    """Minds beside all that was heard, kept while they are moved.

    How far each answer is off in each mind costs exponentially. A sweep draws how far off each may be (a slice) and then moves one number of a mind at a time
    to anywhere between the bounds that this sets. Source: Neal 2003 (slice sampling), with a slice for each answer.
    """

    def __init__(self, minds: Minds, heard: Sequence[Heard]) -> None:
        self.minds = minds
        sizes = minds.sizes
        self.columns = minds.columns()
        self.starts = np.cumsum((0, *sizes))[:-1]
        self.offers = np.array([each.offer for each in heard], dtype=np.intp).reshape(len(heard), len(sizes))
        self.places = self.offers + self.starts
        self.issue = np.array([each.issue for each in heard], dtype=np.intp)
        self.value = np.array([each.value for each in heard], dtype=np.intp)
        fine = np.array([each.fine for each in heard], dtype=np.intp)
        self.named = np.flatnonzero(self.issue >= 0)
        self.stays = np.flatnonzero((self.issue == -1) & (fine == 1))
        self.hopeless = np.flatnonzero((self.issue == -1) & (fine == 0))
        self.yes, self.no = np.flatnonzero(fine == 1), np.flatnonzero(fine == 0)
        # what each offer lacks in each mind (issues x minds x offers), what the value that would be changed to lacks, and what that gains (0 where there is none)
        self.lack = (minds.weight[:, None, :] * minds.lacks[:, self.places]).transpose(2, 0, 1).copy()
        self.left, self.step = np.zeros(self.lack.shape[1:]), np.zeros(self.lack.shape[1:])
        to = self.starts[self.issue[self.named]] + self.value[self.named]
        self.left[:, self.named] = minds.weight[:, self.issue[self.named]] * minds.lacks[:, to]
        self.step[:, self.named] = self.lack[self.issue[self.named], :, self.named].T - self.left[:, self.named]

    def slack(self) -> Numbers:
        """What may be lacking in an outcome that is as good as the fallback."""
        minds = self.minds
        if minds.fallback is None:
            return np.asarray((1 - minds.worth) * minds.weight.sum(axis=1))
        return np.asarray((minds.weight * minds.lacks[:, places(minds.sizes, [minds.fallback])[0]]).sum(axis=1))

    def off(self) -> tuple[Numbers, Numbers, Numbers]:
        """How far the counter is from the best change, what it leads to from the fallback, and the word from the fallback: margins, wrong where above 0 (minus infinity where nothing was said)."""
        most, total, slack, step = self.lack.max(axis=0), self.lack.sum(axis=0), self.slack()[:, None], self.step
        pick, result, word = (np.full(total.shape, -np.inf) for _ in range(3))
        pick[:, self.named] = (most - step)[:, self.named]
        pick[:, self.stays] = most[:, self.stays]
        result[:, self.named] = (total - step - slack)[:, self.named]
        result[:, self.hopeless] = (slack - total + most)[:, self.hopeless]
        word[:, self.yes] = (total - slack)[:, self.yes]
        word[:, self.no] = (slack - total)[:, self.no]
        return pick, result, word

    def likely(self, bluntness: Numbers) -> Numbers:
        """The log likelihood of each mind."""
        pick, result, word = self.off()
        blunt = np.exp(bluntness)[:, None] * len(self.minds.sizes)
        out = -np.logaddexp(0.0, result / blunt) - np.logaddexp(0.0, word / blunt)
        others = np.log(np.exp((self.lack - self.lack.max(axis=0)) / blunt).sum(axis=0))
        asked = np.isfinite(pick)
        out[asked] -= (pick / blunt + others)[asked]
        found: Numbers = out.sum(axis=1)
        return found

    def sweep(self, rng: np.random.Generator) -> None:
        """Moves every part of each mind once."""
        minds = self.minds
        blunt = np.exp(minds.bluntness)[:, None] * len(minds.sizes)
        self.may = tuple(np.maximum(margin, 0.0) + blunt * rng.standard_exponential(margin.shape) for margin in self.off())
        for issue in range(len(minds.sizes)):
            self.reshape(issue, rng)
            self.move(issue, rng)
            self.weigh(issue, rng)
        if minds.fallback is None:
            self.settle(rng)
        self.blur(rng)

    def bounds(self, issue: int, lack: tuple[Numbers, Numbers], left: tuple[Numbers, Numbers], slack: tuple[Numbers, Numbers]) -> tuple[Numbers, Numbers]:
        """What the answers ask of a number x of each mind, where this issue's lacks are lack[0] x + lack[1], `left` (of the value changed to) and slack likewise: coefficients of x and what their product with it may be at most."""
        (a, b), (c, d), (e, f) = lack, left, slack
        pick, result, word = self.may
        others = np.delete(self.lack, issue, axis=0)
        rest = others.sum(axis=0)
        most = others.max(axis=0, initial=0.0)
        own, foreign = self.named[self.issue[self.named] == issue], self.named[self.issue[self.named] != issue]
        stays, hopeless, yes, no = self.stays, self.hopeless, self.yes, self.no
        parts = [
            (c[:, own] - a[:, own], pick[:, own] + b[:, own] - d[:, own] - most[:, own]),
            (c[:, own], pick[:, own] - d[:, own]),
            (c[:, own] - e, result[:, own] - rest[:, own] - d[:, own] + f),
            (a[:, foreign], pick[:, foreign] + self.step[:, foreign] - b[:, foreign]),
            (a[:, foreign] - e, result[:, foreign] + self.step[:, foreign] - rest[:, foreign] - b[:, foreign] + f),
            (a[:, yes] - e, word[:, yes] - rest[:, yes] - b[:, yes] + f),
            (e - a[:, no], word[:, no] + rest[:, no] + b[:, no] - f),
        ]
        if len(stays):
            parts.append((a[:, stays], pick[:, stays] - b[:, stays]))
        if len(hopeless):
            whole = result[:, hopeless] + rest[:, hopeless] - f
            parts += [(np.broadcast_to(e, whole.shape), whole), (e - a[:, hopeless], whole + b[:, hopeless] - most[:, hopeless])]
        return np.concatenate([part[0] for part in parts], axis=1), np.concatenate([part[1] for part in parts], axis=1)

    def _weighted(self, issue: int, lacks: Numbers) -> tuple[Numbers, Numbers]:
        """The bounds of this issue's weight where these are the lacks of its values."""
        minds = self.minds
        none = np.zeros((len(lacks), len(self.issue)))
        left = none.copy()
        own = np.flatnonzero(self.issue == issue)
        left[:, own] = lacks[:, self.value[own]]
        before, now = self.apart(issue, minds.lacks[:, self.columns[issue]]), self.apart(issue, lacks)
        slack = now, self.slack()[:, None] - minds.weight[:, issue, None] * before
        return self.bounds(issue, (lacks[:, self.offers[:, issue]], none), (left, none), slack)

    def apart(self, issue: int, lacks: Numbers) -> Numbers:
        """How much of an issue's weight the slack has in it."""
        minds = self.minds
        return (1 - minds.worth)[:, None] if minds.fallback is None else lacks[:, minds.fallback[issue], None]

    def weigh(self, issue: int, rng: np.random.Generator) -> None:
        """Moves an issue's weight; before anything is known it is exponential."""
        minds = self.minds
        low, high = _room(*self._weighted(issue, minds.lacks[:, self.columns[issue]]), 1e-6, np.inf)
        drawn = low - np.log1p(-rng.random(len(low)) * -np.expm1(-np.maximum(high - low, 0.0)))
        minds.weight[:, issue] = np.where(high > low, np.minimum(drawn, 50.0), minds.weight[:, issue])
        self.again(issue)

    def reshape(self, issue: int, rng: np.random.Generator) -> None:
        """Gives an issue a new shape where that agrees with all that was heard."""
        minds = self.minds
        anew, ordered = _shapes(minds.sizes[issue], rng)
        factor, most = self._weighted(issue, anew)
        fits = (factor * minds.weight[:, issue, None] <= most).all(axis=1)
        minds.lacks[fits, self.columns[issue]] = anew[fits]
        minds.ordered[fits, issue] = ordered[fits]
        self.again(issue)

    def move(self, issue: int, rng: np.random.Generator) -> None:
        """Moves what is lacking with one value, in each mind another, but not the best; nor where the values are in order."""
        minds = self.minds
        rows = np.arange(len(minds.weight))
        value = rng.integers(minds.sizes[issue], size=len(rows))
        lacks = minds.lacks[:, self.columns[issue]]
        here = lacks[rows, value]
        weight = minds.weight[:, issue, None]
        hit = (self.offers[None, :, issue] == value[:, None]) * 1.0
        to = ((self.issue == issue)[None] & (self.value[None] == value[:, None])) * 1.0
        none = np.zeros((len(rows), 1))
        slack = self.slack()[:, None]
        if minds.fallback is None:
            slacks = none, slack
        else:
            home = weight * (value == minds.fallback[issue])[:, None]
            slacks = home, slack - home * here[:, None]
        low, high = _room(*self.bounds(issue, (weight * hit, (1 - hit) * self.lack[issue]), (weight * to, (1 - to) * self.left), slacks), 0.0, 1.0)
        drawn = low + rng.random(len(rows)) * (high - low)
        moved = (high > low) & (here > 0) & ~minds.ordered[:, issue]
        minds.lacks[rows[moved], self.starts[issue] + value[moved]] = drawn[moved]
        self.again(issue)

    def settle(self, rng: np.random.Generator) -> None:
        """Moves what the fallback is worth."""
        minds = self.minds
        _, result, word = self.may
        most, total, step = self.lack.max(axis=0), self.lack.sum(axis=0), self.step
        none = np.zeros((len(total), 1))
        least = np.concatenate([none, (total - step - result)[:, self.named], (total - word)[:, self.yes]], axis=1).max(axis=1)
        most = np.concatenate([none + np.inf, (total - most + result)[:, self.hopeless], (total + word)[:, self.no]], axis=1).min(axis=1)
        whole = minds.weight.sum(axis=1)
        low, high = 1 - most / whole, 1 - least / whole
        nothing = WORTHLESS * ((low <= 0) & (high >= 0))
        low, high = np.maximum(low, 0.0), np.minimum(high, DEAR)
        some = (1 - WORTHLESS) * np.maximum(high - low, 0.0) / DEAR
        drawn = low + rng.random(len(low)) * (high - low)
        drawn = np.where(rng.random(len(low)) * (some + nothing) < nothing, 0.0, drawn)
        minds.worth = np.where(some + nothing > 0, drawn, minds.worth)

    def blur(self, rng: np.random.Generator) -> None:
        """Moves how blunt counters are."""
        minds = self.minds
        bluntness = np.clip(minds.bluntness + rng.normal(0, 0.5, len(minds.bluntness)), np.log(SHARP), np.log(BLUNT))
        taken = np.log(rng.random(len(bluntness))) < self.likely(bluntness) - self.likely(minds.bluntness)
        minds.bluntness = np.where(taken, bluntness, minds.bluntness)

    def again(self, issue: int) -> None:
        """Sees what has changed with an issue."""
        minds = self.minds
        weight = minds.weight[:, issue, None]
        self.lack[issue] = weight * minds.lacks[:, self.places[:, issue]]
        own = np.flatnonzero(self.issue == issue)
        self.left[:, own] = weight * minds.lacks[:, self.starts[issue] + self.value[own]]
        self.step[:, own] = self.lack[issue][:, own] - self.left[:, own]


def _room(factor: Numbers, most: Numbers, low: float, high: float) -> tuple[Numbers, Numbers]:
    """Between what a number may lie whose products with the factors may be at most so much."""
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = most / factor
    least = np.where(factor < -SLIGHT, bound, low).max(axis=1, initial=low)
    return least, np.where(factor > SLIGHT, bound, high).min(axis=1, initial=high)
