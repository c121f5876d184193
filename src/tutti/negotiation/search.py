"""Good outcomes of a space too large to enumerate: ascent from many starts, and how much better another outcome could be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tutti.model.negotiation import Offer, Utility
from tutti.negotiation.bound import bound
from tutti.negotiation.space import Indices, Numbers, Space
from tutti.negotiation.terrain import STEP, Terrain, Walk

SECONDS = 0.9  # of the solver's clock for the first programme; it proved the best outcome of 4 to the 20th within 0.5 s
STARTS = 32
SWEEPS = 80  # moves of one ascent at most; it ends where no change of one issue helps
SHAKES = 6  # times that the best are shaken and climb again
BEST = 8  # outcomes that are shaken, each in as many ways
KEPT = 512  # outcomes handed back
AROUND = 4  # the best outcomes, all of whose allowed neighbours are handed back too


class Found(NamedTuple):
    """Good outcomes, one a row, best first; no outcome's objective is more than `gap` above the first one's (plus infinity: not known)."""

    offers: Indices
    gap: float


def explore(
    space: Space,
    models: Sequence[Utility],
    weights: Sequence[float],
    *,
    seconds: float = SECONDS,
    more: Sequence[Offer] = (),
    starts: int = STARTS,
    shakes: int = SHAKES,
) -> Found:
    """Allowed outcomes for the weighted Nash product of these models, best first; `more` are outcomes to begin with too.

    The same for the same arguments as long as the solver comes to its end within `seconds` (0: it is not asked).
    """
    rng = np.random.default_rng(0)
    terrain = Terrain(space, models, weights)
    pool = np.stack([rng.integers(0, size, starts) for size in space.sizes], axis=1)
    pool = np.concatenate([pool, np.array(list(more), dtype=np.intp).reshape(-1, len(space.sizes))])
    found = _best(terrain, climb(terrain, pool), KEPT)
    for _ in range(shakes):
        found = _best(terrain, climb(terrain, _shaken(found[0][:BEST], space.sizes, rng))[-(BEST * BEST) :], KEPT, found)
    allowed = found[0][terrain.allowed(found[0])]
    known = tuple(int(value) for value in allowed[0]) if len(allowed) else None
    gap = float("inf")
    if seconds > 0:
        above = bound(terrain, known, seconds)
        if above.offer is not None:
            found = _best(terrain, np.array([above.offer], dtype=np.intp), KEPT, found)
        gap = above.value
    pool, heights = _best(terrain, _around(terrain, found[0][:AROUND]), 2 * KEPT, found)
    keep = np.flatnonzero(terrain.allowed(pool))[:KEPT]
    pool, heights = pool[keep], heights[keep]
    return Found(pool, max(0.0, gap - float(heights[0])) if len(pool) and np.isfinite(gap) else gap)


def _shaken(offers: Indices, sizes: Sequence[int], rng: np.random.Generator) -> Indices:
    """Each of these `BEST` times, with two to four of its issues at random values."""
    out = np.repeat(offers, BEST, axis=0)
    which = rng.random(out.shape).argsort(axis=1).argsort(axis=1) < rng.integers(2, 5, size=(len(out), 1))
    return np.where(which, rng.integers(0, sizes, size=out.shape), out)


def climb(terrain: Terrain, starts: Indices) -> Indices:
    """Steepest ascent by changes of one issue, all starts at once; every outcome on the way, the last ones last."""
    offers, visited = starts.copy(), [starts]
    walk, active = Walk(terrain, starts), np.arange(len(starts))
    for _ in range(SWEEPS):
        here, there = walk.around()
        best = there.argmax(axis=1)
        better = there[np.arange(len(active)), best] > here + STEP
        if not better.all():
            active, best = active[better], best[better]
            walk.keep(better)
        if not len(active):
            break
        walk.move(best)
        offers[active] = walk.offers
        visited.append(walk.offers)
    return np.concatenate([*visited, offers])


def _best(terrain: Terrain, offers: Indices, k: int, known: tuple[Indices, Numbers] | None = None) -> tuple[Indices, Numbers]:
    """The best `k` of them and of those known before, each once, best first, with their objectives."""
    key = terrain.key[offers + terrain.offset].sum(axis=1, dtype=np.uint64)
    once = np.unique(key, return_index=True)[1]
    if known is not None:
        once = once[~np.isin(key[once], terrain.key[known[0] + terrain.offset].sum(axis=1, dtype=np.uint64))]
    offers = offers[once]
    heights = terrain.heights(offers)
    if known is not None:
        offers, heights = np.concatenate([known[0], offers]), np.concatenate([known[1], heights])
    order = np.argsort(-heights, kind="stable")[:k]
    return offers[order], heights[order]


def _around(terrain: Terrain, offers: Indices) -> Indices:
    """Every change of one issue of these."""
    rows = []
    for offer in offers:
        changed = np.repeat(offer[None], len(terrain.issue), axis=0)
        changed[np.arange(len(terrain.issue)), terrain.issue] = np.arange(len(terrain.issue)) - terrain.offset[terrain.issue]
        rows.append(changed)
    return np.concatenate(rows) if rows else offers
