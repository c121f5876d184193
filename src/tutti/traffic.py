"""Traffic: which task goes on, and when. Ready ones queue up, timers wake the ones that wait, ended ones wake those that waited for them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import Context
from typing import Any

from tutti import execution
from tutti.clock import MICROS
from tutti.errors import Conflict, JournalBroken, Overloaded, StorageFailed
from tutti.house import House
from tutti.model.fact import Fact
from tutti.model.task import ENDED_STATES, Stage

log = logging.getLogger("tutti")
Row = Mapping[str, Any]
_PAUSE = 1.0  # seconds before a step is tried again that the database refused
_ENDS = frozenset(f"task.{state.value}" for state in ENDED_STATES)
_BUSY = frozenset({Stage.READY.value, Stage.APPROVED.value, Stage.BACKOFF.value, Stage.RUNNING.value})
_MOVING = frozenset({Stage.READY.value, Stage.APPROVED.value, Stage.JOINING.value})
_WOKEN = _MOVING | {Stage.QUEUED.value}


class Traffic:
    """Walks tasks with at most `slots` under way. It decides nothing about a task; `advance` does one step of it."""

    def __init__(self, house: House, advance: Callable[[Row], Awaitable[None]], give_up: Callable[[Row], Awaitable[None]], *, slots: int) -> None:
        self._house = house
        self._tasks = house.journal.hot.table("task")
        self._advance = advance
        self._give_up = give_up
        self._queue = execution.Queue(house.departments)
        self._slots = slots
        self._used = 0
        self._walks: dict[str, asyncio.Task[None]] = {}
        self._arriving: dict[str, str] = {}  # walk that has no place with an agent yet → its skill
        self._coming: dict[str, int] = {}  # how many these are, by skill: no more set out than there are places
        self._timers: dict[tuple[str, str], asyncio.TimerHandle] = {}
        self._waiters: dict[str, list[asyncio.Future[Fact | None]]] = {}
        self._following: dict[str, set[str]] = {}  # task → tasks that wait for its result (coalesced)
        self._joining: dict[str, set[str]] = {}  # task → tasks that join on it
        self._overdue: Callable[[str, str], Awaitable[None]] | None = None
        self._chores: set[asyncio.Future[None]] = set()
        self._missed: set[str] = set()  # woken while they were being walked: they are looked at once more
        self._resting: dict[str, list[str]] = {}  # walk that waits for others → the tasks it waits for (none: for an answer)
        self._draining = False
        self.open = False
        self.gathers: Callable[[str, int], bool] = lambda skill, waiting: False  # whether waiting tasks of a skill are assigned jointly now

    # --- starting and stopping ----------------------------------------------------------------------------------

    def start(self, overdue: Callable[[str, str], Awaitable[None]]) -> None:
        """Begin to walk what is open. `overdue(task, what)` is called when a deadline or an approval runs out."""
        self._overdue = overdue
        self.open = True
        for row in list(self._tasks.values()):
            self._place(row)
        for row in self._house.journal.hot.table("joins").values():
            self._joining.setdefault(row["awaits"], set()).add(row["task"])
        for row in self._house.journal.hot.table("approval").values():
            self._timer(row["task"], "approval", row["expires_at"])
        self.pump()

    async def stop(self, grace: float) -> None:
        """Let what runs finish for `grace` seconds, then cancel it; what is canceled is taken up again at the next start.

        An agent that waits for a person's answer is not waited for: its question is durable, and people take longer than any grace.
        """
        self._draining = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        walks = list(self._walks.values())
        running = [walk for id, walk in self._walks.items() if self._tasks.get((id,), {}).get("stage") != Stage.ASKING]
        if running and grace > 0:
            await asyncio.wait(running, timeout=grace)
        self.open = False
        pending = [walk for walk in (*walks, *self._chores) if not walk.done()]
        for walk in pending:
            walk.cancel()
        if pending:
            await asyncio.wait(pending, timeout=5.0)
        for waiters in self._waiters.values():
            for waiter in waiters:
                waiter.cancel()

    # --- walking ------------------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Start walks as long as there are slots and tasks whose skill has capacity."""
        while self._queue and self.open and not self._draining and self._used < self._slots:
            id = self._queue.take(self._may_go, self._house.clock.now())
            if id is None:
                return
            self._go(id)

    def coming(self, skill: str) -> int:
        """How many tasks of a skill are on their way to a place that they have not taken yet."""
        return self._coming.get(skill, 0)

    def arrived(self, id: str) -> None:
        """A task has its place, or wants none any more: what was free for it is counted otherwise from now on."""
        skill = self._arriving.pop(id, None)
        if skill is not None:
            self._coming[skill] -= 1

    def _may_go(self, skill: str) -> bool:
        return self._house.free(skill, self._coming.get(skill, 0)) and not self.gathers(skill, self._queue.waiting(skill))

    def _go(self, id: str) -> None:
        if id in self._walks:
            self._missed.add(id)
        elif (id,) in self._tasks:
            self._used += 1
            skill = self._arriving[id] = self._tasks[id,]["skill"]
            self._coming[skill] = self._coming.get(skill, 0) + 1
            # In a context of its own: this runs in that of any request, whose trace is not this task's.
            self._walks[id] = asyncio.get_running_loop().create_task(self._walk(id), context=Context())

    def take_slot(self, skill: str) -> bool:
        """Take a slot for a task of this skill that is not taken in yet, where it would neither wait nor overtake."""
        if not self.open or self._draining or self._queue or self._used >= self._slots or not self._house.free(skill):
            return False
        self._used += 1
        return True

    def give_slot(self) -> None:
        """Give back a slot that was taken."""
        self._used -= 1
        self.pump()

    def walk(self, id: str, first: Callable[[], Awaitable[None]]) -> None:
        """Begin to walk a task whose slot is taken; `first` is its first step."""
        self._walks[id] = asyncio.get_running_loop().create_task(self._walk(id, first), context=Context())

    async def _walk(self, id: str, first: Callable[[], Awaitable[None]] | None = None) -> None:
        """Advance a task until it ends or waits for somebody."""
        try:
            while self.open and ((task := self._tasks.get((id,))) is not None or first is not None):
                step, first = first, None
                try:
                    if step is not None:
                        await step()
                    elif task is not None:
                        await self._advance(task)
                except Conflict:
                    await self._house.journal.catch_up()  # somebody else moved it: look again at what is true now
                    continue
                except (StorageFailed, Overloaded, JournalBroken) as error:
                    log.warning("task %s waits: %s", id, error.message)
                    self.later(id, _PAUSE)
                    return
                after = self._tasks.get((id,))
                if after is None or (task is not None and after["version"] == task["version"]) or after["stage"] not in _MOVING:
                    return
        except Exception:
            log.exception("task %s could not be advanced", id)
            await self._abandon(id)
        finally:
            self._used -= 1
            self.arrived(id)
            del self._walks[id]
            if id in self._missed:
                self._missed.discard(id)
                if (row := self._tasks.get((id,))) is not None and row["stage"] in _WOKEN:
                    self._enqueue(row)
            self.pump()
            self._wake("any")

    async def _abandon(self, id: str) -> None:
        task = self._tasks.get((id,))
        if task is None:
            return
        try:
            await self._give_up(task)
        except (Conflict, StorageFailed, Overloaded, JournalBroken):
            self.later(id, _PAUSE)

    def rest(self, id: str, awaited: str = "") -> bool:
        """A walk waits for a task (or for an answer); meanwhile its slot serves another. Whether it has begun to rest with this."""
        begins = id not in self._resting
        waits = self._resting.setdefault(id, [])
        if awaited:
            waits.append(awaited)
        if begins:
            self._used -= 1
            self.pump()
        self._wake("any")
        return begins

    def rise(self, id: str, awaited: str = "", *, last: bool) -> None:
        """What the walk rested for is there; with the `last` of it the walk goes on."""
        if last:
            del self._resting[id]
            self._used += 1
        elif awaited:
            self._resting[id].remove(awaited)
        self._wake("any")

    def cancel(self, id: str) -> None:
        """Stop a walk where it stands."""
        self._queue.drop(id)
        walk = self._walks.get(id)
        if walk is not None:
            walk.cancel()

    def walking(self) -> Iterable[str]:
        """Tasks that are being walked."""
        return list(self._walks)

    @property
    def waiting(self) -> int:
        """Tasks that are ready and have no slot yet."""
        return len(self._queue)

    # --- out of turn --------------------------------------------------------------------------------------------

    @property
    def spare(self) -> int:
        """How many walks could start now."""
        return max(self._slots - self._used, 0) if self.open and not self._draining else 0

    def first(self, skill: str, count: int, skip: Callable[[str], bool]) -> list[Row]:
        """The next tasks of a skill without those to `skip`, in the order in which they would go on; they stay in the queue."""
        rows = (self._tasks.get((id,)) for id in self._queue.first(skill, count, self._house.clock.now(), skip))
        return [row for row in rows if row is not None]

    def waits(self, id: str) -> bool:
        """Whether a task is in the queue."""
        return id in self._queue

    def send(self, id: str) -> bool:
        """Let a task of the queue go on now; whether it could."""
        if not self.spare or not self._queue.pick(id):
            return False
        self._go(id)
        return id in self._walks

    def soon(self, name: str, seconds: float, call: Callable[[], Awaitable[None]]) -> None:
        """Call something after a while, unless it is to be called already."""
        if (name, "soon") not in self._timers:
            self._set((name, "soon"), seconds, self._begin_chore, name, call)

    def _begin_chore(self, name: str, call: Callable[[], Awaitable[None]]) -> None:
        self._timers.pop((name, "soon"), None)
        self._keep(call())

    def _keep(self, work: Awaitable[None]) -> None:
        chore = asyncio.ensure_future(work)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)

    # --- waking -------------------------------------------------------------------------------------------------

    def later(self, id: str, seconds: float) -> None:
        """Queue a task again after a while."""
        self._set((id, "again"), seconds, self._again, id)

    def _again(self, id: str) -> None:
        self._timers.pop((id, "again"), None)
        row = self._tasks.get((id,))
        if row is not None:
            self._enqueue(row)
            self.pump()

    def _set(self, key: tuple[str, str], seconds: float, call: Callable[..., None], *arguments: Any) -> None:
        if not self.open or self._draining:
            return
        old = self._timers.pop(key, None)
        if old is not None:
            old.cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, call, *arguments)

    def _timer(self, id: str, what: str, at: int) -> None:
        self._set((id, what), max((at - self._house.clock.now()) / MICROS, 0.0), self._run_out, id, what)

    def _run_out(self, id: str, what: str) -> None:
        self._timers.pop((id, what), None)
        if self._overdue is not None and (id,) in self._tasks:
            self._keep(self._chore(id, what))

    async def _chore(self, id: str, what: str) -> None:
        assert self._overdue is not None
        try:
            await self._overdue(id, what)
        except (Conflict, StorageFailed, Overloaded, JournalBroken):
            self._set((id, what), _PAUSE, self._run_out, id, what)

    def _enqueue(self, row: Row) -> None:
        place = {"rank": row["rank"], "since": row["submitted_at"], "arrival": row["seq"]}
        self._queue.put(row["id"], row["department"], row["skill"], row["priority"], row["deadline_at"], **place)

    def _place(self, row: Row) -> None:
        """Put an open task where its stage says it waits."""
        id = row["id"]
        match row["stage"]:
            case Stage.READY | Stage.APPROVED | Stage.JOINING | Stage.ASKING | Stage.QUEUED:
                self._enqueue(row)
            case Stage.BACKOFF:
                self.later(id, max((row["run_at"] - self._house.clock.now()) / MICROS, 0.0))
            case Stage.COALESCED:
                self._follow_task(id, row["into_task"])
        if row["deadline_at"] is not None:
            self._timer(id, "deadline", row["deadline_at"])

    def _follow_task(self, id: str, first: str) -> None:
        """Let a task wait for another's result; where that has ended already, it is looked at."""
        row = self._tasks.get((id,))
        if row is not None and (first,) in self._tasks:
            self._following.setdefault(first, set()).add(id)
        elif row is not None:
            self._enqueue(row)

    def followers(self, id: str) -> list[str]:
        """Tasks that wait for this one's result."""
        return sorted(self._following.get(id, ()))

    # --- following ----------------------------------------------------------------------------------------------

    def follow(self, facts: list[Fact]) -> None:
        """Wake whoever the facts concern."""
        for fact in facts:
            kind = fact.kind
            if kind == "task.submitted":
                self._submitted(fact)
            elif kind in _ENDS:
                self._ended(fact)
            elif kind in ("task.joined", "task.resumed", "task.amended"):
                row = self._tasks.get((fact.about,))
                if row is not None:
                    if row["stage"] in _MOVING and fact.about not in self._walks:
                        self._enqueue(row)
                    for following in self._following.values():
                        following.discard(fact.about)
            elif kind == "task.coalesced":
                self._follow_task(fact.about, fact.data["into"])
            elif kind == "approval.requested":
                self._timer(fact.data["task"], "approval", fact.data["expires_at"])
            elif kind == "approval.answered":
                row = self._tasks.get((fact.data["task"],))
                if row is not None and row["stage"] == Stage.APPROVED:
                    self._enqueue(row)
            elif kind == "task.answered":
                self._wake(f"{fact.about}/{fact.data['number']}")
            elif kind == "backlog.ranked":
                self._queue.rank({id: place for place, id in enumerate(fact.data["tasks"])})
        self.pump()
        self._wake("any")

    def _submitted(self, fact: Fact) -> None:
        row = self._tasks.get((fact.about,))
        if row is None:
            return
        for _, awaited in fact.data.get("joins", ()):
            self._joining.setdefault(awaited, set()).add(fact.about)
        if row["stage"] == Stage.READY or row["stage"] == Stage.JOINING:
            self._enqueue(row)
        if row["deadline_at"] is not None:
            self._timer(fact.about, "deadline", row["deadline_at"])

    def _ended(self, fact: Fact) -> None:
        id = fact.about
        self._queue.drop(id)
        for what in ("again", "deadline", "approval"):
            timer = self._timers.pop((id, what), None)
            if timer is not None:
                timer.cancel()
        for waiting in sorted(self._joining.pop(id, set()) | self._following.pop(id, set())):
            row = self._tasks.get((waiting,))
            if row is not None and row["stage"] in (Stage.JOINING, Stage.COALESCED):
                self._enqueue(row)
        self._wake(id, fact)

    async def quiet(self) -> None:
        """Wait until no open task moves by itself: each waits for a person, or for one that does."""
        while self.open and self._moves():
            await self.wait("any")

    def _moves(self) -> bool:
        if self._queue or any(self._goes_on(id) for id in self._walks):
            return True
        return any(row["stage"] in _BUSY and row["id"] not in self._walks for row in self._tasks.values())

    def _goes_on(self, id: str) -> bool:
        """Whether a walk does something now. One that rests until an open task ends, or until somebody answers, does not."""
        row, awaited = self._tasks.get((id,)), self._resting.get(id)
        if row is None or awaited is None:
            return True
        return row["stage"] != Stage.ASKING and (not awaited or any((other,) not in self._tasks for other in awaited))

    # --- waiting for ends ---------------------------------------------------------------------------------------

    def wait(self, what: str) -> asyncio.Future[Fact | None]:
        """A future that is done when a task has ended (with the fact that ended it), or a question (`task/number`) is answered."""
        future: asyncio.Future[Fact | None] = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(what, []).append(future)
        return future

    def _wake(self, what: str, fact: Fact | None = None) -> None:
        for waiter in self._waiters.pop(what, ()):
            if not waiter.done():
                waiter.set_result(fact)
