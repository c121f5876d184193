"""Orders as numbers: lists that a party has put in order, and what weights of the features cost that disagree with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tutti.model.negotiation import Offer
from tutti.negotiation.algebra import product
from tutti.negotiation.shape import Shape

Numbers = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]

SMOOTH = 0.83  # a logistic curve with this share of sigma for a scale is nearest to the normal curve of a difference of two disturbances


class There(NamedTuple):
    """What some weights cost: minus the log likelihood, its slope, and its curvature, which is computed where it is asked for."""

    value: float
    slope: Numbers
    bend: Callable[[], Numbers]


class Orders:
    """Lists that a party has put in order, best first: `rows` are their features (items x features each), `parts` the same in the terms of `Shape.basis`.

    Those of one length are in one array, of half the width: a rank is no sharper.
    """

    def __init__(self, rows: Sequence[Numbers], parts: Sequence[Numbers]) -> None:
        self.rows, self.parts = tuple(rows), tuple(parts)
        lengths = [len(items) for items in rows]
        places = [[at for at, its in enumerate(lengths) if its == length] for length in dict.fromkeys(lengths)]
        self.groups = [(np.array(at), np.array([parts[place] for place in at], dtype=np.float32)) for at in places]
        self._last: tuple[float, Numbers | None, list[Singles]] = (0.0, None, [])
        self.down = np.concatenate([items[:-1] - items[1:] for items in parts])  # the steps down the lists: each item less the next one

    def wider(self, shape: Shape, pairs: Sequence[tuple[int, int, int, int]]) -> Orders:
        """The same with these pairs, the last of this shape's, among the features."""
        both = [np.stack([rows[:, shape.start[i] + a] * rows[:, shape.start[j] + b] for i, a, j, b in pairs], axis=1) for rows in self.rows]
        last = int(shape.fallback is None)  # "no deal" stays behind them
        rows, parts = (
            [
                np.concatenate([items[:, : items.shape[1] - last], its, items[:, items.shape[1] - last :]], axis=1)
                for items, its in zip(lists, both, strict=True)
            ]
            for lists in (self.rows, self.parts)
        )
        return Orders(rows, parts)

    def steps(self) -> Numbers:
        """The steps down the lists, each once: an order that is repeated without a contradiction says nothing new."""
        first = {step.tobytes(): at for at, step in reversed(list(enumerate(self.down)))}
        return self.down if len(first) == len(self.down) else self.down[sorted(first.values())]

    def chances(self, sigma: float, theta: Numbers) -> list[Singles]:
        """For any two items of each list the chance that the second is preferred: for each group lists x items x items. Those of the last weights are kept."""
        if self._last[0] != sigma or self._last[1] is not theta:
            scaled = (theta / (SMOOTH * sigma)).astype(np.float32)
            found: list[Singles] = []
            for _, items in self.groups:
                worths = items @ scaled
                found.append(np.reciprocal(1 + np.exp(np.minimum(worths[:, :, None] - worths[:, None, :], np.float32(80.0)))))
            self._last = (sigma, theta, found)
        return self._last[2]

    def shares(self, sigma: float, theta: Numbers) -> Numbers:
        """What each pair of a list counts."""
        out = np.ones(len(self.rows))
        for (at, _), over in zip(self.groups, self.chances(sigma, theta), strict=True):
            out[at] = _share(over)
        return out

    def cost(self, sigma: float, shares: Numbers, theta: Numbers) -> There:
        """What the lists cost, seen through noise, where each comparison counts so much."""
        tau, value, slope = SMOOTH * sigma, 0.0, np.zeros(theta.size)
        chances = self.chances(sigma, theta)
        for (at, items), over in zip(self.groups, chances, strict=True):
            share, count = shares[at].astype(np.float32), items.shape[1]
            value -= float(share @ (np.log(over).reshape(len(at), -1) @ _after(count)))
            push = (_middles(count) - over @ _ones(count)) * (share / np.float32(tau))[:, None]
            slope += push.ravel() @ items.reshape(-1, theta.size)

        def bend() -> Numbers:
            out = np.zeros((theta.size, theta.size))
            for (at, items), over in zip(self.groups, chances, strict=True):
                laplace: Singles = over * (over - 1) * (shares[at] / tau**2).astype(np.float32)[:, None, None]
                laplace.reshape(len(at), -1)[:, :: items.shape[1] + 1] -= laplace @ _ones(items.shape[1])
                out += product(items.reshape(-1, theta.size).T, (laplace @ items).reshape(-1, theta.size))
            return out

        return There(value, slope, bend)

    def left_over(self, issues: int, sigma: float, theta: Numbers) -> tuple[Singles, Singles]:
        """How far what these weights leave unexplained pulls to any two of the first `issues` features coming together, and how much is known of that: features x features each."""
        out, tau = np.zeros((issues, 2 * issues), dtype=np.float32), np.float32(SMOOTH * sigma)
        for (at, items), over in zip(self.groups, self.chances(sigma, theta), strict=True):
            weight = _share(over).astype(np.float32)[:, None]
            its = np.concatenate([self.rows[place][:, :issues] for place in at], dtype=np.float32)
            push: Singles = (_middles(items.shape[1]) - over @ _ones(items.shape[1])) * weight / tau
            bound = np.asarray(((over * (1 - over)) @ _ones(items.shape[1]) - 0.25) * weight / (tau * tau), dtype=np.float32)
            out += product(its.T, np.concatenate([its * push.reshape(-1, 1), its * bound.reshape(-1, 1)], axis=1))
        pull, known = np.split(out, 2, axis=1)
        return pull, known


def orders_of(shape: Shape, lists: Sequence[Sequence[Offer | None]], before: Orders | None) -> Orders:
    """These lists, of which `before` are the first ones."""
    rows, parts = ([], []) if before is None else ([*before.rows], [*before.parts])
    for items in lists[len(rows) :]:
        rows.append(shape.rows(items))
        parts.append(product(shape.basis().T, rows[-1].T).T)
    return Orders(rows, parts)


def _share(over: Singles) -> Numbers:
    """What each pair of a list counts: items see one disturbance each, so all their comparisons together tell no more than 1/sigma² an item."""
    flat, count = over.reshape(len(over), -1), over.shape[1]
    doubt = (count * count / 2 - np.einsum("lp,lp->l", flat, flat)) / count  # the sum of p (1 - p); p and its opposite, 1 - p, are both among them
    found: Numbers = 1 / np.maximum(1.0, (doubt - 0.25) / SMOOTH**2)
    return found


@cache
def _middles(count: int) -> Singles:
    """How many stand before each place of a list, and half of itself."""
    return np.arange(0.5, count, dtype=np.float32)


@cache
def _ones(count: int) -> Singles:
    return np.ones(count, dtype=np.float32)


@cache
def _after(count: int) -> Singles:
    """Ones for a pair of items of which the first stands behind the second, in one row."""
    return np.tri(count, k=-1, dtype=np.float32).ravel()


def barrier(steps: Numbers, tau: float, theta: Numbers) -> There:
    """What weights cost by which no step down a list should go up; `tau` says how sharply that bends."""
    raw = steps @ theta / tau
    x = np.maximum(raw, -30.0)
    soft = np.logaddexp(0.0, x)
    sharp = 1 / (1 + np.exp(-x))
    ratio = sharp / soft

    def bend() -> Numbers:
        return product((steps * (np.maximum(ratio * (ratio - 1 + sharp), 1e-9) / tau**2)[:, None]).T, steps)

    return There(-float((np.log(soft) + np.minimum(raw + 30.0, 0.0)).sum()), -(ratio / tau) @ steps, bend)
