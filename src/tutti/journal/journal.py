"""The journal: callers queue up, one writer appends them in batches, memory and listeners follow after the commit."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from tutti.clock import Clock, SystemClock, micros
from tutti.errors import Invalid, NotFound, Overloaded, Refused, StorageFailed, TuttiError
from tutti.ids import Ids
from tutti.journal import reads
from tutti.journal.batch import Append
from tutti.journal.engine import Engine, HeadRow, Reader
from tutti.journal.heads import Head, Witness
from tutti.journal.hot import Hot, Row
from tutti.journal.places import open_engine
from tutti.journal.pump import BATCH_S, Items, Job, Pump, Waiting
from tutti.journal.replay import fill
from tutti.journal.tables import Shape, open_rows, shapes
from tutti.journal.writer import Outcome, Writer
from tutti.model.fact import Draft, Fact
from tutti.model.view import AtMost, Fold, Key, Put, Set, Table, Thing
from tutti.security.keys import Keys
from tutti.security.sealing import SALT_BYTES, Payload, canonical, open_body, salt_at, seal

T = TypeVar("T")
log = logging.getLogger("tutti.journal")
_NAMES = 50_000  # subjects' names kept at hand
_ENTRY = 400  # bytes that a payload kept at hand costs besides its body (measured)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the journal takes. Queue and sizes are bounds of one process; a batch never holds more than `batch` appends."""

    waiting: int = 10_000
    batch: int = 256
    fact_bytes: int = 64 * 1024
    payload_bytes: int = 1024 * 1024
    cached_bytes: int = 16 * 1024 * 1024  # payloads kept in memory after they were written or read
    sign_every: timedelta = timedelta(seconds=1)
    busy: timedelta = timedelta(seconds=5)


class Journal:
    """One workspace's journal. Its methods are for the loop it was started on."""

    def __init__(
        self, engine: Engine, workspace: str, clock: Clock, ids: Ids, keys: Keys, tables: Iterable[Table], folds: Mapping[str, Sequence[Fold]],
        witness: Path | None, threaded: bool, limits: Limits, write: bool = True,
    ) -> None:  # fmt: skip
        self.workspace = workspace
        self.keys = keys
        self.on_facts: list[Callable[[list[Fact]], None]] = []
        self.pump_delay: Callable[[], float] = lambda: 0.0
        self.reader = ThreadPoolExecutor(1, thread_name_prefix="tutti-reader")
        self._engine = engine
        self._clock = clock
        self._ids = ids
        self._write = write
        self._limits = limits
        self._tables = shapes(tables)
        self._folds = folds
        self.hot = Hot(self._tables)
        self._witness = Witness(witness) if witness else None
        self._writer = Writer(engine, workspace, self._tables, folds, clock, keys, self._witness, micros(limits.sign_every))
        if engine.embedded:
            self._writer.memory = self.hot
        self._pump = Pump(self._writer, self._settle, lambda: self.pump_delay(), threaded, limits.batch, limits.sign_every.total_seconds())  # noqa: PLW0108 - simulations set another delay later
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reading: Reader | None = None
        self._surveyor = ThreadPoolExecutor(1, thread_name_prefix="tutti-surveyor")
        self._surveying: Reader | None = None
        self._running = False
        self._cache: OrderedDict[str, tuple[str | None, bytes]] = OrderedDict()
        self._cached = 0
        self._names: OrderedDict[str, str] = OrderedDict()
        self._pseudonyms: OrderedDict[str, str] = OrderedDict()

    # opening and closing

    async def start(self, *, check_witness: bool = True) -> None:
        """Take the lock, migrate, compare with keys and witness, load memory, and begin to write.

        Raises: `Conflict` when another process writes, `Refused` where our keys are not its, `JournalBroken` for a damaged or older copy, `StorageFailed`.
        """
        self._loop = asyncio.get_running_loop()
        if not self._write:
            await self._read(self._look)
            return
        engine = self._engine
        engine.open(self.workspace, f"{self.workspace}/{self._ids.bytes(8).hex()}")
        try:
            row = engine.begin()
            try:
                self._writer.load(row)
                if check_witness:
                    self._writer.check_keys()
                    self._writer.check_witness()
                stale = engine.make_tables(self._tables)
                if row.seq and stale:
                    fill(engine, {name: self._tables[name] for name in stale}, self._folds)
                for name, shape in self._tables.items():
                    if shape.hot:
                        self.hot.load(name, engine.query(open_rows(shape)))
                self.hot.seq = row.seq
                engine.commit()
            except BaseException:
                engine.rollback()
                raise
        except BaseException:
            engine.close()
            raise
        self._running = True
        self._pump.start(self._loop)

    def _look(self, reader: Reader) -> None:
        """Load memory through a reader: nothing is locked, migrated or written."""
        with reader.snapshot():
            _, found = reader.query("SELECT seq, at, frontier, workspace, origin FROM head")
            self._writer.take(HeadRow(*found[0]))
            for name, shape in self._tables.items():
                if shape.hot:
                    self.hot.load(name, reader.query(open_rows(shape))[1])
            self.hot.seq = found[0][0]

    async def close(self) -> None:
        """Write what has queued up, sign the head, and let go of the file. Twice is fine."""
        if not self._write:
            self._close_reader()
            self.reader.shutdown(wait=False)
            self._end_surveys()
            return
        if not self._running:
            return
        self._running = False
        assert self._loop is not None
        await self._pump.stop()
        try:
            self._writer.sign()
        except TuttiError as error:
            log.warning("the last head could not be signed: %s", error.message)
        await self._loop.run_in_executor(self.reader, self._close_reader)
        await self._loop.run_in_executor(self._surveyor, self._end_surveys)
        self._engine.close()
        self.reader.shutdown(wait=False)

    def abandon(self) -> None:
        """Let go of everything as a crash would: nothing is written, signed or settled any more. For tests and simulations."""
        self._running = False
        self._pump.abandon()
        self._close_reader()
        self._surveyor.submit(self._end_surveys)
        self._engine.close()
        self.reader.shutdown(wait=False)

    # appending

    def pseudonym(self, name: str) -> str:
        """What stands for a subject's name in facts and views."""
        known = self._pseudonyms.get(name)
        if known is None:
            known = self._pseudonyms[name] = self.keys.pseudonym(name)
            if len(self._pseudonyms) > _NAMES:
                self._pseudonyms.popitem(last=False)
        return known

    def seal(self, value: Any, subject: str | None = None) -> Payload:
        """Seal a JSON value about a subject (by name); append it with the facts that name its id. Raises: `Invalid`."""
        salt = salt_at(self._clock.now(), self._ids.bytes(SALT_BYTES))
        payload = seal(value, salt, self.pseudonym(subject) if subject is not None else None, subject)
        if len(payload.body) > self._limits.payload_bytes:
            raise Invalid(
                f"a payload of {len(payload.body)} bytes is over the limit of {self._limits.payload_bytes}", hint="store it elsewhere and pass a reference"
            )
        return payload

    def foreseen(self, drafts: Sequence[Draft], thing: Thing) -> dict[str, Any]:
        """The row that these drafts would make of a thing that is not there yet, as far as they speak of it; `seq` and instants are 0."""
        table, key = thing
        shape = self._tables[table]
        row = shape.row_put | dict(zip(shape.key, key, strict=True))
        for draft in drafts:
            for fold in self._folds.get(draft.kind, ()):
                for change in fold(Fact(0, 0, draft.kind, draft.about, draft.by, None, draft.data)):
                    if isinstance(change, Put | Set) and (change.table, change.key) == thing:
                        row |= change.values
        return row

    async def append(
        self, drafts: Sequence[Draft], payloads: Sequence[Payload] = (), expect: Mapping[Thing, int] | None = None, within: Sequence[AtMost] = ()
    ) -> list[Fact]:
        """Append the facts of one step, durably, all or none; returns them after the commit.

        `expect` gives versions ((table, key) to version, 0 for absent), `within` limits on columns after the append.
        Raises: `Conflict` and `Refused` for this caller alone, `Invalid`, `Overloaded`, `StorageFailed`, `JournalBroken`.
        """
        return await self.append_soon(drafts, payloads, expect, within)

    def append_soon(
        self, drafts: Sequence[Draft], payloads: Sequence[Payload] = (), expect: Mapping[Thing, int] | None = None, within: Sequence[AtMost] = ()
    ) -> asyncio.Future[list[Fact]]:
        """`append` without a coroutine: the future holds what it would return or raise."""
        loop = self._loop
        assert loop is not None, "start the journal first"
        future: asyncio.Future[list[Fact]] = loop.create_future()
        if not self._running:
            future.set_exception(self._closed())
            return future
        if self._pump.waiting >= self._limits.waiting:
            future.set_exception(Overloaded(f"{self._pump.waiting} appends wait already", hint="try again in a moment", waiting=self._pump.waiting))
            return future
        try:
            bodies = [canonical(draft.data) for draft in drafts]
            for draft, body in zip(drafts, bodies, strict=True):
                if len(body) > self._limits.fact_bytes:
                    raise Invalid(f"{draft.kind} holds {len(body)} bytes, over the limit of {self._limits.fact_bytes}", hint="seal large values as payloads")
            for payload in payloads:
                if len(payload.body) > self._limits.payload_bytes:
                    raise Invalid(f"a payload of {len(payload.body)} bytes is over the limit of {self._limits.payload_bytes}")
        except Invalid as error:
            future.set_exception(error)
            return future
        self._pump.put(Waiting(future, Append(drafts, payloads, expect or {}, within), bodies))
        return future

    def _closed(self) -> TuttiError:
        if not self._write:
            return Refused("the journal is open for reading only", hint="open it with write=True")
        return StorageFailed("the journal is closed", hint="open it again")

    def drain(self) -> int:
        """Write what has queued up in one transaction, here and now; returns how many callers were served. For simulations."""
        return self._pump.drain()

    def _settle(self, items: Items, outcome: Outcome | None, result: Any) -> None:
        """On the loop, in the order of the commits: memory first, then listeners, then the callers."""
        if outcome is not None:
            self._follow(outcome)
        for place, item in enumerate(items):
            if isinstance(item, Waiting) and outcome is not None:
                result = outcome.results[place]
                if type(result) is list:
                    for payload in item.append.payloads:
                        self._remember(payload.id, payload.subject, payload.body)
            if item.future.done():
                continue
            if isinstance(result, BaseException):
                item.future.set_exception(result)
            else:
                item.future.set_result(result)

    def _follow(self, outcome: Outcome) -> None:
        hot = self.hot
        for thing, row in outcome.rows:
            hot.replace(thing, row)
        if outcome.others:
            for fact in outcome.others:
                if fact.kind == "subject.erased":  # another node erased it: nothing of it is kept at hand here either
                    self._forget(fact.data["subject"])
            self._tell(outcome.others)
        for thing, merged in outcome.changes:
            hot.apply(thing, merged)
        hot.seq = outcome.seq
        if outcome.facts:
            self._tell(outcome.facts)
        hot.closed.clear()

    def _tell(self, facts: list[Fact]) -> None:
        for listener in self.on_facts:
            try:
                listener(facts)
            except Exception:
                log.exception("a listener of the journal failed on facts %d to %d", facts[0].seq, facts[-1].seq)

    def _do(self, work: Callable[[], Any]) -> asyncio.Future[Any]:
        """Let the writer do something else between two batches."""
        assert self._loop is not None
        future: asyncio.Future[Any] = self._loop.create_future()
        if not self._running:
            future.set_exception(self._closed())
            return future
        self._pump.put(Job(future, work))
        return future

    @property
    def append_times(self) -> tuple[list[tuple[float, int]], int, float]:
        """How long batches of appends took to be durable: (bound in seconds, batches up to it) for each bound, all batches, all their seconds."""
        sums = list(accumulate(self._pump.took))
        return list(zip(BATCH_S, sums, strict=False)), sums[-1], self._pump.seconds

    @property
    def alone(self) -> bool:
        """Whether no other process can write: a file has one writer, a server's database any number."""
        return self._writer.engine.embedded

    async def catch_up(self) -> int:
        """Fold what other nodes have written since into memory; returns how many facts that were."""
        outcome = await self._do(self._writer.catch_up)
        return len(outcome.others)

    @property
    def head(self) -> Head:
        """Where the journal stands, as of the last commit."""
        return self._writer.head()

    async def erase(self, subject: str, by: str) -> int:
        """Forget a subject (by name): its payloads, its name, every byte of them; returns how many payloads there were.

        The facts stay, with the pseudonym only, and still verify. Backups and exports made before keep what they have.
        Writing waits while the file is rewritten. Raises: `StorageFailed` when bytes may be left; erase again then.
        """
        pseudonym = self.pseudonym(subject)
        try:
            outcome = await self._do(lambda: self._writer.erase(pseudonym, by))
        finally:
            self._forget(pseudonym)
            self._pseudonyms.pop(subject, None)
        return outcome.facts[0].data["payloads"] if outcome.facts else 0

    def _forget(self, pseudonym: str) -> None:
        for name in [name for name, (subject, _) in self._cache.items() if subject == pseudonym]:
            self._cached -= len(self._cache.pop(name)[1]) + _ENTRY
        spoken = self._names.pop(pseudonym, None)
        if spoken is not None:
            self._pseudonyms.pop(spoken, None)

    async def backup(self, path: Path | str) -> None:
        """Copy the journal while it is written. Put the copy in the journal's place to restore it, see `accept_restore`."""
        assert self._loop is not None
        await self._loop.run_in_executor(None, self._engine.backup, Path(path))

    async def accept_restore(self, by: str) -> list[Fact]:
        """Start on an older copy although the witness saw more, and say so in a fact."""
        witnessed = self._witness.last() if self._witness else None
        await self.start(check_witness=False)
        data = {"head": self.head.seq, "witnessed": witnessed[1].seq if witnessed else self.head.seq}
        return await self.append([Draft("workspace.restored", self.workspace, by, data)])

    # reading

    async def _read(self, work: Callable[[Reader], T]) -> T:
        assert self._loop is not None
        return await self._loop.run_in_executor(self.reader, self._reads, work)

    def _reads(self, work: Callable[[Reader], T]) -> T:
        if self._reading is None:
            self._reading = self._engine.reader()
        try:
            return work(self._reading)
        except StorageFailed:
            self._close_reader()  # the next read connects anew
            raise

    def _close_reader(self) -> None:
        if self._reading is not None:
            self._reading.close()
            self._reading = None

    async def rows(
        self, table: str, where: Mapping[str, Any] | None = None, after: Mapping[str, Any] | int | None = None, order: str | Sequence[str] = "rowid",
        descending: bool = False, limit: int = 100,
    ) -> list[Row]:  # fmt: skip
        """One page of a view table, open and closed rows alike; `after` is the last row of the page before, or its `rowid`."""
        shape = self._shape(table)
        return await self._read(lambda reader: reads.rows(reader, shape, where or {}, after, order, descending, limit))

    async def row(self, table: str, key: Key) -> Row | None:
        """One row of a view table, from memory where it is open."""
        shape = self._shape(table)
        if shape.hot:
            found = self.hot.table(table).get(key)
            if found is not None or not shape.closes:
                return found
        return await self._read(lambda reader: reads.row(reader, shape, key))

    def _shape(self, table: str) -> Shape:
        shape = self._tables.get(table)
        if shape is None:
            raise NotFound(f"there is no view table {table}")
        return shape

    async def select(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Read-only portable SQL, `?` for parameters."""

        def work(reader: Reader) -> list[Row]:
            columns, found = reader.query(sql, params)
            return [dict(zip(columns, row, strict=True)) for row in found]

        return await self._read(work)

    async def survey(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """As `select`, for what may take long: on a connection and a thread of its own, so that nobody's work waits for it."""
        assert self._loop is not None
        return await self._loop.run_in_executor(self._surveyor, self._survey, sql, params)

    def _survey(self, sql: str, params: Sequence[Any]) -> list[Row]:
        if self._surveying is None:
            self._surveying = self._engine.reader()
            self._surveying.look_up()
        try:
            columns, found = self._surveying.query(sql, params)
        except StorageFailed:
            self._end_survey()
            raise
        return [dict(zip(columns, row, strict=True)) for row in found]

    def _end_survey(self) -> None:
        if self._surveying is not None:
            self._surveying.close()
            self._surveying = None

    def _end_surveys(self) -> None:
        self._end_survey()
        self._surveyor.shutdown(wait=False)

    async def facts(self, after: int = 0, about: str | Sequence[str] | None = None, kind: str | Sequence[str] | None = None, limit: int = 1000) -> list[Fact]:
        """Facts after a `seq`, in order."""
        return await self._read(lambda reader: reads.facts(reader, after, about, kind, limit))

    async def payload(self, id: str) -> Any:
        """The value of a payload; None after erasure."""
        return (await self.payloads([id])).get(id)

    async def payloads(self, ids: Sequence[str]) -> dict[str, Any]:
        """Values by id; what was erased is left out."""
        found: dict[str, Any] = {}
        missing: list[str] = []
        for name in ids:
            kept = self._cache.get(name)
            if kept is None:
                missing.append(name)
            else:
                found[name] = open_body(kept[1])
        if missing:
            stored = await self._read(lambda reader: reads.payloads(reader, missing))
            found |= {name: open_body(body) for name, (_, body) in stored.items()}
        return found

    async def intact(self, id: str) -> bool:
        """Whether a payload's stored body still is what its id sealed; read from the database, never from memory."""
        return await self._read(lambda reader: reads.intact(reader, id))

    async def subject_name(self, pseudonym: str) -> str | None:
        """The name behind a pseudonym; None after erasure."""
        name = self._names.get(pseudonym)
        if name is None:
            name = await self._read(lambda reader: reads.subject_name(reader, pseudonym))
            if name is not None:
                self._name(pseudonym, name)
        return name

    def _name(self, pseudonym: str, name: str) -> None:
        self._names[pseudonym] = name
        if len(self._names) > _NAMES:
            self._names.popitem(last=False)

    def _remember(self, name: str, subject: str | None, body: bytes) -> None:
        if name in self._cache or len(body) > self._limits.cached_bytes:
            return
        self._cache[name] = (subject, body)
        self._cached += len(body) + _ENTRY
        while self._cached > self._limits.cached_bytes:
            self._cached -= len(self._cache.popitem(last=False)[1][1]) + _ENTRY


def open_journal(
    place: str | Path, workspace: str = "default", *, clock: Clock | None = None, ids: Ids | None = None, keys: Keys | None = None, tables: Iterable[Table] = (),
    folds: Mapping[str, Sequence[Fold]] | None = None, witness: Path | None = None, threaded: bool = True, limits: Limits | None = None, write: bool = True,
) -> Journal:  # fmt: skip
    """A journal on a SQLite file, or on PostgreSQL where `place` is a `postgresql://` address. `start` it before use.

    With `write=False` it can only be read, memory stays as of the start, and another process may be writing.
    """
    clock = clock or SystemClock()
    ids = ids or Ids(clock)
    limits = limits or Limits()
    engine = open_engine(place, workspace, int(limits.busy.total_seconds() * 1000))
    return Journal(engine, workspace, clock, ids, keys or Keys.create(ids), tables, folds or {}, witness, threaded, limits, write)
