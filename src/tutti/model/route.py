"""A route: who could take a task, what each scored and why, who was ruled out, and the choice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple

SPARE_MS = 30_000.0  # what latency is held against where a task has no deadline
PRIOR_WEIGHT = 2.0  # judgements that a card's claim is worth: a claim of 0.5 is the flat Beta(1, 1)


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each part of a score counts. They come from the fleet's goals; quality is the first concern."""

    quality: float = 0.7
    latency: float = 0.1
    cost: float = 0.1
    load: float = 0.1


class Candidate(NamedTuple):
    """One eligible agent as it was known when the task was routed. The parts add up to the score."""

    agent: str
    version: str
    quality: float  # posterior mean
    drawn: float  # what was drawn from the posterior (equal to `quality` where nothing is explored)
    judged: int  # outcomes behind it
    latency_ms: float
    cost: float
    load: float  # running ÷ concurrency
    parts: dict[str, float]
    score: float
    propensity: float  # chance that this draw would choose it


class RuledOut(NamedTuple):
    """One agent that could not be taken, and the one rule that said so."""

    agent: str
    rule: str


class Bid(NamedTuple):
    """What an agent says of one task before it gets it. What it leaves out is taken from its card and its record."""

    quality: float  # 0..1, as it claims; what its finished work says of such claims is what counts
    cost: float | None = None  # in the fleet's currency
    latency: timedelta | None = None
    confidence: float = 1.0  # 0..1: how much this is about the task at hand, and not about any


Bidder = Callable[[Any], Bid | None]  # a task's input → what the agent bids for it; None: it declines


class Used(NamedTuple):
    """A bid as it was made and as it counts."""

    agent: str
    version: str
    claimed: float
    quality: float  # calibrated
    claimed_ms: float | None
    latency_ms: float  # calibrated
    cost: float
    confidence: float


class Joint(NamedTuple):
    """That a task got its agent together with others, and what that meant for it."""

    tasks: int  # that were looked at together
    places: int  # free runs they were assigned to
    best: str  # the agent (`name@version`) that this task alone would have liked best, free or not
    given_up: float  # of score, against that one
    runner_up: str  # who was next to get it; empty where nobody else could
    lacked: float  # the least rise of the runner-up's score that would have won it the task
    waited: int  # times that others went before it


@dataclass(frozen=True, slots=True)
class Route:
    """The decision. `chosen` is None where nobody is eligible; `busy` says that waiting would help."""

    skill: str
    task_class: str
    chosen: Candidate | None
    candidates: tuple[Candidate, ...] = ()  # best first, at most 16
    ruled_out: tuple[RuledOut, ...] = ()  # at most 16; `ruled_out_count` counts all
    offered: int = 0
    ruled_out_count: int = 0
    explored: bool = False
    busy: bool = False
    weights: Weights = field(default_factory=Weights)
    bids: tuple[Used, ...] = ()
    joint: Joint | None = None
