"""The pump: what waits to be written goes to the writer, batch by batch, and comes back to the loop in the order of the commits."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, NamedTuple

from tutti.errors import TuttiError
from tutti.journal.batch import Append
from tutti.journal.engine import Held
from tutti.journal.writer import Outcome, Writer

log = logging.getLogger("tutti.journal")

# A commit on an ordinary virtual disk takes 0.1 to 0.5 ms. Stepping aside costs the loop at most a third of its time, and
# only while a batch takes longer than that.
_OVERDUE_S = 0.001
_MOMENT_S = 0.0001
_LONGEST_MOMENT_S = 0.0005
_LONGEST_LOOK_S = 0.008  # between two looks whether the loop leaves the thread enough time, while it does
BATCH_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5)  # bounds of the histogram of how long batches take to be durable


class Waiting(NamedTuple):
    """An append that waits, its drafts' data as canonical bytes."""

    future: asyncio.Future[Any]
    append: Append
    bodies: Sequence[bytes]


class Job(NamedTuple):
    """Something else the writer has to do between two batches."""

    future: asyncio.Future[Any]
    work: Callable[[], Any]


Items = Sequence[Waiting | Job]
Settle = Callable[[Items, Outcome | None, Any], None]


class Pump:
    """One batch is under way at a time; while it is, the next one grows.

    With a thread, an embedded engine's statements run on the loop and only the commit, which waits for the disk, runs in
    the thread. A database behind a connection makes its thread wait in every statement, so there the whole batch runs in it.

    A thread that wants the interpreter back from a busy loop may starve: each time the loop looks for events it lets go
    for an instant too short to be caught. Measured on 2 cores with a loop that always has something to do: whole batches
    in the thread 380 tasks/s and 3.4 s at p99, everything on the loop 2,900 and 76 ms. So the loop steps aside for
    moments while a batch is overdue.
    """

    def __init__(self, writer: Writer, settle: Settle, delay: Callable[[], float], threaded: bool, batch: int, sign_every: float) -> None:
        self.waiting = 0
        self.took: list[int] = [0] * (len(BATCH_S) + 1)  # batches by how long they took; the last are longer than all of BATCH_S
        self.seconds = 0.0  # all of them together
        self._begun = 0.0
        self._writer = writer
        self._settle = settle
        self._delay = delay
        self._threaded = threaded
        self._batch = batch
        self._sign_every = sign_every
        self._queue: deque[Waiting | Job] = deque()
        self._orders: SimpleQueue[tuple[Items, Callable[[], Any]] | None] = SimpleQueue()
        self._done: deque[tuple[Items, Outcome | None, Any]] = deque()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running = False
        self._scheduled = False
        self._busy = False
        self._signing: asyncio.TimerHandle | None = None
        self._out = threading.Lock()  # held while an order is out (an event costs ten times as much)
        self._aside: asyncio.TimerHandle | None = None
        self._moment = _MOMENT_S
        self._look = _OVERDUE_S
        self._spent = 0.0  # CPU time of the loop's thread at the last look

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to pump on this loop."""
        self._loop, self._running = loop, True
        if self._threaded:
            self._thread = threading.Thread(target=self._work, name="tutti-writer", daemon=True)
            self._thread.start()

    async def stop(self) -> None:
        """Write and settle all that waits, then stop."""
        self._rest()
        if self._thread and self._loop:
            await self._loop.run_in_executor(None, self._thread.join)
            self._thread = None
        self._settle_done()
        while self._queue:
            self.drain()
            self._settle_done()

    def abandon(self) -> None:
        """Stop as a crash would: what waits is neither written nor settled."""
        self._rest()
        if self._thread:
            self._thread.join()
            self._thread = None
        self._queue.clear()
        self._done.clear()

    def _rest(self) -> None:
        self._running = False
        if self._signing:
            self._signing.cancel()
            self._signing = None
        if self._thread:
            self._orders.put(None)

    # on the loop

    def put(self, item: Waiting | Job) -> None:
        """Queue up."""
        self._queue.append(item)
        self.waiting += 1
        if not self._scheduled:
            self._schedule()

    def _schedule(self) -> None:
        if self._scheduled or self._busy or not self._queue or not self._running:
            return
        assert self._loop is not None
        self._scheduled = True
        if self._threaded:
            self._loop.call_soon(self._turn)  # after all that is ready to run, and may append too
        else:
            self._loop.call_later(self._delay(), self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        if not self._running:
            return
        if self._threaded:
            items = self._take()
            if items:
                self._begin(items)
        else:
            self.drain()
            self._schedule()

    def _begin(self, items: Items) -> None:
        work = self._work_of(items)
        if isinstance(items[0], Job) or not self._writer.engine.embedded:
            self._order(items, work)
            return
        try:
            prepared = self._writer.prepare([(item.append, item.bodies) for item in items if isinstance(item, Waiting)], wait=False)
        except Held:  # somebody else has the file; the thread can wait for it
            self._order(items, work)
        except Exception as error:
            self._done.append((items, None, error))
            self._settle_done()
        else:
            self._order(items, partial(self._writer.finish, prepared))

    def _order(self, items: Items, work: Callable[[], Any]) -> None:
        assert self._loop is not None
        self._busy = True
        self._begun = self._loop.time() if isinstance(items[0], Waiting) else 0.0
        self._moment, self._look, self._spent = _MOMENT_S, _OVERDUE_S, time.thread_time()
        self._out.acquire(blocking=False)
        self._orders.put((items, work))
        self._aside = self._loop.call_later(_OVERDUE_S, self._step_aside)

    def _step_aside(self) -> None:
        """Leave the interpreter to the thread for a moment, a longer one each time; not where the loop sleeps anyway, and the disk is what takes long."""
        if not self._busy or self._loop is None:
            return
        spent, before = time.thread_time(), self._spent
        self._spent = spent
        if spent - before < self._look / 2:
            self._look = min(2 * self._look, _LONGEST_LOOK_S)
        elif self._out.acquire(timeout=self._moment):
            return
        else:
            self._moment, self._look = min(2 * self._moment, _LONGEST_MOMENT_S), _OVERDUE_S
        self._aside = self._loop.call_later(self._look, self._step_aside)

    def _finished(self) -> None:
        self._busy = False
        if self._begun and self._loop:
            took = self._loop.time() - self._begun
            self.took[bisect_left(BATCH_S, took)] += 1
            self.seconds += took
        if self._aside:
            self._aside.cancel()
        self._settle_done()

    def _settle_done(self) -> None:
        while self._done:
            items, outcome, result = self._done.popleft()
            self.waiting -= len(items)
            self._settle(items, outcome, result)
        self._schedule()
        if self._signing is None and self._running and self._writer.unsigned and self._loop:
            self._signing = self._loop.call_later(self._sign_every, self._sign)

    def _sign(self) -> None:
        self._signing = None
        if self._running and self._writer.unsigned and self._loop:
            future = self._loop.create_future()
            future.add_done_callback(_warn)
            self.put(Job(future, self._writer.sign))

    # the writer's side

    def _take(self) -> Items:
        """The next job alone, or as many appends as a batch holds."""
        queue = self._queue
        if queue and isinstance(queue[0], Job):
            return [queue.popleft()]
        taken: list[Waiting | Job] = []
        while queue and len(taken) < self._batch and not isinstance(queue[0], Job):
            taken.append(queue.popleft())
        return taken

    def _work_of(self, items: Items) -> Callable[[], Any]:
        if isinstance(items[0], Job):
            return items[0].work
        return partial(self._writer.write, [(item.append, item.bodies) for item in items if isinstance(item, Waiting)])

    def drain(self) -> int:
        """Write what has queued up in one transaction, here and now; returns how many callers were served."""
        items = self._take()
        if items:
            self._run(items, self._work_of(items))
            assert self._loop is not None
            self._loop.call_soon(self._settle_done)
        return len(items)

    def _run(self, items: Items, work: Callable[[], Any]) -> None:
        try:
            result = work()
        except Exception as error:
            self._done.append((items, None, error))
        else:
            self._done.append((items, result if isinstance(result, Outcome) else None, result))

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            self._run(*order)
            assert self._loop is not None
            self._out.release()
            try:
                self._loop.call_soon_threadsafe(self._finished)
            except RuntimeError:
                log.warning("the loop is closed; %d callers are not told", len(order[0]))


def _warn(future: asyncio.Future[Any]) -> None:
    error = None if future.cancelled() else future.exception()
    if error:
        log.warning("the head could not be signed, it is tried again: %s", error.message if isinstance(error, TuttiError) else error)
