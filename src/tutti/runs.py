"""Runs: one call of an agent as an attempt at a task, with its line, its time and its span, until it ends or a kill switch ends it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import Any

from tutti import execution, gates, telemetry, transports
from tutti.clock import MICROS
from tutti.corridor import Corridor
from tutti.line import Line
from tutti.model.agent import AgentCard, Skill
from tutti.model.conflict import Lease
from tutti.model.outcome import Ending, Outcome

Row = Mapping[str, Any]


class Runs:
    """The runs that are under way in this process. What comes of them the corridor records."""

    def __init__(
        self, corridor: Corridor, executor: Callable[[transports.Mode], Executor | None], leases: Callable[[str], Awaitable[tuple[Lease, ...]]]
    ) -> None:
        """`leases` gives what a task holds."""
        self._corridor = corridor
        self._leases = leases
        self._executor = executor
        self._tasks = corridor.house.journal.hot.table("task")
        self._open: set[str] = set()  # tasks whose agent is being called
        self.progress: dict[str, tuple[float, str]] = {}  # of tasks that run: share done and the agent's words

    async def attempt(self, task: Row, card: AgentCard, skill: Skill, attempt: int) -> Outcome:
        """Call the agent once, and wait for how it ends. A kill switch ends it; where the process stops or the task is canceled, it is canceled with it."""
        corridor, house, id = self._corridor, self._corridor.house, task["id"]
        input = await house.input(task)
        known = await house.notes.about(task["subject"]) if skill.when or house.classes.get(skill.name) else {}
        line = Line(corridor, card, id, partial(self._told, id))
        subject = await house.subject(task)
        context = transports.Context(id, skill.name, id, attempt, task["deadline_at"], subject, {topic: value for topic, (_, value) in known.items()}, line)
        if skill.intends:
            context.leases = await self._leases(id)
        bound = house.functions[card.name, card.version, skill.name]
        timeout = skill.timeout.total_seconds()
        if task["deadline_at"] is not None:
            timeout = max(min(timeout, (task["deadline_at"] - house.clock.now()) / MICROS), 0.001)

        def call(limit: execution.Limit) -> Awaitable[Outcome]:
            line.limit = limit
            return transports.call(bound, input, context, self._executor)

        stopped = gates.stopped_by(house.book(task["policy"]).kills, card, skill)
        if stopped:  # asked at the last moment: from here on `stop` finds the call
            return Outcome(Ending.STOPPED, error="stopped", detail=stopped)
        self._open.add(id)
        try:
            with telemetry.attempt(task, card, skill, attempt) as span:
                outcome = await execution.run(call, timeout=timeout, clock=house.clock)
                span.set("tutti.ending", outcome.ending.value)
                if outcome.error:
                    span.failed(outcome.error)
            return outcome if outcome.cost or not context.cost else replace(outcome, cost=context.cost)  # what a failed run has cost was paid all the same
        except asyncio.CancelledError:
            task_now = self._tasks.get((id,))
            if not corridor.traffic.open or task_now is None:
                raise  # the process stops, or a person canceled the task
            if (walk := asyncio.current_task()) is not None:
                walk.uncancel()
            return Outcome(Ending.CANCELED, error="canceled", detail="a kill switch stopped it while it ran")
        finally:
            self._open.discard(id)

    def _told(self, id: str, share: float, words: str) -> None:
        self.progress[id] = share, words

    def stop(self, scope: str, name: str) -> int:
        """Cancel the agents' calls a kill switch speaks of; returns how many. What is being recorded meanwhile is let be."""
        stopped = 0
        for id in sorted(self._open):
            row = self._tasks.get((id,))
            if row is not None and name in ("", row["agent"] if scope == "agent" else row["skill"]):
                self._corridor.traffic.cancel(id)
                stopped += 1
        return stopped
