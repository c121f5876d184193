"""Good outcomes of a space too large to enumerate: ascent from many starts, and how much better another outcome could be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tutti.model.negotiation import Offer, Utility
from tutti.negotiation.bound import bound
from tutti.negotiation.space import SLACK, Indices, Numbers, Space
from tutti.negotiation.terrain import Terrain, Walk

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
    pool, heights = _best(climb(terrain, pool), terrain, KEPT)
    for _ in range(shakes):
        shaken = np.repeat(pool[:BEST], BEST, axis=0)
        for row in shaken:
            issues = rng.choice(len(space.sizes), size=min(len(space.sizes), int(rng.integers(2, 5))), replace=False)
            row[issues] = rng.integers(0, np.array(space.sizes)[issues])
        pool, heights = _best(np.concatenate([pool, climb(terrain, shaken)[-len(shaken) :]]), terrain, KEPT)
    allowed = pool[terrain.allowed(pool)]
    known = tuple(int(value) for value in allowed[0]) if len(allowed) else None
    gap = float("inf")
    if seconds > 0:
        above = bound(terrain, known, seconds)
        if above.offer is not None:
            pool, heights = _best(np.concatenate([np.array([above.offer], dtype=np.intp), pool]), terrain, KEPT)
        gap = above.value
    pool, heights = _best(np.concatenate([pool, _around(terrain, pool[:AROUND])]), terrain, 2 * KEPT)
    keep = np.flatnonzero(terrain.allowed(pool))[:KEPT]
    pool, heights = pool[keep], heights[keep]
    return Found(pool, max(0.0, gap - float(heights[0])) if len(pool) and np.isfinite(gap) else gap)


def climb(terrain: Terrain, starts: Indices) -> Indices:
    """Steepest ascent by changes of one issue, all starts at once; every outcome on the way, the last ones last."""
    offers, visited = starts.copy(), [starts]
    walk, active = Walk(terrain, starts), np.arange(len(starts))
    for _ in range(SWEEPS):
        here, there = walk.around()
        best = there.argmax(axis=1)
        better = there[np.arange(len(active)), best] > here + SLACK
        if not better.all():
            active, best = active[better], best[better]
            walk.keep(better)
        if not len(active):
            break
        walk.move(best)
        offers[active] = walk.offers
        visited.append(walk.offers)
    return np.concatenate([*visited, offers])


def _best(offers: Indices, terrain: Terrain, k: int) -> tuple[Indices, Numbers]:
    """The best `k` of them, each once, best first, with their objectives."""
    offset = np.cumsum(terrain.space.sizes) - terrain.space.sizes
    key = terrain.key[offers + offset].sum(axis=1, dtype=np.uint64)
    once = offers[np.unique(key, return_index=True)[1]]
    heights = terrain.heights(once)
    order = np.argsort(-heights, kind="stable")[:k]
    return once[order], heights[order]


def _around(terrain: Terrain, offers: Indices) -> Indices:
    """Every change of one issue of these."""
    rows = []
    for offer in offers:
        changed = np.repeat(offer[None], len(terrain.issue), axis=0)
        changed[np.arange(len(terrain.issue)), terrain.issue] = np.arange(len(terrain.issue)) - terrain.offset[terrain.issue]
        rows.append(changed)
    return np.concatenate(rows) if rows else offers
