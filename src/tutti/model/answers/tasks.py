"""Tasks as the API tells them: in a list, whole, counted, waited for."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict


class Submitted(TypedDict):
    """A task that is durable."""

    task: str


_Class = TypedDict("_Class", {"class": str, "with": str | None})


class Task(_Class):
    """A task in a list. Times are ISO 8601 in UTC, qualities 0..1.

    `status` is queued, running, waiting, human, done or failed; `with` who has it: an agent, "person", or the task or resource that it waits for;
    `plan` names the plan that it is a step of.
    """

    schema: str
    id: str
    skill: str
    nature: str
    department: str
    priority: int
    state: str
    stage: str
    reason: str | None
    agent: str | None
    version: str | None
    parent: str | None
    signal: str | None
    attempts: int
    amount: float | None
    currency: str | None
    approval: str | None
    caller: str | None
    waiting_for: str | None
    status: str
    retrying: bool
    plan: str | None
    cost: float | None
    coalesced_into: str | None
    quality: float | None
    quality_source: str | None
    subject: str | None
    submitted_at: str
    started_at: str | None
    finished_at: str | None
    deadline_at: str | None


class WholeTask(Task):
    """A task with what went in and came out. `undo` is the skill that undoes it, once it is done; `progress` (0..1) and `doing` only while it runs."""

    input: Any
    output: Any
    detail: Any
    question: Any
    erased: bool
    undo: str | None
    progress: NotRequired[float | None]
    doing: NotRequired[str]


class Tasks(TypedDict):
    """A page of tasks; `next` is the `after` of the next one. A page of a rare kind may be short, or empty, and have a next one: it says where to look on."""

    tasks: list[Task]
    next: int | None


class StatusCounts(TypedDict):
    """Tasks by status."""

    queued: int
    running: int
    waiting: int
    human: int
    done: int
    failed: int


class TaskCounts(TypedDict):
    """How many tasks pass the filters; `without` says how many would without one of them.

    Open ones are counted all; finished ones among the newest tasks, from `from_at` on (null: from the beginning). `whole` says that nothing older is left out.
    """

    schema: str
    by_status: StatusCounts
    retrying: int
    all: int
    without: dict[str, int]
    from_at: str | None
    whole: bool


class Waited(TypedDict):
    """A task once it has ended or needs a person. `waits` are the tasks that need one, `running` whether agents run at all."""

    task: WholeTask
    done: bool
    waits: list[str]
    running: bool
