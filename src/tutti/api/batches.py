"""The stream of changes in batches: at most one event in a while, made once for all who may hear the same.

Nothing is kept for a reader but the place where they are: the last changes stand in one ring for all. Who falls out of it, or comes back later than
it reaches, is told so (`resync`) and reads anew what they show. All readers of one pace wake together, from one timer, so that they ask for the same batch.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Iterable

import orjson

from tutti.api.changes import Audience, Change, change_of, concerns, hears_all
from tutti.app import Workspace
from tutti.clock import to_text
from tutti.model.caller import Caller

RING = 5000  # changes kept for all readers together; about 1.5 MB
MISSED = 1000  # changes that are read from the journal for one who comes back
BEAT_S = 10.0  # seconds of silence until a beat shows that the stream lives
_MADE = 16  # batches kept at hand: those of one wake-up
_MOST = 1000  # changes in a batch; the rest comes with the next, so that no answer waits in memory as a whole


class _Pace:
    """A wake-up for all readers who want a batch at most every so often: at once after silence, and when there was none for a beat."""

    def __init__(self, batch_s: float, beat_s: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._batch, self._beat = batch_s, beat_s
        self._woken = asyncio.Event()
        self._last = self._loop.time()
        self._timer = self._loop.call_later(beat_s, self.wake)
        self._due = False
        self.readers = 0

    def news(self) -> None:
        """There is something to tell."""
        if not self._due:
            self._due = True
            self._timer.cancel()
            self._timer = self._loop.call_at(max(self._loop.time(), self._last + self._batch), self.wake)

    def wake(self) -> None:
        """Wake all who wait."""
        self._timer.cancel()
        self._last, self._due = self._loop.time(), False
        self._timer = self._loop.call_later(self._beat, self.wake)
        woken, self._woken = self._woken, asyncio.Event()
        woken.set()

    def turn(self) -> asyncio.Event:
        """What is set at the next wake-up."""
        return self._woken

    def close(self) -> None:
        """Stop the timer."""
        self._timer.cancel()


class _Reader:
    def __init__(self, caller: Caller, pace: _Pace) -> None:
        self.caller = caller
        self.pace = pace
        self.shut = False


class Batches:
    """Tells readers in batches what changes, each what they may know."""

    def __init__(
        self, workspace: Workspace, audience: Audience, stopping: asyncio.Event, *, ring: int = RING, missed: int = MISSED, beat_s: float = BEAT_S
    ) -> None:
        self._workspace, self._audience, self._stopping = workspace, audience, stopping
        self._missed, self._beat = missed, beat_s
        self._ring: deque[Change] = deque(maxlen=ring)
        self._paces: dict[int, _Pace] = {}
        self._made: OrderedDict[tuple[Caller | None, int, int], bytes] = OrderedDict()
        self._ending: asyncio.Task[None] | None = None
        self.readers: set[_Reader] = set()

    def put(self, changes: Iterable[Change]) -> None:
        """Take new changes, and have readers woken when it is time."""
        if not self.readers:
            self._ring.clear()
            return
        self._ring.extend(changes)
        for pace in self._paces.values():
            pace.news()

    def shut(self, account: str) -> None:
        """End the streams of an account; they come back as whoever they are now."""
        for reader in self.readers:
            if concerns(account, reader.caller):
                reader.shut = True
                reader.pace.news()

    async def stream(self, caller: Caller, after: int | None, batch_ms: int, until: int | None = None) -> AsyncIterator[bytes]:
        """`changes`, `beat` and `resync` for a caller, from after `after` on (from now on, without), until the instant `until` or the process drains."""
        head = self._workspace.journal.head
        reader = self._enter(caller, batch_ms)
        loop = asyncio.get_running_loop()
        try:
            start = head.seq
            last = start if after is None else min(after, start)
            yield b": this is tutti\nretry: 1000\n\n" + self._event(b"beat", last)
            if start - last > self._missed or (after is not None and after > start):  # more than is told, or of a journal that this one is an older copy of
                last = start
                yield self._event(b"resync", last)
            elif last < start:
                facts = await self._workspace.journal.facts(after=last, limit=start - last)
                told = await self._told(caller, [change_of(fact) for fact in facts], last, start)
                last = start
                if told:
                    yield told
            said = loop.time()
            while not (self._stopping.is_set() or reader.shut or self._over(until)):
                turn = reader.pace.turn()
                told, upto = await self._next(reader, last)
                if not told and loop.time() - said >= self._beat * 0.99:
                    told = self._event(b"beat", max(upto, last))
                last = max(upto, last)
                if told:
                    said = loop.time()
                    yield told
                if not self._stopping.is_set():
                    await turn.wait()
        finally:
            self._leave(reader, batch_ms)

    def _over(self, until: int | None) -> bool:
        return until is not None and self._workspace.clock.now() >= until

    def _enter(self, caller: Caller, batch_ms: int) -> _Reader:
        pace = self._paces.get(batch_ms)
        if pace is None:
            pace = self._paces[batch_ms] = _Pace(batch_ms / 1000, self._beat)
        pace.readers += 1
        reader = _Reader(caller, pace)
        self.readers.add(reader)
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        return reader

    def _leave(self, reader: _Reader, batch_ms: int) -> None:
        self.readers.discard(reader)
        reader.pace.readers -= 1
        if not reader.pace.readers:
            reader.pace.close()
            del self._paces[batch_ms]
        if not self.readers and self._ending is not None:
            self._ending.cancel()
            self._ending = None
            self._made.clear()

    async def _end(self) -> None:
        await self._stopping.wait()
        for pace in self._paces.values():
            pace.wake()

    async def _next(self, reader: _Reader, last: int) -> tuple[bytes, int]:
        """What a reader at `last` has not heard, as one event, and the `seq` up to which it reaches. Empty: nothing for them."""
        ring = self._ring
        if not ring or ring[-1].seq <= last:
            return b"", last
        newest = ring[-1].seq
        if ring[0].seq > last + 1:
            return self._event(b"resync", newest), newest
        upto = min(newest, last + _MOST)
        if upto < newest:
            reader.pace.news()
        key = (None if hears_all(reader.caller) else reader.caller, last, upto)
        told = self._made.get(key)
        if told is None:
            first = ring[0].seq
            told = await self._told(reader.caller, [ring[seq - first] for seq in range(last + 1, upto + 1)], last, upto)
            self._made[key] = told
            if len(self._made) > _MADE:
                self._made.popitem(last=False)
        return told, upto

    async def _told(self, caller: Caller, changes: list[Change], last: int, upto: int) -> bytes:
        known = [change.body for change in changes if change.seq > last and await self._audience.may_know(caller, change)]
        if not known:
            return b""
        return b'id: %d\nevent: changes\ndata: {"seq":%d,"at":"%s","changes":[%s]}\n\n' % (upto, upto, self._now(), b",".join(known))

    def _event(self, name: bytes, seq: int) -> bytes:
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, name, orjson.dumps({"seq": seq, "at": self._now().decode()}))

    def _now(self) -> bytes:
        return to_text(self._workspace.clock.now()).encode()
