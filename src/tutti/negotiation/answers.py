"""What a party is asked that can only accept, reject or counter, and what its answers say about its utility."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tutti.model.negotiation import Belief, Case, Exchange, Offer, Question, Reply, Utility
from tutti.negotiation.scores import some
from tutti.negotiation.space import Indices, Numbers, Space

Mask = npt.NDArray[np.bool_]
Whole = npt.NDArray[np.int64]

MINDS = 128  # utilities that are held possible at a time
DRAWS = 32  # of these, in a belief
SWEEPS = 1  # times that each of them is moved after an answer
ORDERED = 0.5  # how often an issue's values go from bad to good in their order, as prices and dates do
FEW = 4  # values; with fewer, an order says nothing
SHARP, BLUNT = 0.002, 0.1  # how far a counter may be from the best, as a share of what the issues are worth together
LOST = 1e-3  # a gain below this share counts as this much: its logarithm must not rule alone
CURIOUS = 0.05  # what an answer's surprise is worth beside what it changes in the choice
ABOUT = 64  # variations of the leading outcomes that a question is chosen from
ELSEWHERE = 24  # and outcomes from anywhere


class Heard(NamedTuple):
    """An offer and what came back: the issue and value that would be changed (-1: it named none, -2: it was not asked to), and 1, 0 or 2 (unknown): acceptable."""

    offer: Offer
    issue: int
    value: int
    fine: int


@dataclass(slots=True)
class Minds:
    """Utilities held possible, one a row: how much each issue weighs (log), each value's share of that (`parts`), the fallback's worth, and how blunt counters are (log).

    `ordered` says of which issues the parts follow a shape along the values. Weights are not normalised: `worth` and `bluntness` are shares of their sum.
    """

    sizes: tuple[int, ...]
    fallback: Offer | None
    weight: Numbers
    parts: Numbers
    ordered: Mask
    worth: Numbers
    bluntness: Numbers
    likely: Numbers  # how likely each makes the answers so far (log)

    def columns(self) -> list[slice]:
        """Where each issue's values are among the parts."""
        ends = np.cumsum((0, *self.sizes))
        return [slice(int(a), int(b)) for a, b in pairwise(ends)]

    def tables(self) -> tuple[Numbers, Numbers]:
        """What each value is worth, and what the fallback is: rows are minds, weights made to sum to 1."""
        weights = np.exp(self.weight)
        weights = weights / weights.sum(axis=1, keepdims=True)
        out = self.parts * np.repeat(weights, self.sizes, axis=1)
        if self.fallback is None:
            return out, self.worth
        return out, out[:, _places(self.sizes, [self.fallback])[0]].sum(axis=1)


def questions(
    case: Case,
    space: Space,
    parties: Sequence[int],
    beliefs: Sequence[Belief | None],
    leading: Sequence[Offer],
    said: Sequence[Exchange],
    rng: np.random.Generator,
) -> dict[int, Offer]:
    """The offer that each of `parties` is asked about next: of those near the `leading` ones, the one whose answer will change the choice among them most.

    Source: Chaloner and Verdinelli 1995 (value of information); an answer's probability is how many minds would give it.
    """
    base = np.array(leading, dtype=np.intp) if leading else some(space, 12, rng)
    weights = np.array([party.weight for party in case.parties])
    weights = weights / weights.sum()
    logs = [np.zeros((1, len(base))) if belief is None else np.log(np.maximum(space.worth(belief.models, base), LOST)) for belief in beliefs]
    others = sum(weight * log.mean(axis=0) for weight, log in zip(weights, logs, strict=True))
    out: dict[int, Offer] = {}
    for party in parties:
        heard = told(case, party, said)
        minds = after(case, party, heard)
        tables, floor = minds.tables()
        pool = _pool(space, base, minds, tables, rng)
        asked = {each.offer for each in heard}
        fresh = [at for at, row in enumerate(pool) if tuple(int(value) for value in row) not in asked]
        if not fresh:
            continue
        pool = pool[fresh]
        mine = np.log(np.maximum(tables[:, _places(case.sizes, base)].sum(axis=2) - floor[:, None], LOST))
        value = weights[party] * mine + (others - weights[party] * mine.mean(axis=0))
        out[party] = tuple(int(at) for at in pool[int(np.argmax(_telling(minds, tables, floor, pool, value)))])
    return out


def believe(case: Case, party: int, said: Sequence[Exchange], rng: np.random.Generator) -> Belief | None:
    """What this party's answers say of its utility: as many draws as make the doubt visible; None while it has said nothing."""
    heard = told(case, party, said)
    if not heard:
        return None
    minds = after(case, party, heard)
    tables, floor = minds.tables()
    rows = np.sort(rng.permutation(len(tables))[:DRAWS])
    columns = minds.columns()
    return Belief(tuple(Utility(tuple(tuple(tables[row, column].tolist()) for column in columns), (), float(floor[row])) for row in rows))


def valid(case: Case, question: Question, reply: Reply) -> Reply:
    """The reply, or the same marked garbled where it is neither yes or no nor a counter-offer (or both: yes, but rather this)."""
    if reply.missing or isinstance(reply.value, bool):
        return reply
    said = reply.value
    if isinstance(said, list | tuple) and len(said) == 2 and isinstance(said[0], bool) and isinstance(said[1], list | tuple):
        if not said[1]:
            return reply
        said = said[1]
    return reply if Space(case.sizes).fits(said) else reply._replace(value=None, missing="garbled")


def told(case: Case, party: int, said: Sequence[Exchange]) -> tuple[Heard, ...]:
    """Everything this party has answered to offers, as what it says of its utility.

    A yes means more where the party was asked what it would change: then nothing. That is dropped for a party that says yes to offers
    which cannot both be its best, and a counter that changes several issues is heard for what it is only as "not this".
    """
    out: list[Heard] = []
    for question, reply in said:
        if question.party != party or reply.missing or question.ask not in ("respond", "confirm"):
            continue
        offer = question.lists[0][0]
        assert offer is not None
        fine, counter = answered(reply)
        changed = [issue for issue, (old, new) in enumerate(zip(offer, counter, strict=True)) if old != new] if counter else []
        known = 2 if fine is None else int(fine)
        if len(changed) == 1 and counter:
            out.append(Heard(offer, changed[0], counter[changed[0]], known))
        else:
            told_all = question.ask == "respond" and not changed and (counter is not None or isinstance(reply.value, bool))
            out.append(Heard(offer, -1 if told_all else -2, 0, known))
    best = {each.offer for each in out if each.issue == -1 and each.fine == 1}
    if len(best) > 1 or any(each.issue >= 0 and any(offer[each.issue] == each.offer[each.issue] for offer in best) for each in out):
        out = [each._replace(issue=-2) if each.issue == -1 and each.fine == 1 else each for each in out]
    return tuple(out)


def answered(reply: Reply) -> tuple[bool | None, Offer | None]:
    """Whether the offer is acceptable as it is (None: it did not say), and the counter-offer where there is one.

    A bare yes or no says that there is nothing it would rather have; with an empty counter it says nothing about that.
    """
    if isinstance(reply.value, bool):
        return reply.value, None
    if reply.value is None:
        return None, None
    if len(reply.value) == 2 and isinstance(reply.value[0], bool):
        return reply.value[0], tuple(int(value) for value in reply.value[1]) or None
    return None, tuple(int(value) for value in reply.value)


def after(case: Case, party: int, heard: tuple[Heard, ...]) -> Minds:
    """The minds that are possible after these answers; the same ones for the same answers, case and party."""
    seed = int.from_bytes(case.id.encode()[-24:], "big")
    return _after(case.sizes, case.fallback, (seed, party), heard)


@lru_cache(maxsize=128)  # each answer adds to what the ones before gave: without this, the whole talk would be gone through for each
def _after(sizes: tuple[int, ...], fallback: Offer | None, seed: tuple[int, int], heard: tuple[Heard, ...]) -> Minds:
    rng = np.random.default_rng([*seed, len(heard)])
    if not heard:
        return _prior(sizes, fallback, rng)
    before = _after(sizes, fallback, seed, heard[:-1])
    told = _Likely(before, heard[-1:]).now
    chance = np.exp(told - told.max())
    at = np.searchsorted(np.cumsum(chance / chance.sum()), (rng.random() + np.arange(MINDS)) / MINDS).clip(0, MINDS - 1)
    moved = Minds(sizes, fallback, before.weight[at], before.parts[at], before.ordered[at], before.worth[at], before.bluntness[at], (before.likely + told)[at])
    likely = _Likely(moved, heard, moved.likely)
    for _ in range(SWEEPS):
        for issue in range(len(sizes)):
            likely.shift(issue, rng)
        likely.mix(rng)
        likely.settle(rng)
    moved.likely = likely.now
    return moved


def _prior(sizes: tuple[int, ...], fallback: Offer | None, rng: np.random.Generator) -> Minds:
    parts, ordered = zip(*(_shapes(size, rng) for size in sizes), strict=True)
    weight = np.log(rng.gamma(1.0, size=(MINDS, len(sizes))) + 1e-4)
    return Minds(
        sizes,
        fallback,
        weight,
        np.concatenate(parts, axis=1),
        np.stack(ordered, axis=1),
        _worths(rng),
        rng.uniform(np.log(SHARP), np.log(BLUNT / 2), MINDS),
        np.zeros(MINDS),
    )


def _shapes(size: int, rng: np.random.Generator) -> tuple[Numbers, Mask]:
    """An issue's values before anything is known: shares of the issue's weight, the best one 1; in some minds in order, rising toward a peak."""
    loose = rng.random((MINDS, size))
    loose = loose / loose.max(axis=1, keepdims=True)
    if size < FEW:
        return loose, np.zeros(MINDS, dtype=bool)
    peak = np.where(rng.random(MINDS) < 0.85, np.where(rng.random(MINDS) < 0.5, 0, size - 1), rng.integers(size, size=MINDS))
    away = np.abs(np.arange(size)[None] - peak[:, None])
    low = np.where(rng.random(MINDS) < 0.6, 0.0, 0.7 * rng.random(MINDS))[:, None]
    bend = np.exp(rng.normal(0, 0.35, MINDS))[:, None]
    rising = low + (1 - low) * (1 - (away / away.max(axis=1, keepdims=True)) ** bend)
    ordered = rng.random(MINDS) < ORDERED
    return np.where(ordered[:, None], rising, loose), ordered


def _worths(rng: np.random.Generator) -> Numbers:
    """What the fallback is worth before anything is known, as a share of the best outcome: often nothing."""
    return np.where(rng.random(MINDS) < 0.4, 0.0, rng.uniform(0, 0.8, MINDS))


class _Likely:
    """How likely each mind makes the answers (log), kept while the minds are moved: Metropolis steps that leave the posterior as it is."""

    def __init__(self, minds: Minds, heard: Sequence[Heard], now: Numbers | None = None) -> None:
        self.minds = minds
        self.columns = minds.columns()
        self.offers = np.array([each.offer for each in heard], dtype=np.intp).reshape(len(heard), len(minds.sizes))
        self.issue = np.array([each.issue for each in heard], dtype=np.intp)
        self.value = np.array([each.value for each in heard], dtype=np.intp)
        self.fine = np.array([each.fine for each in heard], dtype=np.intp)
        self.now = self.of(minds.weight, minds.parts, minds.worth, minds.bluntness) if now is None else now

    def of(self, weight: Numbers, parts: Numbers, worth: Numbers, bluntness: Numbers) -> Numbers:
        """The log likelihood of each mind (a row)."""
        if not len(self.offers):
            return np.zeros(len(parts))
        sizes, fallback = self.minds.sizes, self.minds.fallback
        weights = np.exp(weight)
        weights /= weights.sum(axis=1, keepdims=True)
        parts_at = parts[:, _places(sizes, self.offers)]
        have = weights[:, None, :] * parts_at
        missing = weights[:, None, :] - have  # what each issue could still gain
        total = have.sum(axis=2)
        floor = worth[:, None] if fallback is None else (weights * parts[:, _places(sizes, [fallback])[0]]).sum(axis=1)[:, None]
        blunt = np.exp(bluntness)[:, None]
        most = missing.max(axis=2)
        spread = most / blunt + np.log(np.exp(-most / blunt) + np.exp((missing - most[:, :, None]) / blunt[:, :, None]).sum(axis=2))
        out = np.zeros(total.shape)
        named = self.issue >= 0
        if named.any():
            issue = self.issue[named]
            places = np.cumsum((0, *sizes))[issue] + self.value[named]
            step = weights[:, issue] * parts[:, places] - have[:, named, issue]
            out[:, named] += step / blunt - spread[:, named] - np.logaddexp(0.0, (floor - total[:, named] - step) / blunt)
        stays = (self.issue == -1) & (self.fine == 1)
        out[:, stays] -= spread[:, stays]
        hopeless = (self.issue == -1) & (self.fine == 0)
        out[:, hopeless] -= np.logaddexp(0.0, (total + most - floor)[:, hopeless] / blunt)
        out[:, self.fine == 1] -= np.logaddexp(0.0, ((floor - total) / blunt)[:, self.fine == 1])
        out[:, self.fine == 0] -= np.logaddexp(0.0, ((total - floor) / blunt)[:, self.fine == 0])
        found: Numbers = out.sum(axis=1)
        return found

    def shift(self, issue: int, rng: np.random.Generator) -> None:
        """Moves one issue's weight and parts, in some minds a little, in some to a new shape."""
        minds, column = self.minds, self.columns[issue]
        size = column.stop - column.start
        weight, parts = minds.weight.copy(), minds.parts.copy()
        kind = rng.random(MINDS)
        weight[:, issue] += np.where(kind < 0.5, rng.normal(0, 0.6, MINDS), rng.normal(0, 0.15, MINDS)) * (kind < 0.8)
        anew, shaped = _shapes(size, rng)
        whole = rng.random(MINDS) < 0.25
        some_of = rng.random((MINDS, size)) < rng.choice((0.3, 0.6, 1.0), size=(MINDS, 1))
        little = _reflect(minds.parts[:, column] + rng.normal(0, 0.1, (MINDS, size)))
        loose = np.where((kind > 0.6)[:, None], rng.random((MINDS, size)), little)
        loose = np.where(some_of & (kind > 0.3)[:, None] & ~minds.ordered[:, issue, None], loose, minds.parts[:, column])
        loose = loose / loose.max(axis=1, keepdims=True)
        parts[:, column] = np.where(whole[:, None], anew, loose)
        taken = self._take(weight, parts, minds.worth, minds.bluntness, _weighty(weight[:, issue]) - _weighty(minds.weight[:, issue]), rng)
        minds.ordered[:, issue] = np.where(taken & whole, shaped, minds.ordered[:, issue])

    def mix(self, rng: np.random.Generator) -> None:
        """Moves all of a mind along the difference of two others. Source: ter Braak 2006."""
        minds = self.minds
        one, other = rng.permutation(MINDS), rng.permutation(MINDS)
        step = rng.random((MINDS, 1)) * rng.choice((1.0, 0.3, 0.7), size=(MINDS, 1))
        weight = minds.weight + step * (minds.weight[one] - minds.weight[other])
        moved = _reflect(minds.parts + step * (minds.parts[one] - minds.parts[other]))
        for issue, column in enumerate(self.columns):
            loose = ~minds.ordered[:, issue]
            moved[:, column] = np.where(
                loose[:, None], moved[:, column] / np.maximum(moved[:, column].max(axis=1, keepdims=True), 1e-6), minds.parts[:, column]
            )
        self._take(weight, moved, minds.worth, minds.bluntness, _weighty(weight).sum(axis=1) - _weighty(minds.weight).sum(axis=1), rng)

    def settle(self, rng: np.random.Generator) -> None:
        """Moves what the fallback is worth, and how blunt counters are."""
        minds = self.minds
        worth = np.where(rng.random(MINDS) < 0.5, np.abs(minds.worth + rng.normal(0, 0.05, MINDS)), _worths(rng))
        worth = np.where(worth > 0.9, minds.worth, worth)
        bluntness = np.clip(minds.bluntness + rng.normal(0, 0.5, MINDS), np.log(SHARP), np.log(BLUNT))
        self._take(minds.weight, minds.parts, worth, bluntness, np.zeros(MINDS), rng)

    def _take(self, weight: Numbers, parts: Numbers, worth: Numbers, bluntness: Numbers, prior: Numbers, rng: np.random.Generator) -> Mask:
        new = self.of(weight, parts, worth, bluntness)
        taken: Mask = np.log(rng.random(MINDS)) < new - self.now + prior
        minds = self.minds
        minds.weight = np.where(taken[:, None], weight, minds.weight)
        minds.parts = np.where(taken[:, None], parts, minds.parts)
        minds.worth = np.where(taken, worth, minds.worth)
        minds.bluntness = np.where(taken, bluntness, minds.bluntness)
        self.now = np.where(taken, new, self.now)
        return taken


def _weighty(weight: Numbers) -> Numbers:
    """The log density of a log weight whose weight is exponential: weights that sum to 1 are then anywhere, alike."""
    found: Numbers = weight - np.exp(weight)
    return found


def _reflect(parts: Numbers) -> Numbers:
    found: Numbers = np.clip(np.abs(1 - np.abs(1 - np.abs(parts))), 1e-6, 1.0)
    return found


def _places(sizes: Sequence[int], offers: Indices | Sequence[Offer]) -> Indices:
    """Where an offer's values are among all issues' values: one row an offer."""
    found: Indices = np.asarray(offers, dtype=np.intp).reshape(-1, len(sizes)) + np.cumsum((0, *sizes))[:-1]
    return found


def _pool(space: Space, base: Indices, minds: Minds, tables: Numbers, rng: np.random.Generator) -> Indices:
    """The allowed offers that a question is chosen from: the leading ones, these with some issues as the party may like them best, and others."""
    best = np.stack([tables[:, column].argmax(axis=1) for column in minds.columns()], axis=1)
    of, liked = base[rng.integers(len(base), size=ABOUT)], best[rng.integers(len(best), size=ABOUT)]
    varied = np.where(rng.random(of.shape) < rng.choice((0.2, 0.4, 0.6), size=(ABOUT, 1)), liked, of)
    pool = np.unique(np.concatenate([base, some(space, ELSEWHERE, rng), varied]), axis=0)
    return pool[space.allowed(pool)]  # a party may say yes: what policy forbids is not put to it


def _telling(minds: Minds, tables: Numbers, floor: Numbers, pool: Indices, value: Numbers) -> Numbers:
    """For each offer of the pool, what its answer is worth: the best expected value once it is known, and a little for the surprise."""
    have = tables[:, _places(minds.sizes, pool)]
    top = np.stack([tables[:, column].max(axis=1) for column in minds.columns()], axis=1)
    best = np.stack([tables[:, column].argmax(axis=1) for column in minds.columns()], axis=1)
    missing = top[:, None, :] - have
    issue = missing.argmax(axis=2)
    named = 1 + issue * max(minds.sizes) + np.take_along_axis(best, issue, axis=1)
    codes: Whole = 2 * np.where(missing.max(axis=2) < 1e-9, 0, named) + (have.sum(axis=2) >= floor[:, None])
    out = np.empty(len(pool))
    for at in range(len(pool)):
        order = np.argsort(codes[:, at], kind="stable")
        same = codes[order, at]
        starts = np.flatnonzero(np.concatenate([[True], same[1:] != same[:-1]]))
        chance = np.diff(np.append(starts, len(same))) / len(same)
        out[at] = np.add.reduceat(value[order], starts, axis=0).max(axis=1).sum() / len(same) - CURIOUS * (chance * np.log(chance)).sum()
    return out
