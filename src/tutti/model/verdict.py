"""A verdict: what the gates say of one task for one agent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Any

from tutti.model.view import Table


class Level(IntEnum):
    """Autonomy levels that people set in this version: 2 approve (a person says yes first) and 4 act."""

    APPROVE = 2
    ACT = 4


class Ruling(StrEnum):
    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Reserve:
    """What a dispatch takes from one budget: millionths of the currency and a count."""

    budget: str
    period: str
    money: int
    count: int
    money_limit: int | None
    count_limit: int | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Allow, ask or deny, with the policies, the level and the reasons that said so."""

    ruling: Ruling
    reasons: tuple[str, ...] = ()
    policies: tuple[str, ...] = ()  # ids of the policies that determined it
    policy: str = ""  # digest of the policy text
    level: int | None = None
    up_to: int | None = None
    reserves: tuple[Reserve, ...] = ()
    approval: str | None = None  # the answered approval it rests on
    stopped: bool = False  # a kill switch denied it: the task is kept until it is lifted


APPROVALS = Table(
    "approval",
    key=("id",),
    columns={
        "id": "text", "task": "text", "input": "text", "agent": "text", "agent_version": "text", "policy": "text", "nonce": "text", "state": "text",
        "asked_at": "int", "expires_at": "int", "answered_at": "int", "answered_by": "text", "note": "text", "signature": "text", "reasons": "text",
        "skill": "text", "department": "text", "amount": "int", "currency": "text", "handed_to": "text",
    },
    closes=True,
    indexes=(("task",), ("skill",)),
)  # fmt: skip
BUDGETS = Table(
    "budget",
    key=("name",),
    columns={"name": "text", "action": "text", "money": "int", "count": "int", "per": "text", "currency": "text"},
)
SPENDING = Table(
    "spending",
    key=("budget", "period"),
    columns={"budget": "text", "period": "text", "money": "int", "count": "int"},
    defaults={"money": 0, "count": 0},
)
AUTONOMY = Table(
    "autonomy",
    key=("skill",),
    columns={"skill": "text", "level": "int", "up_to": "int", "reason": "text", "by": "text", "declared": "text", "since": "int"},
)
POLICIES = Table("policy", key=("digest",), columns={"digest": "text", "text": "text", "at": "int", "current": "int"})
KILLS = Table("kill", key=("scope", "name"), columns={"scope": "text", "name": "text", "on": "int", "reason": "text", "by": "text", "at": "int"})


def reserves_of(data: list[dict[str, Any]]) -> tuple[Reserve, ...]:
    """Reserves as a fact keeps them, read back."""
    return tuple(Reserve(**row) for row in data)
