"""How candidates were weighed against each other: the scores, what they are the sum of, who was ruled out, and what would change them."""

from __future__ import annotations

from typing_extensions import TypedDict


class ScoreParts(TypedDict):
    """What a score is the sum of."""

    quality: float
    latency: float
    cost: float
    load: float


class KnownCandidate(TypedDict):
    """An agent as it was known when it was weighed. `drawn` is the quality that counted; `tie`: too near to the chosen one to tell them apart."""

    rank: int
    agent: str
    version: str
    state: str
    level: int | None
    quality: float
    drawn: float
    low: float
    high: float
    judged: int
    latency_ms: float
    cost: float
    load: float
    score: float
    parts: ScoreParts
    propensity: float
    chosen: bool
    tie: bool


class PartRow(TypedDict):
    """One part of two scores, and how it came about."""

    part: str
    weight: float
    formula: str
    formula_runner_up: str | None
    winner: float
    runner_up: float | None
    difference: float | None


class PartTotal(TypedDict):
    """The scores."""

    winner: float
    runner_up: float | None
    difference: float | None


class PartTable(TypedDict):
    """The scores of the chosen one and of the best other one, part by part; each column adds up to its total."""

    winner: str
    runner_up: str | None
    rows: list[PartRow]
    total: PartTotal


class RuledOut(TypedDict):
    """An agent (name@version) that could not be taken, and the rule that said so."""

    agent: str
    rule: str


class WouldChange(TypedDict):
    """A change of one input: to `needed` from what it `was` (null: not a number, or as far as it goes), and whether it flips the decision."""

    input: str
    of: str
    was: float | None
    needed: float | None
    change: str
    to: str
    flips: bool
