"""Signals as rows (the event itself is a payload), and subscriptions: what is to be done about one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from tutti.model.view import Table


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
    columns={
        "key": "text",
        "id": "text",
        "type": "text",
        "subject": "text",
        "event": "text",
        "task": "text",
        "at": "int",
        "seq": "int",
        "stopped": "text",
        "undecided": "text",  # JSON: [subscription, why its condition could not be evaluated], as far as the fact names them
        "department": "text",
        "by": "text",
    },
    hot=False,
    indexes=(("id",), ("task",)),
)
SUBSCRIPTIONS = Table(
    "subscription",
    key=("id",),
    columns={"id": "text", "type": "text", "skill": "text", "condition": "text", "priority": "int", "deadline_ms": "int", "gather": "text", "state": "text"},
)
