"""A negotiation: parties with competing aims over issues, and what they end with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from tutti.model.view import Table

Offer = tuple[int, ...]  # the index of a value for each issue


class Level(StrEnum):
    """How much a party can say of what it wants, from the most to the least."""

    TABLE = "table"  # the whole of its utility: a number for every value of every issue, and for pairs of values
    FUNCTION = "function"  # a number for any outcome, as often as wanted (in this process)
    SCORE = "score"  # numbers for up to 64 outcomes a message
    RANK = "rank"  # an order of up to 64 outcomes a message
    ANSWER = "answer"  # accept, reject, or a counter-offer


@dataclass(frozen=True, slots=True)
class Issue:
    """What is to be settled, and the values it may take."""

    name: str
    values: tuple[str, ...]


class Limit(NamedTuple):
    """A sum that may not be exceeded: `cost[issue][value]` over the outcome's values, at most `limit`."""

    rule: str
    cost: tuple[tuple[float, ...], ...]
    limit: float


@dataclass(frozen=True, slots=True)
class Constraints:
    """What policy rules out. Each carries the rule that says so; values are indices."""

    values: tuple[tuple[str, int, int], ...] = ()  # (rule, issue, value)
    pairs: tuple[tuple[str, int, int, int, int], ...] = ()  # (rule, issue, value, other issue, its value)
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True)
class Party:
    """One side: an agent, the level it answers at, and how much it counts (its KPIs' weight, above 0)."""

    name: str
    level: Level
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Case:
    """What is negotiated. `fallback` is what holds without agreement: an outcome, or None where it is "no deal"."""

    id: str
    issues: tuple[Issue, ...]
    parties: tuple[Party, ...]
    policy: Constraints = field(default_factory=Constraints)  # never broken
    approval: Constraints = field(default_factory=Constraints)  # outcomes that a person must approve
    fallback: Offer | None = None
    messages: int = 6  # questions a party is asked at most; confirmations and counters count apart, see `turns`
    turns: int = 20  # proposals a party is asked to accept or counter at most

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many values each issue has."""
        return tuple(len(issue.values) for issue in self.issues)


@dataclass(frozen=True, slots=True)
class Utility:
    """What outcomes are worth to a party: the sum of `contrib[issue][value]` and of `pairs` (issue, value, issue, value, extra).

    `reservation` is what the fallback is worth to it, on the same scale.
    """

    contrib: tuple[tuple[float, ...], ...]
    pairs: tuple[tuple[int, int, int, int, float], ...] = ()
    reservation: float = 0.0


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of a party's utility: one model where it is known, else draws from the posterior, equally likely."""

    models: Sequence[Utility]  # that does not change
    vague: bool = False  # whether it comes from a few words only, so that a guess at what the party says yes to is mostly wrong


class Question(NamedTuple):
    """What a party is asked in one message."""

    party: int
    number: int  # counts from 1, for this party
    ask: str  # table | score | rank | respond | screen (which of these would it accept) | confirm (take it or leave it)
    # score, screen: one list; rank: lists, at most 64 outcomes in all (None is the fallback); offer: what is on the table, then its own that were refused; else one offer
    lists: tuple[tuple[Offer | None, ...], ...] = ()


class Reply(NamedTuple):
    """What it said. Silence, nonsense and lateness are replies too, with `missing` saying which."""

    party: int
    number: int
    value: Any = None  # table: a Utility; score: numbers; rank: lists of positions, best first; screen: booleans; respond, confirm: True, False or an Offer
    missing: str = ""  # silent | late | garbled | failed | gone


class Exchange(NamedTuple):
    """One message: what was asked and what came back. A case's exchanges are all that its decision is made from."""

    question: Question
    reply: Reply


NEGOTIATIONS = Table(  # a negotiation is a task, and has its id; how the task stands says whether one that is not settled still goes on
    "negotiation",
    key=("id",),
    columns={
        "id": "text", "department": "text", "parties": "text", "issues": "int", "opened_at": "int", "ends_at": "int", "rounds": "int", "messages": "int",
        "missing": "int", "cost": "int", "how": "text", "settled_at": "int", "opening": "text", "record": "text", "better": "int", "adopted_at": "int",
        "adopted": "text",
    },
    hot=False,
)  # fmt: skip
