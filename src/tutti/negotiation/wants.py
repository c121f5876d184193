"""What is believed of a party as arrays, made once: everything that weighs outcomes reads the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import NamedTuple, overload

import numpy as np
import numpy.typing as npt

from tutti.model.negotiation import Utility
from tutti.negotiation.algebra import product

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

KEPT = 256  # beliefs whose arrays are kept: a case of 64 parties has each of them twice, before and after an answer
FEW = 4  # models; for fewer a look-up is quicker than a product


class Wants(NamedTuple):
    """Utilities over the same issues: a row a model, a column a value, numbered through over the issues.

    `cells` are the pairs of values that some model speaks of, by their columns, and `extras` what each model adds for them. `spans` is what a model's outcomes can
    differ by at most, above 0. Where `fine` is false, the models do not fit together, or a number is none, and the arrays mean nothing.
    """

    sizes: tuple[int, ...]
    linear: Numbers
    homes: Numbers  # what the fallback is worth
    cells: Indices  # cells x 2
    extras: Numbers  # models x cells
    spans: Numbers
    fine: bool

    def tables(self) -> list[Numbers]:
        """For each issue: models x its values."""
        return np.split(self.linear, np.cumsum(self.sizes)[:-1], axis=1)

    def gains(self, offers: Indices) -> Numbers:
        """What each offer (a row of value indices) is worth above the fallback: models x offers."""
        return gains([self], offers)[0]

    def _gains(self, offset: Indices, at: Indices, hot: Numbers) -> Numbers:
        out = np.asarray(self.linear[:, at].sum(axis=2)) if len(self.linear) < FEW else product(self.linear, hot)
        if len(self.cells):
            one, other = np.searchsorted(offset, self.cells.T, side="right") - 1
            both = (at[:, one] == self.cells[:, 0]) & (at[:, other] == self.cells[:, 1])
            out += product(self.extras, both.T.astype(float))
        return np.asarray(out - self.homes[:, None])


class Models(Sequence[Utility]):
    """Utilities that were drawn as arrays, a row each; one is made a `Utility` where it is looked at, which few are."""

    __slots__ = ("_made", "arrays", "pairs")

    def __init__(self, arrays: Wants, pairs: tuple[tuple[int, int, int, int], ...]) -> None:
        self.arrays, self.pairs = arrays, pairs
        self._made: dict[int, Utility] = {}

    def __len__(self) -> int:
        return len(self.arrays.linear)

    @overload
    def __getitem__(self, at: int) -> Utility: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[Utility, ...]: ...
    def __getitem__(self, at: int | slice) -> Utility | tuple[Utility, ...]:
        if isinstance(at, slice):
            return tuple([self[each] for each in range(len(self))[at]])
        place = range(len(self))[at]
        if place not in self._made:
            row = self.arrays.linear[place].tolist()
            contrib = tuple([tuple(row[start : start + size]) for start, size in zip(_offset(self.arrays.sizes).tolist(), self.arrays.sizes, strict=True)])
            pairs = tuple([(*pair, extra) for pair, extra in zip(self.pairs, self.arrays.extras[place].tolist(), strict=True)])
            self._made[place] = Utility(contrib, pairs, float(self.arrays.homes[place]))
        return self._made[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, (Models, tuple)) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))


def wants(models: Sequence[Utility]) -> Wants:
    """These models as arrays; of a belief's own tuple they are kept."""
    if isinstance(models, Models):
        return models.arrays
    return _kept(_Same(models)) if isinstance(models, tuple) else _wants(models)


def gains(known: Sequence[Wants], offers: Indices) -> list[Numbers]:
    """What each offer (a row of value indices) is worth above the fallback, for each of these: models x offers."""
    offset = _offset(known[0].sizes)
    at: Indices = offers + offset
    hot = np.zeros((len(at), sum(known[0].sizes)))
    np.put_along_axis(hot, at, 1.0, axis=1)
    return [each._gains(offset, at, hot.T) for each in known]


def made(sizes: tuple[int, ...], linear: Numbers, homes: Numbers, pairs: Sequence[tuple[int, int, int, int]], extras: Numbers) -> Models:
    """Utilities from such arrays, a row each, all finite; `pairs` are issue, value, issue, value, each once."""
    offset = _offset(sizes)
    cells = np.array([(offset[i] + a, offset[j] + b) for i, a, j, b in pairs], dtype=np.intp).reshape(-1, 2)
    return Models(Wants(sizes, linear, homes, cells, extras, _spans(linear, offset, np.abs(extras)), True), tuple(pairs))


class _Same:
    """A key that is equal to itself only: comparing all numbers would take longer than what it saves."""

    __slots__ = ("it",)

    def __init__(self, it: tuple[Utility, ...]) -> None:
        self.it = it

    def __hash__(self) -> int:
        return id(self.it)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.it is self.it


@lru_cache(maxsize=KEPT)
def _kept(same: _Same) -> Wants:
    return _wants(same.it)


@lru_cache(maxsize=64)
def _offset(sizes: tuple[int, ...]) -> Indices:
    """Where each issue's values begin."""
    return np.cumsum((0, *sizes[:-1]), dtype=np.intp)


def _wants(models: Sequence[Utility]) -> Wants:
    sizes = tuple(map(len, models[0].contrib))
    places = dict.fromkeys((i, a, j, b) for model in models for i, a, j, b, _ in model.pairs)
    known = all(i != j and 0 <= i < len(sizes) and 0 <= j < len(sizes) and 0 <= a < sizes[i] and 0 <= b < sizes[j] for i, a, j, b in places)
    together = all(tuple(map(len, model.contrib)) == sizes for model in models)
    if not known or not together:
        none = np.zeros((len(models), 0))
        return Wants(sizes, none, none.sum(axis=1), np.zeros((0, 2), dtype=np.intp), none, np.ones(len(models)), False)
    linear = np.array([list(chain.from_iterable(model.contrib)) for model in models], dtype=float)
    homes = np.array([model.reservation for model in models], dtype=float)
    offset = _offset(sizes)
    at = {place: where for where, place in enumerate(places)}
    cells = np.array([(offset[i] + a, offset[j] + b) for i, a, j, b in places], dtype=np.intp).reshape(-1, 2)
    extras = np.zeros((len(models), len(cells)))
    moved = np.zeros((len(models), len(cells)))
    for row, model in enumerate(models):
        for i, a, j, b, extra in model.pairs:
            extras[row, at[i, a, j, b]] += extra
            moved[row, at[i, a, j, b]] += abs(extra)
    fine = bool(np.isfinite(linear).all() and np.isfinite(homes).all() and np.isfinite(extras).all())
    return Wants(sizes, linear, homes, cells, extras, _spans(linear, offset, moved), fine)


def _spans(linear: Numbers, offset: Indices, moved: Numbers) -> Numbers:
    wide = (np.maximum.reduceat(linear, offset, axis=1) - np.minimum.reduceat(linear, offset, axis=1)).sum(axis=1) + moved.sum(axis=1)
    return np.where(wide > 0, wide, 1.0)
