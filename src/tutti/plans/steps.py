"""A plan's steps on the road: an agent is asked, a person is asked, or time goes by; what stands below the plan's task, and what it has cost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tutti.clock import MICROS
from tutti.house import House
from tutti.ids import derived
from tutti.model.plan import Step
from tutti.transports import Context

_ROWS = 1000

Row = Mapping[str, Any]


class Steps:
    """The steps of the plan that one task runs. A run that starts again finds its own by their names."""

    def __init__(self, house: House, ctx: Context) -> None:
        self._house = house
        self._ctx = ctx
        self._asking = asyncio.Lock()

    async def do(self, step: Step, input: Any) -> Any:
        """Do a step; returns what it gives. Raises: `AgentFailed`, `NoRoute`, `Conflict`."""
        if step.wait_ms is not None:
            return await self._wait(step)
        if step.question is not None:
            return await self._question(step, str(input))
        return await self._ctx.ask(step.skill, input, name=step.name, to=step.to)

    async def begun(self, step: Step) -> bool:
        """Whether the task of a step with a skill is there already."""
        return await self._house.journal.row("task", (derived("t", self._ctx.task, step.name, step.skill),)) is not None

    async def _wait(self, step: Step) -> None:
        """Wait until an instant that is kept, so that a run which starts again waits for what is left."""
        until = await self._ctx.kept(f"wait/{step.name}")
        if until is None:
            until = self._house.clock.now() + (step.wait_ms or 0) * 1000
            await self._ctx.keep(f"wait/{step.name}", until)
        with self._ctx._open_line().paused():
            await asyncio.sleep(max(until - self._house.clock.now(), 0) / MICROS)

    async def _question(self, step: Step, text: str) -> Any:
        """Ask a person. One question at a time; each step's has its own number, whatever the order in a run that starts again."""
        async with self._asking:
            number = await self._ctx.kept(f"question/{step.name}")
            if number is None:
                number = 1 + int(await self._ctx.kept("questions") or 0)
                await self._ctx.keep("questions", number)
                await self._ctx.keep(f"question/{step.name}", number)
            return await self._ctx._open_line().question(text, number)

    async def spent(self) -> int:
        """What the plan's tasks, and all that follows from them, have cost so far, in millionths: every attempt that was paid."""
        ids = [row["id"] for row in await self.children()]
        total = 0
        for start in range(0, len(ids), _ROWS):
            after = 0
            while facts := await self._house.journal.facts(after=after, about=ids[start : start + _ROWS], kind="run.finished", limit=_ROWS):
                total += sum(fact.data.get("cost", 0) for fact in facts)
                after = facts[-1].seq
        return total

    async def children(self) -> Sequence[Row]:
        """The tasks below the plan's, to the last: `id`, and whether it is `open`."""
        rows: Sequence[Row] = await self._house.journal.select(
            "WITH RECURSIVE below(id, open) AS (SELECT id, open FROM task WHERE parent = ? "
            "UNION ALL SELECT task.id, task.open FROM task JOIN below ON task.parent = below.id) SELECT id, open FROM below",
            (self._ctx.task,),
        )
        return rows
