"""Why a task went as it did, and how it would be decided now."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from tutti.model.answers.conflicts import ConflictSeen
from tutti.model.answers.weighing import KnownCandidate, PartTable, RuledOut, WouldChange


class Decided(TypedDict):
    """A decision in short. `decided_by` is rule, score or person; `seq` its number in the journal, `leaf` (hex) its hash there, `trace` the W3C trace's id."""

    decided_at: str
    took_ms: float
    decided_by: str
    policy: str | None
    margin: float | None
    seq: int
    leaf: str | None
    answered_at: str | None
    plan: str | None
    trace: str | None


class WhyInput(TypedDict):
    """Something that went into a decision: kind signal, output, case or subject. `masked` where it was erased since."""

    kind: str
    name: str
    value: Any
    age_ms: float | None
    masked: bool
    task: str | None


class WhyCheck(TypedDict):
    """A guardrail that a decision met; `ok` where it passed without anybody being asked."""

    name: str
    value: Any
    limit: Any
    ok: bool
    says: str


class WhyModel(TypedDict):
    """A language model that took part. `cost` is null where nobody said what it costs."""

    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    cost: float | None


class Expected(TypedDict):
    """What was expected of an agent when it was chosen."""

    quality: float
    ms: float
    cost: float


class Judged(TypedDict):
    """One judgement of a finished task."""

    quality: float
    source: str
    by: str
    check: str | None
    at: str


class TurnedOut(TypedDict):
    """How a task came out, beside what was expected."""

    state: str
    attempts: int
    ms: float
    cost: float
    quality: float | None
    source: str | None
    expected: Expected | None
    judgements: list[Judged]


class WhyFact(TypedDict):
    """A fact that a story rests on."""

    seq: int
    at: str
    kind: str
    by: str
    cause: int | None


class Stretch(TypedDict):
    """Where in the journal a story stands."""

    first: int | None
    last: int | None
    head: int


class Why(TypedDict):
    """Why a task went as it did, from the record alone: a sentence, the decision in short, who was weighed and how, what would have changed it, what went
    in, what it passed, and how it turned out."""

    schema: Literal["tutti.why/1"]
    task: str
    skill: str
    state: str
    sentence: str
    decided: Decided | None
    candidates: list[KnownCandidate]
    parts: PartTable | None
    ruled_out: list[RuledOut]
    backlog: dict[str, Any] | None
    route: dict[str, Any] | None
    gate: dict[str, Any] | None
    would_change: list[WouldChange]
    inputs: list[WhyInput]
    checks: list[WhyCheck]
    models: list[WhyModel]
    turned_out: TurnedOut
    facts: list[WhyFact]
    journal: Stretch
    input: Any
    output: Any
    detail: Any
    conflicts: NotRequired[list[ConflictSeen]]
    negotiation: NotRequired[list[str]]
    plan: NotRequired[dict[str, Any]]


class DecidedThen(TypedDict):
    """How it was decided."""

    chosen: str | None
    verdict: str | None
    policy: str | None
    at: str | None


class DecidedNow(TypedDict):
    """How it would be decided now."""

    chosen: str | None
    verdict: str | None
    reasons: list[str]
    policy: str | None
    candidates: list[KnownCandidate]
    ruled_out: list[RuledOut]


class Replay(TypedDict):
    """A decision made again, of which nothing is kept; `differences` says in sentences what is otherwise."""

    schema: str
    task: str
    now_at: str
    then: DecidedThen
    now: DecidedNow
    differences: list[str]
