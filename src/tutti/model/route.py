"""A route: who could take a task, what each scored and why, who was ruled out, and the choice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


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
