"""Fits an additive utility to orders: from lists that a party has put in order to a posterior over its utility."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import numpy.typing as npt

from tutti.model.negotiation import Offer, Utility
from tutti.negotiation.algebra import inverse, product

Numbers = npt.NDArray[np.float64]

KNOTS = 40  # an issue with more values is fitted at this many of them, and linear between: one message cannot hold more
EXACT = 0.004  # noise, as a share of the utility's range, below which a party counts as never contradicting itself
CALM = (0.04, 0.008, 0.0015)  # how sharply the barrier bends, from the first pass to the last, as shares of the range
WORSE, AWAY = -0.2, 0.6  # where "no deal" stands before anything is known, from the middle of the outcomes, in ranges of the utility
ATBOTTOM, CLOSE = 0.25, 0.06  # the chance that it stands just under the worst outcome (often it is as good as that one), and how far under
INTERACTION = 0.04  # how much a pair of values adds or takes, likewise
MIXED, STEP = 12, 6  # pairs that may become features, and as many at a time
ODD = 3.5  # how far, in standard deviations, what is left must point to a pair
STRAIGHT = 0.004  # how much the worth of an issue with many values bends from knot to knot, as a share of what it spreads over
SLIP = 0.001  # two outcomes this close in worth may come in either order
CONTRADICTED = 0.03  # share of steps down a list that may go up before the party counts as noisy
SMOOTH = 0.83  # a logistic curve with this share of sigma for a scale is nearest to the normal curve of a difference of two disturbances
SLOW = 14  # Newton steps a pass at most; four or five are usual


class Shape:
    """Offers as rows of features: one for each value of each issue (or its knots), pairs of values that interact, and the fallback.

    Where the fallback is an offer its worth follows from the issues; where it is "no deal" it is a feature of its own, the last.
    """

    def __init__(self, sizes: Sequence[int], fallback: Offer | None, pairs: Sequence[tuple[int, int, int, int]] = ()) -> None:
        self.sizes, self.fallback, self.pairs = tuple(sizes), fallback, tuple(pairs)
        self.blocks: list[slice] = []
        self.tables: list[Numbers] = []  # for each issue: value x its features
        at = 0
        for size in self.sizes:
            knots = min(size, KNOTS)
            self.tables.append(np.eye(size) if knots == size else _hats(size, knots))
            self.blocks.append(slice(at, at + knots))
            at += knots
        self.issues = at
        self.width = at + len(self.pairs) + (fallback is None)

    def rows(self, offers: Sequence[Offer | None] | npt.NDArray[np.intp]) -> Numbers:
        """One row of features for each offer (None is the fallback)."""
        if isinstance(offers, np.ndarray):
            return self._rows(offers)
        stand = self.fallback if self.fallback is not None else (0,) * len(self.sizes)
        out = self._rows(np.array([stand if offer is None else offer for offer in offers], dtype=np.intp).reshape(-1, len(self.sizes)))
        if self.fallback is None:
            for at, offer in enumerate(offers):
                if offer is None:
                    out[at] = 0.0
                    out[at, -1] = 1.0
        return out

    def _rows(self, offers: npt.NDArray[np.intp]) -> Numbers:
        out = np.zeros((len(offers), self.width))
        for issue, (block, table) in enumerate(zip(self.blocks, self.tables, strict=True)):
            out[:, block] = table[offers[:, issue]]
        for at, (i, a, j, b) in enumerate(self.pairs, start=self.issues):
            out[:, at] = (offers[:, i] == a) & (offers[:, j] == b)
        return out

    def utilities(self, thetas: Numbers) -> tuple[Utility, ...]:
        """The utilities that these weights of the features mean, one a row."""
        issues = [
            (thetas[:, block] if block.stop - block.start == size else thetas[:, block] @ table.T).tolist()
            for block, table, size in zip(self.blocks, self.tables, self.sizes, strict=True)
        ]
        extras = thetas[:, self.issues : self.issues + len(self.pairs)].tolist()
        homes = (thetas @ self.rows([None])[0]).tolist()
        return tuple(
            Utility(tuple(tuple(issue[at]) for issue in issues), tuple((*pair, extra) for pair, extra in zip(self.pairs, extras[at], strict=True)), home)
            for at, home in enumerate(homes)
        )

    def ranges(self, theta: Numbers) -> Numbers:
        """How much each issue can move the utility."""
        return np.array([np.ptp(theta[block]) for block in self.blocks])


@dataclass(frozen=True, slots=True)
class Fit:
    """A posterior over the features' weights: normal around `mean`, scaled so that the issues' ranges sum to 1; `noise` on the same scale (0: none).

    What "no deal" is worth is drawn given the other weights, since it is far from normal where no list has an outcome below it.
    """

    shape: Shape
    mean: Numbers
    root: Numbers  # a square root of the covariance: root @ root.T
    noise: float
    rows: tuple[Numbers, ...] = ()  # the lists, as features
    shares: tuple[float, ...] = ()  # what a comparison in each of them counts
    lean: Numbers | None = None  # how "no deal" follows the other weights
    spread: Numbers | None = None  # how much each issue is thought to matter

    def draws(self, count: int, rng: np.random.Generator) -> Numbers:
        """So many draws, one a row, in pairs that mirror each other."""
        half = self.root @ rng.standard_normal((self.root.shape[1], (count + 1) // 2))
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
        for items, share in zip(self.rows, self.shares, strict=True):
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
    rows = [shape.rows(items) for items in lists] if before is None else [*before.rows, *(shape.rows(items) for items in lists[len(before.rows) :])]
    theta, spread, sigma = _weigh(shape, rows, noise) if before is None else _further(shape, rows, noise, before)
    prior = _prior(shape, spread)
    while True:
        shares = _shares(rows, sigma, theta) if sigma else [1.0] * len(rows)
        found = _together(shape, rows, sigma, shares, theta) if sigma and len(shape.pairs) < MIXED else []
        if not found:
            break
        at = shape.issues + len(shape.pairs)
        shape = Shape(shape.sizes, shape.fallback, (*shape.pairs, *found))
        rows, prior = [shape.rows(items) for items in lists], _prior(shape, spread)
        theta, sigma = _again(shape, rows, prior, np.concatenate([theta[:at], np.zeros(len(found)), theta[at:]]), sigma, noise)
    hessian = _curve(rows, sigma, shares, theta)[2] + prior
    try:
        root = np.linalg.inv(np.linalg.cholesky(hessian)).T
    except np.linalg.LinAlgError:  # rounding has made it flat in a direction of which nothing is known
        values, vectors = np.linalg.eigh(hessian)
        root = vectors / np.sqrt(np.maximum(values, 1e-9 * float(values.max())))
    stretch = np.zeros(shape.width)  # what changes the scale alone is no uncertainty: only ratios of gains are of use
    for block in shape.blocks:
        stretch[block.start + int(np.argmax(theta[block]))] += 1.0
        stretch[block.start + int(np.argmin(theta[block]))] -= 1.0
    along = root.T @ stretch
    if power := float(along @ along):
        root = root - np.outer(root @ along, along) / power
    return Fit(shape, theta, root, sigma, tuple(rows), tuple(shares), -hessian[-1, :-1] / hessian[-1, -1], spread)


def _weigh(shape: Shape, rows: list[Numbers], noise: float | None) -> tuple[Numbers, Numbers, float]:
    """Weights whose ranges sum to 1, how much each issue is thought to matter, and the noise (0: none), which is on the same scale."""
    spread = np.full(len(shape.sizes), 0.4 / len(shape.sizes))
    theta, home, sigma = _center(shape), _center(shape), 0.03 if noise is None else noise
    exact = noise is None or noise <= EXACT
    for turn in range(2):
        prior = _prior(shape, spread)
        if exact:
            theta, hessian, exact = _exactly(rows, theta, prior, home)
            exact = exact or noise is not None
        if not exact:
            theta, hessian, sigma = _roughly(rows, theta, prior, home, sigma, 2 - turn if noise is None else 0)
        theta, scale = _scaled(shape, theta)
        sigma = sigma / scale if noise is None else sigma
        if turn:
            break
        spread = _spread(shape, theta, inverse(hessian) / scale**2)
    return theta, spread, 0.0 if exact else sigma


def _further(shape: Shape, rows: list[Numbers], noise: float | None, before: Fit) -> tuple[Numbers, Numbers, float]:
    """The same, from what was known before these rows were all."""
    assert before.spread is not None
    prior, home, theta = _prior(shape, before.spread), _center(shape), before.mean
    exact, sigma = before.noise < 2 * EXACT, before.noise or 0.03 if noise is None else noise
    if exact:
        theta, hessian, exact = _exactly(rows, theta, prior, home, CALM[1:])
        exact = exact or noise is not None
    if not exact:
        theta, hessian, sigma = _roughly(rows, theta, prior, home, sigma, (2 if before.noise else 3) if noise is None else 0)
    theta, scale = _scaled(shape, theta)
    sigma = sigma / scale if noise is None else sigma
    return theta, _spread(shape, theta, inverse(hessian) / scale**2), 0.0 if exact else sigma


def _spread(shape: Shape, theta: Numbers, cov: Numbers) -> Numbers:
    """How much each issue matters, from how far its values came apart and the doubt in that; of their common level, which means nothing, no doubt is counted."""
    usual, out = 0.4 / len(shape.sizes), np.empty(len(shape.sizes))
    for issue, block in enumerate(shape.blocks):
        around, its = theta[block] - theta[block].mean(), cov[block, block]
        doubt = float(np.trace(its)) - float(its.sum()) / len(around) + usual**2
        out[issue] = np.sqrt((2 * usual**2 + around @ around + doubt) / (2 + len(around)))
    return out


def _again(shape: Shape, rows: list[Numbers], prior: Numbers, theta: Numbers, sigma: float, noise: float | None) -> tuple[Numbers, float]:
    """The weights and the noise once there are more features."""
    home = _center(shape)
    theta, _, sigma = _roughly(rows, theta, prior, home, sigma, 1 if noise is None else 0)
    theta, scale = _scaled(shape, theta)
    if noise is not None:
        return theta, noise
    if sigma / scale < 2 * EXACT:
        sharp, _, exact = _exactly(rows, theta, prior, home)
        if exact:
            return _scaled(shape, sharp)[0], 0.0
    return theta, sigma / scale


def _scaled(shape: Shape, theta: Numbers) -> tuple[Numbers, float]:
    scale = max(float(shape.ranges(theta).sum()), 1e-6)
    return theta / scale, scale


def _together(shape: Shape, rows: list[Numbers], sigma: float, shares: list[float], theta: Numbers) -> list[tuple[int, int, int, int]]:
    """The pairs of values of two issues that would explain most of what is left, if they explain much more than chance would."""
    if shape.issues != sum(shape.sizes):
        return []
    pull, known = np.zeros((shape.issues, shape.issues)), np.zeros((shape.issues, shape.issues))
    for items, share in _alike(rows, shares):
        _, push, local = _order(items, sigma, theta)
        for its, weight, pushed, bound in zip(items[:, :, : shape.issues], share, push, local.sum(axis=2), strict=True):
            pull += product((its * (weight * pushed)[:, None]).T, its)
            known += product((its * (weight * bound)[:, None]).T, its)
    odds = np.triu(np.abs(pull) / np.sqrt(known + 1 / INTERACTION**2), 1)
    for block in shape.blocks:
        odds[block, block] = 0.0
    at = [block.start for block in shape.blocks]
    found = []
    for code in np.argsort(-odds, axis=None)[: STEP + len(shape.pairs)]:
        one, two = divmod(int(code), shape.issues)
        i, j = int(np.searchsorted(at, one, side="right")) - 1, int(np.searchsorted(at, two, side="right")) - 1
        pair = (i, one - at[i], j, two - at[j])
        if odds[one, two] > ODD and pair not in shape.pairs:
            found.append(pair)
    return found[:STEP]


def _curve(rows: list[Numbers], sigma: float, shares: list[float], theta: Numbers) -> tuple[float, Numbers, Numbers]:
    if not rows:
        return 0.0, np.zeros(theta.size), np.zeros((theta.size, theta.size))
    return _orders(_alike(rows, shares), sigma, theta) if sigma else _barrier(_steps(rows), CALM[-1], theta)


def _center(shape: Shape) -> Numbers:
    home = np.zeros(shape.width)
    if shape.fallback is None:
        home[-1] = WORSE
    return home


def _prior(shape: Shape, spread: Numbers) -> Numbers:
    """The precision of the weights before anything is known; an issue with knots is taken for smooth."""
    out = np.zeros((shape.width, shape.width))
    for block, width, size in zip(shape.blocks, spread, shape.sizes, strict=True):
        knots = block.stop - block.start
        out[block, block] = np.eye(knots) / width**2
        if knots < size:
            turns = np.diff(np.eye(knots), n=2, axis=0)
            out[block, block] += turns.T @ turns / (STRAIGHT * width) ** 2
    pairs = np.arange(shape.issues, shape.issues + len(shape.pairs))
    out[pairs, pairs] = 1 / INTERACTION**2
    if shape.fallback is None:
        out[-1, -1] = 1 / AWAY**2
    return out


def _exactly(rows: list[Numbers], theta: Numbers, prior: Numbers, home: Numbers, calm: Sequence[float] = CALM) -> tuple[Numbers, Numbers, bool]:
    """Weights in the middle of those that agree with every order, the curvature there, and whether there are such (next to none is contradicted)."""
    if not rows:
        return home.copy(), prior, True
    steps = _steps(rows)
    for bend in calm:
        enough = 1e-3 if bend is CALM[-1] else 0.1
        theta, hessian = _newton(partial(_barrier, steps, bend), theta, prior, home, enough)
        if bend is CALM[1] and float(np.mean(steps @ theta < -SLIP)) > 4 * CONTRADICTED:
            return theta, hessian, False
    return theta, hessian, float(np.mean(steps @ theta < -SLIP)) < CONTRADICTED


def _roughly(rows: list[Numbers], theta: Numbers, prior: Numbers, home: Numbers, sigma: float, guesses: int) -> tuple[Numbers, Numbers, float]:
    """Weights that agree best with orders seen through noise, the curvature there, and the noise (after so many guesses at it)."""
    every = np.concatenate([items[:-1] - items[1:] for items in rows])
    free = max(1 - theta.size / (1.2 * len(every)), 0.25)
    for left in range(max(guesses, 1), 0, -1):
        loss = partial(_orders, _alike(rows, _shares(rows, sigma, theta)), sigma)
        theta, hessian = _newton(loss, theta, prior, home, 0.03 if left == 1 else 0.5)  # a first guess need not be sharp
        if guesses:
            sigma = float(np.clip(np.sqrt(np.mean(np.minimum(every @ theta, 0) ** 2) / free), EXACT, 0.12))
    return theta, hessian, sigma


def _steps(rows: list[Numbers]) -> Numbers:
    """The steps down the lists, each once: an order that is repeated without a contradiction says nothing new."""
    every = np.concatenate([items[:-1] - items[1:] for items in rows])
    first = {step.tobytes(): at for at, step in reversed(list(enumerate(every)))}
    return every if len(first) == len(every) else every[sorted(first.values())]


def _newton(loss: Callable[[Numbers], tuple[float, Numbers, Numbers]], theta: Numbers, prior: Numbers, home: Numbers, enough: float) -> tuple[Numbers, Numbers]:
    value, slope, bend = loss(theta)
    away = theta - home
    value += 0.5 * float(away @ prior @ away)
    for _ in range(SLOW):
        hessian = bend + prior
        step = np.linalg.solve(hessian, slope + prior @ away)
        drop = float(step @ (slope + prior @ away))
        if drop < enough:
            break
        length = 1.0
        while True:
            there = theta - length * step
            new, slope2, bend2 = loss(there)
            far = there - home
            new += 0.5 * float(far @ prior @ far)
            if new <= value - 1e-4 * length * drop or length < 0.02:
                break
            length *= 0.4
        theta, value, slope, bend, away = there, new, slope2, bend2, far
    return theta, bend + prior


def _barrier(steps: Numbers, tau: float, theta: Numbers) -> tuple[float, Numbers, Numbers]:
    raw = steps @ theta / tau
    x = np.maximum(raw, -30.0)
    soft = np.logaddexp(0.0, x)
    sharp = 1 / (1 + np.exp(-x))
    ratio = sharp / soft
    slope = -(ratio / tau) @ steps
    bend = np.maximum(ratio * (ratio - 1 + sharp), 1e-9) / tau**2
    return -float((np.log(soft) + np.minimum(raw + 30.0, 0.0)).sum()), slope, product((steps * bend[:, None]).T, steps)


def _orders(groups: list[tuple[Numbers, Numbers]], sigma: float, theta: Numbers) -> tuple[float, Numbers, Numbers]:
    value, slope, bend = 0.0, np.zeros(theta.size), np.zeros((theta.size, theta.size))
    for items, share in groups:
        cost, push, local = _order(items, sigma, theta)
        laplace = -share[:, None, None] * local
        laplace.reshape(len(items), -1)[:, :: local.shape[1] + 1] -= laplace.sum(axis=2)
        value += float(share @ cost)
        slope += (share[:, None] * push).ravel() @ items.reshape(-1, theta.size)
        for its, bound in zip(items, laplace @ items, strict=True):
            bend += product(its.T, bound)
    return value, slope, bend


def _alike(rows: list[Numbers], shares: list[float]) -> list[tuple[Numbers, Numbers]]:
    """The lists of each length in one array, with what a comparison in each of them counts."""
    groups: dict[int, list[int]] = {}
    for at, items in enumerate(rows):
        groups.setdefault(len(items), []).append(at)
    return [(np.array([rows[at] for at in group]), np.array([shares[at] for at in group])) for group in groups.values()]


def _order(items: Numbers, sigma: float, theta: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """For each of some lists: minus the log likelihood of its comparisons, its slope by the outcomes' worths, and how any two of them bind each other."""
    tau, (lists, count, _) = SMOOTH * sigma, items.shape
    high, low, flat = _pairs(count)
    u = items @ theta
    lose = 1 / (1 + np.exp(np.clip((np.take(u, high, axis=1) - np.take(u, low, axis=1)) / tau, -36.0, 36.0)))  # that the one before is worth less
    spread = np.zeros((lists, count * count))
    spread[:, flat] = lose
    one = spread.reshape(lists, count, count)
    local = one * (1 - one) / tau**2
    return -np.log1p(-lose).sum(axis=1), (one.sum(axis=1) - one.sum(axis=2)) / tau, local + local.transpose(0, 2, 1)


def _shares(rows: list[Numbers], sigma: float, theta: Numbers) -> list[float]:
    """What each pair of a list counts: items see one disturbance each, so all their comparisons together tell no more than 1/sigma² an item."""
    out = []
    for items in rows:
        u = items @ theta
        lose = 1 / (1 + np.exp(np.minimum(np.abs(u[:, None] - u[None, :]) / (SMOOTH * sigma), 36.0)))
        out.append(1 / max(1.0, float((lose * (1 - lose)).sum(axis=1).mean() - 0.25) / SMOOTH**2))
    return out


@cache
def _pairs(count: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    high, low = np.triu_indices(count, 1)
    return high, low, high * count + low


def _hats(size: int, knots: int) -> Numbers:
    at = np.arange(size) * (knots - 1) / (size - 1)
    low = np.minimum(at.astype(int), knots - 2)
    out = np.zeros((size, knots))
    out[np.arange(size), low] = 1 - (at - low)
    out[np.arange(size), low + 1] += at - low
    return out
