"""How much work the workspace takes: a stated depth of the queue, and how long to wait once it is reached."""

from __future__ import annotations

import asyncio
import math
from collections import deque

from tutti.app import Workspace
from tutti.clock import MICROS
from tutti.errors import Overloaded
from tutti.model.fact import Fact
from tutti.model.task import ENDED_STATES

_ENDS = frozenset(f"task.{state.value}" for state in ENDED_STATES)
_WINDOW_S = 10  # over which the pace is measured
_LONGEST_S = 300  # what Retry-After says at most; a queue that stands still says this


class Pressure:
    """Watches how many tasks end, and refuses new ones when too many are waiting."""

    def __init__(self, workspace: Workspace, stopping: asyncio.Event) -> None:
        self._workspace = workspace
        self._stopping = stopping
        self._ended: deque[list[int]] = deque()  # [second, tasks that ended in it]
        workspace.journal.on_facts.append(self._follow)

    def close(self) -> None:
        """Stop watching."""
        self._workspace.journal.on_facts.remove(self._follow)

    def _follow(self, facts: list[Fact]) -> None:
        for fact in facts:
            if fact.kind in _ENDS:
                second = fact.at // MICROS
                if not self._ended or self._ended[-1][0] != second:
                    self._ended.append([second, 0])
                    while self._ended[0][0] < second - _WINDOW_S:
                        self._ended.popleft()
                self._ended[-1][1] += 1

    def take(self, tasks: int = 1) -> None:
        """Let so many tasks in. Raises: `Overloaded`, with `retry_after` seconds where the queue is full."""
        if self._stopping.is_set():
            raise Overloaded("This process stops and takes nothing new.", hint="Send it again in a moment; another process may have taken over.")
        depth, most = self._workspace.corridor.traffic.waiting, self._workspace.settings.queue
        if depth + tasks > most:
            raise Overloaded(f"{depth} tasks wait already.", hint=f"The queue holds {most} (TUTTI_QUEUE).", retry_after=self._seconds(depth + tasks - most))

    def _seconds(self, over: int) -> int:
        """Until so many have ended, at the pace of the last seconds."""
        now = self._workspace.clock.now() // MICROS
        recent = sum(count for second, count in self._ended if second >= now - _WINDOW_S)
        return _LONGEST_S if not recent else min(max(math.ceil(over * _WINDOW_S / recent), 1), _LONGEST_S)
