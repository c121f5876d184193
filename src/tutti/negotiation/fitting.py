"""Fits an additive utility to orders: from lists that a party has put in order to a posterior over its utility."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tutti.model.negotiation import Offer, Utility

Numbers = npt.NDArray[np.float64]

KNOTS = 40  # an issue with more values is fitted at this many of them, and linear between: one message cannot hold more
EXACT = 0.004  # noise, as a share of the utility's range, below which a party counts as never contradicting itself
CALM = (0.04, 0.008, 0.0015)  # how sharply the barrier bends, from the first pass to the last, as shares of the range
SLIP = 0.0003  # two outcomes this close in worth may come in either order
CONTRADICTED = 0.03  # share of steps down a list that may go up before the party counts as noisy
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

    def utility(self, theta: Numbers) -> Utility:
        """The utility that these weights of the features mean."""
        contrib = tuple(tuple((table @ theta[block]).tolist()) for block, table in zip(self.blocks, self.tables, strict=True))
        pairs = tuple((*pair, float(extra)) for pair, extra in zip(self.pairs, theta[self.issues :], strict=False))
        known = float((self.rows([None]) @ theta)[0])
        return Utility(contrib, pairs, known)

    def ranges(self, theta: Numbers) -> Numbers:
        """How much each issue can move the utility."""
        return np.array([np.ptp(theta[block]) for block in self.blocks])


@dataclass(frozen=True, slots=True)
class Fit:
    """A posterior over the features' weights: normal around `mean`, scaled so that the issues' ranges sum to 1; `noise` on the same scale."""

    shape: Shape
    mean: Numbers
    root: Numbers  # a square root of the covariance: root @ root.T
    noise: float

    def draws(self, count: int, rng: np.random.Generator) -> Numbers:
        """So many draws, one a row, in pairs that mirror each other: their mean is the mean."""
        half = self.root @ rng.standard_normal((self.root.shape[1], (count + 1) // 2))
        found: Numbers = self.mean + np.concatenate([half, -half], axis=1).T[:count]
        return found


def fit(shape: Shape, lists: Sequence[Sequence[Offer | None]], noise: float | None = None) -> Fit:
    """The posterior after these lists, each best first. `noise` is the standard deviation of what the party sees; None: to be found out."""
    rows = [shape.rows(items) for items in lists if len(items) > 1]
    spread = np.full(len(shape.sizes), 0.4 / len(shape.sizes))
    theta = _center(shape)
    for turn in range(2):
        prior, home = _prior(shape, spread), _center(shape)
        theta, hessian, sigma = _settle(rows, theta, prior, home, noise)
        if turn:
            break
        scale = max(float(shape.ranges(theta).sum()), 1e-6)
        theta = theta / scale
        inverse = np.diag(np.linalg.inv(hessian)) / scale**2
        for issue, block in enumerate(shape.blocks):  # how much an issue matters, from how far its values came apart
            around = theta[block] - theta[block].mean()
            pull = 0.4 / len(shape.sizes)
            spread[issue] = np.sqrt((2 * pull**2 + around @ around + inverse[block].sum()) / (2 + len(around)))
    scale = max(float(shape.ranges(theta).sum()), 1e-6)
    factor = np.linalg.cholesky(hessian)
    root = np.linalg.inv(factor).T / scale
    return Fit(shape, theta / scale, root, sigma / scale)


def _center(shape: Shape) -> Numbers:
    home = np.zeros(shape.width)
    if shape.fallback is None:
        home[-1] = -0.1
    return home


def _prior(shape: Shape, spread: Numbers) -> Numbers:
    out = np.zeros(shape.width)
    for block, width in zip(shape.blocks, spread, strict=True):
        out[block] = 1 / width**2
    out[shape.issues : shape.issues + len(shape.pairs)] = 1 / 0.04**2
    if shape.fallback is None:
        out[-1] = 1 / 0.35**2
    return out


def _settle(rows: list[Numbers], theta: Numbers, prior: Numbers, home: Numbers, noise: float | None) -> tuple[Numbers, Numbers, float]:
    """Weights, the curvature there, and the noise: the order is taken exactly while next to nothing contradicts it."""
    if not rows:
        return home.copy(), np.diag(prior), noise or 0.0
    steps = np.concatenate([items[:-1] - items[1:] for items in rows])
    if noise is None or noise <= EXACT:
        for bend in CALM:
            theta, hessian = _newton(lambda t, b=bend: _barrier(steps, t, b), theta, prior, home)
        if noise is not None or float(np.mean(steps @ theta < -SLIP)) < CONTRADICTED:
            return theta, hessian, 0.0
    sigma = 0.03 if noise is None else noise
    for _ in range(1 if noise is not None else 3):
        theta, hessian = _newton(lambda t, s=sigma: _orders(rows, t, s), theta, prior, home)
        if noise is None:
            free = max(1 - theta.size / (1.2 * len(steps)), 0.25)
            sigma = float(np.clip(np.sqrt(np.mean(np.minimum(steps @ theta, 0) ** 2) / free), EXACT, 0.12))
    return theta, hessian, sigma


def _newton(loss: Callable[[Numbers], tuple[float, Numbers, Numbers]], theta: Numbers, prior: Numbers, home: Numbers) -> tuple[Numbers, Numbers]:
    value, slope, bend = loss(theta)
    away = theta - home
    value += 0.5 * float(prior @ away**2)
    for _ in range(SLOW):
        hessian = bend + np.diag(prior)
        step = np.linalg.solve(hessian, slope + prior * away)
        drop = float(step @ (slope + prior * away))
        if drop < 1e-3:
            break
        length = 1.0
        while True:
            there = theta - length * step
            new, slope2, bend2 = loss(there)
            far = there - home
            new += 0.5 * float(prior @ far**2)
            if new <= value - 1e-4 * length * drop or length < 0.02:
                break
            length *= 0.4
        theta, value, slope, bend, away = there, new, slope2, bend2, far
    return theta, bend + np.diag(prior)


def _barrier(steps: Numbers, theta: Numbers, tau: float) -> tuple[float, Numbers, Numbers]:
    x = np.maximum(steps @ theta / tau, -30.0)
    soft = np.logaddexp(0.0, x)
    sharp = 1 / (1 + np.exp(-x))
    ratio = sharp / soft
    slope = -(ratio / tau) @ steps
    bend = np.maximum(ratio * (ratio - 1 + sharp), 1e-9) / tau**2
    return -float(np.log(soft).sum()), slope, (steps * bend[:, None]).T @ steps


def _orders(rows: list[Numbers], theta: Numbers, sigma: float) -> tuple[float, Numbers, Numbers]:
    tau = 0.83 * sigma
    value, slope, bend = 0.0, np.zeros(theta.size), np.zeros((theta.size, theta.size))
    for items in rows:
        u = items @ theta
        x = (u[:, None] - u[None, :]) / tau
        above = np.triu(np.ones((len(u), len(u)), dtype=bool), 1)
        lose = np.where(above, 1 / (1 + np.exp(np.clip(x, -40, 40))), 0.0)
        cost = float(np.logaddexp(0.0, -x[above]).sum())
        push = (lose.sum(axis=0) - lose.sum(axis=1)) / tau
        local = lose * (1 - lose) * above / tau**2
        local = local + local.T
        weight = 1 / max(1.0, float(local.sum(axis=1).mean()) * sigma**2)
        laplace = np.diag(local.sum(axis=1)) - local
        value += weight * cost
        slope += weight * (push @ items)
        bend += weight * (items.T @ (laplace @ items))
    return value, slope, bend


def _hats(size: int, knots: int) -> Numbers:
    at = np.arange(size) * (knots - 1) / (size - 1)
    low = np.minimum(at.astype(int), knots - 2)
    out = np.zeros((size, knots))
    out[np.arange(size), low] = 1 - (at - low)
    out[np.arange(size), low + 1] += at - low
    return out
