"""What the fleet's skills take and give. A ticket is `company.Ticket`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Urgency = Literal["low", "normal", "high"]
Mood = Literal["negative", "neutral", "positive"]
Tone = Literal["standard", "retention"]
Price = Literal["-15 %", "-10 %", "-5 %", "0 %", "+3 %"]
Term = Literal["monthly", "yearly", "two years"]
Care = Literal["none", "call", "specialist"]


class Triage(BaseModel):
    """How soon a ticket must be seen to, and in what mood it was written."""

    urgency: Urgency
    mood: Mood


class Queue(BaseModel):
    """The queue a ticket belongs to, and how sure that is (0..1)."""

    queue: str
    sure: float = Field(ge=0, le=1)


class AnswerRequest(BaseModel):
    """A ticket with what triage and routing made of it."""

    id: str
    account: str
    channel: str
    title: str
    text: str
    triage: Triage
    queue: Queue


class Answer(BaseModel):
    """A draft of an answer."""

    tone: Tone
    text: str


class UrgentTicket(BaseModel):
    """The data of `ticket.urgent`."""

    ticket: str
    account: str
    channel: str
    urgency: Urgency


class Promise(BaseModel):
    """What was promised for a ticket, what closing one like it took so far, and whether the promise is in danger."""

    due_hours: float
    expected_hours: float | None
    in_danger: bool


class Snapshot(BaseModel):
    """An account as its systems report it. `kind` says which columns `facts` has."""

    account: str
    kind: str
    facts: dict[str, float | str]


class Churn(BaseModel):
    """The risk (0..1) that an account leaves, and what raises it most."""

    risk: float = Field(ge=0, le=1)
    reasons: list[str]


class Health(BaseModel):
    """How an account's usage stands among all accounts of its kind: 0 worst, 1 best."""

    score: float = Field(ge=0, le=1)
    weak: list[str]


class Feedback(BaseModel):
    """What an account has written so far, in sum."""

    tickets: int
    negative: int
    subjects: list[str]


class RenewalRequest(Snapshot):
    """An account at risk with what three agents know of it."""

    health: Health
    churn: Churn
    feedback: Feedback


class Renewal(BaseModel):
    """How to keep an account; also the data of `renewal.due`. `term` is the one that it has now."""

    account: str
    plan: Literal["watch", "call", "yearly", "repair"]
    monthly: float
    risk: float
    reasons: list[str]
    term: Term = "monthly"


class Terms(BaseModel):
    """What an account may be offered: the change of its monthly price, how long it is bound, and who cares for it."""

    price: Price
    term: Term
    care: Care


class Matter(BaseModel):
    """What the parties to a negotiation about a renewal know of the account."""

    account: str
    plan: str
    monthly: float
    risk: float
    term: Term


class Agreement(BaseModel):
    """The terms that hold after a negotiation, and how it ended."""

    how: str
    terms: Terms
    why: str


class Agreed(BaseModel):
    """The data of `negotiation.settled` and `negotiation.adopted`: terms that hold, perhaps instead of others."""

    negotiation: str
    outcome: Terms
    about: Matter
    instead: Terms | None = None


class Booking(BaseModel):
    """What agreed terms change: the monthly price by `amount` (below 0 it goes down), the contract's term and the care, null where they stay as they are."""

    amount: float
    term: Term | None = None
    care: Care | None = None


class TermChange(BaseModel):
    """The exact parameters of a change of contract: how long the account is bound from now on."""

    account: str
    term: Term


class CareChange(BaseModel):
    """The exact parameters of a change of care: who cares for the account from now on."""

    account: str
    care: Care


class PriceAdvice(BaseModel):
    """The reduction of the monthly price that is worth it, in the fleet's currency; 0 where none is."""

    amount: float
    gain_per_year: float


class PriceChange(BaseModel):
    """The exact parameters of a price change: the monthly price goes down by `amount`."""

    account: str
    amount: float = Field(gt=0)


class PriceRise(BaseModel):
    """The exact parameters of a rise: the monthly price goes up by `amount`."""

    account: str
    amount: float = Field(gt=0)


class RiseAdvice(BaseModel):
    """What the yearly rise of the monthly price comes to; 0 where it brings too little."""

    amount: float


class Case(BaseModel):
    """The exact parameters of opening a case: while it is open, nobody else writes to the account."""

    account: str
    ticket: str


class Letter(BaseModel):
    """The exact parameters of an outreach: what is sent to whom."""

    account: str
    subject: str
    text: str


class Exposure(BaseModel):
    """Which personal or secret data a ticket holds, by kind and count; never the data. Also the data of `data.exposed`."""

    ticket: str
    account: str
    kinds: dict[str, int]


class Assessment(BaseModel):
    """How bad an exposure is, and what to do."""

    severity: Literal["low", "high"]
    step: str
