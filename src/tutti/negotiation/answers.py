"""What a party is asked that can only accept, reject or counter, and what its answers say about its utility."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tutti.model.negotiation import Belief, Case, Exchange, Offer, Reply
from tutti.negotiation.minds import Heard, Minds, after, places
from tutti.negotiation.scores import some
from tutti.negotiation.space import Indices, Numbers, Space
from tutti.negotiation.wants import made

Whole = npt.NDArray[np.int64]

DRAWS = 128  # minds that a belief is made of
LOST = 1e-3  # a gain below this share counts as this much: its logarithm must not rule alone
CURIOUS = 0.03  # what an answer's surprise is worth beside what it changes in the choice
ABOUT = 64  # variations of the leading outcomes that a question is chosen from
ELSEWHERE = 24  # and outcomes from anywhere


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
        minds = _minds(case, party, heard)
        tables, floor = minds.tables()
        pool = _pool(space, base, minds, tables, rng)
        asked = {each.offer for each in heard} | {case.fallback}  # of which everybody knows the answer
        fresh = [at for at, row in enumerate(pool) if tuple(int(value) for value in row) not in asked]
        if not fresh:
            continue
        pool = pool[fresh]
        mine = np.log(np.maximum(tables[:, places(case.sizes, base)].sum(axis=2) - floor[:, None], LOST))
        value = weights[party] * mine + (others - weights[party] * mine.mean(axis=0))
        out[party] = tuple(int(at) for at in pool[int(np.argmax(_telling(minds, tables, floor, pool, value)))])
    return out


def believe(case: Case, party: int, said: Sequence[Exchange], rng: np.random.Generator) -> Belief | None:
    """What this party's answers say of its utility: as many draws as make the doubt visible; None while it has said nothing."""
    heard = told(case, party, said)
    if not heard:
        return None
    minds = _minds(case, party, heard)
    tables, floor = minds.tables()
    rows = np.sort(rng.permutation(len(tables))[:DRAWS])
    return Belief(made(case.sizes, tables[rows], floor[rows], (), np.zeros((len(rows), 0))), vague=True)


def valid(space: Space, reply: Reply) -> Reply:
    """The reply, or the same marked garbled where it is neither yes or no nor a counter-offer (or both: yes, but rather this)."""
    if reply.missing or isinstance(reply.value, bool):
        return reply
    said = reply.value
    if isinstance(said, list | tuple) and len(said) == 2 and isinstance(said[0], bool) and isinstance(said[1], list | tuple):
        if not said[1]:
            return reply
        said = said[1]
    return reply if space.fits(said) else reply._replace(value=None, missing="garbled")


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


def _minds(case: Case, party: int, heard: tuple[Heard, ...]) -> Minds:
    """The minds that are possible after these answers; the same ones for the same answers, case and party."""
    return after(case.sizes, case.fallback, (int.from_bytes(case.id.encode()[-24:], "big"), party), heard)


def _pool(space: Space, base: Indices, minds: Minds, tables: Numbers, rng: np.random.Generator) -> Indices:
    """The allowed offers that a question is chosen from: the leading ones, these with some issues as the party may like them best, and others."""
    best = np.stack([tables[:, column].argmax(axis=1) for column in minds.columns()], axis=1)
    of, liked = base[rng.integers(len(base), size=ABOUT)], best[rng.integers(len(best), size=ABOUT)]
    varied = np.where(rng.random(of.shape) < rng.choice((0.2, 0.4, 0.6), size=(ABOUT, 1)), liked, of)
    pool = np.unique(np.concatenate([base, some(space, ELSEWHERE, rng), varied]), axis=0)
    return pool[space.allowed(pool)]  # a party may say yes: what policy forbids is not put to it


def _telling(minds: Minds, tables: Numbers, floor: Numbers, pool: Indices, value: Numbers) -> Numbers:
    """For each offer of the pool, what its answer is worth: the best expected value once it is known, and a little for the surprise."""
    have = tables[:, places(minds.sizes, pool)]
    top = np.stack([tables[:, column].max(axis=1) for column in minds.columns()], axis=1)
    best = np.stack([tables[:, column].argmax(axis=1) for column in minds.columns()], axis=1)
    missing = top[:, None, :] - have
    issue = missing.argmax(axis=2)
    named = 1 + issue * max(minds.sizes) + np.take_along_axis(best, issue, axis=1)
    codes: Whole = 2 * np.where(missing.max(axis=2) < 1e-9, 0, named) + (have.sum(axis=2) >= floor[:, None])
    order = np.argsort(codes, axis=0, kind="stable").T  # a row an offer of the pool: the minds, those that would answer alike together
    same = np.take_along_axis(codes.T, order, axis=1)
    first = np.concatenate([np.ones((len(pool), 1), dtype=bool), same[:, 1:] != same[:, :-1]], axis=1)
    starts = np.flatnonzero(first.ravel())
    chance = np.diff(np.append(starts, first.size)) / first.shape[1]
    best_then = np.add.reduceat(value[order.ravel()], starts, axis=0).max(axis=1) / first.shape[1]
    found: Numbers = np.add.reduceat(best_then - CURIOUS * chance * np.log(chance), np.concatenate([[0], np.cumsum(first.sum(axis=1))[:-1]]))
    return found
