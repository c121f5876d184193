"""How a task and all that followed from it ran: over time, and as a tree."""

from __future__ import annotations

from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict


class Span(TypedDict):
    """A stretch of one task: a run, or waiting in a queue (for an agent), for a person, a lease, other tasks, a time (backoff), or an answer.

    `parent` is the task that stands above it in the tree, `depth` how deep it stands.
    """

    id: str
    task: str
    parent: str | None
    depth: int
    label: str
    skill: str
    agent: str | None
    version: str | None
    kind: str
    status: str
    attempt: int | None
    started_at: str
    ended_at: str | None
    note: str | None


class Decision(TypedDict):
    """Something that was decided on the way. `margin` is what the chosen one was ahead by, where that is a number."""

    seq: int
    at: str
    task: str
    kind: str
    question: str
    chosen: str
    margin: float | None
    by: str


class Timeline(TypedDict):
    """When what happened to a task and all that followed from it. The four sums add up to the time in which any of it was open.

    `hidden` counts branches that the caller may not see; `truncated` says that some of it is left out.
    """

    schema: str
    task: str
    root: str
    from_at: str
    until_at: str | None
    working_ms: float
    waiting_agents_ms: float
    waiting_people_ms: float
    waiting_other_ms: float
    cost: float
    currency: str | None
    agents: list[str]
    trace: str | None
    spans: list[Span]
    truncated: bool
    hidden: int
    decisions: list[Decision]


class Lineage(TypedDict):
    """What a signal or a task led to, as a tree, and the signal that it came from."""

    schema: Literal["tutti.lineage/1"]
    tree: dict[str, Any]
    signal: NotRequired[str | None]
