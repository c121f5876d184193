"""Free bargaining by alternating offers, for parties of different owners who will not show a mediator what they want.

Parties take turns in their order. A turn accepts the offer that is on the table, or puts another one there, or passes (which takes the offer away), or leaves.
An offer that everybody else accepts is the agreement. It ends after `Case.turns` turns of each party at the latest, and when somebody leaves.
Source: Aydoğan et al. 2017, the stacked alternating offers protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from tutti.model.negotiation import Case, Offer, Utility
from tutti.negotiation.search import climb
from tutti.negotiation.space import Indices, Numbers, Space
from tutti.negotiation.terrain import Terrain, span

SAMPLED = 20_000  # offers that a party considers where it cannot list all
NEAR = 0.03  # of its best gain: so much above its demand are the offers among which a party makes the one most like the others'
SAME = 1e-9


class Act(StrEnum):
    """What a turn does."""

    OFFER = "offer"
    ACCEPT = "accept"
    PASS = "pass"  # silence, nonsense and offers that policy rules out are passes too
    LEAVE = "leave"


class Move(NamedTuple):
    """One turn: who took it and what it did (with an offer where it is one)."""

    party: int
    act: Act
    offer: Offer | None = None


class Table(NamedTuple):
    """How it stands: whose turn it is, the offer on the table with how many accepted it, and the turns taken; or `over`, and then `offer` is the agreement (None: none)."""

    party: int
    offer: Offer | None = None
    accepts: int = 0
    taken: int = 0
    over: bool = False
    why: str = ""  # agreed | left | out of turns


def table(case: Case, moves: Sequence[Move]) -> Table:
    """How it stands after these moves; moves out of turn or after the end do not count, offers that policy rules out or a person would have to approve are passes."""
    space = Space(case.sizes, case.policy, case.approval).unattended
    stand = _laid(case)
    for move in moves:
        stand = _after(case, space, stand, move)
    return stand


def _laid(case: Case) -> Table:
    none = case.turns < 1 or len(case.parties) < 2
    return Table(0, over=none, why="out of turns" if none else "")


def _after(case: Case, space: Space, stand: Table, move: Move) -> Table:
    if stand.over or move.party != stand.party:
        return stand
    count, taken = len(case.parties), stand.taken + 1
    after = (move.party + 1) % count
    if move.act is Act.LEAVE:
        return Table(after, taken=taken, over=True, why="left")
    if move.act is Act.ACCEPT and stand.offer is not None:
        accepts = stand.accepts + 1
        if accepts == count - 1:
            return Table(after, stand.offer, accepts, taken, True, "agreed")
        stand = Table(after, stand.offer, accepts, taken)
    elif move.act is Act.OFFER and move.offer is not None and space.allows(move.offer):
        stand = Table(after, tuple(move.offer), 0, taken)
    else:
        stand = Table(after, taken=taken)
    return stand if taken < case.turns * count else Table(after, taken=taken, over=True, why="out of turns")


class Strategy(Protocol):
    """How a party that hands over its utility is played."""

    def act(self, mind: Mind, case: Case, stand: Table, moves: Sequence[Move]) -> Move:
        """Its next move, where it is its turn (`stand.party`) and these moves were made."""


class Mind:
    """What a party wants over a space: the allowed offers at or above its fallback, the best first (of a large space: very many of them)."""

    def __init__(self, space: Space, utility: Utility, rng: np.random.Generator) -> None:
        self.space = space.unattended
        self.utility = utility
        self._rng = rng

    @cached_property
    def _sorted(self) -> tuple[Indices, Numbers]:
        space, width = self.space, span(self.utility)
        if space.enumerable:
            rows = space.offers
        else:
            drawn = np.stack([self._rng.integers(0, size, SAMPLED) for size in space.sizes], axis=1)
            drawn = np.concatenate([climb(Terrain(space, [self.utility], [1.0]), drawn[:64]), drawn])
            rows = np.array([offer for offer in dict.fromkeys(map(tuple, drawn.tolist())) if space.allows(offer)], dtype=np.intp).reshape(-1, len(space.sizes))
        gains = space.gains(self.utility)[0] / width if space.enumerable else space.worth([self.utility], rows)[0] / width
        order = np.argsort(-gains, kind="stable")
        order = order[gains[order] >= -SAME]
        return rows[order], gains[order]

    @property
    def offers(self) -> Indices:
        """Rows of value indices, the best for the party first; none is worse for it than its fallback."""
        return self._sorted[0]

    @property
    def gains(self) -> Numbers:
        """Their gains, as shares of what the party can gain or lose at all, descending."""
        return self._sorted[1]

    def gain(self, offer: Offer) -> float:
        """What an offer is worth to the party above its fallback, on the same scale."""
        return float(self.space.worth([self.utility], [offer])[0, 0]) / span(self.utility)


@dataclass(frozen=True, slots=True)
class Aspiration:
    """Demands less and less of its best gain: at time t (0 at its first turn, 1 at its last) the share 1 - t ** (1 / exponent).

    Below 1 it concedes late (Boulware; 0.2 is the usual one), at 1 evenly, above 1 early. It accepts what is worth its demand, and in its last turn anything above its fallback.
    Source: Faratin et al. 1998.
    """

    exponent: float = 1.0

    def act(self, mind: Mind, case: Case, stand: Table, moves: Sequence[Move]) -> Move:
        """Accepts, or offers what is most like the others' offers among what is about worth its demand."""
        party = stand.party
        mine = sum(move.party == party for move in moves)
        if not len(mind.offers):
            return Move(party, Act.PASS)
        time = mine / max(1, case.turns - 1)
        demand = float(mind.gains[0]) * (1 - min(1.0, time) ** (1 / self.exponent))
        if stand.offer is not None and mind.gain(stand.offer) >= demand - SAME:
            return Move(party, Act.ACCEPT)
        enough = int(np.searchsorted(-mind.gains, -(demand - SAME), side="right"))
        above = int(np.searchsorted(-mind.gains, -(demand + NEAR * float(mind.gains[0])), side="left"))
        near = mind.offers[min(above, max(enough, 1) - 1) : max(enough, 1)]
        theirs = [move.offer for move in moves if move.party != party and move.act is Act.OFFER and move.offer is not None][-2 * len(case.parties) :]
        liked = sum((near == np.array(offer)).sum(axis=1) for offer in theirs) if theirs else np.zeros(len(near))
        return Move(party, Act.OFFER, _offer(near[int(np.argmax(liked))]))


@dataclass(frozen=True, slots=True)
class Micro:
    """Concedes one offer at a time, and only when everybody else has made as many different offers as it has: it needs no curve and no guess.

    Source: de Jonge 2022 (MiCRO).
    """

    def act(self, mind: Mind, case: Case, stand: Table, moves: Sequence[Move]) -> Move:
        """Accepts what is worth the offer that it would make now, else makes it."""
        party = stand.party
        if not len(mind.offers):
            return Move(party, Act.PASS)
        made = [{move.offer for move in moves if move.party == each and move.act is Act.OFFER} for each in range(len(case.parties))]
        mine = len(made[party])
        concede = mine <= min(len(offers) for each, offers in enumerate(made) if each != party) and mine < len(mind.offers)
        ready = min(mine if concede else mine - 1, len(mind.offers) - 1)
        if stand.offer is not None and mind.gain(stand.offer) >= mind.gains[max(0, ready)] - SAME:
            return Move(party, Act.ACCEPT)
        turn = sum(move.party == party for move in moves)
        return Move(party, Act.OFFER, _offer(mind.offers[ready if concede else turn % max(1, mine)]))  # again one of its earlier ones, by turns


def bargain(case: Case, minds: Mapping[int, tuple[Mind, Strategy]]) -> tuple[Table, tuple[Move, ...]]:
    """The whole exchange where every party handed over its utility: how it ended, and every move. A party without a mind passes."""
    space = Space(case.sizes, case.policy, case.approval).unattended
    moves: list[Move] = []
    stand = _laid(case)
    while not stand.over:
        mind = minds.get(stand.party)
        moves.append(mind[1].act(mind[0], case, stand, moves) if mind else Move(stand.party, Act.PASS))
        stand = _after(case, space, stand, moves[-1])
    return stand, tuple(moves)


def _offer(row: Indices) -> Offer:
    return tuple(int(value) for value in row)
