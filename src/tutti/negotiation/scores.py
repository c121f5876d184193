"""What a party is asked that can give outcomes numbers, and what its numbers say about its utility."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import combinations

import numpy as np
import numpy.typing as npt

from tutti.model.negotiation import Belief, Case, Exchange, Offer, Reply, Utility
from tutti.negotiation.algebra import inverse, product
from tutti.negotiation.search import climb
from tutti.negotiation.shape import Shape
from tutti.negotiation.space import Indices, Numbers, Space
from tutti.negotiation.terrain import Terrain
from tutti.negotiation.words import heed, most_telling

Lists = tuple[tuple[Offer | None, ...], ...]
Singles = npt.NDArray[np.float32]

ITEMS = 64  # outcomes in one message at most, the fallback counted
DRAWS = 16  # models in a belief
POOL = 320  # outcomes that a message is chosen from
AGAIN = 4  # times that one outcome stands in a message at most
HOME = 8  # times for the fallback: every gain is measured from it
STEADY = 0.01  # the noise expected before anything is known, as a share of the scores' spread
SURE = 3.0  # how many observations that expectation counts for
ROUNDS = 20  # fixed-point steps until the variances stand still, at most
STILL = 0.02  # a change of a variance, as a share of it, that is none
CURVED = 4  # values; with fewer, a curve says nothing
LEAST = 0.005  # what an issue's part may spread over at least, as a share of the scores' variance: nothing is ruled out
ALIKE = 0.5  # how many weights the variance that all issues have in common counts for beside an issue's own
WIDELY = 4096  # outcomes from anywhere among which those are looked for that a word would be asked on
OPEN = 512  # of them: those of which it is most open whether the party gains
UNLIKELY = 3.0  # deviations from what its numbers say, beyond which a word says nothing about them: then something else is behind it
FEW = 4  # words, which do not tell how noisy they are
ROUGH = (0.02, 0.3, 1.4)  # a word's noise as shares of a number's, of which that is taken under which the words are likeliest: words may come from such numbers
TELLING = 0.001  # variance of the log gains that a message must take away at least
PAIRS = 12  # interactions that are looked for at most
CERTAIN = 1e-3  # below this uncertainty, as a share of the utility's range, one model says it all


@dataclass(frozen=True, slots=True)
class Scored:
    """A posterior over the weights of a shape's features: normal, on the party's own scale apart from a constant; `noise` is one answer's deviation."""

    shape: Shape
    mean: Numbers
    cov: Numbers
    noise: float


def questions(
    case: Case, space: Space, parties: Sequence[int], leading: Sequence[Offer], said: Sequence[Exchange], rng: np.random.Generator
) -> dict[int, Lists]:
    """The next message for each of `parties`: one list of at most 64 outcomes to give numbers to; None is the fallback.

    A party's first message is spread so that every value is told apart; later ones are about the `leading` outcomes, which may be settled on,
    some of them again: what is asked twice is averaged.
    """
    out: dict[int, Lists] = {}
    spoken = {party: scored(case, party, said) for party in parties}
    fresh = [party for party in parties if len(spoken[party][0]) < 2]
    if fresh:
        spread = _spread(case, space, rng)
        out = dict.fromkeys(fresh, (spread,))
    later = [party for party in parties if party not in fresh]
    if later:
        pool = _around(space, leading, rng)
        for party in later:
            found = estimate(case, *spoken[party])
            out[party] = (_telling(found, leading, pool),)
    return out


def believe(
    case: Case, party: int, said: Sequence[Exchange], rng: np.random.Generator, accepted: Collection[Offer] = (), rejected: Collection[Offer] = ()
) -> Belief | None:
    """What this party's numbers, and its word on outcomes, say of its utility, with the doubt that they leave; None while it has given no numbers."""
    offers, numbers = scored(case, party, said)
    if len(offers) < 2:
        return None
    found = estimate(case, offers, numbers, accepted, rejected)
    span = max(float(found.shape.ranges(found.mean).sum()), 1e-12)
    if math.sqrt(max(float(np.diag(found.cov).mean()), 0.0)) < CERTAIN * span:
        return Belief(found.shape.utilities(found.mean[None]))
    root = np.linalg.cholesky(found.cov + 1e-12 * span**2 * np.eye(len(found.cov)))
    half = root @ rng.standard_normal((root.shape[1], DRAWS // 2))
    return Belief(found.shape.utilities(found.mean + np.concatenate([half, -half], axis=1).T))


def screens(
    case: Case,
    space: Space,
    beliefs: Sequence[Belief],
    words: Mapping[int, tuple[Collection[Offer], Collection[Offer]]],
    leading: Sequence[Offer],
    said: Sequence[Exchange],
    rng: np.random.Generator,
) -> dict[int, tuple[Offer, ...]]:
    """For each party in `words` (what it accepted and rejected so far) the outcomes on which its yes or no would say most about the choice among the `leading` ones.

    They are outcomes of which it is open whether the party gains by them. A word binds, so it is as a rule exact, and tells gains apart that are smaller than the noise of numbers.
    """
    pool = np.unique(np.concatenate([np.array(leading, dtype=np.intp), _around(space, leading, rng), some(space, WIDELY, rng)]), axis=0)
    pool = pool[space.allowed(pool)]
    weights = np.array([party.weight for party in case.parties])
    places = np.array(leading, dtype=np.intp)
    hoped = np.array([np.maximum(space.worth(belief.models, places), 0.0).mean(axis=0) for belief in beliefs])
    value = weights / weights.mean() @ np.log(np.maximum(hoped, 1e-300))
    chance = np.exp(value - value.max())  # how likely it is that the choice falls on each, roughly: what it is worth
    chance = chance / chance.sum()
    out: dict[int, tuple[Offer, ...]] = {}
    for party, (accepted, rejected) in words.items():
        found = estimate(case, *scored(case, party, said), accepted, rejected)
        home = found.shape.rows([None])
        gains = found.shape.rows(pool) - home
        sure = np.abs(gains @ found.mean) / np.sqrt(np.maximum((product(gains, found.cov) * gains).sum(axis=1), 1e-18))
        heard = {*accepted, *rejected}
        open_to_both = [at for at in np.argsort(sure, kind="stable")[: OPEN + len(heard)].tolist() if tuple(pool[at].tolist()) not in heard][:OPEN]
        if not open_to_both:
            continue
        aims = found.shape.rows(leading) - home
        size = np.maximum(aims @ found.mean, np.sqrt(np.maximum((product(aims, found.cov) * aims).sum(axis=1), 1e-18)))
        chosen, telling = most_telling(found.mean, found.cov, aims * (np.sqrt(chance) / size)[:, None], gains[open_to_both], ITEMS)
        if telling > TELLING:
            out[party] = tuple(tuple(pool[open_to_both[at]].tolist()) for at in chosen)
    return out


def scored(case: Case, party: int, said: Sequence[Exchange]) -> tuple[list[Offer | None], list[float]]:
    """The outcomes that this party gave numbers to, and the numbers, in the order in which they were given."""
    offers: list[Offer | None] = []
    numbers: list[float] = []
    for question, reply in said:
        if question.party == party and question.ask == "score" and not reply.missing:
            offers += question.lists[0]
            numbers += [float(number) for number in reply.value]
    return offers, numbers


def valid(lists: Lists, reply: Reply) -> Reply:
    """The reply, or the same marked garbled where it is not one finite number for every outcome."""
    if reply.missing:
        return reply
    value = reply.value
    fine = isinstance(value, list | tuple) and len(value) == len(lists[0]) and all(_number(number) for number in value)
    return reply if fine else reply._replace(value=None, missing="garbled")


def decided(lists: Lists, reply: Reply) -> Reply:
    """The reply to a screen, or the same marked garbled where it is not yes or no for every outcome."""
    if reply.missing:
        return reply
    value = reply.value
    fine = isinstance(value, list | tuple) and len(value) == len(lists[0]) and all(isinstance(each, bool) for each in value)
    return reply if fine else reply._replace(value=None, missing="garbled")


def estimate(
    case: Case, offers: Sequence[Offer | None], numbers: Sequence[float], accepted: Collection[Offer] = (), rejected: Collection[Offer] = ()
) -> Scored:
    """Additive least squares with as much shrinkage and noise as the numbers themselves speak for, the interactions that they show, and then what the party's words add.

    Source: MacKay 1992 (evidence), for the variances; the interactions join one by one while a cell explains more of the residuals
    than the largest of as many cells of noise would.
    """
    told = case.sizes, case.fallback, tuple(offers), tuple(numbers)
    return _heeding(*told, tuple(sorted(accepted)), tuple(sorted(rejected))) if accepted or rejected else _estimate(*told)


@lru_cache(maxsize=256)
def _heeding(
    sizes: tuple[int, ...],
    fallback: Offer | None,
    offers: tuple[Offer | None, ...],
    numbers: tuple[float, ...],
    accepted: tuple[Offer, ...],
    rejected: tuple[Offer, ...],
) -> Scored:
    found = _estimate(sizes, fallback, offers, numbers)
    gains = found.shape.rows([*accepted, *rejected]) - found.shape.rows([None])
    signs = np.array([1.0] * len(accepted) + [-1.0] * len(rejected))
    against = -signs * (gains @ found.mean) / np.sqrt(np.maximum((product(gains, found.cov) * gains).sum(axis=1), 1e-18))
    likely = against < UNLIKELY
    heard = [heed(found.mean, found.cov, gains[likely], signs[likely], share * found.noise) for share in (ROUGH if len(signs) > FEW else ROUGH[:1])]
    mean, cov, _ = max(heard, key=lambda each: each[2])
    return replace(found, mean=mean, cov=cov)


@lru_cache(maxsize=256)  # a case is stepped through many times, each with the same numbers and a few more
def _estimate(sizes: tuple[int, ...], fallback: Offer | None, offers: tuple[Offer | None, ...], numbers: tuple[float, ...]) -> Scored:
    told = np.asarray(numbers, dtype=float)
    centre, scale = float(told.mean()), max(float(told.std()), 1e-12)
    aims = (told - centre) / scale
    pairs: list[tuple[int, int, int, int]] = []
    found = _evidence(Shape(sizes, fallback), offers, aims)
    cells, columns = _cells(sizes, fallback, offers)
    cells = list(cells)
    while len(pairs) < min(PAIRS, len(aims) // 5) and (best := _interaction(found, offers, aims, columns)) is not None:
        pairs.append(cells[best])
        cells.pop(best)
        columns = np.delete(columns, best, axis=1)
        found = _evidence(Shape(sizes, fallback, pairs), offers, aims)
    return Scored(found.shape, found.mean * scale, found.cov * scale**2, found.noise * scale)


def some(space: Space, count: int, rng: np.random.Generator) -> Indices:
    """Allowed outcomes from anywhere, one a row; in a space too large to list, such as are near outcomes drawn at random: of these themselves policy may let hardly any pass."""
    if space.enumerable:
        rows = space.offers
        return rows if len(rows) <= count else rows[np.sort(rng.choice(len(rows), count, replace=False))]
    indifferent = Utility(tuple((0.0,) * size for size in space.sizes))
    near = climb(Terrain(space, [indifferent], [1.0]), rng.integers(0, space.sizes, size=(2 * count, len(space.sizes))))[-2 * count :]
    kept = near[space.allowed(near)]
    return (kept if len(kept) else near)[:count]


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e12


def _spread(case: Case, space: Space, rng: np.random.Generator) -> tuple[Offer | None, ...]:
    """Outcomes whose numbers tell every value's worth: each is the one of which the ones before say least."""
    rows = some(space, POOL, rng)
    offers: list[Offer | None] = [tuple(int(value) for value in row) for row in rows]
    shape = Shape(case.sizes, case.fallback)
    features = shape.rows([*offers, None])
    offers.append(None)
    first = [len(offers) - 1] * (HOME // 2)
    return tuple(offers[at] for at in _pick(features, np.eye(shape.width), 0.05, None, first, rng))


def _telling(found: Scored, leading: Sequence[Offer], pool: Indices) -> tuple[Offer | None, ...]:
    """Outcomes whose numbers say most about the gains of the leading ones; each of the first dozen stands among them."""
    rest = dict.fromkeys(tuple(int(value) for value in row) for row in pool)
    offers: list[Offer | None] = [*leading, *(offer for offer in rest if offer not in set(leading)), None]
    features = found.shape.rows(offers)
    aims = features[: len(leading)] - features[-1]
    first = [*range(min(12, len(leading))), *[len(offers) - 1] * (HOME // 2)]
    return tuple(offers[at] for at in _pick(features, found.cov, max(found.noise, 1e-9), aims, first, None))


def _pick(features: Numbers, cov: Numbers, noise: float, aims: Numbers | None, first: Sequence[int], rng: np.random.Generator | None) -> list[int]:
    """Rows for one message, greedily: most doubtful first, or (with `aims`) most telling about those; a row is at most `AGAIN` times among them, the last one, the fallback, `HOME` times."""
    room = np.full(len(features), float(AGAIN))
    room[-1] = HOME
    left = room.copy()
    seen = product(features, cov)  # rows: what each row's number would say of every weight
    chosen: list[int] = []
    wanted = min(ITEMS, int(room.sum()))
    toward = None if aims is None else aims @ cov
    while len(chosen) < wanted:
        doubt = np.maximum(np.einsum("ij,ij->i", features, seen), 0.0)
        if len(chosen) < len(first):
            at = first[len(chosen)]
        else:
            worth = doubt if toward is None else (product(features, toward.T) ** 2).sum(axis=1) / (noise**2 + doubt)
            at = int(np.argmax(np.where(left > 0, worth * (0.7 + 0.3 * left / room), -1.0)))
        left[at] -= 1
        chosen.append(at)
        along = seen[at] / math.sqrt(noise**2 + doubt[at])
        seen = seen - np.outer(features @ along, along)
        if toward is not None and aims is not None:
            toward = toward - np.outer(aims @ along, along)
    return chosen if rng is None else [chosen[at] for at in rng.permutation(len(chosen))]


def _around(space: Space, leading: Sequence[Offer], rng: np.random.Generator) -> Indices:
    """The leading outcomes' neighbours by one value, and a few from anywhere."""
    near = {
        (*offer[:issue], value, *offer[issue + 1 :])
        for offer in leading
        for issue, size in enumerate(space.sizes)
        if size <= 40
        for value in range(size)
        if value != offer[issue]
    }
    kept = [offer for offer in sorted(near) if space.allows(offer)]
    kept = [kept[at] for at in np.sort(rng.permutation(len(kept))[: POOL // 2])]
    return np.concatenate([np.array(kept, dtype=np.intp).reshape(-1, len(space.sizes)), some(space, POOL // 4, rng)])


def _evidence(shape: Shape, offers: Sequence[Offer | None], aims: Numbers) -> Scored:
    """The posterior where an issue's worth is a curve along its values (a line and a bend) and what each value departs from it.

    Each of these three has its own variance, which the numbers settle: of prices and dates the curve is all there is, of colours the departures are.
    """
    curves = [at for at, size in enumerate(shape.sizes) if size >= CURVED]
    along = np.zeros((shape.width, 2 * len(curves)))
    for at, issue in enumerate(curves):
        block = shape.blocks[issue]
        line = np.linspace(-1.0, 1.0, block.stop - block.start)
        along[block, 2 * at], along[block, 2 * at + 1] = line, line**2 - (line**2).mean()
    whole = np.concatenate([np.eye(shape.width), along], axis=1)  # from weights with their curves to weights
    features = product(shape.rows(offers), whole)
    least = LEAST / len(shape.sizes)
    spread = np.full(whole.shape[1], 1.0 / len(shape.sizes))
    spread[shape.issues + len(shape.pairs) : shape.width] = 9.0
    noise = 9 * STEADY**2
    known = _Regression(features, aims)
    for _ in range(ROUNDS):
        before = np.append(spread, noise)
        mean, sure, covariance = known.under(spread, noise)
        size, known_of = mean**2, np.maximum(sure, 0.0)
        own, its = np.add.reduceat(size[: shape.issues], shape.start), np.add.reduceat(known_of[: shape.issues], shape.start)
        common = (own.sum() + least) / (its.sum() + 1.0)  # what all issues have in common, to which each is drawn
        spread = spread.copy()
        spread[: shape.issues] = np.repeat((own + least + ALIKE * common) / (its + 1.0 + ALIKE), shape.count)
        spread[shape.width :] = (size[shape.width :] + least) / (known_of[shape.width :] + 1.0)
        spread = np.maximum(spread, 1e-7)
        left = aims - features @ mean
        noise = (float(left @ left) + SURE * STEADY**2) / (max(len(aims) - float(sure.sum()), 0.0) + SURE)
        if np.abs(np.log(np.append(spread, noise) / before)).max() < STILL:
            break
    cov = covariance()
    return Scored(shape, whole @ mean, product(product(whole, cov), np.ascontiguousarray(whole.T)), math.sqrt(noise))


class _Regression:
    """Normal weights given numbers, under whatever variances: by way of the weights where these are fewer, else of the numbers (or it is slow, and singular where there is hardly any noise)."""

    def __init__(self, features: Numbers, aims: Numbers) -> None:
        self._features, self._across, self._aims = features, np.ascontiguousarray(features.T), aims
        self._inner = product(self._across, features) if features.shape[1] <= len(features) else None

    def under(self, spread: Numbers, noise: float) -> tuple[Numbers, Numbers, Callable[[], Numbers]]:
        """The weights' means, which share of each one's variance the numbers take away, and what gives their covariance."""
        if self._inner is not None:
            root = np.sqrt(spread)  # on its own scale no weight is better known than it may be
            cov = inverse(self._inner * np.outer(root, root) / noise + np.eye(len(root))) * np.outer(root, root)
            return cov @ (self._across @ self._aims) / noise, 1 - np.diag(cov) / spread, lambda: cov
        wide = self._features * spread
        among = product(wide, self._across) + noise * np.eye(len(wide))
        back = inverse(among)
        told = product(back, wide)
        told = told + product(back, wide - product(among, told))  # what rounding left over
        return told.T @ self._aims, (told * self._features).sum(axis=0), partial(self._covariance, spread, noise, told)

    def _covariance(self, spread: Numbers, noise: float, told: Numbers) -> Numbers:
        """In a form in which rounding can't make it negative. Source: Bucy and Joseph 1968."""
        left = np.eye(len(spread)) - product(np.ascontiguousarray(told.T), self._features)
        return product(left * spread, np.ascontiguousarray(left.T)) + noise * product(np.ascontiguousarray(told.T), told)


@lru_cache(maxsize=16)  # all parties get the same first message
def _cells(sizes: tuple[int, ...], fallback: Offer | None, offers: tuple[Offer | None, ...]) -> tuple[list[tuple[int, int, int, int]], Singles]:
    """The pairs of values that stood together more than once, and for each of them (a column) the rows where."""
    stand = fallback if fallback is not None else (-1,) * len(sizes)
    rows = np.array([stand if offer is None else offer for offer in offers])
    known = np.flatnonzero(rows[:, 0] >= 0)
    narrow = [(i, j) for i, j in combinations(range(len(sizes)), 2) if sizes[i] <= 40 and sizes[j] <= 40]
    if not narrow or not len(known):
        return [], np.zeros((len(rows), 0), dtype=np.float32)
    one, other = np.array(narrow).T
    wide = np.array(sizes)[other]
    begin = np.cumsum(np.array(sizes)[one] * wide) - np.array(sizes)[one] * wide
    codes, place, counts = np.unique(rows[known][:, one] * wide + rows[known][:, other] + begin, return_inverse=True, return_counts=True)
    keep = (counts > 1) & (counts < len(rows))
    columns = np.zeros((len(rows), len(codes)), dtype=np.float32)
    columns[np.repeat(known, len(narrow)), place.ravel()] = 1.0
    at = np.searchsorted(begin, codes[keep], side="right") - 1
    a, b = np.divmod(codes[keep] - begin[at], wide[at])
    return list(zip(one[at].tolist(), a.tolist(), other[at].tolist(), b.tolist(), strict=True)), columns[:, keep]


def _interaction(found: Scored, offers: Sequence[Offer | None], aims: Numbers, columns: Singles) -> int | None:
    """The pair of values that explains most of what the sums leave over; None where noise explains as much."""
    if not columns.shape[1]:
        return None
    features = found.shape.rows(offers)
    left = aims - features @ found.mean
    known = product(features, product(found.cov, np.ascontiguousarray(features.T))) / found.noise**2  # how much of each number the sums take up
    alone = product((np.eye(len(aims)) - known).astype(np.float32), columns)
    size = np.einsum("ij,ij->j", columns, alone)
    gain = np.where(size > 0.2, (columns.T @ left) ** 2 / np.maximum(size, 0.2), 0.0)
    best = int(np.argmax(gain))
    free = len(aims) - float(known.trace())
    rest = max(float(left @ left) - float(gain[best]), 0.0)
    noise = (rest + SURE * STEADY**2) / (max(free - 1, 0.0) + SURE)
    return best if gain[best] > noise * (2 * math.log(columns.shape[1]) + 4) else None
