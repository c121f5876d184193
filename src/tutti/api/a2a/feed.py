"""What happens to a task, as it happens: facts and progress, the same ones to everybody who watches, in the journal's order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

from tutti import dialogue
from tutti.app import Workspace
from tutti.model.fact import Fact

Row = Mapping[str, Any]
_MOST = 256  # things that may wait for one reader; a task has about ten in its life
_LOOK_S = 0.25  # how often the agents' words on their progress are looked at
_KINDS = frozenset(dialogue.KINDS)


class Progress(NamedTuple):
    """How far a run says it is, 0..1, and in its own words."""

    share: float
    words: str
    at: int


class Watch:
    """One reader of one task. `row` is the task by the last fact that was found; `lost` says that things were dropped, which were read too slowly."""

    def __init__(self, feed: Feed, task: str) -> None:
        self.task = task
        self.row: Row | None = None
        self.lost = False
        self._feed = feed
        self._found: deque[Fact | Progress] = deque()
        self._woken = asyncio.Event()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Watch no longer. Twice is fine."""
        self._feed.leave(self)

    def put(self, found: Fact | Progress) -> None:
        """Keep what happened until it is read."""
        if len(self._found) >= _MOST:
            self.lost = True
        else:
            self._found.append(found)
        self._woken.set()

    def wake(self) -> None:
        """Let the reader look up."""
        self._woken.set()

    def take(self) -> list[Fact | Progress]:
        """What has happened since it was last asked, without waiting."""
        found = list(self._found)
        self._found.clear()
        self._woken.clear()
        return found

    def begin(self) -> None:
        """Forget what has happened, but how far the run is by its latest words: those who came before were told."""
        self.take()
        if (told := self._feed.told(self.task)) is not None:
            self.put(told)

    async def next(self) -> list[Fact | Progress]:
        """What has happened, as soon as something has. Empty when the process stops, or when things were dropped."""
        while not self._found and not self.lost and not self._feed.stopping.is_set():
            self._woken.clear()
            await self._woken.wait()
        return [] if self.lost else self.take()


class Feed:
    """Hands facts and progress on to whoever watches. It keeps nothing that nobody watches."""

    def __init__(self, workspace: Workspace, stopping: asyncio.Event) -> None:
        self.stopping = stopping
        self._workspace = workspace
        self._watches: dict[str, set[Watch]] = {}
        self._told: dict[str, Progress] = {}
        self._chores: list[asyncio.Task[None]] = []
        workspace.journal.on_facts.append(self._follow)

    def watch(self, task: str) -> Watch:
        """Watch a task from now on, whether it is there already or not."""
        watch = Watch(self, task)
        self._watches.setdefault(task, set()).add(watch)
        if not self._chores:
            loop = asyncio.get_running_loop()
            self._chores += [loop.create_task(self._look()), loop.create_task(self._end())]
        return watch

    def leave(self, watch: Watch) -> None:
        """Watch no longer."""
        watches = self._watches.get(watch.task)
        if watches is not None:
            watches.discard(watch)
            if not watches:
                del self._watches[watch.task]
                self._told.pop(watch.task, None)

    def told(self, task: str) -> Progress | None:
        """How far a run is, as those who watch it know."""
        return self._told.get(task)

    async def close(self) -> None:
        """Stop looking. Who waits is woken by `stopping`."""
        if self._follow in self._workspace.journal.on_facts:
            self._workspace.journal.on_facts.remove(self._follow)
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)

    def _follow(self, facts: list[Fact]) -> None:
        if not self._watches:
            return
        hot = self._workspace.journal.hot
        for fact in facts:
            if fact.kind in _KINDS:
                task = fact.data["task"] if fact.kind.startswith("approval.") else fact.about
                for watch in self._watches.get(task, ()):
                    watch.row = hot.table("task").get((task,)) or hot.closed.get(("task", (task,)))
                    watch.put(fact)

    async def _look(self) -> None:
        progress = self._workspace.corridor.runs.progress
        while True:
            await asyncio.sleep(_LOOK_S)
            for task, watches in self._watches.items():
                now, known = progress.get(task), self._told.get(task)
                if now is not None and (known is None or now != known[:2]):
                    self._told[task] = Progress(*now, self._workspace.clock.now())
                    for watch in watches:
                        watch.put(self._told[task])

    async def _end(self) -> None:
        await self.stopping.wait()
        for watches in self._watches.values():
            for watch in watches:
                watch.wake()
