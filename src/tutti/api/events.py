"""One stream of changes as server-sent events: what happened, to what, and a task's new state; never what it says.

Each event's id is the `seq` of its fact: a client that comes back with `Last-Event-ID` gets what it missed from the journal. One that reads too
slowly gets a single `resync` and goes on from now; it never makes the process keep more than `most` changes for it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from typing import Annotated, Any, NamedTuple

import orjson
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import StreamingResponse

from tutti import access
from tutti.api.describing import READING, StrictRoute, problems
from tutti.api.guard import caller_of, may
from tutti.api.rights import own_only
from tutti.app import Workspace
from tutti.clock import to_text
from tutti.errors import Refused
from tutti.model import answers
from tutti.model.caller import Caller
from tutti.model.fact import Fact

MOST = 1000  # changes kept for one client
BEAT_S = 15.0  # seconds of silence until a comment shows that the stream lives
_PAGE = 500  # facts read at a time for a client that comes back
_KNOWN = 50_000  # tasks whose department and asker are kept at hand
_STATES = {
    "task.submitted": "submitted", "run.started": "working", "task.answered": "working", "task.asked": "input-required", "task.parked": "input-required",
    "approval.requested": "input-required", "task.completed": "completed", "task.failed": "failed", "task.canceled": "canceled",
    "task.rejected": "rejected", "task.resumed": "submitted",
}  # fmt: skip


class _Change(NamedTuple):
    seq: int
    task: str  # empty where it is about none
    kind: str
    body: bytes


class _Reader:
    """A client of the stream: what it has not read yet, or that this became too much."""

    def __init__(self, most: int) -> None:
        self.changes: deque[_Change] = deque()
        self.overflowed = False
        self.more = asyncio.Event()
        self._most = most

    def put(self, change: _Change) -> None:
        if self.overflowed:
            return
        if len(self.changes) >= self._most:
            self.changes.clear()
            self.overflowed = True
        else:
            self.changes.append(change)
        self.more.set()

    def take(self) -> tuple[list[_Change], bool]:
        """All there is now, and whether changes were lost."""
        changes, lost = list(self.changes), self.overflowed
        self.changes.clear()
        self.overflowed = False
        self.more.clear()
        return changes, lost


class Events:
    """Tells readers what changes, each what they may know."""

    def __init__(self, workspace: Workspace, stopping: asyncio.Event, *, most: int = MOST, beat_s: float = BEAT_S) -> None:
        self._workspace = workspace
        self._stopping = stopping
        self._most = most
        self._beat = beat_s
        self._readers: set[_Reader] = set()
        self._known: OrderedDict[str, tuple[str, str]] = OrderedDict()  # task → (department, who asked for it)
        workspace.journal.on_facts.append(self._follow)

    def close(self) -> None:
        """Stop following the journal."""
        self._workspace.journal.on_facts.remove(self._follow)

    @property
    def readers(self) -> int:
        """How many streams are open."""
        return len(self._readers)

    def _follow(self, facts: list[Fact]) -> None:
        for fact in facts:
            if fact.kind == "task.submitted":
                self._learn(fact.about, fact.data["department"], "" if fact.data.get("parent") else fact.by)
        if self._readers:
            for fact in facts:
                change = _change(fact)
                for reader in self._readers:
                    reader.put(change)

    def _learn(self, task: str, department: str, asked_by: str) -> tuple[str, str]:
        known = self._known[task] = (department, asked_by)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return known

    async def stream(self, caller: Caller, after: int | None) -> AsyncIterator[bytes]:
        """The events for a caller, from the one after `after` on (from now on, without); ends when the process drains."""
        reader = _Reader(self._most)
        journal = self._workspace.journal
        self._readers.add(reader)
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            now = journal.head.seq
            yield b": this is tutti\nretry: 1000\n\n"
            last = min(now if after is None else after, now)
            while last < now and not self._stopping.is_set():
                for fact in await journal.facts(after=last, limit=min(_PAGE, now - last)):
                    last = fact.seq
                    if await self._may_know(caller, (change := _change(fact))):
                        yield _event(change)
            while not self._stopping.is_set():
                changes, lost = reader.take()
                for change in changes:
                    if change.seq > last and await self._may_know(caller, change):
                        yield _event(change)
                if lost:
                    last = journal.head.seq
                    yield b"event: resync\nid: %d\ndata: %s\n\n" % (last, orjson.dumps({"seq": last}))
                if not reader.changes and not reader.overflowed:
                    more = asyncio.ensure_future(reader.more.wait())
                    try:
                        done, _ = await asyncio.wait((more, stop), timeout=self._beat, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        more.cancel()
                    if not done:
                        yield b": alive\n\n"
        finally:
            stop.cancel()
            self._readers.discard(reader)

    async def _may_know(self, caller: Caller, change: _Change) -> bool:
        if may(caller, "journal:read"):
            return True
        if change.task:
            known = self._known.get(change.task)
            if known is None:
                row = await self._workspace.journal.row("task", (change.task,))
                known = self._learn(change.task, row["department"], row["caller"] or "") if row else ("", "")
            return may(caller, "tasks:read", id=change.task, department=known[0], owner=known[1])
        return change.kind.startswith("agent.") and may(caller, "agents:read")


def _change(fact: Fact) -> _Change:
    kind, data = fact.kind, fact.data
    if kind.startswith(("task.", "run.")):
        task = fact.about
    else:
        named = data.get("task")
        task = named if isinstance(named, str) else ""
    change: dict[str, Any] = {"seq": fact.seq, "at": to_text(fact.at), "kind": kind, "about": fact.about}
    if task:
        change["task"] = task
    state = "auth-required" if kind == "task.asked" and data.get("auth") else _STATES.get(kind)
    if state:
        change["state"] = state
    return _Change(fact.seq, task, kind, orjson.dumps(change))


def _event(change: _Change) -> bytes:
    return b"id: %d\nevent: change\ndata: %s\n\n" % (change.seq, change.body)


def event_routes(events: Events) -> APIRouter:
    """The stream."""
    api = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["events"])
    described: dict[int | str, dict[str, Any]] = {
        200: {"description": "Changes as they happen", "content": {"text/event-stream": {"schema": {"type": "string"}}}, "model": answers.Change}
    }

    @api.get("/events", responses={**described, **problems(*READING)}, response_class=StreamingResponse)
    async def stream(
        request: Request,
        after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
        last_event_id: Annotated[str | None, Header(pattern=r"^[0-9]{1,18}$")] = None,
    ) -> StreamingResponse:
        """Changes as server-sent events: `change` with seq, at, kind, about, task and state; `resync` when some were lost.

        `Last-Event-ID` (or `after`) resumes after that change.
        """
        caller = caller_of(request)
        if access.departments_of(caller, "tasks:read") == () and not own_only(caller):
            raise Refused(f"{caller.id} may read no changes.", hint="Ask the workspace's owner for a role that reads tasks.")
        since = int(last_event_id) if last_event_id is not None else after
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(events.stream(caller, since), media_type="text/event-stream", headers=headers)

    return api
