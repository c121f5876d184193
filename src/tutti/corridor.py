"""What the corridor's neighbours ask of it, so that they know what they are given without knowing how a task is walked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from tutti.house import House
from tutti.model.fact import Fact
from tutti.reception import Bundle, Reception
from tutti.traffic import Traffic

Row = Mapping[str, Any]


class Corridor(Protocol):
    """The corridor of one workspace in this process, which is the orchestrator."""

    house: House
    reception: Reception
    traffic: Traffic

    async def record(self, bundle: Bundle) -> list[Fact]:
        """Append what was decided."""
        ...

    async def bring(self, prepare: Callable[[Bundle], Any]) -> tuple[Any, list[Fact]]:
        """Prepare an append and record it; prepare it anew when equal work was taken in at the same moment."""
        ...

    async def take_in(self, prepare: Callable[[Bundle], str]) -> str:
        """Take in the task that `prepare` makes, and start it where nobody is before it."""
        ...

    async def present(self, skill: str) -> None:
        """Register the house's own agent that offers a skill, where it is not yet."""
        ...

    def approved(self, task: Row) -> bool:
        """Whether a person's yes to it has not been used yet."""
        ...

    async def end(self, task: Row, kind: str, data: dict[str, Any], detail: str = "", bundle: Bundle | None = None, by: str = "tutti") -> None:
        """End or park a task, and let those go on that waited for its result."""
        ...

    async def result(self, id: str) -> Row:
        """A task's row once it has ended."""
        ...
