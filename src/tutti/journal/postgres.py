"""The journal on PostgreSQL: one schema per workspace, any number of writers, the head row decides who goes next."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tutti.errors import Invalid, JournalBroken, NotFound, Refused, StorageFailed, TuttiError
from tutti.journal.batch import Merged
from tutti.journal.engine import SCHEMA, HeadRow, Held, SignedHead
from tutti.journal.tables import Shape, check_types, columns_in, literal, quoted
from tutti.model.view import Key, Thing
from tutti.security.sealing import Payload

if TYPE_CHECKING:
    import psycopg

# The migrations by the schema number they lead to. Each may run twice. Text sorts by its bytes, as on SQLite.
MIGRATIONS = {
    1: """
CREATE TABLE IF NOT EXISTS fact (
    seq bigint PRIMARY KEY,
    at bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    about text COLLATE "C" NOT NULL,
    "by" text COLLATE "C" NOT NULL,
    cause bigint,
    data text COLLATE "C" NOT NULL,
    leaf bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS fact_about ON fact (about);
CREATE TABLE IF NOT EXISTS payload (
    id text COLLATE "C" PRIMARY KEY,
    subject text COLLATE "C",
    salt bytea NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX IF NOT EXISTS payload_subject ON payload (subject) WHERE subject IS NOT NULL;
CREATE TABLE IF NOT EXISTS subject (id text COLLATE "C" PRIMARY KEY, name text NOT NULL);
CREATE TABLE IF NOT EXISTS signed_head (
    seq bigint NOT NULL,
    at bigint NOT NULL,
    root text NOT NULL,
    key text NOT NULL,
    signature text NOT NULL,
    PRIMARY KEY (seq, at)
);
CREATE TABLE IF NOT EXISTS head (
    one int PRIMARY KEY CHECK (one = 1),
    seq bigint NOT NULL,
    at bigint NOT NULL,
    frontier bytea NOT NULL,
    schema int NOT NULL,
    workspace text NOT NULL,
    origin text NOT NULL
);
CREATE TABLE IF NOT EXISTS view_shape (name text COLLATE "C" PRIMARY KEY, shape text NOT NULL);
""",
}

_INSERTS = """
WITH facts AS (
    INSERT INTO fact (seq, at, kind, about, "by", cause, data, leaf)
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[], %s::bigint[], %s::text[], %b::bytea[])
), payloads AS (
    INSERT INTO payload (id, subject, salt, body)
    SELECT * FROM unnest(%s::text[], %s::text[], %b::bytea[], %b::bytea[]) ON CONFLICT DO NOTHING
), subjects AS (
    INSERT INTO subject (id, name) SELECT * FROM unnest(%s::text[], %s::text[]) ON CONFLICT DO NOTHING
)
"""

_TYPES = {"text": 'text COLLATE "C"', "int": "bigint", "blob": "bytea"}
_ARRAYS = {"text": "text[]", "int": "bigint[]", "blob": "bytea[]"}
# What must be on for a commit to be a promise. Source: PostgreSQL 18 manual, section 19.5.
_DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
_RECONNECT_S = (0.0, 0.1, 0.2, 0.5, 1.0, 2.0)  # waits before each try to learn whether a commit came through


@lru_cache(maxsize=2048)
def translated_sql(sql: str) -> str:
    """Portable SQL with `?` as psycopg wants it."""
    parts = sql.replace("%", "%%").split("'")
    parts[::2] = [part.replace("?", "%s") for part in parts[::2]]  # outside of quoted text only
    return "'".join(parts)


def schema_of(workspace: str) -> str:
    """The schema a workspace lives in. Raises: `Invalid` for a name too long for PostgreSQL."""
    name = f"tutti_{workspace}"
    if len(name.encode()) > 63 or "\0" in name:
        raise Invalid(f"{workspace} is too long a name for a workspace on PostgreSQL", hint="57 bytes at most")
    return name


def _psycopg() -> Any:
    try:
        import psycopg
    except ImportError:
        raise StorageFailed("psycopg is not installed", hint="pip install 'tutti[postgres]'") from None
    return psycopg


def translated(error: Exception) -> TuttiError:
    """What an error of PostgreSQL means: the caller's values, a cause that may pass, or damage."""
    psycopg = _psycopg()
    state = getattr(error, "sqlstate", None) or ""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    if state == "53100":
        return StorageFailed(f"the database's disk is full ({text})", hint="free some space; writing goes on by itself")
    if state == "55P03":
        return Held(f"another session holds the journal's head ({text})", hint="look for a session that is idle in a transaction")
    if state == "25006":
        return StorageFailed(f"the database is read-only ({text})", hint="connect to the primary; writing goes on by itself")
    if state == "42501":
        return StorageFailed(f"this role may not do that ({text})", hint="grant the role its workspace's schema")
    if state.startswith("XX00"):
        return JournalBroken(f"the database is damaged ({text})", hint="run `tutti audit verify`, then restore the last backup")
    if state[:2] in ("22", "23", "42", "0A", "54") or isinstance(error, (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError)):
        return Invalid(f"the database refuses these values: {text}", hint="see that the folds give text, integers or bytes as their tables declare")
    if state.startswith("57P") or (isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) and not state):
        return StorageFailed(f"the connection to the database is lost ({text})", hint="see that the server runs; writing goes on by itself")
    return StorageFailed(f"the database fails ({text})", hint="see the server's log; writing goes on by itself")


@contextmanager
def clear_errors() -> Iterator[None]:
    """PostgreSQL's errors in the house's words."""
    try:
        yield
    except (_psycopg().Error, OverflowError) as error:
        raise translated(error) from error


def connect(url: str, workspace: str) -> psycopg.Connection[Any]:
    """A connection on the workspace's schema."""
    driver = _psycopg()
    with clear_errors():
        db: psycopg.Connection[Any] = driver.connect(url, autocommit=True, connect_timeout=10, application_name="tutti", prepare_threshold=2)
        db.prepared_max = 1000
        db.execute(f"SET search_path TO {quoted(schema_of(workspace))}")
        if db.info.encoding != "utf-8":
            db.execute("SET client_encoding TO 'UTF8'")
        return db


class PostgresReader:
    """A read-only connection."""

    bytewise = ""  # the columns are declared with COLLATE "C"

    def __init__(self, url: str, workspace: str) -> None:
        from psycopg.types.numeric import FloatLoader

        class Whole(FloatLoader):
            """Sums of integers come as numeric; they are integers again, as on SQLite."""

            def load(self, data: Any) -> Any:
                text = bytes(data).decode()
                return int(text) if text.lstrip("-").isdigit() else float(text)

        class Bit(FloatLoader):
            """Truth values are 1 and 0, as on SQLite."""

            def load(self, data: Any) -> Any:
                return int(bytes(data) == b"t")

        self._db = connect(url, workspace)
        self._streams = 0
        with clear_errors():
            self._db.execute("SET default_transaction_read_only = on")
            self._db.adapters.register_loader("numeric", Whole)
            self._db.adapters.register_loader("bool", Bit)
            if not self._db.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema_of(workspace),)).fetchone():
                self._db.close()
                raise NotFound(f"there is no workspace {workspace} in this database", hint="see its name, or `tutti up` makes it")

    def query(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        with clear_errors():
            cursor = self._db.execute(translated_sql(sql), tuple(params))
            return [column.name for column in cursor.description or ()], cursor.fetchall()

    def look_up(self) -> None:
        """Have joins look rows up by index. The planner cannot know how far a recursion goes, and would read whole tables for a few rows."""
        with clear_errors():
            self._db.execute("SET enable_hashjoin = off")
            self._db.execute("SET enable_mergejoin = off")
            self._db.execute("SET jit = off")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with clear_errors():
            self._db.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        try:
            yield
        finally:
            with suppress(_psycopg().Error):
                self._db.execute("ROLLBACK")

    def tolerate(self) -> None:
        """PostgreSQL never hands out text that is no UTF-8."""

    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        self._streams += 1
        with clear_errors(), self._db.cursor(name=f"stream_{self._streams}", withhold=not self._in_snapshot()) as cursor:
            cursor.itersize = 5000
            cursor.execute(translated_sql(sql), tuple(params))
            yield from cursor

    def _in_snapshot(self) -> bool:
        return bool(self._db.info.transaction_status)

    def close(self) -> None:
        self._db.close()


class Postgres:
    """The writing side on one database. Statements queue up and go out together, in one round trip."""

    embedded = False

    def __init__(self, url: str, workspace: str, busy_ms: int = 5000) -> None:
        self.url = url
        self._workspace = workspace
        self._busy_ms = busy_ms
        self._db: psycopg.Connection[Any] | None = None
        self._open = False
        self._pending: list[tuple[str, Any]] = []
        self._facts: Sequence[tuple[Any, ...]] = ()
        self._payloads: Sequence[Payload] = ()
        self._statements: dict[tuple[Any, ...], str] = {}
        self._last_fact: tuple[int, bytes] | None = None

    # opening

    def open(self, workspace: str, origin: str) -> None:
        self._open = True
        try:
            db = self._connected()
            with clear_errors(), db.transaction():
                db.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (schema_of(workspace),))
                db.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(schema_of(workspace))}")
                self._migrate(db, workspace, origin)
        except BaseException:
            self.close()
            raise

    def _migrate(self, db: psycopg.Connection[Any], workspace: str, origin: str) -> None:
        known = 0
        if db.execute("SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'head'", (schema_of(workspace),)).fetchone():
            row = db.execute("SELECT schema FROM head").fetchone()
            known = row[0] if row else 0
        if known > SCHEMA:
            raise StorageFailed(f"workspace {workspace} has schema {known}, this Tutti knows up to {SCHEMA}", hint="upgrade Tutti", schema=known)
        for number in range(known + 1, SCHEMA + 1):
            db.execute(MIGRATIONS[number])
        db.execute(
            "INSERT INTO head (one, seq, at, frontier, schema, workspace, origin) VALUES (1, 0, 0, %s, %s, %s, %s)"
            " ON CONFLICT (one) DO UPDATE SET schema = excluded.schema",
            (bytes(8), SCHEMA, workspace, origin),
        )

    def _connected(self) -> psycopg.Connection[Any]:
        """The connection, made anew where it was lost."""
        if not self._open:
            raise StorageFailed("the journal is closed", hint="open it again")
        if self._db is not None and (self._db.closed or self._db.broken):
            self._db = None
        if self._db is None:
            db = connect(self.url, self._workspace)
            with clear_errors():
                for setting in _DURABLE:
                    row = db.execute(f"SHOW {setting}").fetchone()
                    if row and row[0] == "off":
                        db.close()
                        raise StorageFailed(
                            f"the database has {setting} = off: what it acknowledges may be lost",
                            hint=f"set {setting} = on and reload the server",
                            setting=setting,
                        )
                db.execute(f"SET lock_timeout = {int(self._busy_ms)}")
            self._db = db
        return self._db

    def make_tables(self, tables: Mapping[str, Shape]) -> list[str]:
        known = dict(self.query("SELECT name, shape FROM view_shape"))
        stale = [name for name, shape in tables.items() if known.get(name) != shape.described()]
        for name in stale:
            shape = tables[name]
            columns = [f"{quoted(c)} {_TYPES[t]}" + (" NOT NULL" if c in (*shape.key, "version") else "") for c, t in shape.types.items()]
            self._send(f"DROP TABLE IF EXISTS {quoted(name)}")
            self._send(
                f"CREATE TABLE {quoted(name)} (rowid bigint GENERATED ALWAYS AS IDENTITY, {', '.join(columns)}, PRIMARY KEY ({', '.join(map(quoted, shape.key))}))"
            )
            self._send(f"CREATE INDEX ON {quoted(name)} (rowid)")
            if shape.closes:
                self._send(f"CREATE INDEX ON {quoted(name)} (open) WHERE open = 1")
            for index in shape.table.indexes:
                self._send(f"CREATE INDEX ON {quoted(name)} ({columns_in(index)}) WHERE {quoted(index[0])} IS NOT NULL")
            self._send(
                "INSERT INTO view_shape (name, shape) VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET shape = excluded.shape", (name, shape.described())
            )
        self._flush()
        return stale

    def close(self) -> None:
        self._open = False
        if self._db is not None:
            self._db.close()
            self._db = None

    # transactions

    @property
    def db(self) -> psycopg.Connection[Any]:
        if self._db is None:
            raise StorageFailed("the connection to the database is lost", hint="see that the server runs; writing goes on by itself")
        return self._db

    def begin(self, wait: bool = True) -> HeadRow:
        self._forget_pending()
        self._last_fact = None
        fresh = self._db is None
        try:
            return self._begin(self._connected())
        except StorageFailed:
            if fresh or self._db is None or not (self._db.closed or self._db.broken):
                raise
            return self._begin(self._connected())  # the connection was lost while it was idle: nothing was under way

    def _begin(self, db: psycopg.Connection[Any]) -> HeadRow:
        try:
            with clear_errors():
                cursor = db.execute("BEGIN; SELECT seq, at, frontier, workspace, origin FROM head FOR UPDATE")  # one round trip
                cursor.nextset()
                row = cursor.fetchone()
        except TuttiError:
            self.rollback()
            raise
        if row is None:
            raise JournalBroken("the head row is missing", hint="restore the last backup")
        return HeadRow(*row)

    def commit(self) -> None:
        try:
            self._send("COMMIT")
            self._flush()
        except StorageFailed:
            if not self._was_committed():
                raise
        except TuttiError:
            self.rollback()
            raise

    def _was_committed(self) -> bool:
        """After a connection lost in a commit: whether our last fact is there. The head's lock waits for the lost session to end."""
        if self._last_fact is None or not (self.db.closed or self.db.broken):
            return False
        seq, leaf = self._last_fact
        failed: TuttiError | None = None
        for wait in _RECONNECT_S:
            time.sleep(wait)
            try:
                self.begin()
                found = self.query("SELECT leaf FROM fact WHERE seq = ?", (seq,))
                self.rollback()
                return bool(found) and bytes(found[0][0]) == leaf
            except StorageFailed as error:
                failed = error
        raise StorageFailed("the connection was lost in a commit; whether it was written shows when it is back", hint="read before you repeat it") from failed

    def rollback(self) -> None:
        self._forget_pending()
        if self._db is not None and not self._db.closed and self._db.info.transaction_status:
            with suppress(_psycopg().Error):
                self._db.execute("ROLLBACK")

    def savepoint(self) -> None:
        self._send("SAVEPOINT caller")
        self._flush()

    def release(self) -> None:
        self._send("RELEASE SAVEPOINT caller")
        self._flush()

    def rollback_to_savepoint(self) -> None:
        self._forget_pending()
        with clear_errors():
            self.db.execute("ROLLBACK TO SAVEPOINT caller")
            self.db.execute("RELEASE SAVEPOINT caller")

    # statements

    def _forget_pending(self) -> None:
        self._pending.clear()
        self._facts = self._payloads = ()

    def _send(self, sql: str, params: Any = None) -> None:
        self._pending.append((sql, params))

    def _flush(self) -> None:
        self._send_inserts()
        pending, self._pending = self._pending, []
        if not pending:
            return
        db = self.db
        with clear_errors():
            if len(pending) == 1:
                db.execute(*pending[0])
                return
            with db.pipeline():
                for sql, params in pending:
                    db.execute(sql, params)

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self._flush()
        with clear_errors():
            return self.db.execute(translated_sql(sql), tuple(params)).fetchall()

    def read(self, shape: Shape, keys: Sequence[Key], columns: Sequence[str]) -> dict[Key, tuple[Any, ...]]:
        self._flush()
        width = len(shape.key)
        chosen = ", ".join("t." + quoted(c) for c in (*shape.key, *columns))
        arrays = ", ".join(f"%s::{_ARRAYS[shape.types[c]]}" for c in shape.key)
        same = " AND ".join(f"t.{quoted(c)} = k.{quoted(c)}" for c in shape.key)
        sql = f"SELECT {chosen} FROM unnest({arrays}) AS k ({', '.join(map(quoted, shape.key))}) JOIN {quoted(shape.name)} AS t ON {same}"
        values = _by_column(keys)
        check_types(shape, shape.key, values)
        values = [_plain(column) for column in values]
        with clear_errors():
            found = self.db.execute(sql, values).fetchall()
        return {row[:width]: row[width:] for row in found}

    def add_facts(self, rows: Sequence[tuple[Any, ...]]) -> None:
        self._last_fact = (rows[-1][0], rows[-1][7])
        self._facts = rows

    def add_payloads(self, payloads: Sequence[Payload]) -> None:
        self._payloads = payloads

    def _send_inserts(self, last: str = "SELECT 1", params: Sequence[Any] = ()) -> None:
        """Facts, payloads, subjects and what comes last in one statement: each one more costs a wait."""
        facts, payloads = self._facts, self._payloads
        if not facts and not payloads:
            if params:
                self._send(last, params)
            return
        self._facts = self._payloads = ()
        names = {payload.subject: payload.name for payload in payloads if payload.subject is not None}
        columns = [_plain(column) for column in _by_column(facts)] if facts else [[]] * 8
        columns += _by_column([(payload.id, payload.subject, payload.salt, payload.body) for payload in payloads]) if payloads else [[]] * 4
        self._send(_INSERTS + last, [*columns, list(names), list(names.values()), *params])

    def change(self, tables: Mapping[str, Shape], merged: Mapping[Thing, Merged]) -> None:
        groups: dict[tuple[Any, ...], list[tuple[Any, ...]]] = defaultdict(list)
        for (table, key), row in merged.items():
            groups[table, row.create, tuple(row.values), tuple(row.deltas)].append((*key, *row.values.values(), *row.deltas.values(), row.count))
        for form, rows in groups.items():
            shape = tables[form[0]]
            sql = self._statements.get(form)
            if sql is None:
                sql = self._statements[form] = self._changing(shape, *form[1:])
            values = _by_column(rows)
            check_types(shape, (*shape.key, *form[2], *form[3]), values)
            self._send(sql, [_plain(column) for column in values])

    def _changing(self, shape: Shape, create: str, values: tuple[str, ...], deltas: tuple[str, ...]) -> str:
        """One statement per form of change, for any number of rows: arrays of key, values, deltas, count of changes."""
        shape.check_changed((*values, *deltas))
        name = quoted(shape.name)
        given = (*shape.key, *values, *deltas)
        arrays = ", ".join([f"%s::{_ARRAYS[shape.types[c]]}" for c in given] + ["%s::bigint[]"])
        rows = f"unnest({arrays}) AS u ({', '.join(map(quoted, given))}, changes)"
        if not create:
            sets = [f"{quoted(c)} = u.{quoted(c)}" for c in values]
            sets += [f"{quoted(c)} = COALESCE(t.{quoted(c)}, 0) + u.{quoted(c)}" for c in deltas]
            same = " AND ".join(f"t.{quoted(c)} = u.{quoted(c)}" for c in shape.key)
            return f"UPDATE {name} AS t SET {', '.join([*sets, 'version = t.version + u.changes'])} FROM {rows} WHERE {same}"
        start = shape.start_add if create == "add" else shape.start_put
        first = {c: f"u.{quoted(c)}" for c in shape.key}
        first |= {c: literal(value) for c, value in start.items() if value is not None}
        first |= {c: f"u.{quoted(c)}" for c in values}
        first |= {c: f"{literal(start.get(c) or 0)} + u.{quoted(c)}" for c in deltas}
        first["version"] = "u.changes"
        sets = [f"{quoted(c)} = excluded.{quoted(c)}" for c in values]
        sets += [f"{quoted(c)} = COALESCE(t.{quoted(c)}, 0) + excluded.{quoted(c)} - {literal(start.get(c) or 0)}" for c in deltas]
        return (
            f"INSERT INTO {name} AS t ({', '.join(map(quoted, first))}) SELECT {', '.join(first.values())} FROM {rows}"
            f" ON CONFLICT ({', '.join(map(quoted, shape.key))}) DO UPDATE SET {', '.join([*sets, 'version = t.version + excluded.version'])}"
        )

    def set_head(self, seq: int, at: int, frontier: bytes) -> None:
        self._send_inserts("UPDATE head SET seq = %s, at = %s, frontier = %s", (seq, at, frontier))

    def add_signed_head(self, head: SignedHead) -> None:
        self._send("INSERT INTO signed_head (seq, at, root, key, signature) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING", tuple(head))

    # erasing and copying

    def forget(self, subject: str) -> int:
        self._flush()
        with clear_errors():
            gone = self.db.execute("DELETE FROM payload WHERE subject = %s", (subject,)).rowcount
            known = self.db.execute("DELETE FROM subject WHERE id = %s", (subject,)).rowcount
        return gone if gone or known else -1

    def scrub(self) -> None:
        """Rewrite the two tables, so that their files hold no deleted row.

        The server's WAL, its archive, replicas that lag and base backups keep what they have until they are recycled:
        limit their retention, or erase there too.
        """
        with clear_errors():
            self.db.execute("VACUUM FULL payload")
            self.db.execute("VACUUM FULL subject")

    def backup(self, target: Path) -> None:
        raise Refused(
            "a journal on PostgreSQL is backed up by its server", hint=f"pg_dump --schema='{schema_of(self._workspace)}' --format=custom --file={target} URL"
        )

    def reader(self) -> PostgresReader:
        return PostgresReader(self.url, self._workspace)


def _by_column(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _plain(column: list[Any]) -> list[Any]:
    """Truth values and enums as the integers and texts they are; arrays hold one type."""
    kinds = set(map(type, column))
    if any(issubclass(kind, int) and kind is not int for kind in kinds):
        return [value if value is None else int(value) for value in column]
    if any(issubclass(kind, str) and kind is not str for kind in kinds):
        return [value if value is None else str.__str__(value) for value in column]
    return column
