"""An outcome: what came back from one attempt; a judgement: how good it was."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tutti.model.view import Table


class Ending(StrEnum):
    """How an attempt ended."""

    DONE = "done"
    FAILED = "failed"  # the agent said no, raised, or returned what it must not
    TIMED_OUT = "timed_out"  # nobody knows what happened
    UNKNOWN = "unknown"  # the process went away in the middle
    CANCELED = "canceled"
    STOPPED = "stopped"  # a kill switch came first; the agent was not called


HELD_BACK = "held_back"  # the error of an attempt that a cap, a gate or a person kept from going on; the agent did nothing wrong
_SURE = ("agent_failed", "invalid_input", HELD_BACK)


@dataclass(frozen=True, slots=True)
class Proposal:
    """An action an agent proposes; it becomes a gated task of its own."""

    skill: str
    input: Any
    alternatives: tuple[Any, ...] = ()  # other inputs that would do, the best first, where this one collides with another action


@dataclass(frozen=True, slots=True)
class Emission:
    """A signal an agent sends."""

    type: str
    subject: str | None
    data: Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt brought. `error` is a stable code; `detail` holds words and may hold data of the subject."""

    ending: Ending
    output: Any = None
    error: str = ""
    detail: str = ""
    retry: bool = False  # the agent says that trying again may help
    ms: float = 0.0  # working time, waiting for others left out
    cost: float = 0.0
    proposals: tuple[Proposal, ...] = ()
    emissions: tuple[Emission, ...] = ()
    notes: tuple[tuple[str, Any], ...] = ()

    def lasting(self, ms: float) -> Outcome:
        """The same after so many milliseconds of work. (`dataclasses.replace` takes three times as long, for every run.)"""
        return Outcome(
            self.ending, self.output, self.error, self.detail, self.retry, ms, self.cost, self.proposals, self.emissions, self.notes
        )  # fmt: skip

    @property
    def unsure(self) -> bool:
        """Whether it may have had its effect all the same."""
        return unsure(self.ending, self.error)


def unsure(ending: str, error: str) -> bool:
    """Whether an attempt that ended so may have had its effect all the same. An agent that knows that nothing happened says so with `AgentFailed`;
    whatever else it raises or wrongly returns may have come after the effect."""
    return ending in (Ending.TIMED_OUT, Ending.UNKNOWN) or (ending == Ending.FAILED and error not in _SURE)


class Source(StrEnum):
    """Who judged; later ones count more."""

    CHECK = "check"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Judgement:
    """Quality 0..1 with its source."""

    quality: float
    source: Source
    check: str = ""
    note: str = ""
    errors: tuple[str, ...] = field(default=())


STANDINGS = Table(  # what the judgements of an agent version at a skill, in a class of tasks, add up to (millionths)
    "standing",
    key=("skill", "class", "agent", "agent_version"),
    columns={
        "skill": "text",
        "class": "text",
        "agent": "text",
        "agent_version": "text",
        "good": "int",
        "bad": "int",
        "judged": "int",
        "ms": "int",
        "runs": "int",
    },
    defaults={"good": 0, "bad": 0, "judged": 0, "ms": 0, "runs": 0},
)
NOTES = Table("note", key=("subject", "topic"), columns={"subject": "text", "topic": "text", "value": "text", "task": "text", "at": "int"}, hot=False)
WORKS = Table(  # the same work, done once: which task did it and how long its result answers
    "work",
    key=("work_key",),
    columns={"work_key": "text", "task": "text", "fresh_until": "int"},
    hot=False,
)
GOALS = Table("goal", key=("name",), columns={"name": "text", "kpi": "text", "target": "text", "weights": "text", "note": "text", "at": "int", "by": "text"})
