"""The joint order of a backlog, and why a task stands where it does."""

from __future__ import annotations

from typing_extensions import TypedDict


class Behind(TypedDict):
    """A task that another stands behind though the majority wanted it before: by how much weight, and the precedence or circle that is why."""

    task: str
    margin: float
    why: str
    cycle: list[str]


class Ranked(TypedDict):
    """A task at its place in a joint order."""

    task: str
    place: int
    behind: list[Behind]


class Nearest(TypedDict):
    """The least change of the first three: the task that would move, where to, and the weight that is missing."""

    task: str
    place: int
    margin: float


class Priorities(TypedDict):
    """The joint order of a backlog. `given` are the departments' weights, `weights` what they counted as; `support` is the share of wishes it follows."""

    schema: str
    id: str
    order: list[Ranked]
    support: float
    cost: float
    bound: float
    exact: bool
    by: str
    weights: dict[str, float]
    given: dict[str, float]
    nearest: Nearest | None
