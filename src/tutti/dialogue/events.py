"""Which of a task's facts its client is told, and as what. The same facts give the same events, for a stream now and a webhook later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from tutti.model.fact import Fact
from tutti.model.task import ENDED_STATES, State

_FIRST_S, _LONGEST_S = 0.5, 60.0  # seconds before a webhook is tried again; doubled each time


class Event(NamedTuple):
    """A task's new state, or its output. `words` are said with it; `sealed` is the payload id of what is said, or of the output."""

    seq: int
    at: int
    state: State | None  # None: the output
    words: str = ""
    sealed: str | None = None
    number: int = 0  # of the question that is asked

    @property
    def last(self) -> bool:
        """Whether nothing comes after it."""
        return self.state in ENDED_STATES


_ENDS = {f"task.{state.value}": state for state in ENDED_STATES}
KINDS = (
    "task.submitted", "run.started", "run.finished", "approval.requested", "approval.answered", "task.asked", "task.answered", "task.parked", "task.resumed",
    *sorted(_ENDS),
)  # fmt: skip


def events(facts: Iterable[Fact]) -> Iterator[Event]:
    """The events of one task's facts (and its approvals'), in their order."""
    for fact in facts:
        yield from _events(fact)


def _events(fact: Fact) -> Iterator[Event]:
    data, seq, at = fact.data, fact.seq, fact.at
    match fact.kind:
        case "task.submitted" | "task.resumed":
            yield Event(seq, at, State.SUBMITTED)
        case "run.started" | "task.answered":
            yield Event(seq, at, State.WORKING)
        case "run.finished" if data["next"] == "fallback":
            yield Event(seq, at, State.SUBMITTED, "Another agent takes it.")
        case "approval.requested":
            yield Event(seq, at, State.INPUT_REQUIRED, awaits(data["reasons"]))
        case "approval.answered" if data["answer"] == "approve":
            yield Event(seq, at, State.SUBMITTED, "A person approved it.")
        case "task.asked":
            yield Event(seq, at, State.AUTH_REQUIRED if data.get("auth") else State.INPUT_REQUIRED, "", data["question"], data["number"])
        case "task.parked":
            yield Event(seq, at, State.INPUT_REQUIRED, parked(data["reason"]), data.get("detail"))
        case kind if kind in _ENDS:
            state = _ENDS[kind]
            if data.get("output"):
                yield Event(seq, at, None, "", data["output"])
            yield Event(seq, at, state, "" if state is State.COMPLETED else str(data.get("error") or data.get("reason") or ""), data.get("detail"))


def awaits(reasons: Iterable[str]) -> str:
    """What is said while a person must approve."""
    return f"A person must approve it: {'; '.join(reasons)}"


def parked(reason: str) -> str:
    """What is said while a person must decide what becomes of it."""
    return f"A person must decide what becomes of it: {reason}"


def delay(failures: int) -> float:
    """Seconds until a webhook that failed so many times in a row is tried again."""
    return float(min(_FIRST_S * 2 ** (failures - 1), _LONGEST_S))
