"""The journal on SQLite: one file, WAL, every commit flushed, one process writes."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any

from tutti.errors import Conflict, Invalid, JournalBroken, StorageFailed, TuttiError
from tutti.journal.batch import Merged
from tutti.journal.engine import SCHEMA, HeadRow, Held, SignedHead
from tutti.journal.tables import Shape, check_types, columns_in, literal, quoted
from tutti.model.view import Key, Thing
from tutti.security.sealing import Payload

# The migrations by the schema number they lead to. Each may run twice.
MIGRATIONS = {
    1: """
CREATE TABLE IF NOT EXISTS fact (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    about TEXT NOT NULL,
    "by" TEXT NOT NULL,
    cause INTEGER,
    data TEXT NOT NULL,
    leaf BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS fact_about ON fact (about);
CREATE TABLE IF NOT EXISTS payload (
    id TEXT PRIMARY KEY,
    subject TEXT,
    salt BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS payload_subject ON payload (subject) WHERE subject IS NOT NULL;
CREATE TABLE IF NOT EXISTS subject (id TEXT PRIMARY KEY, name TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS signed_head (
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    root TEXT NOT NULL,
    key TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (seq, at)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    frontier BLOB NOT NULL,
    schema INTEGER NOT NULL,
    workspace TEXT NOT NULL,
    origin TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS view_shape (name TEXT PRIMARY KEY, shape TEXT NOT NULL) STRICT, WITHOUT ROWID;
""",
}

# Python's sqlite3 looks for an adapter of every value but texts, numbers and bytearrays, and where there is none it raises and swallows two
# errors: a fiftieth of an A2A call. So there is one that gives the same value back, written in C: `bytes` of bytes, and a look into nothing for None.
sqlite3.register_adapter(bytes, bytes)
sqlite3.register_adapter(type(None), {}.get)  # type: ignore[arg-type]

_TYPES = {"text": "TEXT", "int": "INTEGER", "blob": "BLOB"}
_ROWS = 64  # rows a statement at most
_FEW = 8  # rows up to which each number has a statement of its own
_CHUNK = 256  # keys per lookup; SQLite takes far more, this keeps the number of distinct statements small


class _ClearErrors:
    """SQLite's errors in the house's words. One for all statements of a file: a generator for each took a fiftieth of an A2A call."""

    __slots__ = ("_path",)

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, (sqlite3.Error, OverflowError)):
            raise translated(error, self._path) from error


def translated(error: Exception, path: str) -> TuttiError:
    """What an error of SQLite means: the caller's values, a cause that may pass, or damage."""
    code = getattr(error, "sqlite_errorcode", -1) & 0xFF
    text = f"{path}: {error}"
    if "decode to UTF-8" in text:
        return JournalBroken(f"a text in the journal is damaged ({text})", hint="run `tutti audit verify`, then restore the last backup", path=path)
    if code == sqlite3.SQLITE_FULL:
        return StorageFailed(f"the disk is full ({text})", hint="free some space; writing goes on by itself", path=path)
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH):
        return StorageFailed(f"the journal cannot be written ({text})", hint="make the file and its folder writable; writing goes on by itself", path=path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Held(f"another program holds the journal ({text})", hint="close the program that has the file open", path=path)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return JournalBroken(f"the journal's file is damaged ({text})", hint="run `tutti audit verify`, then restore the last backup", path=path)
    if code == sqlite3.SQLITE_CANTOPEN:
        return StorageFailed(f"the journal cannot be opened ({text})", hint="see that the folder exists and is writable", path=path)
    if code == sqlite3.SQLITE_IOERR:
        return StorageFailed(f"the disk fails ({text})", hint="see the system's log; writing goes on by itself when the disk does", path=path)
    return Invalid(f"the database refuses these values: {error}", hint="see that the folds give text, integers or bytes as their tables declare")


class SqliteReader:
    """A read-only connection."""

    bytewise = ""

    def __init__(self, path: str, busy_ms: int = 5000) -> None:
        self._clear_errors = _ClearErrors(path)
        with self._clear_errors:
            self._db = sqlite3.connect(f"file:{_escaped(path)}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
            self._db.execute(f"PRAGMA busy_timeout={int(busy_ms)}")
            self._db.execute("PRAGMA query_only=1")

    def query(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        with self._clear_errors:
            cursor = self._db.execute(sql, tuple(params))
            return [column[0] for column in cursor.description or ()], cursor.fetchall()

    def look_up(self) -> None:
        """Have joins look rows up by index: SQLite's always do."""

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with self._clear_errors:
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            with suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    def tolerate(self) -> None:
        """Read on over text that is no UTF-8 any more: an auditor must see damage, not stumble over it."""
        self._db.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")

    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        with self._clear_errors:
            cursor = self._db.execute(sql, tuple(params))
            cursor.arraysize = 1000
            while rows := cursor.fetchmany():
                yield from rows

    def close(self) -> None:
        self._db.close()


def _escaped(path: str) -> str:
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


class Sqlite:
    """The writing side on one file."""

    embedded = True

    def __init__(self, path: Path | str, busy_ms: int = 5000) -> None:
        self.path = str(path)
        self._clear_errors = _ClearErrors(self.path)
        self._busy_ms = busy_ms
        self._lock: int | None = None
        self._db: sqlite3.Connection | None = None
        self._statements: dict[tuple[Any, ...], str] = {}
        self._good: dict[tuple[Any, ...], set[tuple[type, ...]]] = {}  # types of rows that were found good, by form of change
        self._waits = True

    # opening

    def open(self, workspace: str, origin: str) -> None:
        Path(self.path).parent.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            with self._clear_errors:
                _for_its_owner_only(Path(self.path))
                self._db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False, cached_statements=1024)
                self._db.execute(f"PRAGMA busy_timeout={int(self._busy_ms)}")
                self._waits = True
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.execute("PRAGMA secure_delete=OFF")  # some builds have it on; `forget` and `scrub` see to what must go
                self._db.execute("BEGIN IMMEDIATE")
                self._migrate(workspace, origin)
                self._db.execute("COMMIT")
        except BaseException:
            self.close()
            raise

    def _take_lock(self) -> None:
        """Own the file for writing; the lock goes with the process, so a crash leaves none behind."""
        handle = os.open(self.path + ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            pid = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise Conflict(
                f"process {pid} already works on {self.path}",
                hint=f"stop it, or talk to it; a second writer needs PostgreSQL (pid {pid})",
                pid=pid,
                path=self.path,
            ) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        self._lock = handle

    def _migrate(self, workspace: str, origin: str) -> None:
        known = 0
        if self.query("SELECT 1 FROM sqlite_master WHERE type='table' AND name='head'"):
            row = self.query("SELECT schema, workspace FROM head")
            if row:
                known = row[0][0]
                if row[0][1] != workspace:
                    raise Invalid(f"{self.path} is the journal of workspace {row[0][1]}, not of {workspace}", hint="name the right workspace or the right file")
        if known > SCHEMA:
            raise StorageFailed(f"{self.path} has schema {known}, this Tutti knows up to {SCHEMA}", hint="upgrade Tutti", schema=known)
        for number in range(known + 1, SCHEMA + 1):
            for statement in MIGRATIONS[number].split(";"):
                if statement.strip():
                    self.db.execute(statement)
        self.db.execute(
            "INSERT INTO head (one, seq, at, frontier, schema, workspace, origin) VALUES (1, 0, 0, ?, ?, ?, ?)"
            " ON CONFLICT (one) DO UPDATE SET schema = excluded.schema",
            (bytes(8), SCHEMA, workspace, origin),
        )

    def make_tables(self, tables: Mapping[str, Shape]) -> list[str]:
        known = dict(self.query("SELECT name, shape FROM view_shape"))
        stale = [name for name, shape in tables.items() if known.get(name) != shape.described()]
        for name in stale:
            shape = tables[name]
            columns = [f"{quoted(c)} {_TYPES[t]}" + (" NOT NULL" if c in (*shape.key, "version") else "") for c, t in shape.types.items()]
            key = ", ".join(map(quoted, shape.key))
            self.db.execute(f"DROP TABLE IF EXISTS {quoted(name)}")
            self.db.execute(f"CREATE TABLE {quoted(name)} (rowid INTEGER PRIMARY KEY, {', '.join(columns)}, UNIQUE ({key})) STRICT")
            if shape.closes:
                self.db.execute(f"CREATE INDEX {quoted(name + '_open')} ON {quoted(name)} (open) WHERE open = 1")
            for number, index in enumerate(shape.table.indexes):
                self.db.execute(f"CREATE INDEX {quoted(f'{name}_{number}')} ON {quoted(name)} ({columns_in(index)}) WHERE {quoted(index[0])} IS NOT NULL")
            self.db.execute("INSERT OR REPLACE INTO view_shape (name, shape) VALUES (?, ?)", (name, shape.described()))
        return stale

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    # transactions

    @property
    def db(self) -> sqlite3.Connection:
        if self._db is None:
            raise StorageFailed(f"the journal {self.path} is closed", hint="open it again", path=self.path)
        return self._db

    def begin(self, wait: bool = True) -> HeadRow:
        with self._clear_errors:
            if wait != self._waits:
                self._waits = wait
                self.db.execute(f"PRAGMA busy_timeout={int(self._busy_ms) if wait else 0}")
            self.db.execute("BEGIN IMMEDIATE")
            try:
                return HeadRow(*self.db.execute("SELECT seq, at, frontier, workspace, origin FROM head").fetchone())
            except BaseException:
                self.rollback()
                raise

    def commit(self) -> None:
        try:
            with self._clear_errors:
                self.db.execute("COMMIT")
        except TuttiError:
            self.rollback()
            raise

    def rollback(self) -> None:
        if self.db.in_transaction:
            with suppress(sqlite3.Error):
                self.db.execute("ROLLBACK")

    def savepoint(self) -> None:
        self.db.execute("SAVEPOINT caller")

    def release(self) -> None:
        self.db.execute("RELEASE caller")

    def rollback_to_savepoint(self) -> None:
        self.db.execute("ROLLBACK TO caller")
        self.db.execute("RELEASE caller")

    # statements

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        with self._clear_errors:
            return self.db.execute(sql, tuple(params)).fetchall()

    def read(self, shape: Shape, keys: Sequence[Key], columns: Sequence[str]) -> dict[Key, tuple[Any, ...]]:
        width = len(shape.key)
        found: dict[Key, tuple[Any, ...]] = {}
        with self._clear_errors:
            for start in range(0, len(keys), _CHUNK):
                part = keys[start : start + _CHUNK]
                padded = 1 << (len(part) - 1).bit_length()
                sql = self._lookup(shape, padded, tuple(columns))
                flat = [value for key in part for value in key]
                flat += [None] * (padded * width - len(flat))
                for row in self.db.execute(sql, flat):
                    found[row[:width]] = row[width:]
        return found

    def _lookup(self, shape: Shape, count: int, columns: tuple[str, ...]) -> str:
        name = ("read", shape.name, count, columns)
        sql = self._statements.get(name)
        if sql is None:
            chosen = ", ".join(map(quoted, (*shape.key, *columns)))
            if len(shape.key) == 1:
                held = f"{quoted(shape.key[0])} IN ({', '.join('?' * count)})"
            else:
                one = "(" + ", ".join("?" * len(shape.key)) + ")"
                held = f"({', '.join(map(quoted, shape.key))}) IN (VALUES {', '.join([one] * count)})"
            sql = self._statements[name] = f"SELECT {chosen} FROM {quoted(shape.name)} WHERE {held}"
        return sql

    def _put(self, form: tuple[Any, ...], make: Callable[[int], str], rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement over rows, many rows a time.

        Each step of SQLite lets go of the interpreter and must wait for it afterwards, behind a loop that is busy; so a batch
        takes few steps. Large counts are powers of two, which keeps the number of distinct statements small.
        """
        start, left = 0, len(rows)
        with self._clear_errors:
            while left:
                count = left if left <= _FEW else min(_ROWS, 1 << left.bit_length() - 1)
                sql = self._statements.get((form, count))
                if sql is None:
                    sql = self._statements[form, count] = make(count)
                self.db.execute(sql, tuple(chain.from_iterable(rows[start : start + count])))
                start += count
                left -= count

    def add_facts(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self._put(("fact",), lambda count: f'INSERT INTO fact (seq, at, kind, about, "by", cause, data, leaf) VALUES {_marks(8, count)}', rows)

    def add_payloads(self, payloads: Sequence[Payload]) -> None:
        self._put(
            ("payload",),
            lambda count: f"INSERT INTO payload (id, subject, salt, body) VALUES {_marks(4, count)} ON CONFLICT DO NOTHING",
            [(payload.id, payload.subject, payload.salt, payload.body) for payload in payloads],
        )
        if names := {payload.subject: payload.name for payload in payloads if payload.subject is not None}:
            self._put(("subject",), lambda count: f"INSERT INTO subject (id, name) VALUES {_marks(2, count)} ON CONFLICT DO NOTHING", list(names.items()))

    def change(self, tables: Mapping[str, Shape], merged: Mapping[Thing, Merged]) -> None:
        groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
        for (table, key), row in merged.items():
            create = "new" if row.fresh and not row.deltas else row.create
            groups[table, create, tuple(row.values), tuple(row.deltas)].append((*key, *row.values.values(), *row.deltas.values(), row.count))
        for form, rows in groups.items():
            shape = tables[form[0]]
            self._check(shape, form, rows)
            self._put(form, partial(_changing, shape, *form[1:]), rows)

    def _check(self, shape: Shape, form: tuple[Any, ...], rows: Sequence[tuple[Any, ...]]) -> None:
        """Hold columns and types against what is declared. What was good once is good again."""
        good = self._good.get(form)
        if good is None:
            shape.check_changed((*form[2], *form[3]))
            good = self._good[form] = set()
        kinds = {tuple(map(type, row)) for row in rows}
        if not kinds <= good:
            check_types(shape, (*shape.key, *form[2], *form[3]), zip(*rows, strict=True))
            good |= kinds

    def set_head(self, seq: int, at: int, frontier: bytes) -> None:
        with self._clear_errors:
            self.db.execute("UPDATE head SET seq = ?, at = ?, frontier = ?", (seq, at, frontier))

    def add_signed_head(self, head: SignedHead) -> None:
        with self._clear_errors:
            self.db.execute("INSERT OR REPLACE INTO signed_head (seq, at, root, key, signature) VALUES (?, ?, ?, ?, ?)", head)

    def forget(self, subject: str) -> int:
        """Delete a subject's payloads and name, inside the transaction that is open; returns how many payloads there were, -1 for an unknown subject."""
        with self._clear_errors:
            self.db.execute("PRAGMA secure_delete=ON")
            gone = self.db.execute("DELETE FROM payload WHERE subject = ?", (subject,)).rowcount
            known = self.db.execute("DELETE FROM subject WHERE id = ?", (subject,)).rowcount
        return gone if gone or known else -1

    def scrub(self) -> None:
        """Leave no byte of what was deleted in the file or in its log: rewrite the one, empty the other."""
        with self._clear_errors:
            self._waits = True
            self.db.execute(f"PRAGMA busy_timeout={int(self._busy_ms)}")
            self.db.execute("VACUUM")
            busy = self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            self.db.execute("PRAGMA secure_delete=OFF")
        if busy:
            raise StorageFailed(
                f"a reader keeps the log of {self.path} alive; what was erased may still stand in it", hint="stop long reads and erase again", path=self.path
            )

    def backup(self, target: Path) -> None:
        """Copy the journal as of one instant while writing goes on. The copy appears under its name when it is whole."""
        part = target.with_name(target.name + ".part")
        part.unlink(missing_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._clear_errors:
            source = sqlite3.connect(f"file:{_escaped(self.path)}?mode=ro", uri=True)
            try:
                _for_its_owner_only(part)
                copy = sqlite3.connect(part)
                try:
                    source.backup(copy)  # all pages in one step: one snapshot, and writers do not make it start again
                finally:
                    copy.close()
            finally:
                source.close()
        part.replace(target)
        handle = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def reader(self) -> SqliteReader:
        return SqliteReader(self.path, self._busy_ms)


def _marks(width: int, count: int) -> str:
    return ", ".join(["(" + ", ".join("?" * width) + ")"] * count)


def _changing(shape: Shape, create: str, values: tuple[str, ...], deltas: tuple[str, ...], count: int) -> str:
    """One statement per form of change, for `count` rows of key, values, deltas and count of changes."""
    name, given = quoted(shape.name), (*shape.key, *values, *deltas, "version")
    rows = f"(VALUES {_marks(len(given), count)})"
    if create == "new":
        here = {c: literal(value) for c, value in shape.start_put.items() if value is not None and c not in given}
        each = f"({', '.join(['?'] * len(given) + list(here.values()))})"
        return f"INSERT INTO {name} ({', '.join(map(quoted, (*given, *here)))}) VALUES {', '.join([each] * count)}"
    at = {column: f"u.column{place}" for place, column in enumerate(given, 1)}
    if not create:
        sets = [f"{quoted(c)} = {at[c]}" for c in values]
        sets += [f"{quoted(c)} = COALESCE({name}.{quoted(c)}, 0) + {at[c]}" for c in deltas]
        same = " AND ".join(f"{name}.{quoted(c)} = {at[c]}" for c in shape.key)
        sets.append(f"version = {name}.version + {at['version']}")
        return f"UPDATE {name} SET {', '.join(sets)} FROM {rows} AS u WHERE {same}"
    start = shape.start_add if create == "add" else shape.start_put
    first = {c: literal(value) for c, value in start.items() if value is not None}
    first |= {c: at[c] for c in given}
    first |= {c: f"{literal(start.get(c) or 0)} + {at[c]}" for c in deltas}
    sets = [f"{quoted(c)} = excluded.{quoted(c)}" for c in values]
    sets += [f"{quoted(c)} = COALESCE({name}.{quoted(c)}, 0) + excluded.{quoted(c)} - {literal(start.get(c) or 0)}" for c in deltas]
    sets.append(f"version = {name}.version + excluded.version")
    return (
        f"INSERT INTO {name} ({', '.join(map(quoted, first))}) SELECT {', '.join(first.values())} FROM {rows} AS u WHERE true"
        f" ON CONFLICT ({', '.join(map(quoted, shape.key))}) DO UPDATE SET {', '.join(sets)}"
    )


def _for_its_owner_only(path: Path) -> None:
    """Make the file before SQLite does, which would let the others of this machine read it; its log takes after it."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
