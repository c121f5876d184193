"""Negotiations: in short, and with all that was said."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict


class Opened(TypedDict):
    """A negotiation that was opened; the id is its task's."""

    negotiation: str


class Negotiation(TypedDict):
    """A negotiation in short. `how` it ended: settled, fallback or person; `missing` counts questions without an answer, `adopted` is the task that did."""

    schema: str
    id: str
    state: str
    how: str | None
    parties: list[str]
    department: str | None
    issues: int
    rounds: int
    messages: int
    missing: int
    cost: float
    better: bool
    adopted: str | None
    opened_at: str | None
    ends_at: str | None
    settled_at: str | None
    adopted_at: str | None


class Negotiations(TypedDict):
    """A page of negotiations, newest first."""

    negotiations: list[Negotiation]
    next: int | None


class BetterOutcome(TypedDict):
    """An outcome that is better than what holds, and needs a person."""

    outcome: dict[str, Any]
    needs: list[str]
    gains: dict[str, float | None]


class SettledOn(TypedDict):
    """What a negotiation ended with. `gains` are above the fallback, each on its party's own scale; null where nothing is known."""

    how: str
    outcome: dict[str, Any] | None
    why: str
    gains: dict[str, float | None]
    better: BetterOutcome | None
    rounds: int
    messages: int
    cost: float


class NegotiationSaid(TypedDict):
    """One message of a round. With proposals: the outcome, the answer (accept, reject, counter) and each party's gain by it, where that is known; in free
    bargaining the rules by which an offer counts as a pass;
    with questions the outcomes or lists that were asked about, and the numbers or orders that came back."""

    party: str
    number: int
    ask: str
    missing: str
    answer: Any
    outcome: NotRequired[dict[str, Any] | None]
    counter: NotRequired[dict[str, Any] | None]
    refused: NotRequired[list[str]]
    gains: NotRequired[dict[str, float]]
    outcomes: NotRequired[list[Any] | None]
    lists: NotRequired[list[Any] | None]


class NegotiationRound(TypedDict):
    """One round: all that was asked at once, and what came back."""

    round: int
    at: str
    cost: float
    said: list[NegotiationSaid]


class WholeNegotiation(Negotiation):
    """A negotiation with its opening (null once erased), its settlement, its transcript by rounds, its reasons in sentences, and the person who decided it."""

    opening: dict[str, Any] | None
    settled: SettledOn | None
    rounds_told: list[NegotiationRound]
    explained: list[str]
    decided_by: str | None
