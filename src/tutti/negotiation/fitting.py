"""Fits an additive utility to orders: from lists that a party has put in order to a posterior over its utility."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from tutti.model.negotiation import Offer
from tutti.negotiation.algebra import inverse, inverse_root, solution
from tutti.negotiation.orders import SMOOTH, Orders, There, barrier, orders_of
from tutti.negotiation.shape import Shape

Numbers = npt.NDArray[np.float64]

EXACT = 0.004  # noise, as a share of the utility's range, below which a party counts as never contradicting itself
CALM = (0.04, 0.008, 0.0015)  # how sharply the barrier bends, from the first pass to the last, as shares of the range
WORSE, AWAY = -0.2, 0.6  # where "no deal" stands before anything is known, from the middle of the outcomes, in ranges of the utility
ATBOTTOM, CLOSE = 0.25, 0.06  # the chance that it stands just under the worst outcome (often it is as good as that one), and how far under
INTERACTION = 0.04  # how much a pair of values adds or takes, likewise
MIXED, STEP = 12, 6  # pairs that may become features, and as many at a time
ODD = 3.5  # how far, in standard deviations, what is left must point to a pair
HINT, MANY = 2.5, 1000  # the same where there are more pairs than so many: there the right ones seldom stand out, and a false one costs little
STRAIGHT = 0.004  # how much the worth of an issue with many values bends from knot to knot, as a share of what it spreads over
SLIP = 0.001  # two outcomes this close in worth may come in either order
CONTRADICTED = 0.03  # share of steps down a list that may go up before the party counts as noisy
SLOW = 14  # Newton steps a pass at most; four or five are usual
SHARP, HASTY = 0.1, 4.0  # what a step could still gain (in units of the log likelihood) where weights are good, and where they are only on their way
FAITHFUL = 0.1  # while a step gains what the curvature made expect, but for this share of twice that, the curvature is not computed anew


@dataclass(frozen=True, slots=True)
class Fit:
    """A posterior over the features' weights: normal around `mean`, scaled so that the issues' ranges sum to 1; `noise` on the same scale (0: none).

    What "no deal" is worth is drawn given the other weights, since it is far from normal where no list has an outcome below it.
    """

    shape: Shape
    mean: Numbers
    root: Numbers  # a square root of the covariance, root @ root.T, of what was fitted, see `Shape.basis`
    noise: float
    told: Orders
    shares: tuple[float, ...]  # what a comparison in each of the lists counts
    lean: Numbers | None  # how "no deal" follows the other weights
    spread: Numbers  # how much each issue is thought to matter

    def draws(self, count: int, rng: np.random.Generator) -> Numbers:
        """So many draws, one a row, in pairs that mirror each other."""
        half = self.shape.basis() @ (self.root @ rng.standard_normal((self.root.shape[1], (count + 1) // 2)))
        found: Numbers = self.mean + np.concatenate([half, -half], axis=1).T[:count]
        if self.shape.fallback is None:
            levels = (rng.permutation(count) + rng.random(count)) / count
            if self.noise and self.lean is not None:
                found[:, -1] = self._fallbacks(self.mean[None], levels) + (found - self.mean)[:, :-1] @ self.lean
            else:
                found[:, -1] = self._fallbacks(found, levels)
        return found

    def _fallbacks(self, thetas: Numbers, levels: Numbers) -> Numbers:
        """What "no deal" is worth with each of these weights (or with the only ones), at these levels of its distribution."""
        known: list[tuple[Numbers, Numbers, float]] = []  # worths of the outcomes that it was compared with, +1 where these stood above it, weight
        for items, share in zip(self.told.rows, self.shares, strict=True):
            place = np.flatnonzero(items[:, -1] == 1.0)
            if len(place):
                at = int(place[0])
                near = np.delete(np.arange(len(items)), at) if self.noise else np.array([k for k in (at - 1, at + 1) if 0 <= k < len(items)])
                known.append((thetas[:, :-1] @ items[near, :-1].T, np.where(near < at, 1.0, -1.0), share))
        bottom = sum(thetas[:, block].min(axis=1) for block in self.shape.blocks)[:, None]
        low, high = np.full(len(thetas), -2.5), np.full(len(thetas), 1.5)
        for _ in range(3):
            grid = low[:, None] + (high - low)[:, None] * np.linspace(0, 1, 33)
            wide = np.exp(-0.5 * ((grid - WORSE) / AWAY) ** 2) / (AWAY * np.sqrt(2 * np.pi))
            near = np.where(grid < bottom, np.exp(np.minimum(grid - bottom, 0.0) / CLOSE) / CLOSE, 0.0)
            log = np.log((1 - ATBOTTOM) * wide + ATBOTTOM * near + 1e-300)
            for worths, side, share in known:
                x = (worths[:, None, :] - grid[:, :, None]) * side / (SMOOTH * self.noise if self.noise else CALM[-1])
                log -= share * np.logaddexp(0.0, -x).sum(axis=2)
            mass = np.exp(log - log.max(axis=1, keepdims=True))
            worthy = mass > 1e-3
            first, last = worthy.argmax(axis=1), 32 - worthy[:, ::-1].argmax(axis=1)
            step = (high - low) / 32
            low, high = low + step * np.maximum(first - 1, 0), low + step * np.minimum(last + 1, 32)
        reached = np.cumsum(mass, axis=1) / mass.sum(axis=1, keepdims=True)
        at = np.minimum((reached < levels[:, None]).sum(axis=1), 32)
        picked: Numbers = np.broadcast_to(grid, (len(levels), 33))[np.arange(len(levels)), at]
        return picked


def fit(shape: Shape, lists: Sequence[Sequence[Offer | None]], noise: float | None = None, before: Fit | None = None) -> Fit:
    """The posterior after these lists, each best first. `noise` is the standard deviation of what the party sees; None: to be found out.

    Where what a sum over the issues cannot explain is explained by two values that go well or badly together, such pairs become features.
    `before` is what the same party's earlier lists, of which these are more, came to: from there it is a few steps.
    """
    lists = [items for items in lists if len(items) > 1]
    shape = shape if before is None else before.shape
    told = orders_of(shape, lists, None if before is None else before.told)
    theta, spread, sigma = _weigh(shape, told, noise) if before is None else _further(shape, told, noise, before)
    prior, rough = _prior(shape, spread), sigma > 0
    if rough and len(shape.pairs) < MIXED and (found := _together(shape, told, sigma, theta)):
        at = theta.size - (shape.fallback is None)
        shape = Shape(shape.sizes, shape.fallback, (*shape.pairs, *found))
        told = told.wider(shape, found)
        prior = _prior(shape, spread)
        theta = np.concatenate([theta[:at], np.zeros(len(found)), theta[at:]])
    if rough:
        theta, sigma = _again(shape, told, prior, theta, sigma, noise)
    shares = told.shares(sigma, theta) if sigma else np.ones(len(told.rows))
    bend = (told.cost(sigma, shares, theta) if sigma else barrier(told.steps(), CALM[-1], theta)).bend()
    hessian = bend + prior
    try:
        root = inverse_root(hessian)
    except np.linalg.LinAlgError:  # rounding has made it flat in a direction of which nothing is known
        values, vectors = np.linalg.eigh(hessian)
        root = vectors / np.sqrt(np.maximum(values, 1e-9 * float(values.max())))
    basis, spread = shape.basis(), _spread(shape, theta, (root**2).sum(axis=1))
    lean = basis[:-1, :-1] @ (-hessian[-1, :-1] / hessian[-1, -1]) if shape.fallback is None else None
    theta = basis @ theta
    stretch = np.zeros(shape.width)  # what changes the scale alone is no uncertainty: only ratios of gains are of use
    values = theta[: shape.issues]
    for each, sign in ((np.maximum, 1.0), (np.minimum, -1.0)):
        stretch[: shape.issues] += sign * (values == np.repeat(each.reduceat(values, shape.start), shape.count))
    along = (stretch @ basis) @ root
    if power := float(along @ along):
        root = root - np.outer(root @ along, along) / power
    return Fit(shape, theta, root, sigma, told, tuple(shares.tolist()), lean, spread)


def _weigh(shape: Shape, told: Orders, noise: float | None) -> tuple[Numbers, Numbers, float]:
    """Weights whose ranges sum to 1, how much each issue is thought to matter, and the noise (0: none), which is on the same scale."""
    spread = np.full(len(shape.sizes), 0.4 / len(shape.sizes))
    theta, home, sigma = _center(shape), _center(shape), 0.03 if noise is None else noise
    exact = noise is None or noise <= EXACT
    for turn in range(2):
        prior = _prior(shape, spread)
        if exact:
            theta, there, exact = _exactly(told, theta, prior, home, CALM[turn:])
            exact = exact or noise is not None
        if not exact:
            theta, there, sigma = _roughly(told, theta, prior, home, sigma, noise, HASTY)
        theta, scale = _scaled(shape, theta)
        sigma = sigma / scale if noise is None else sigma
        if not turn:
            spread = _spread(shape, theta, inverse(there.bend() + prior).diagonal() / scale**2)
    return theta, spread, 0.0 if exact else sigma


def _further(shape: Shape, told: Orders, noise: float | None, before: Fit) -> tuple[Numbers, Numbers, float]:
    """The same, from what was known before these lists were all."""
    prior, home, theta = _prior(shape, before.spread), _center(shape), before.mean @ shape.basis()
    exact, sigma = not before.noise, before.noise or 0.03 if noise is None else noise
    if exact:
        theta, _, exact = _exactly(told, theta, prior, home, CALM[1:])
        exact = exact or noise is not None
    if not exact:
        theta, _, sigma = _roughly(told, theta, prior, home, sigma, noise, HASTY)
    theta, scale = _scaled(shape, theta)
    return theta, before.spread, 0.0 if exact else sigma / scale if noise is None else sigma


def _spread(shape: Shape, theta: Numbers, doubt: Numbers) -> Numbers:
    """How much each issue matters, from how far its values came apart and the doubt in that (a variance for each weight)."""
    usual, issues = 0.4 / len(shape.sizes), len(shape.sizes)
    of = np.repeat(np.arange(issues), shape.count - 1)
    apart = np.bincount(of, (theta**2 + doubt)[: len(of)], issues)
    return np.asarray(np.sqrt((3 * usual**2 + apart) / (2 + shape.count)))


def _again(shape: Shape, told: Orders, prior: Numbers, theta: Numbers, sigma: float, noise: float | None) -> tuple[Numbers, float]:
    """The weights and the noise once more sharply, with all features that there are now."""
    home = _center(shape)
    theta, _, sigma = _roughly(told, theta, prior, home, sigma, noise, SHARP)
    theta, scale = _scaled(shape, theta)
    if noise is not None:
        return theta, noise
    if sigma / scale < 2 * EXACT and _contradicted(told.down, theta) < 2 * CONTRADICTED:
        sharp, _, exact = _exactly(told, theta, prior, home, CALM[1:])
        if exact:
            return _scaled(shape, sharp)[0], 0.0
    return theta, sigma / scale


def _scaled(shape: Shape, theta: Numbers) -> tuple[Numbers, float]:
    scale = max(float(shape.ranges(shape.basis() @ theta).sum()), 1e-6)
    return theta / scale, scale


def _together(shape: Shape, told: Orders, sigma: float, theta: Numbers) -> list[tuple[int, int, int, int]]:
    """The pairs of values of two issues that would explain most of what is left, if they explain much more than chance would (or, of very many, somewhat more)."""
    if not shape.plain:
        return []
    pull, known = told.left_over(shape.issues, sigma, theta)
    odds = np.triu(np.abs(pull) / np.sqrt(known + 1 / INTERACTION**2), 1)
    for block in shape.blocks:
        odds[block, block] = 0.0
    many = shape.issues**2 - int((shape.count**2).sum()) > 2 * MANY
    striking = np.flatnonzero(odds > (HINT if many else ODD))
    found = []
    for code in striking[np.argsort(-odds.ravel()[striking])][: STEP + len(shape.pairs)]:
        one, two = divmod(int(code), shape.issues)
        i, j = int(np.searchsorted(shape.start, one, side="right")) - 1, int(np.searchsorted(shape.start, two, side="right")) - 1
        pair = (i, one - int(shape.start[i]), j, two - int(shape.start[j]))
        if pair not in shape.pairs:
            found.append(pair)
    return found[:STEP]


def _center(shape: Shape) -> Numbers:
    home = np.zeros(shape.width - len(shape.sizes))
    if shape.fallback is None:
        home[-1] = WORSE
    return home


def _prior(shape: Shape, spread: Numbers) -> Numbers:
    """The precision of the weights before anything is known; an issue with knots is taken for smooth."""
    free = shape.count - 1
    alone = np.full(shape.width - len(free), 1 / INTERACTION**2)
    alone[: free.sum()] = np.repeat(1 / spread**2, free)
    if shape.fallback is None:
        alone[-1] = 1 / AWAY**2
    out = np.diag(alone)
    if not shape.plain:
        basis, at = shape.basis(), np.cumsum(free) - free
        for block, width, size, start, count in zip(shape.blocks, spread, shape.sizes, at, free, strict=True):
            if count + 1 < size:
                its = slice(start, start + count)
                turns = np.diff(basis[block, its], n=2, axis=0)
                out[its, its] += turns.T @ turns / (STRAIGHT * width) ** 2
    return out


def _exactly(told: Orders, theta: Numbers, prior: Numbers, home: Numbers, calm: Sequence[float] = CALM) -> tuple[Numbers, There, bool]:
    """Weights in the middle of those that agree with every order, what they cost, and whether there are such (next to none is contradicted)."""
    steps = told.steps()
    for bend in calm:
        enough = 1e-3 if bend is CALM[-1] else 0.1
        theta, there = _newton(partial(barrier, steps, bend), theta, prior, home, enough)
        if bend is CALM[1] and _contradicted(steps, theta) > 4 * CONTRADICTED:
            return theta, there, False
    return theta, there, _contradicted(steps, theta) < CONTRADICTED


def _contradicted(steps: Numbers, theta: Numbers) -> float:
    """The share of the steps down that go up with these weights."""
    return float(np.mean(steps @ theta < -SLIP))


def _roughly(told: Orders, theta: Numbers, prior: Numbers, home: Numbers, sigma: float, noise: float | None, enough: float) -> tuple[Numbers, There, float]:
    """Weights that agree best with orders seen through noise, what they cost, and the noise (where it is not known, from what they leave over)."""
    theta, there = _newton(partial(told.cost, sigma, told.shares(sigma, theta)), theta, prior, home, enough)
    if noise is None:
        free = max(1 - told.rows[0].shape[1] / (1.2 * len(told.down)), 0.25)
        sigma = float(np.clip(np.sqrt(np.mean(np.minimum(told.down @ theta, 0) ** 2) / free), EXACT, 0.12))
    return theta, there, sigma


def _newton(loss: Callable[[Numbers], There], theta: Numbers, prior: Numbers, home: Numbers, enough: float) -> tuple[Numbers, There]:
    """Weights from which no step would gain more than `enough`, and what they cost; a curvature serves for several steps as long as these go well."""
    here, away = loss(theta), theta - home
    pull = prior @ away
    value = here.value + 0.5 * float(away @ pull)
    hessian = None
    for _ in range(SLOW):
        slope = here.slope + pull
        if hessian is None:
            hessian = here.bend() + prior
        step = solution(hessian, slope)
        drop = float(step @ slope)  # twice what the step would gain if the curvature stayed as it is
        if drop < enough:
            break
        length = 1.0
        while True:
            there = theta - length * step
            found, far = loss(there), there - home
            bound = prior @ far
            new = found.value + 0.5 * float(far @ bound)
            if new <= value - 1e-4 * length * drop or length < 0.02:
                break
            length *= 0.4
        if length < 1 or abs(value - new - drop / 2) > FAITHFUL * drop:
            hessian = None
        theta, here, value, pull = there, found, new, bound
    return theta, here
