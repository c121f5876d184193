"""Agents: live at a skill, in comparison, and in all their versions."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict


class Agent(TypedDict):
    """A live agent at one skill, with what is believed of it there: mean quality and its 95 % interval."""

    schema: str
    name: str
    version: str
    department: str
    owner: str
    skill: str
    nature: str
    quality: float
    low: float
    high: float
    judged: int
    mean_ms: float | None
    running: int
    concurrency: int
    level: int | None
    up_to: float | None
    health: str


class Registered(TypedDict):
    """An agent that was taken in. `new` says whether this version was not known before."""

    schema: str
    name: str
    version: str
    digest: str
    skills: list[str]
    new: bool


class QualityAt(TypedDict):
    """The mean quality of the tasks that ended in a part of a window, and how many were judged."""

    at: str
    quality: float
    n: int


class Standing(TypedDict):
    """A version of an agent at one skill: what is believed of its quality (mean, 95 % interval), and what it has achieved in a window.

    `tie_with` names those whose interval overlaps; `share` is of the skill's finished tasks; `alone` of the `actions` no person had a part in.
    """

    schema: str
    name: str
    version: str
    department: str
    owner: str
    skill: str
    nature: str
    state: str
    since: str
    health: str
    quality: float
    low: float
    high: float
    judged: int
    tie_with: list[str]
    p50_ms: float | None
    p95_ms: float | None
    cost: float | None
    tasks: int
    alone: int
    actions: int
    failed: int
    share: float
    level: int | None
    up_to: float | None
    running: int
    concurrency: int
    trend: list[QualityAt]


class Version(TypedDict):
    """One version of an agent: its card, and whether it is live, draining or retired. `skills` are its skills' cards by name."""

    state: str
    since: str
    digest: str
    name: str
    version: str
    department: str
    owner: str
    skills: dict[str, dict[str, Any]]
    concurrency: int
    endpoint: NotRequired[dict[str, Any]]


class Card(TypedDict):
    """All versions of an agent, each with its state and its card."""

    name: str
    versions: list[Version]
