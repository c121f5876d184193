"""Which outcome the parties should end with: the KPI-weighted Nash point above the fallback, among what policy allows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import NamedTuple

import numpy as np

from tutti.errors import Invalid
from tutti.model.negotiation import Belief, Offer, Utility
from tutti.negotiation.search import SECONDS, Found, explore
from tutti.negotiation.space import Indices, Mask, Numbers, Space
from tutti.negotiation.terrain import span

NOTHING = 1e-9  # a gain this small, as a share of what a party can gain or lose at all, is rounding
FLOOR = 1e-3  # where a belief is uncertain, a draw without gain counts as this share: bad, but not infinitely so
RISK = 0.1  # a party's chance of ending under the fallback that is borne where nobody is asked again
AT_ONCE = 6_000_000  # gains computed in one go (48 MB); above, the outcomes are shortlisted by their mean gains first
SHORTLIST = 4096
SEARCHES = 3  # that a space remembers
DRAWS, DRAWS_SEARCHED = 24, 8  # samples of what all want at once, per message; a search takes a hundred times as long as an enumeration


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

    logs: Numbers  # parties x outcomes: expected log of the gain, floored; 0 where the party gains nothing
    strict: Mask  # parties x outcomes: whether the party gains
    risks: Numbers  # parties x outcomes
    shares: Numbers  # parties x outcomes: expected gain as a share of what the party can gain or lose at all
    means: Numbers  # parties x outcomes: expected gain on the scale of the party's first model


def settle(
    space: Space, beliefs: Sequence[Belief], weights: Sequence[float], *, risk: float = RISK, seconds: float = SECONDS, more: Sequence[Offer] = ()
) -> Settlement:
    """The best outcome that needs no person, and beside it the better one that does.

    Maximises the sum of weight times expected log gain over the outcomes in which nobody falls under the fallback (where beliefs are draws: with a chance of at most `risk`).
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


def ranked(
    space: Space, beliefs: Sequence[Belief], weights: Sequence[float], k: int, *, risk: float = RISK, worst: float = 0.5, more: Sequence[Offer] = ()
) -> list[Settlement]:
    """The `k` best outcomes that need no person, best first: those within `risk`, then the riskier ones up to `worst`, which only a party's own word makes safe."""
    _check(space, beliefs, weights)
    pool = space.unattended
    offers, judged, found = _judge(pool, beliefs, weights, 0.0, more)
    order = _order(judged, weights, risk, worst, k)
    return [_settlement(pool, offers, judged, weights, int(at), found.gap) for at in order]


def candidates(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], k: int, rng: np.random.Generator, *, risk: float = RISK) -> list[Offer]:
    """At most `k` outcomes worth asking about, in a space of any size, those that need a person not among them: by turns the best expected ones and
    the best ones under one draw of each belief (Thompson sampling: what is still possible is asked too). The first is what would be settled on now.
    """
    _check(space, beliefs, weights)
    pool = space.unattended
    best = [found.offer for found in ranked(pool, beliefs, weights, k, risk=risk, worst=1.0) if found.offer is not None]
    drawn = _drawn(pool, beliefs, weights, rng, best) if any(len(belief.models) > 1 for belief in beliefs) else []
    turns = [offer for pair in zip_longest(best, dict.fromkeys(drawn)) for offer in pair if offer is not None]
    return list(dict.fromkeys(turns))[:k]


def contenders(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], more: Sequence[Offer] = ()) -> tuple[Indices, Judged]:
    """The outcomes among which the choice is made (all allowed ones, or the best of very many), one a row, and what is expected of them."""
    offers, judged, _ = _judge(space, beliefs, weights, 0.0, more)
    return space.offers if offers is None else offers, judged


def objective(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], offers: Indices) -> Numbers:
    """The sum of weight times expected log gain of each of these offers (rows of value indices); minus infinity where somebody gains nothing."""
    judged = judge(space.worth([model for belief in beliefs for model in belief.models], offers), beliefs)
    return _values(judged, weights)


def judge(gains: Numbers, beliefs: Sequence[Belief]) -> Judged:
    """What is expected of outcomes from their gains under every model of every belief (models x outcomes, in the beliefs' order)."""
    shape = (len(beliefs), gains.shape[1])
    out = Judged(np.zeros(shape), np.zeros(shape, dtype=bool), np.zeros(shape), np.zeros(shape), np.zeros(shape))
    at = 0
    for party, belief in enumerate(beliefs):
        spans = np.array([span(model) for model in belief.models])
        mine = gains[at : at + len(spans)] / spans[:, None]
        at += len(spans)
        mean = mine.mean(axis=0)
        strict = mean > NOTHING
        out.strict[party] = strict
        out.shares[party] = mean
        out.means[party] = mean * spans[0]
        out.risks[party] = (mine < -NOTHING).mean(axis=0)
        floor = FLOOR if len(spans) > 1 else NOTHING
        scaled = np.log(np.maximum(mine, floor)).mean(axis=0) + np.log(spans[0])
        out.logs[party] = np.where(strict, scaled, 0.0)
    return out


def mean_model(belief: Belief) -> Utility:
    """One model whose gains are the means of the draws' gains, each draw on the scale of its span."""
    if len(belief.models) == 1:
        return belief.models[0]
    scales = [1.0 / (span(model) * len(belief.models)) for model in belief.models]
    columns = (
        np.array([scale * np.asarray(model.contrib[issue]) for scale, model in zip(scales, belief.models, strict=True)]).sum(axis=0)
        for issue in range(len(belief.models[0].contrib))
    )
    contrib = tuple(tuple(float(number) for number in column) for column in columns)
    extras: dict[tuple[int, int, int, int], float] = {}
    for scale, model in zip(scales, belief.models, strict=True):
        for i, a, j, b, extra in model.pairs:
            extras[i, a, j, b] = extras.get((i, a, j, b), 0.0) + scale * extra
    reservation = sum(scale * model.reservation for scale, model in zip(scales, belief.models, strict=True))
    return Utility(contrib, tuple((*where, extra) for where, extra in extras.items()), reservation)


def _best(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], risk: float, seconds: float, more: Sequence[Offer]) -> Settlement:
    offers, judged, found = _judge(space, beliefs, weights, seconds, more)
    order = _order(judged, weights, risk, risk, 1)
    if len(order):
        return _settlement(space, offers, judged, weights, int(order[0]), found.gap)
    nothing = tuple(0.0 for _ in beliefs)
    if not judged.risks.shape[1]:
        reason = "nothing allowed"
    elif ((judged.risks <= risk).all(axis=0)).any():
        reason = "nobody gains"
    else:
        reason = "uncertain" if ((judged.risks < 1).all(axis=0)).any() else "somebody loses"
    return Settlement(None, nothing, nothing, float("-inf"), reason, found.gap, blocking=_blocking(space, beliefs) if space.enumerable else ())


def _judge(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], seconds: float, more: Sequence[Offer]) -> tuple[Indices | None, Judged, Found]:
    models = [model for belief in beliefs for model in belief.models]
    if not space.enumerable:
        found = _searched(space, beliefs, weights, seconds, more)
        return found.offers, judge(space.worth(models, found.offers), beliefs), found
    exact = Found(np.empty((0, len(space.sizes)), dtype=np.intp), 0.0)
    if len(models) * space.total <= AT_ONCE:
        return None, judge(space.gains(*models), beliefs), exact
    means = [Belief((mean_model(belief),)) for belief in beliefs]
    rough = judge(space.gains(*(belief.models[0] for belief in means)), means)
    if len(models) == len(beliefs):
        return None, rough, exact
    rows = _order(rough, weights, 0.0, 1.0, SHORTLIST)
    offers = np.stack(np.unravel_index(space.codes[rows], space.sizes), axis=1)
    return offers, judge(space.worth(models, offers), beliefs), exact


def _drawn(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], rng: np.random.Generator, best: Sequence[Offer]) -> list[Offer]:
    """The best outcome under one draw of every belief, several times over; a search begins with the `best` known ones."""
    sizes = np.array([len(belief.models) for belief in beliefs])
    picks = (rng.random((DRAWS, len(sizes))) * sizes).astype(np.intp)
    if not space.enumerable or sizes.sum() * space.total > AT_ONCE:
        some = [[belief.models[at] for belief, at in zip(beliefs, pick, strict=True)] for pick in picks[:DRAWS_SEARCHED]]
        searched = [explore(space, one, weights, seconds=0.0, more=best[:8], starts=8, shakes=0).offers[:2] for one in some]
        return [tuple(int(value) for value in offer) for offers in searched for offer in offers]
    models = [model for belief in beliefs for model in belief.models]
    shares = space.gains(*models) / np.array([span(model) for model in models])[:, None]
    share = np.asarray(weights, dtype=float) / sum(weights)
    logs = np.where(
        shares > FLOOR, np.log(np.maximum(shares, FLOOR)), np.log(FLOOR) + (shares - FLOOR) / FLOOR
    )  # a straight line under the floor: less loss is better
    first = np.concatenate([[0], np.cumsum(sizes)])[:-1]
    return [space.offer(int((share @ logs[first + pick]).argmax())) for pick in picks] if logs.shape[1] else []


def _searched(space: Space, beliefs: Sequence[Belief], weights: Sequence[float], seconds: float, more: Sequence[Offer]) -> Found:
    """What a search finds; a case is decided, ranked and recorded on the same beliefs, so the last searches are kept, and one that took more time serves too."""
    asked = (tuple(belief.models for belief in beliefs), tuple(weights))
    before: float
    found: Found | None
    before, found = space.searched.get(asked, (-1.0, None))
    if found is None or before < seconds or not set(more) <= set(map(tuple, found.offers.tolist())):
        begin = [*more, *(tuple(offer) for offer in found.offers[:1].tolist())] if found is not None else more
        found = explore(space, [mean_model(belief) for belief in beliefs], weights, seconds=max(seconds, before), more=begin)
        space.searched = dict([*space.searched.items(), (asked, (max(seconds, before), found))][-SEARCHES:])
    return found


def _values(judged: Judged, weights: Sequence[float]) -> Numbers:
    """The weighted mean log gain; minus infinity where a party gains nothing."""
    share = np.asarray(weights, dtype=float) / sum(weights)
    return np.where(judged.strict.all(axis=0), share @ judged.logs, -np.inf)


def _order(judged: Judged, weights: Sequence[float], risk: float, worst: float, k: int) -> Indices:
    """The `k` best of the columns in which somebody gains and nobody's risk is above `worst`, best first."""
    share = np.asarray(weights, dtype=float) / sum(weights)
    danger = judged.risks.max(axis=0) if len(judged.risks) else np.zeros(0)
    keep = np.flatnonzero((danger <= worst) & judged.strict.any(axis=0))
    risky = (danger > risk).astype(float)
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


def _settlement(space: Space, offers: Indices | None, judged: Judged, weights: Sequence[float], at: int, gap: float) -> Settlement:
    offer = space.offer(at) if offers is None else tuple(int(value) for value in offers[at])
    value = float(_values(judged, weights)[at])
    return Settlement(offer, tuple(float(gain) for gain in judged.means[:, at]), tuple(float(chance) for chance in judged.risks[:, at]), value, gap=gap)


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
        if not belief.models or not all(space.understands(model) for model in belief.models):
            raise Invalid(f"what is believed of party {party} does not fit the issues", hint="one finite number for every value of every issue")
