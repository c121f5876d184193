"""One stream of changes as server-sent events: what happened, to what, and a task's new state; never what it says.

Each event's id is the `seq` of its fact: a client that comes back with `Last-Event-ID` gets what it missed from the journal. One that reads too
slowly gets a single `resync` and goes on from now; it never makes the process keep more than `most` changes for it. A stream ends when what its
caller may do changes, and they come back as who they are then. Pages ask for batches (`batches.py`), programs for one event a change.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Header, Query, Request
from starlette.responses import StreamingResponse

from tutti import access
from tutti.api.batches import Batches
from tutti.api.changes import Audience, Change, change_of, concerns, shut_for
from tutti.api.describing import READING, StrictRoute, problems
from tutti.api.guard import UNTIL, caller_of
from tutti.api.rights import own_only
from tutti.app import Workspace
from tutti.errors import Refused
from tutti.model.answers import changes as answered
from tutti.model.caller import Caller
from tutti.model.fact import Fact

MOST = 1000  # changes kept for one client
BEAT_S = 15.0  # seconds of silence until a comment shows that the stream lives
_PAGE = 500  # facts read at a time for a client that comes back


class _Reader:
    """A client of the stream: what it has not read yet, or that this became too much."""

    def __init__(self, caller: Caller, most: int) -> None:
        self.caller = caller
        self.shut = False
        self.changes: deque[Change] = deque()
        self.overflowed = False
        self.more = asyncio.Event()
        self._most = most

    def put(self, change: Change) -> None:
        if self.overflowed:
            return
        if len(self.changes) >= self._most:
            self.changes.clear()
            self.overflowed = True
        else:
            self.changes.append(change)
        self.more.set()

    def take(self) -> tuple[list[Change], bool]:
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
        self._audience = Audience(workspace)
        self.batches = Batches(workspace, self._audience, stopping)
        workspace.journal.on_facts.append(self._follow)

    def close(self) -> None:
        """Stop following the journal."""
        self._workspace.journal.on_facts.remove(self._follow)

    @property
    def readers(self) -> int:
        """How many streams are open."""
        return len(self._readers) + len(self.batches.readers)

    def _follow(self, facts: list[Fact]) -> None:
        self._audience.follow(facts)
        if not self.readers:
            self.batches.put(())
            return
        changes = [change_of(fact) for fact in facts]
        self.batches.put(changes)
        for reader in self._readers:
            for change in changes:
                reader.put(change)
        for account in filter(None, map(shut_for, facts)):
            self._shut(account)

    def _shut(self, account: str) -> None:
        self.batches.shut(account)
        for reader in self._readers:
            if concerns(account, reader.caller):
                reader.shut = True
                reader.more.set()

    async def stream(self, caller: Caller, after: int | None, until: int | None = None) -> AsyncIterator[bytes]:
        """The events for a caller, from the one after `after` on (from now on, without); ends at the instant `until`, and when the process drains."""
        reader = _Reader(caller, self._most)
        journal, audience = self._workspace.journal, self._audience
        self._readers.add(reader)
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            now = journal.head.seq
            yield b": this is tutti\nretry: 1000\n\n"
            last = min(now if after is None else after, now)
            if after is not None and after > now:  # the journal that was read is not this one: an older copy was put back
                yield _resync(now)
            while last < now and not self._stopping.is_set():
                for fact in await journal.facts(after=last, limit=min(_PAGE, now - last)):
                    last = fact.seq
                    if await audience.may_know(caller, (change := change_of(fact))):
                        yield _event(change)
            while not (self._stopping.is_set() or reader.shut or (until is not None and self._workspace.clock.now() >= until)):
                changes, lost = reader.take()
                for change in changes:
                    if change.seq > last and await audience.may_know(caller, change):
                        yield _event(change)
                if lost:
                    last = journal.head.seq
                    yield _resync(last)
                if not reader.changes and not reader.overflowed and not reader.shut:
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


def _event(change: Change) -> bytes:
    return b"id: %d\nevent: change\ndata: %s\n\n" % (change.seq, change.body)


def _resync(seq: int) -> bytes:
    return b"event: resync\nid: %d\ndata: %s\n\n" % (seq, orjson.dumps({"seq": seq}))


def event_routes(events: Events) -> APIRouter:
    """The stream."""
    api = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["events"])
    described: dict[int | str, dict[str, Any]] = {
        200: {
            "description": "Changes as they happen",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
            "model": answered.Change | answered.Changes,
        }
    }

    @api.get("/events", responses={**described, **problems(*READING)}, response_class=StreamingResponse)
    async def stream(
        request: Request,
        after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
        batch_ms: Annotated[int | None, Query(ge=20, le=10_000)] = None,
        last_event_id: Annotated[str | None, Header(pattern=r"^[0-9]{1,18}$")] = None,
    ) -> StreamingResponse:
        """Changes as server-sent events: `change` with seq, at, kind, about, task and state; `resync` when some were lost.

        With `batch_ms`: `changes` with seq, at (the server's time) and the changes, at most one in that time; `beat` with seq and at after 10 s of silence.
        `Last-Event-ID` (or `after`) resumes after that change.
        """
        caller = caller_of(request)
        if access.departments_of(caller, "tasks:read") == () and not own_only(caller):
            raise Refused(f"{caller.id} may read no changes.", hint="Ask the workspace's owner for a role that reads tasks.")
        since = int(last_event_id) if last_event_id is not None else after
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        until = request.scope.get(UNTIL)
        told = events.stream(caller, since, until) if batch_ms is None else events.batches.stream(caller, since, batch_ms, until)
        return StreamingResponse(told, media_type="text/event-stream", headers=headers)

    return api
