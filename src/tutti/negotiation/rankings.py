"""What a party is asked that can only put outcomes in order, and what its orders say about its utility."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from tutti.model.negotiation import Belief, Case, Exchange, Offer, Reply, Utility
from tutti.negotiation.algebra import product
from tutti.negotiation.fitting import Fit, fit
from tutti.negotiation.settle import foremost
from tutti.negotiation.shape import Shape
from tutti.negotiation.space import Space
from tutti.negotiation.wants import Wants, gains, wants

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Lists = tuple[tuple[Offer | None, ...], ...]

ITEMS = 64  # outcomes in one message at most, the fallback counted
DRAWS = 32  # models in a belief
LEADING = 24  # outcomes that every party sees in a later message
SHORT = 400  # outcomes that are looked at under every model
MIXED = 100  # of the best of which mixtures are made, and as many mixtures
ELSEWHERE = 0.1  # share of a mixture's values that come from anywhere
TRIES = 20  # rounds of looking for allowed outcomes
BATCH = 2000  # outcomes that are looked at in a round where few are allowed: of 4 to the 20th it may be one in a thousand
THOUGHTS = 2 * DRAWS  # draws of what all want at once
LEAST = 1e-3  # a gain below this share of the utility's range counts as this much: its logarithm must not rule alone


def questions(case: Case, space: Space, parties: Sequence[int], beliefs: Sequence[Belief | None], rng: np.random.Generator) -> dict[int, Lists]:
    """The next message for each of `parties`: lists to put in order, best first, at most 64 outcomes in all; None is the fallback.

    `beliefs` holds what is believed of every party of the case, None where nothing is yet: such a party is asked about outcomes
    spread over the space, the others about the outcomes that may be settled on and those that tell these apart.
    """
    fresh = [party for party in parties if beliefs[party] is None]
    opening = [*_spread(case, space, rng), None] if fresh else []
    out: dict[int, Lists] = {party: (_shuffled(opening, rng),) for party in fresh if len(opening) > 1}
    later = [party for party in parties if beliefs[party] is not None]
    if later:
        known = {party: _scaled(wants(belief.models)) for party, belief in enumerate(beliefs) if belief is not None}
        flat = nothing(case.sizes)
        offers = foremost(space, [belief or flat for belief in beliefs], [party.weight for party in case.parties], SHORT)
        if not len(offers):  # policy leaves nothing to ask about
            return out
        weights = np.array([party.weight for party in case.parties])
        shares = weights[list(known)] / weights.sum()
        leading = offers[_leading(list(zip(shares, gains(list(known.values()), offers), strict=True)), rng)]
        told = _telling(case, space, [known[party] for party in later], leading, _mixed(space, offers[:MIXED], rng))
        out.update({party: (_shuffled(items, rng),) for party, items in zip(later, told, strict=True) if len(items) > 1})
    return out


def believe(case: Case, party: int, said: Sequence[Exchange], rng: np.random.Generator, noise: float | None = None) -> Belief | None:
    """What this party's orders, and the offers that it accepted or rejected, say of its utility; None while it has said nothing.

    Gains over the fallback are known up to scale. `noise` is the standard deviation of what the party sees, as a share of its
    utility's range; None: found out from how often its orders contradict each other.
    """
    lists = orders(party, said)
    if not lists:
        return None
    seed, kept = int(rng.integers(2**62)), [items for items in lists if len(items) != 2]
    for items in lists:
        if len(items) != 2:
            continue
        if items[1] is None and kept:  # a yes that was not in doubt says nothing new
            belief = _believed(case.sizes, case.fallback, tuple(kept), noise, seed)
            if wants(belief.models).gains(np.array([items[0]], dtype=np.intp)).min() > 0:
                continue
        kept.append(items)
    return _believed(case.sizes, case.fallback, tuple(kept), noise, seed)


@lru_cache(maxsize=128)  # so that the same orders are the same belief, of which everything else is kept
def _believed(sizes: tuple[int, ...], fallback: Offer | None, lists: Lists, noise: float | None, seed: int) -> Belief:
    found = _estimate(sizes, fallback, lists, noise)
    return Belief(found.shape.utilities(found.draws(DRAWS, np.random.default_rng(seed))))


def estimate(case: Case, lists: Sequence[Sequence[Offer | None]], noise: float | None = None) -> Fit:
    """The posterior over a utility's parts after these lists, each best first."""
    return _estimate(case.sizes, case.fallback, tuple(tuple(items) for items in lists), noise)


@lru_cache(maxsize=256)  # a case is stepped through again for every confirmation, with the same lists; each list adds to what the ones before gave
def _estimate(sizes: tuple[int, ...], fallback: Offer | None, lists: Lists, noise: float | None) -> Fit:
    before = _estimate(sizes, fallback, lists[:-1], noise) if len(lists) > 1 else None
    return fit(Shape(sizes, fallback), lists, noise, before)


def orders(party: int, said: Sequence[Exchange]) -> list[tuple[Offer | None, ...]]:
    """The lists that this party has put in order, best first; an accepted offer stands before the fallback, a rejected one behind it."""
    out: list[tuple[Offer | None, ...]] = []
    for question, reply in said:
        if question.party != party or reply.missing:
            continue
        if question.ask == "rank":
            out += [tuple(items[at] for at in order) for items, order in zip(question.lists, reply.value, strict=True)]
        elif question.ask == "confirm" and isinstance(reply.value, bool):
            offer = question.lists[0][0]
            out.append((offer, None) if reply.value else (None, offer))
    return out


def _log(gains: Numbers) -> Numbers:
    low = gains < LEAST
    return np.where(low, np.log(LEAST) + gains - LEAST, np.log(np.maximum(gains, LEAST)))


def _scaled(known: Wants) -> Wants:
    """The same on a scale on which the issues' ranges sum to 1 on the average."""
    usual, start = known.linear.mean(axis=0), np.cumsum((0, *known.sizes[:-1]), dtype=np.intp)
    scale = 1 / max(float((np.maximum.reduceat(usual, start) - np.minimum.reduceat(usual, start)).sum()), 1e-9)
    return known._replace(linear=known.linear * scale, homes=known.homes * scale, extras=known.extras * scale)


@lru_cache(maxsize=16)
def nothing(sizes: tuple[int, ...]) -> Belief:
    """What is believed of a party that has said nothing: that it is indifferent."""
    return Belief((Utility(tuple((0.0,) * size for size in sizes)),))


def _leading(worth: Sequence[tuple[float, Numbers]], rng: np.random.Generator) -> Indices:
    """Those that are best by what is expected, or under one draw of every belief (Thompson sampling): the most often drawn first."""
    logs = [(weight, _log(gains)) for weight, gains in worth]
    expected = sum(weight * log.mean(axis=0) for weight, log in logs)
    together = sum(weight * log[np.concatenate([rng.permutation(len(log)) for _ in range(-(-THOUGHTS // len(log)))])[:THOUGHTS]] for weight, log in logs)
    picks = np.concatenate([np.argsort(-expected)[:6], np.argmax(together, axis=1)])
    every, counts = np.unique(picks, return_counts=True)
    return every[np.argsort(-(counts + 0.001 * expected[every]))][:LEADING]


def _mixed(space: Space, offers: Indices, rng: np.random.Generator) -> Indices:
    """Allowed outcomes of which each value is one of these offers', each of another, and here and there any: what goes well or badly together shows in them.

    A belief knows of few such pairs, so those outcomes that tell most by what is believed would be too much alike to find the others.
    """
    sizes, found = np.array(space.sizes), offers[:0]
    for _ in range(4):
        mixed = offers[rng.integers(len(offers), size=(4 * MIXED, len(sizes))), np.arange(len(sizes))]
        mixed = np.where(rng.random(mixed.shape) < ELSEWHERE, rng.integers(sizes, size=mixed.shape), mixed)
        found = np.concatenate([found, mixed[space.allowed(mixed)]])[:MIXED]
        if len(found) == MIXED:
            break
    return found


def _telling(case: Case, space: Space, parties: Sequence[Wants], leading: Indices, others: Indices) -> list[list[Offer | None]]:
    """For each of these parties, which all have as many models: the fallback, what it likes least and most, and those outcomes whose place in the order tells most about the leading ones' gains.

    These are chosen one after the other, for all parties at once: the one that explains most of what is still open, of which what it explains is then taken away.
    """
    tables = np.split(np.array([models.linear.mean(axis=0) for models in parties]), np.cumsum(space.sizes)[:-1], axis=1)
    ends = np.array([[table.argmin(axis=1), table.argmax(axis=1)] for table in tables]).transpose(2, 1, 0).reshape(-1, len(space.sizes))
    pool = np.concatenate([leading, ends[space.allowed(ends)], others])
    if case.fallback is not None:
        pool = pool[(pool != np.array(case.fallback)).any(axis=1)]
    _, first = np.unique(pool, axis=0, return_index=True)
    pool = pool[np.sort(first)]
    if not len(pool):  # policy leaves nothing but the fallback
        return [[None] for _ in parties]
    own = (pool[None, :, None] == ends.reshape(len(parties), 1, 2, -1)).all(axis=3).any(axis=2)  # a party's least and most liked
    target = _log(np.array(gains(parties, leading)))
    target = target - target.mean(axis=1, keepdims=True)
    target = (target - target.mean(axis=2, keepdims=True)).astype(np.float32)
    worth = np.array(gains(parties, pool))  # parties x models x outcomes
    mean = worth.mean(axis=1, keepdims=True)
    seen = (worth - mean).astype(np.float32)  # the choice needs no more digits
    blur = (worth.shape[1] * np.maximum(np.ptp(mean[:, 0], axis=1) / ITEMS, 1e-6) ** 2).astype(np.float32)
    open_ = np.array(
        [product(its.T, ours) for its, ours in zip(target, seen, strict=True)]
    )  # parties x leading x outcomes: what is open that an outcome speaks of
    alike = np.array([product(its.T, its) for its in seen])  # parties x outcomes x outcomes
    power = np.einsum("poo->po", alike).copy()
    who, room = np.arange(len(parties)), min(ITEMS - 1, len(pool))
    taken = np.zeros((len(parties), room, len(pool)), dtype=np.float32)
    chosen = own.copy()
    wanted = room - int(own.sum(axis=1).min())
    for turn in range(wanted):
        use = np.einsum("plo,plo->po", open_, open_) / (power + blur[:, None])
        use[chosen] = -1.0
        best = use.argmax(axis=1)
        wanting = chosen.sum(axis=1) < room
        chosen[who[wanting], best[wanting]] = True
        along = alike[who, best] - np.einsum("pt,pto->po", taken[who, :turn, best], taken[:, :turn])
        mine = np.maximum(power[who, best], 0.0)  # what is left of it may be rounding
        share = (mine + 2 * blur) / (mine + blur) ** 2
        open_ -= (open_[who, :, best] * share[:, None])[:, :, None] * along[:, None, :]
        taken[:, turn] = along * np.sqrt(share)[:, None]
        power -= taken[:, turn] ** 2
    return [[*map(tuple, pool[its].tolist()), None] for its in chosen]


def _spread(case: Case, space: Space, rng: np.random.Generator) -> list[Offer]:
    """Allowed outcomes in which every value of every issue comes up about equally often."""
    want = ITEMS - 1
    if space.enumerable and len(space.codes) <= want:
        return [space.offer(row) for row in range(len(space.codes))]
    shut = {(issue, value) for _, issue, value in space.policy.values}
    free = [_evenly([value for value in range(size) if (issue, value) not in shut]) for issue, size in enumerate(space.sizes)]
    if not all(map(len, free)):
        return []
    found: dict[Offer, None] = {}
    for turn in range(TRIES):
        if turn < TRIES // 2:
            rows = BATCH if turn else 2 * want
            offers = rng.permuted(np.stack([np.resize(rng.permutation(values), rows) for values in free], axis=1), axis=0)
            offers = offers[space.allowed(offers)]
        elif space.enumerable:
            offers = np.stack(np.unravel_index(rng.choice(space.codes, 2 * want), space.sizes), axis=1)
        else:  # policy leaves little: walk on from what was found
            start = list(found) or ([case.fallback] if case.fallback is not None else [])
            offers = _around(space, np.array(start, dtype=np.intp), rng) if start else np.zeros((0, len(space.sizes)), dtype=np.intp)
        for offer in map(tuple, offers.tolist()):
            if len(found) < want and offer != case.fallback:
                found[offer] = None
        if len(found) == want:
            break
    return list(found)


def _evenly(values: Sequence[int]) -> Indices:
    """As many of these values as one message has room for, evenly spaced."""
    at = np.unique(np.linspace(0, len(values) - 1, min(len(values), ITEMS - 1)).round()).astype(np.intp)
    return np.array(values, dtype=np.intp)[at]


def _around(space: Space, starts: Indices, rng: np.random.Generator) -> Indices:
    """Allowed outcomes one or two values away from these."""
    near = starts[rng.integers(len(starts), size=160)].copy()
    sizes = np.array(space.sizes)
    for turn in range(2):
        who = np.arange(0, len(near), 1 + turn)
        issue = rng.integers(len(sizes), size=len(who))
        near[who, issue] = rng.integers(sizes[issue])
    return near[space.allowed(near)]


def _shuffled(items: Sequence[Offer | None], rng: np.random.Generator) -> tuple[Offer | None, ...]:
    return tuple(items[at] for at in rng.permutation(len(items)))


def valid(lists: Lists, reply: Reply) -> Reply:
    """The reply, or the same marked garbled where it does not put every list in order, each position once."""
    if reply.missing:
        return reply
    value = reply.value
    fine = isinstance(value, list | tuple) and len(value) == len(lists)
    if fine:
        for items, order in zip(lists, value, strict=True):
            whole = isinstance(order, list | tuple) and set(map(type, order)) <= {int}  # true and false are no places
            fine = fine and whole and sorted(order) == list(range(len(items)))
    return reply if fine else reply._replace(value=None, missing="garbled")
