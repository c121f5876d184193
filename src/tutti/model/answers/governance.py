"""What people have set: levels, kill switches, goals."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict


class LevelSet(TypedDict):
    """How far an action goes alone now."""

    skill: str
    level: str
    up_to: float | None


class Switched(TypedDict):
    """A kill switch as it is now. `stopped` counts calls that were cut off, `resumed` tasks that go on."""

    scope: str
    name: str
    on: bool
    stopped: NotRequired[int]
    resumed: NotRequired[int]


class Thrown(Switched):
    """A kill switch that is on: why, by whom and since when."""

    reason: str
    by: str
    at: str


class Goal(TypedDict):
    """What people want, and how much it makes quality, latency, cost and load count."""

    name: str
    kpi: str
    target: str
    note: str
    weights: dict[str, float]
    set_at: str
    set_by: str
