"""Actions that cannot both be."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict


class ConflictSide(TypedDict):
    """One action in a conflict: what it would do, and whether it holds the resource. `input` is null where the caller may not read it."""

    task: str
    skill: str
    department: str | None
    effect: str
    state: str | None
    stage: str | None
    agent: str | None
    amount: float | None
    input: Any
    holds: bool
    holds_until: str | None
    wins: bool | None


class ConflictSeen(TypedDict):
    """Two actions that cannot both be: the rule they would break together, who goes first, by which rung of the ladder and why."""

    schema: Literal["tutti.conflict/1"]
    id: str
    resource: str
    rule: str
    state: str
    rung: str | None
    winner: str | None
    outcome: str | None
    reason: str | None
    found_at: str
    resolved_at: str | None
    sides: list[ConflictSide]


class Conflicts(TypedDict):
    """A page of conflicts, newest first."""

    conflicts: list[ConflictSeen]
    next: int | None
