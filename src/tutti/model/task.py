"""A task: the unit of work, its state (as in A2A 1.0) and its stage on the road."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from tutti.model.view import Table


class State(StrEnum):
    """What the world sees of a task."""

    SUBMITTED = "submitted"
    WORKING = "working"
    INPUT_REQUIRED = "input-required"
    AUTH_REQUIRED = "auth-required"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"


class Stage(StrEnum):
    """Where on the road a task stands."""

    JOINING = "joining"  # waits for other tasks
    COALESCED = "coalesced"  # waits for the same work, already under way
    READY = "ready"  # to be routed and gated
    BACKOFF = "backoff"  # to be tried again at `run_at`
    APPROVAL = "approval"  # a person must say yes
    APPROVED = "approved"  # a person said yes; to be gated once more and run
    QUEUED = "queued"  # stands in line for what another action holds
    RUNNING = "running"
    ASKING = "asking"  # the agent waits for an answer
    PARKED = "parked"  # a person must decide what becomes of it
    ENDED = "ended"


class Status(StrEnum):
    """A task in a person's words: what lists, counts and the console speak of."""

    QUEUED = "queued"  # ready, and no agent has worked on it
    RUNNING = "running"
    WAITING = "waiting"  # for other tasks, a lease, a time, or an agent that takes it up again
    HUMAN = "human"  # a person has to say something
    DONE = "done"
    FAILED = "failed"  # or canceled, or rejected


OPEN_STATUSES = frozenset({Status.QUEUED, Status.RUNNING, Status.WAITING, Status.HUMAN})
_STATUS = {
    Stage.RUNNING: Status.RUNNING, Stage.JOINING: Status.WAITING, Stage.COALESCED: Status.WAITING, Stage.BACKOFF: Status.WAITING, Stage.QUEUED: Status.WAITING,
    Stage.APPROVED: Status.WAITING, Stage.APPROVAL: Status.HUMAN, Stage.PARKED: Status.HUMAN, Stage.ASKING: Status.HUMAN,
}  # fmt: skip


def status_of(row: Mapping[str, Any]) -> Status:
    """A task's row in a person's words."""
    stage = row["stage"]
    if stage == Stage.ENDED:
        return Status.DONE if row["state"] == State.COMPLETED else Status.FAILED
    if stage == Stage.READY:
        return Status.WAITING if row["attempts"] else Status.QUEUED
    return _STATUS[stage]


def is_retrying(row: Mapping[str, Any]) -> bool:
    """Whether an attempt at it has failed, and another one waits or runs."""
    stage = row["stage"]
    return stage == Stage.BACKOFF or (stage == Stage.READY and bool(row["attempts"])) or (stage == Stage.RUNNING and (row["attempts"] or 0) > 1)


ENDED_STATES = frozenset({State.COMPLETED, State.FAILED, State.CANCELED, State.REJECTED})

TASKS = Table(
    "task",
    key=("id",),
    columns={
        "id": "text", "skill": "text", "nature": "text", "department": "text", "asker": "text", "priority": "int", "deadline_at": "int", "hops": "int",
        "subject": "text", "state": "text", "state_at": "int", "stage": "text", "reason": "text", "detail": "text",
        "agent": "text", "agent_version": "text", "policy": "text", "class": "text", "explored": "int",
        "input": "text", "output": "text", "parent": "text", "signal": "text", "work_key": "text", "into_task": "text",
        "amount": "int", "currency": "text", "attempts": "int", "excluded": "text", "run_at": "int", "approval": "text", "reserve": "text", "effect": "int",
        "from_agent": "text", "from_at": "int", "submitted_at": "int", "started_at": "int", "finished_at": "int",
        "by_person": "int", "quality": "int", "quality_source": "text", "cost": "int", "seq": "int", "question": "text", "caller": "text", "context": "text", "addressed": "text", "trace": "text",
        "rank": "int", "ranking": "text", "claimed": "int", "claimed_ms": "int",
        "waited": "int",  # 1 where it waited for something else than a free agent
    },
    closes=True,
    indexes=(("parent",), ("signal",), ("subject",), ("caller",), ("context",), ("finished_at",), ("trace",)),  # not the state: it changes three times a task, and pages come newest first
)  # fmt: skip

JOINS = Table(
    "joins",
    key=("task", "number"),
    columns={"task": "text", "number": "int", "awaits": "text", "field": "text"},
    closes=True,
    indexes=(("awaits",),),
)

ANSWERS = Table(  # what a running agent asked, and what it was told; kept while the task is open
    "answer",
    key=("task", "number"),
    columns={"task": "text", "number": "int", "question": "text", "answer": "text"},
    hot=False,
)

MEMOS = Table(  # what a run keeps for the run that takes its place after a crash: a remote task's id, for instance
    "memo",
    key=("task", "name"),
    columns={"task": "text", "name": "text", "value": "text"},
    hot=False,
)
