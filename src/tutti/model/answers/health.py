"""Whether a server is there and takes work."""

from __future__ import annotations

from typing_extensions import TypedDict

from tutti.model.answers.record import Head


class Health(TypedDict):
    """Who answers."""

    schema: str
    workspace: str
    version: str
    pid: int
    running: bool
    fleet: str | None
    problems: list[str]
    head: Head


class Status(TypedDict):
    """Whether the process is alive, or takes work."""

    status: str
