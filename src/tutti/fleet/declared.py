"""What a fleet declares of its actions and of agents outside, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tutti.model.agent import Endpoint
from tutti.model.verdict import Level

Per = Literal["hour", "day", "month", "ever"]


@dataclass(frozen=True, slots=True)
class Autonomy:
    """A level that the fleet declares for an action; `up_to` in millionths."""

    skill: str
    level: Level
    up_to: int | None


@dataclass(frozen=True, slots=True)
class Budget:
    """What an action may use in a period: `money` in millionths of `currency`, and a count."""

    name: str
    action: str
    money: int | None
    count: int | None
    per: Per
    currency: str


@dataclass(frozen=True, slots=True)
class Remote:
    """An agent outside that the fleet declares; who it is, is asked when a workspace opens."""

    endpoint: Endpoint
    department: str
    owner: str
    name: str  # empty: as it calls itself
    concurrency: int
