"""The mediator: from a case and everything said so far to what happens next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tutti.model.negotiation import Belief, Case, Exchange, Offer, Question

Function = Callable[[Sequence[Offer]], Sequence[float]]  # a party's own numbers for offers, in this process


@dataclass(frozen=True, slots=True)
class Ask:
    """The next round: each of these questions goes out at once; call `step` again when each has a reply (or is missing one)."""

    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Propose:
    """This offer is to be confirmed: the questions (all `confirm`) go to the parties whose word is needed."""

    offer: Offer
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class End:
    """The case is over: `offer` is what holds (None: no agreement, the fallback where the case has one).

    `how` is settled, fallback (nothing better could be agreed) or person (somebody must decide: `why` says what).
    `better` is the best offer that a person would have to approve, where there is one and it is better than `offer`.
    """

    offer: Offer | None
    how: str  # settled | fallback | person
    why: str
    better: Offer | None = None
    beliefs: tuple[Belief, ...] = ()
    settlement: Any = None


def step(case: Case, said: Sequence[Exchange], functions: Mapping[int, Function] | None = None, *, last: bool = False) -> Ask | Propose | End:
    """What happens next in this case, from all that was said: the same exchanges give the same step, so a replay decides the same.

    `functions` holds the function of each party at level `function`, by the party's index. A question whose reply never
    came is an exchange with `Reply.missing`. With `last` (time or money is up) the answer is an `End`, at once.
    """
    return End(None, "fallback", "nobody has been asked")
