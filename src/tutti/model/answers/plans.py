"""A plan before it runs."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict


class Planned(TypedDict):
    """A plan as it would run now: `plan` is null where there is none, and `missing` says why; `instead_of` names the other skills for a step."""

    schema: str
    goal: dict[str, Any]
    plan: dict[str, Any] | None
    expected: dict[str, float] | None
    missing: list[str]
    ruled_out: list[dict[str, str]]
    instead_of: dict[str, list[dict[str, Any]]]
    optimal: bool
