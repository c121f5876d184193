"""Which outcome the parties should end with: the KPI-weighted Nash point above the fallback, among what policy allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from tutti.errors import Invalid
from tutti.model.negotiation import Belief, Offer, Utility
from tutti.negotiation.search import SECONDS, climb, explore
from tutti.negotiation.space import Indices, Mask, Numbers, Space
from tutti.negotiation.terrain import Terrain, span
from tutti.negotiation.wants import Wants, wants
from tutti.negotiation.wants import gains as gains_of

NOTHING = 1e-9  # a gain this small, as a share of what a party can gain or lose at all, is rounding
FLOOR = 1e-3  # where a belief is uncertain, a draw without gain counts as this share: bad, but not infinitely so
RISK = 0.1  # a party's chance of ending under the fallback that is borne where nobody is asked again
AT_ONCE = 800_000  # gains that are weighed in one go (ten milliseconds); above, the outcomes are shortlisted by their mean gains first
SHORTLIST = 2048, 8192  # outcomes on a shortlist, at least and at most
VIEWS = 4  # that a space remembers: of a case with and without approval, before and after an answer
DOUBTED = {"starts": 16, "shakes": 3}  # how long a large space is searched where what the parties want is an estimate: half as long as where it is known
DRAWS = 24  # samples of what all want at once, per message
CLIMBS, STARTS = 8, 8  # draws under which a large space is searched where much is in doubt, and outcomes known and drawn at random that each search begins with


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a case ends with: an offer, or None where the fallback holds.

    `gains` are the parties' expected gains above the fallback, each on its own scale; `risks` their chances of being under it; `value` is the weighted
    mean of the logs of the gains (minus infinity where somebody gains nothing), and nothing allowed has one that is more than `gap` higher.
    `reason` is settled | nothing allowed | nobody gains | somebody loses | uncertain; where it is not settled, `blocking` names a smallest set of rules
    ("policy: …") and parties ("party 2") that leaves nothing. `needs` are the rules for which a person must approve; `better` is what could be had if a person approved.
    """

    offer: Offer | None
    gains: tuple[float, ...]
    risks: tuple[float, ...]
    value: float
    reason: str = "settled"
    gap: float = 0.0
    needs: tuple[str, ...] = ()
    blocking: tuple[str, ...] = ()
    better: Settlement | None = None


class Judged(NamedTuple):
    """What is expected of some outcomes, one column each: all that a choice needs."""

    logs: Numbers  # parties x outcomes: log of the gain that is hoped for; 0 where the party gains nothing
    strict: Mask  # parties x outcomes: whether the party gains
    risks: Numbers  # parties x outcomes
    shares: Numbers  # parties x outcomes: expected gain as a share of what the party can gain or lose at all
    means: Numbers  # parties x outcomes: expected gain on the scale of the party's first model


def settle(
    space: Space, beliefs: Sequence[Belief], weights: Sequence[float], *, risk: float = RISK, seconds: float = SECONDS, more: Sequence[Offer] = ()
) -> Settlement:
    """The best outcome that needs no person, and beside it the better one that does.

    Maximises the sum of weight times log gain over the outcomes in which nobody falls under the fallback. Where beliefs are draws: with a chance of at most `risk`, and the gain is
    the one hoped for (see `judge`).
    Where not all can gain together, first as much weight as possible gains, then these parties' gains are maximised, and the others keep what they have.
    Ties go to the higher sum of weighted shares, then to the outcome that comes first. Scale and origin of a party's numbers do not matter.
    In a space too large to enumerate, the search begins with the offers in `more` too, and a solver gets about `seconds` (at most twice as much, twice where there are
    approval rules) to find the best outcome or at least to say how much better it could be (`gap`); with 0 it is not asked.
    Source: Nash 1950; Caragiannis et al. 2019 for the case that somebody cannot gain.
    """
    _check(space, beliefs, weights)
    now = _best(space.unattended, beliefs, weights, risk, seconds, more)
    if not any((space.approval.values, space.approval.pairs, space.approval.limits)):
        return now
    asked = _best(space, beliefs, weights, risk, seconds, more)
    if asked.offer is None or not (needs := space.pending(asked.offer)) or not _beats(asked, now, weights):
        return now
    return replace(now, better=replace(asked, needs=needs))


def ranked(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], k: int, *, worst: float, more: Sequence[Offer] = ()) -> list[Settlement]:
    """The `k` best outcomes that need no person and under which no party's chance of falling under the fallback is above `worst`, best first: to be proposed, since only a party's own word makes them safe."""
    _check(space, beliefs, weights)
    pool = space.unattended
    view = _view(pool, beliefs, weights, 0.0, more)
    order = _order(view.judged, weights, worst, k)
    return [_settlement(pool, view, weights, int(at)) for at in order]


def candidates(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], k: int, rng: np.random.Generator, *, thorough: bool = True) -> list[Offer]:
    """At most `k` outcomes worth asking about, in a space of any size, those that need a person not among them: by turns the best expected ones, those first that
    could be settled on as they are, and the best ones under one draw of each belief (Thompson sampling: what is still possible is asked too). With `thorough` a large space is
    searched for these where much is in doubt.
    """
    _check(space, beliefs, weights)
    pool = space.unattended
    view = _view(pool, beliefs, weights, 0.0, ())
    best = [_offer(pool, view, int(at)) for at in _order(view.judged, weights, 1.0, k, safest=True)]
    drawn = _drawn(pool, view, beliefs, weights, rng, CLIMBS if thorough else 0) if any(len(belief.models) > 1 for belief in beliefs) else []
    turns = [offer for pair in zip_longest(best, dict.fromkeys(drawn)) for offer in pair if offer is not None]
    return list(dict.fromkeys(turns))[:k]


def contenders(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], more: Sequence[Offer] = ()) -> tuple[Indices, Judged]:
    """The outcomes among which the choice is made (all allowed ones, or the best of very many), one a row, and what is expected of them."""
    _check(space, beliefs, weights)
    view = _view(space, beliefs, weights, 0.0, more)
    return space.offers if view.offers is None else view.offers, view.judged


def foremost(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], k: int) -> Indices:
    """The `k` outcomes that are best by the mean gains, of those that need no person, best first, one a row; somebody may lose by them: this is for asking, not for settling."""
    _check(space, beliefs, weights)
    pool = space.unattended
    view = _view(pool, beliefs, weights, 0.0, ())
    shares = view.judged.shares
    low = shares < FLOOR
    total = np.asarray(weights, dtype=float) @ np.where(low, np.log(FLOOR) + shares - FLOOR, np.log(np.maximum(shares, FLOOR)))
    rows = np.argpartition(-total, k)[:k] if len(total) > k else np.arange(len(total))
    rows = rows[np.argsort(-total[rows], kind="stable")]
    return np.stack(np.unravel_index(pool.codes[rows], pool.sizes), axis=1) if view.offers is None else view.offers[rows]


def objective(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], offers: Indices) -> Numbers:
    """The sum of weight times log of the gain hoped for of each of these offers (rows of value indices); minus infinity where somebody gains nothing."""
    gains = np.concatenate([space.worth(belief.models, offers) for belief in beliefs])
    return _values(judge(gains, beliefs), weights)


def judge(gains: Numbers, beliefs: Sequence[Belief]) -> Judged:
    """What is expected of outcomes from their gains under every model of every belief (models x outcomes, in the beliefs' order).

    The gain hoped for is the square of the mean root: between the mean gain, which would stake a party's all on what is unlikely, and the mean of its log, under which one draw
    without gain outweighs all others. Draws by which the party loses are left out, for it says no then, and what is safer can be proposed next; but where beliefs are vague they count as no
    gain, since one no after another would use up the turns.
    """
    shape = (len(beliefs), gains.shape[1])
    out = Judged(np.zeros(shape), np.zeros(shape, dtype=bool), np.zeros(shape), np.zeros(shape), np.zeros(shape))
    at = 0
    for party, belief in enumerate(beliefs):
        spans = wants(belief.models).spans
        mine = gains[at : at + len(spans)] / spans[:, None]
        at += len(spans)
        if len(spans) == 1:
            mean = hoped = mine[0]
            risk = mean < -NOTHING
        else:
            mean = mine.mean(axis=0)
            risk = (mine < -NOTHING).mean(axis=0)
            hoped = np.sqrt(np.maximum(mine, 0.0)).mean(axis=0) ** 2
            if not belief.vague:
                hoped = hoped / np.maximum(1 - risk, 0.5 / len(spans)) ** 2
        strict = hoped > NOTHING
        out.strict[party] = strict
        out.shares[party] = mean
        out.means[party] = mean * spans[0]
        out.risks[party] = risk
        out.logs[party] = np.where(strict, np.log(np.maximum(hoped, NOTHING)) + np.log(spans[0]), 0.0)
    return out


def mean_model(belief: Belief) -> Utility:
    """One model whose gains are the means of the draws' gains, each draw on the scale of its span."""
    if len(belief.models) == 1:
        return belief.models[0]
    known = wants(belief.models)
    scales = 1.0 / (known.spans * len(belief.models))
    offset = np.cumsum(known.sizes) - known.sizes
    contrib = tuple(tuple(column.tolist()) for column in np.split(scales @ known.linear, offset[1:]))
    issues = np.searchsorted(offset, known.cells, side="right") - 1
    places = np.concatenate([issues, known.cells - offset[issues]], axis=1)[:, [0, 2, 1, 3]].tolist()
    pairs = tuple((i, a, j, b, extra) for (i, a, j, b), extra in zip(places, (scales @ known.extras).tolist(), strict=True))
    return Utility(contrib, pairs, float(scales @ known.homes))


def _best(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], risk: float, seconds: float, more: Sequence[Offer]) -> Settlement:
    view = _view(space, beliefs, weights, seconds, more)
    judged = view.judged
    order = _order(judged, weights, risk, 1)
    if len(order):
        return _settlement(space, view, weights, int(order[0]))
    nothing = tuple(0.0 for _ in beliefs)
    if not judged.risks.shape[1]:
        reason = "nothing allowed"
    elif ((judged.risks <= risk).all(axis=0)).any():
        reason = "nobody gains"
    else:
        reason = "uncertain" if ((judged.risks < 1).all(axis=0)).any() else "somebody loses"
    return Settlement(None, nothing, nothing, float("-inf"), reason, view.gap, blocking=_blocking(space, beliefs) if space.enumerable else ())


class _View(NamedTuple):
    """What beliefs make of a space: the outcomes among which the choice is made (None: all allowed ones), what is expected of them, and how much better another may be."""

    offers: Indices | None
    judged: Judged
    shares: Numbers | None  # models x outcomes: the gains as shares of what a party can gain or lose at all; not kept where nothing is drawn
    gap: float


def _view(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], seconds: float, more: Sequence[Offer]) -> _View:
    """A case is asked about, decided, ranked and recorded on the same beliefs, so the last views are kept; one that a solver spent more time on serves too."""
    before: float = -1.0
    known: _View | None = None
    for models, their, spent, view in space.views:
        if their == tuple(weights) and len(models) == len(beliefs) and all(one is belief.models for one, belief in zip(models, beliefs, strict=True)):
            before, known = spent, view
    if known is not None and (space.enumerable or (before >= seconds and _among(more, known.offers))):
        return known
    begin = list(more)
    if known is not None and known.offers is not None:
        begin += [tuple(offer) for offer in known.offers[:1].tolist()]
    view = _seen(space, beliefs, weights, max(seconds, before), begin)
    if view.judged.risks.size <= AT_ONCE:  # what is larger would take much memory, and is only made where all is known
        space.views = [*space.views, (tuple(belief.models for belief in beliefs), tuple(weights), max(seconds, before), view)][-VIEWS:]
    return view


def _among(more: Sequence[Offer], offers: Indices | None) -> bool:
    return not more or (offers is not None and set(more) <= set(map(tuple, offers.tolist())))


def _seen(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], seconds: float, more: Sequence[Offer]) -> _View:
    known = [wants(belief.models) for belief in beliefs]
    models = sum(len(each.linear) for each in known)
    gap = 0.0
    if not space.enumerable:
        effort = {} if models == len(beliefs) else DOUBTED
        offers, gap = explore(space, [mean_model(belief) for belief in beliefs], weights, seconds=seconds, more=more, **effort)
    elif models == len(beliefs) or models * len(space.codes) <= AT_ONCE:
        gains = np.concatenate([space.everywhere(each) for each in known])
        return _View(None, judge(gains, beliefs), None if models == len(beliefs) else _shares(gains, known), gap)
    else:
        means = [Belief((mean_model(belief),)) for belief in beliefs]
        rows = _promising(space, means, weights, int(np.clip(AT_ONCE // models, *SHORTLIST)))
        offers = np.stack(np.unravel_index(space.codes[rows], space.sizes), axis=1)
    gains = np.concatenate(gains_of(known, offers))
    return _View(offers, judge(gains, beliefs), None if models == len(beliefs) else _shares(gains, known), gap)


def _promising(space: Space, means: Sequence[Belief], weights: Sequence[float], k: int) -> Indices:
    """The rows of the `k` outcomes that are best by the mean gains: first those by which nobody loses."""
    total = np.zeros(len(space.codes))
    for belief, weight in zip(means, weights, strict=True):
        known = wants(belief.models)
        gains = space.everywhere(known)[0] / known.spans[0]
        total += weight * np.where(gains > FLOOR, np.log(np.maximum(gains, FLOOR)), np.log(FLOOR) + (gains - FLOOR) / FLOOR)
    return np.argpartition(-total, k)[:k] if len(total) > k else np.arange(len(total))


def _shares(gains: Numbers, known: Sequence[Wants]) -> Numbers:
    return np.asarray(gains / np.concatenate([each.spans for each in known])[:, None])


def _drawn(space: Space, view: _View, beliefs: Sequence[Belief], weights: Sequence[float], rng: np.random.Generator, climbs: int) -> list[Offer]:
    """The best outcome under one draw of every belief, several times over; for so many draws searched for."""
    assert view.shares is not None
    if not view.shares.shape[1]:
        return []
    sizes = np.array([len(belief.models) for belief in beliefs])
    picks = (rng.random((DRAWS, len(sizes))) * sizes).astype(np.intp)
    share = np.asarray(weights, dtype=float) / sum(weights)
    logs = np.where(
        view.shares > FLOOR, np.log(np.maximum(view.shares, FLOOR)), np.log(FLOOR) + (view.shares - FLOOR) / FLOOR
    )  # a straight line under the floor: less loss is better
    first = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    drawn = [_offer(space, view, int((share @ logs[first + pick]).argmax())) for pick in picks]
    if not climbs or view.offers is None or 2 * len(set(drawn)) <= DRAWS:
        return drawn
    starts = np.concatenate([np.array(drawn[:STARTS]), rng.integers(0, space.sizes, size=(STARTS, len(space.sizes)))])
    found: list[Offer] = []
    for pick in picks[:climbs]:  # much is in doubt: what is best under a draw may not be among the outcomes that are good on the average
        terrain = Terrain(space, [belief.models[at] for belief, at in zip(beliefs, pick, strict=True)], weights)
        ends = climb(terrain, starts)[-len(starts) :]
        ends = ends[terrain.allowed(ends)]
        if len(ends):
            found.append(tuple(int(value) for value in ends[int(terrain.heights(ends).argmax())]))
    return [*found, *drawn]


def _values(judged: Judged, weights: Sequence[float]) -> Numbers:
    """The weighted mean log gain; minus infinity where a party gains nothing."""
    share = np.asarray(weights, dtype=float) / sum(weights)
    return np.where(judged.strict.all(axis=0), share @ judged.logs, -np.inf)


def _order(judged: Judged, weights: Sequence[float], worst: float, k: int, *, safest: bool = False) -> Indices:
    """The `k` best of the columns in which somebody gains and nobody's risk is above `worst`, best first; with `safest` those within `RISK` before all others."""
    share = np.asarray(weights, dtype=float) / sum(weights)
    danger = judged.risks.max(axis=0) if len(judged.risks) else np.zeros(0)
    keep = np.flatnonzero((danger <= worst) & judged.strict.any(axis=0))
    risky = (danger > (RISK if safest else worst)).astype(float)
    less = -np.round(share @ judged.strict, 12)
    worse = -np.round(share @ judged.logs, 11)  # rounding makes ties of what differs by the order of additions only
    for key in (risky, less, worse):  # most columns are never sorted: what is behind the k-th in the first key that tells them apart is out
        if len(keep) <= k:
            break
        last = np.partition(key[keep], k - 1)[k - 1]
        keep = keep[key[keep] <= last]
        if key[keep].min() < last:
            break
    welfare = np.round(share @ judged.shares[:, keep], 11)
    return keep[np.lexsort((keep, -welfare, worse[keep], less[keep], risky[keep]))][:k]


def _settlement(space: Space, view: _View, weights: Sequence[float], at: int) -> Settlement:
    judged = view.judged
    value = float(_values(judged, weights)[at])
    gains, risks = tuple(map(float, judged.means[:, at])), tuple(map(float, judged.risks[:, at]))
    return Settlement(_offer(space, view, at), gains, risks, value, gap=view.gap)


def _offer(space: Space, view: _View, at: int) -> Offer:
    return space.offer(at) if view.offers is None else tuple(int(value) for value in view.offers[at])


def _beats(asked: Settlement, now: Settlement, weights: Sequence[float]) -> bool:
    """Whether the one that needs a person is really better, not merely another of the same worth."""
    if now.offer is None:
        return True
    gaining = [sum(weight for weight, gain in zip(weights, each.gains, strict=True) if gain > 0) for each in (asked, now)]
    return gaining[0] > gaining[1] or asked.value > now.value + NOTHING or (asked.value == now.value == float("-inf") and asked.gains != now.gains)


def _blocking(space: Space, beliefs: Sequence[Belief]) -> tuple[str, ...]:
    """A smallest set of rules and parties that together leave no outcome in which somebody gains and nobody of the set loses: leaving out any one of it would."""
    whole = Space(space.sizes)
    models = [mean_model(belief) for belief in beliefs]
    shares = whole.gains(*models) / np.array([span(model) for model in models])[:, None]
    wanted = (shares > NOTHING).any(axis=0)
    standing: dict[str, Mask] = {f"policy: {rule}": mask for rule, mask in space.masks()}
    if space.without:
        left = np.ones(space.total, dtype=bool)
        left[[int(np.ravel_multi_index(offer, space.sizes)) for offer in space.without if space.fits(offer)]] = False
        standing["rejected offers"] = left
    standing |= {f"party {party}": gains >= -NOTHING for party, gains in enumerate(shares)}
    for name in list(standing):
        rest = wanted.copy()
        for other, mask in standing.items():
            if other != name:
                rest &= mask
        if not rest.any():
            del standing[name]
    return tuple(standing)


def _check(space: Space, beliefs: Sequence[Belief], weights: Sequence[float]) -> None:
    if not beliefs or len(beliefs) != len(weights):
        raise Invalid(f"{len(beliefs)} beliefs and {len(weights)} weights", hint="give one of each for every party")
    if min(weights) <= 0 or not np.isfinite(weights).all():
        raise Invalid("a party's weight is not a number above 0", hint="leave out the party that does not count")
    for party, belief in enumerate(beliefs):
        if not belief.models or not (known := wants(belief.models)).fine or known.sizes != space.sizes:
            raise Invalid(f"what is believed of party {party} does not fit the issues", hint="one finite number for every value of every issue")
