"""A fleet on trial: it runs in virtual time on a journal of its own, and a test asks what came of what it sent."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from tutti.app import Workspace, journal_for
from tutti.fleet import Fleet
from tutti.ids import Ids
from tutti.settings import Settings
from tutti.testing.clocks import SimClock
from tutti.testing.loop import SimLoop

_MEMORY = Path("/dev/shm")  # a folder in memory where there is one: nothing of a test need survive the machine


def _fresh_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="tutti-test-", dir=_MEMORY if _MEMORY.is_dir() else None))


class TaskSeen:
    """A task as it stood when everything was quiet. Attributes are the fields of `tutti.task/1`: state, waiting_for, input, output, agent, reason …"""

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self.fields = dict(fields)

    def __getattr__(self, name: str) -> Any:
        try:
            return self.fields[name]
        except KeyError:
            raise AttributeError(f"a task has no {name!r}; it has {', '.join(sorted(self.fields))}") from None

    def __repr__(self) -> str:
        wait = f", waits for {self.waiting_for}" if self.waiting_for else ""
        return f"<{self.skill} {self.id}: {self.state}{wait}{f' ({self.reason})' if self.reason else ''}>"


class Trial:
    """One fleet in a workspace of its own. Every method waits until nothing moves by itself any more and gives the trial back,
    so that the test can look at `task(...)` and `tasks(...)`."""

    def __init__(self, fleet: Fleet, loop: SimLoop) -> None:
        self._fleet = fleet
        self._loop = loop
        self._sent = 0
        self._seen: list[TaskSeen] = []
        self._folder: Path | None = None
        self.signals: list[str] = []  # ids of the signals that were sent
        self.clock = SimClock(loop)
        self.workspace: Workspace | None = None

    # --- what a test does ---------------------------------------------------------------------------------------

    async def send(self, type: str, *, subject: str | None = None, data: Any = None, id: str | None = None, source: str = "/test", **extra: Any) -> Trial:
        """Send a signal. Each has an id of its own unless one is given."""
        workspace = await self._open()
        self._sent += 1
        event = {"specversion": "1.0", "id": id or str(self._sent), "source": source, "type": type, "data": data, **extra}
        if subject is not None:
            event["subject"] = subject
        self.signals.append((await workspace.send(event))["signal"])
        return await self._settle()

    async def submit(self, skill: str, input: Any, *, subject: str | None = None, priority: int = 0, deadline: timedelta | None = None) -> Trial:
        """Give a task to a skill."""
        workspace = await self._open()
        await workspace.submit(skill, input, subject=subject, priority=priority, deadline=deadline)
        return await self._settle()

    async def approve(self, skill: str, *, note: str = "") -> Trial:
        """Say yes, as the owner, to the newest task of this skill (or the task with this id) that asks for approval."""
        return await self._decide(skill, "approve", note)

    async def reject(self, skill: str, *, note: str = "") -> Trial:
        """Say no, as `approve` says yes."""
        return await self._decide(skill, "reject", note)

    async def answer(self, skill: str, value: Any) -> Trial:
        """Answer what an agent asked with `ctx.input`."""
        workspace = await self._open()
        await workspace.answer(self._waiting(skill, "asking", "asks nothing").id, value)
        return await self._settle()

    async def settle(self, skill: str, how: str, *, reason: str = "") -> Trial:
        """Decide about a parked task: `again`, `happened` or `drop`."""
        workspace = await self._open()
        await workspace.settle(self._waiting(skill, "parked", "is not parked").id, how, reason=reason)
        return await self._settle()

    async def cancel(self, skill: str, *, reason: str = "") -> Trial:
        """Cancel the newest open task of a skill."""
        workspace = await self._open()
        open_ones = [task for task in self.tasks(skill) if task.stage != "ended"]
        if not open_ones:
            raise LookupError(f"no task of {skill} is open; {self._said(skill)}")
        await workspace.cancel(open_ones[-1].id, reason=reason)
        return await self._settle()

    async def rate(self, skill: str, quality: float, *, note: str = "") -> Trial:
        """Rate the newest task of a skill, 0..1."""
        workspace = await self._open()
        await workspace.rate(self.task(skill).id, quality, note=note)
        return await self._settle()

    async def kill(self, scope: str, name: str = "", *, reason: str = "a test") -> Trial:
        """Throw a kill switch: scope agent, action or workspace."""
        await (await self._open()).kill(scope, name, reason=reason)
        return await self._settle()

    async def lift(self, scope: str, name: str = "", *, reason: str = "a test") -> Trial:
        """Lift a kill switch."""
        await (await self._open()).lift(scope, name, reason=reason)
        return await self._settle()

    async def advance(self, by: timedelta) -> Trial:
        """Let (virtual) time pass: deadlines and approvals run out, breakers close, budgets begin anew."""
        await self._open()
        await asyncio.sleep(by.total_seconds())
        return await self._settle()

    async def restart(self) -> Trial:
        """End the process and start it again on the same journal."""
        await self._close_workspace()
        await self._open()
        return await self._settle()

    # --- what a test sees ---------------------------------------------------------------------------------------

    def tasks(self, skill: str | None = None) -> list[TaskSeen]:
        """All tasks (of a skill, or the one with this id), in the order they came in."""
        return [task for task in self._seen if skill is None or skill in (task.skill, task.id)]

    def task(self, skill: str) -> TaskSeen:
        """The newest task of a skill, or the task with this id. Raises `LookupError` when there is none."""
        found = self.tasks(skill)
        if not found:
            raise LookupError(f"there is no task of {skill}; {self._said()}")
        return found[-1]

    async def why(self, skill: str) -> str:
        """Why the newest task of a skill went as it did, as one text. `explain` gives the record behind it."""
        return str((await self.explain(skill))["sentence"])

    async def explain(self, skill: str) -> dict[str, Any]:
        """Candidates, score parts, who was ruled out, policy, level and what would have changed it."""
        return await (await self._open()).why(self.task(skill).id)

    async def facts(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The facts of the journal, in order; at most 1,000."""
        return await (await self._open()).facts(kind=kind, limit=1000)

    # --- opening and closing ------------------------------------------------------------------------------------

    async def _open(self) -> Workspace:
        if self.workspace is None:
            self._folder = self._folder or _fresh_folder()
            ids = Ids(self.clock, self._loop.rng.getrandbits(64))
            settings = Settings(self._fleet.name, self._folder, grace=timedelta())
            journal = journal_for(settings, clock=self.clock, ids=ids, threaded=False)
            workspace = Workspace(self._fleet, settings, clock=self.clock, ids=ids, journal=journal)
            await workspace.open()
            self.workspace = workspace
        return self.workspace

    async def close(self) -> None:
        """Stop the fleet and remove its files."""
        await self._close_workspace()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    async def _close_workspace(self) -> None:
        workspace, self.workspace = self.workspace, None
        if workspace is not None:
            await workspace.close()

    async def _settle(self) -> Trial:
        """Wait until everything is quiet, then look at all tasks."""
        workspace = await self._open()
        await workspace.quiet()
        rows: list[dict[str, Any]] = []
        after: int | None = None
        while True:
            page = await workspace.tasks(limit=1000, after=after)
            rows += page["tasks"]
            after = page["next"]
            if after is None:
                break
        self._seen = [TaskSeen(await workspace.task(row["id"])) for row in reversed(rows)]
        return self

    # --- words --------------------------------------------------------------------------------------------------

    async def _decide(self, skill: str, answer: str, note: str) -> Trial:
        workspace = await self._open()
        await workspace.answer_as_owner(self._waiting(skill, "approval", "asks for no approval").id, answer, note=note)
        return await self._settle()

    def _waiting(self, skill: str, stage: str, otherwise: str) -> TaskSeen:
        found = [task for task in self.tasks(skill) if task.stage == stage]
        if not found:
            raise LookupError(f"{skill} {otherwise}; {self._said(skill)}")
        return found[-1]

    def _said(self, skill: str | None = None) -> str:
        tasks = self.tasks(skill) or self._seen
        return f"there is: {', '.join(map(repr, tasks[-10:]))}" if tasks else "there is no task at all"


class Trials:
    """What the fixture `tutti` gives: call it with a fleet (`tutti(fleet)`), as often as the test needs."""

    def __init__(self, seed: int = 0) -> None:
        self.loop = SimLoop(seed, shuffle=False)
        self._trials: list[Trial] = []

    def __call__(self, fleet: Fleet) -> Trial:
        trial = Trial(fleet, self.loop)
        self._trials.append(trial)
        return trial

    async def close(self) -> None:
        """Close all trials, the last one first."""
        while self._trials:
            await self._trials.pop().close()
