"""The shape of a utility: which features it is a sum of, and offers as rows of these."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tutti.model.negotiation import Offer
from tutti.negotiation.wants import Models, made

Numbers = npt.NDArray[np.float64]

KNOTS = 40  # an issue with more values is fitted at this many of them, and linear between: one message cannot hold more


class Shape:
    """Offers as rows of features: one for each value of each issue (or its knots), pairs of values that interact, and the fallback.

    Where the fallback is an offer its worth follows from the issues; where it is "no deal" it is a feature of its own, the last.
    """

    def __init__(self, sizes: Sequence[int], fallback: Offer | None, pairs: Sequence[tuple[int, int, int, int]] = ()) -> None:
        self.sizes, self.fallback, self.pairs = tuple(sizes), fallback, tuple(pairs)
        self.blocks: list[slice] = []
        at = 0
        for size in self.sizes:
            self.blocks.append(slice(at, at + min(size, KNOTS)))
            at = self.blocks[-1].stop
        self.issues = at
        self.start = np.array([block.start for block in self.blocks])
        self.count = np.array([block.stop - block.start for block in self.blocks])
        self.plain = at == sum(self.sizes)  # every value a feature of its own
        self.tables = [] if self.plain else [_hats(size) for size in self.sizes]  # for each issue: value x its features
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
        if self.plain:
            np.put_along_axis(out, offers + self.start, 1.0, axis=1)
        else:
            for issue, (block, table) in enumerate(zip(self.blocks, self.tables, strict=True)):
                out[:, block] = table[offers[:, issue]]
        for at, (i, a, j, b) in enumerate(self.pairs, start=self.issues):
            out[:, at] = (offers[:, i] == a) & (offers[:, j] == b)
        return out

    def utilities(self, thetas: Numbers) -> Models:
        """The utilities that these weights of the features mean, one a row."""
        parts = thetas[:, : self.issues]
        if not self.plain:
            parts = np.concatenate([thetas[:, block] @ table.T for block, table in zip(self.blocks, self.tables, strict=True)], axis=1)
        return made(self.sizes, np.ascontiguousarray(parts), thetas @ self.rows([None])[0], self.pairs, thetas[:, self.issues : self.issues + len(self.pairs)])

    def ranges(self, theta: Numbers) -> Numbers:
        """How much each issue can move the utility."""
        values = theta[: self.issues]
        return np.asarray(np.maximum.reduceat(values, self.start) - np.minimum.reduceat(values, self.start))

    def basis(self) -> Numbers:
        """Features x what is fitted: what the values of an issue have in common says nothing, so the fit does without it and is a quarter smaller where issues have four values."""
        return _contrasts(tuple(self.count.tolist()), len(self.pairs) + (self.fallback is None))


@lru_cache(maxsize=16)
def _contrasts(counts: tuple[int, ...], others: int) -> Numbers:
    """For so many values of each issue all that sums to 0, in orthogonal parts of length 1, and `others` as they are."""
    out = np.zeros((sum(counts) + others, sum(counts) - len(counts) + others))
    row = column = 0
    for count in counts:
        for at in range(1, count):
            out[row : row + at, column], out[row + at, column] = 1.0, -at
            out[row : row + count, column] /= np.sqrt(at * (at + 1))
            column += 1
        row += count
    out[row:, column:] = np.eye(others)
    return out


def _hats(size: int) -> Numbers:
    if size <= KNOTS:
        return np.eye(size)
    at = np.arange(size) * (KNOTS - 1) / (size - 1)
    low = np.minimum(at.astype(int), KNOTS - 2)
    out = np.zeros((size, KNOTS))
    out[np.arange(size), low] = 1 - (at - low)
    out[np.arange(size), low + 1] += at - low
    return out
