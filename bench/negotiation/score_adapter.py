"""Bargaining problems in the scorer's form, mediated by `tutti.negotiation` at whatever level the table answers; and the other rooms' parts beside it.

A table offers `sizes`, `n`, `weights`, `constraints`, `fallback`, `level` (full | score | rank | answer), `limit`, and `utilities`, `score`, `rank`, `counter` and
`accept` as far as its level goes. What a party is asked is what the mediator asks; the clock, the road and durability are left out.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tutti.model.negotiation import Case, Constraints, Exchange, Issue, Level, Limit, Offer, Party, Question, Reply, Utility
from tutti.negotiation import Ask, End, step

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))  # the scorer loads this file by its path

from bench.negotiation.assignment_adapter import assign, prioritise
from bench.negotiation.resources_adapter import allocate, detect

__all__ = ["allocate", "assign", "bargain", "conflict", "detect", "mediated", "prioritise"]

LEVELS = {"full": Level.TABLE, "score": Level.SCORE, "rank": Level.RANK, "answer": Level.ANSWER}
TURNS = 20  # proposals that a party is asked to confirm or counter at most


def bargain(table: Any) -> list[int] | None:
    """The outcome the mediator ends with; None for no agreement."""
    end, _ = mediated(table)
    return None if end.offer is None else list(end.offer)


conflict = bargain


def mediated(table: Any) -> tuple[End, list[Exchange]]:
    """The mediator's end of this table's case, and all that was said."""
    case = case_of(table)
    said: list[Exchange] = []
    now = step(case, said)
    while not isinstance(now, End):
        replies = [Exchange(question, _reply(table, question)) for question in now.questions]
        assert replies or isinstance(now, Ask)
        said += replies
        now = step(case, said)
    return now, said


def case_of(table: Any, turns: int = TURNS) -> Case:
    """The table's problem as a case; issues and values are called by their places. At level answer a party gets as many proposals as it may get messages."""
    level = LEVELS[table.level]
    return Case(
        id="-".join(map(str, table.sizes)),
        issues=tuple(Issue(f"issue {at}", tuple(map(str, range(size)))) for at, size in enumerate(table.sizes)),
        parties=tuple(Party(f"party {at}", level, float(weight)) for at, weight in enumerate(table.weights)),
        policy=constraints_of(table.constraints or {}),
        fallback=None if table.fallback is None else tuple(table.fallback),
        messages=table.limit,
        turns=table.limit if level is Level.ANSWER else turns,
    )


def constraints_of(given: dict[str, Any]) -> Constraints:
    """The scorer's constraints, each under a rule of its own."""
    return Constraints(
        tuple((f"value {at}", issue, value) for at, (issue, value) in enumerate(given.get("forbidden_values", ()))),
        tuple((f"pair {at}", i, a, j, b) for at, (i, a, j, b) in enumerate(given.get("forbidden_pairs", ()))),
        tuple(Limit(cap["name"], tuple(map(tuple, cap["cost"])), cap["limit"]) for cap in given.get("caps", ())),
    )


def utility_of(party: dict[str, Any]) -> Utility:
    """A party's whole utility in the scorer's form."""
    return Utility(tuple(map(tuple, party["contrib"])), tuple(map(tuple, party.get("pairs", ()))), party["reservation"])


def _reply(table: Any, question: Question) -> Reply:
    party = question.party
    match question.ask:
        case "table":
            value: Any = utility_of(table.utilities(party))
        case "score":
            value = tuple(table.score(party, _plain(question.lists[0])))
        case "rank":
            value = tuple(
                _places(asked, told) for asked, told in zip(question.lists, table.rank(party, [_plain(each) for each in question.lists]), strict=True)
            )
        case "respond":
            offer = _plain(question.lists[0])[0]
            fine, counter = table.accept(party, offer), table.counter(party, offer)
            value = fine if counter is None else (fine, tuple(counter))
        case "screen":
            value = tuple(table.accept(party, offer) for offer in _plain(question.lists[0]))
        case _:
            value = table.accept(party, _plain(question.lists[0])[0])
    return Reply(party, question.number, value)


def _plain(offers: Sequence[Offer | None]) -> list[list[int] | None]:
    return [None if offer is None else list(offer) for offer in offers]


def _places(asked: Sequence[Offer | None], told: Sequence[Sequence[int] | None]) -> tuple[int, ...]:
    """The order that was told as places in the list that was asked."""
    places: dict[Offer | None, list[int]] = {}
    for at, offer in enumerate(asked):
        places.setdefault(offer, []).append(at)
    return tuple(places[None if offer is None else tuple(offer)].pop(0) for offer in told)
