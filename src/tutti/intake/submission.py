"""A task as it is taken in: the fact that submits it."""

from __future__ import annotations

from typing import Any, NamedTuple

from tutti.model.fact import Draft
from tutti.model.task import Stage


class Ask(NamedTuple):
    """What is asked: a skill, for whom, how urgently, and what led to it. `input` is a payload id."""

    id: str
    skill: str
    nature: str
    department: str
    input: str | None
    subject: str | None = None  # pseudonym
    priority: int = 0
    deadline_at: int | None = None
    hops: int = 0
    parent: str | None = None
    signal: str | None = None
    from_agent: str | None = None
    amount: int | None = None
    currency: str | None = None
    asker: str | None = None  # department that asked
    joins: tuple[tuple[str, str], ...] = ()  # (field of the input, task it comes from)
    addressed: str | None = None  # the agent that it is for
    trace: str | None = None  # the trace context it came in with, for its spans whenever it runs


def submission(ask: Ask, by: str, cause: int | None, *, key: str | None = None, coalesced: bool = False) -> Draft:
    """The fact that takes a task in. `key` is its work key; `coalesced` says that the same work is under way or done."""
    stage = Stage.COALESCED if coalesced else Stage.JOINING if ask.joins else Stage.READY
    data: dict[str, Any] = {
        "skill": ask.skill,
        "nature": ask.nature,
        "department": ask.department,
        "priority": ask.priority,
        "hops": ask.hops,
        "input": ask.input,
        "stage": stage.value,
    }
    for name in ("deadline_at", "subject", "parent", "signal", "from_agent", "asker", "amount", "currency", "addressed", "trace"):
        value = getattr(ask, name)
        if value is not None:
            data[name] = value
    if key is not None:
        data["key"] = key
    if ask.joins:
        data["joins"] = [list(join) for join in ask.joins]
    return Draft("task.submitted", ask.id, by, data, cause)
