"""A signal: a CloudEvents 1.0 event as intake knows it; a subscription: what is to be done about one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tutti.model.view import Table


@dataclass(frozen=True, slots=True)
class Signal:
    """Something happened. `event` is the whole CloudEvent, `hops` how many signals led from one to the next before it."""

    id: str
    type: str
    event: dict[str, Any]
    subject: str | None
    priority: int
    hops: int
    department: str


@dataclass(frozen=True, slots=True)
class Subscription:
    """Type pattern (`account.*` or exact) and CEL condition → skill, with priority. `gather` names skills whose results come first."""

    id: str
    type: str
    skill: str
    when: str | None = None
    priority: int = 0
    deadline: timedelta | None = None
    gather: tuple[tuple[str, str], ...] = ()  # (field of the input, skill)


SIGNALS = Table(
    "signal",
    key=("key",),  # keyed digest of (source, id): what makes a second delivery a duplicate
    columns={"key": "text", "id": "text", "type": "text", "subject": "text", "event": "text", "task": "text", "at": "int", "seq": "int", "stopped": "text"},
    hot=False,
    indexes=(("id",), ("task",)),
)
SUBSCRIPTIONS = Table(
    "subscription",
    key=("id",),
    columns={"id": "text", "type": "text", "skill": "text", "condition": "text", "priority": "int", "deadline_ms": "int", "gather": "text", "state": "text"},
)
