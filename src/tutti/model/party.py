"""What a party to a negotiation is asked and what it answers: the typed skill that an agent offers to take part.

The same values are the input and output of the skill in this process, its JSON Schema for language models, and the data parts of the A2A
extension. Outcomes are readable: the issue's name with the value it takes. `null` in the place of an outcome stands for "no agreement".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

from tutti.errors import Invalid

SKILL = "negotiation.answer"  # what every party offers
SCHEMA = "tutti.negotiation/1"

Value = str | int | float | bool  # that an issue may take
Outcome = dict[str, Value]


@dataclass(frozen=True, slots=True)
class PartyQuestion:
    """One message to a party. What it answers depends on `ask`; `words` says it in a sentence.

    table: how much each value of each issue is worth. score: a number for each of `outcomes`, more is better. rank: each of `lists` in its order,
    best first. offer: in free bargaining, accept the `outcome` on the table or offer another as `counter`; `number` is the turn, of `turns` that it has.
    respond: accept or reject `outcome`, and counter it by the one-issue change that it would like most. screen: which of `outcomes` it would accept.
    confirm: accept `outcome`, or it will not be.
    """

    case: str
    number: int  # of this party's messages, from 1; a message that comes again has the same number
    ask: Literal["table", "score", "rank", "respond", "screen", "confirm", "offer"]
    issues: dict[str, list[Value]]
    fallback: Outcome | None = None  # what holds if nothing is agreed; null: nothing
    outcomes: list[Outcome | None] = field(default_factory=list)
    lists: list[list[Outcome | None]] = field(default_factory=list)
    outcome: Outcome | None = None
    about: Any = None  # what the negotiation is about, as its opener says
    answer_by: str = ""  # instant, ISO 8601; an answer after it is not read
    words: str = ""
    turns: int = 0
    refused: list[Outcome] = field(
        default_factory=list
    )  # offer: those that it made and that counted as passes, since rules forbid them or want a person's word
    schema: str = SCHEMA


@dataclass(frozen=True, slots=True)
class PairWorth:
    """What two values together are worth beyond each by itself."""

    outcome: Outcome  # two issues with their values
    extra: float


@dataclass(frozen=True, slots=True)
class PartyAnswer:
    """What a party says; it fills the fields that were asked for.

    table: `table` (issue, value as text, number), perhaps `pairs`, and `reservation`: what no agreement is worth to it, where the question's fallback is
    null. score: `scores`, one number for each of the outcomes, in their order. rank: `orders`, for each list the places (from 0) of its outcomes, best
    first. respond: `accept`, and as `counter` the outcome with one issue changed that it would like most (the same outcome: it would change nothing; null:
    it does not say). screen: `accepts`, yes or no for each of the outcomes, in their order. confirm: `accept`.
    """

    table: dict[str, dict[str, float]] | None = None
    pairs: list[PairWorth] | None = None
    reservation: float | None = None
    scores: list[float] | None = None
    orders: list[list[int]] | None = None
    accept: bool | None = None
    counter: Outcome | None = None
    accepts: list[bool] | None = None


def opening_of(
    issues: Mapping[str, Sequence[Any]],
    parties: Mapping[str, Any] | Sequence[str],
    *,
    policy: Sequence[Any],
    approval: Sequence[Any],
    fallback: Mapping[str, Any] | None,
    deadline: timedelta,
    **more: Any,
) -> dict[str, Any]:
    """What somebody opens a negotiation with in Python, as the mediator's input. Raises: `Invalid` for what would become another negotiation than was meant."""
    if not isinstance(issues, Mapping):
        raise Invalid(f"The issues are {issues!r}.", hint='Give each its values, for example issues={"price": ["-10 %", "0 %"]}.')
    for name, values in issues.items():
        if isinstance(values, str):
            raise Invalid(f"Issue {name!r} has a text for its values.", hint=f'Give a list, for example {{"{name}": ["{values}"]}}.')
    if not isinstance(deadline, timedelta):
        raise Invalid(f"The deadline of a negotiation is a timedelta, not {deadline!r}.", hint="Say how long it may take: deadline=timedelta(seconds=30).")
    if deadline <= timedelta():
        raise Invalid("The deadline of a negotiation is over before it begins.", hint="Say how long it may take: deadline=timedelta(seconds=30).")
    return {
        "issues": {name: list(values) for name, values in issues.items()}, "parties": _counted(parties), "policy": list(policy), "approval": list(approval),
        "fallback": fallback, "deadline_ms": max(round(deadline / timedelta(milliseconds=1)), 1), **more,
    }  # fmt: skip


def _counted(parties: Mapping[str, Any] | Sequence[str]) -> dict[str, Any]:
    """The parties with how they count; None where the goals say it."""
    if isinstance(parties, Mapping):
        return dict(parties)
    if isinstance(parties, str):
        raise Invalid(f"The parties are {parties!r}, a text.", hint=f'Give a list, for example parties=["{parties}"].')
    if not isinstance(parties, Sequence):
        raise Invalid(f"The parties are {parties!r}.", hint='Give their names, for example parties=["renewal", "pricing"].')
    counted = dict[str, Any]()
    for name in parties:
        if name in counted:
            raise Invalid(f"{name} is named twice.", hint=f'Where it counts for more than others, give it a weight: parties={{"{name}": 2, …}}.')
        counted[name] = None
    return counted
