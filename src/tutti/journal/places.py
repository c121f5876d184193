"""Where a journal is: a SQLite file, or a workspace's schema in a PostgreSQL database."""

from __future__ import annotations

from pathlib import Path

from tutti.errors import Invalid, NotFound
from tutti.journal.engine import Engine, Reader
from tutti.journal.sqlite import Sqlite, SqliteReader


def is_postgres(place: str | Path) -> bool:
    """Whether this is the address of a PostgreSQL database."""
    return str(place).startswith(("postgresql://", "postgres://"))


def open_engine(place: str | Path, workspace: str, busy_ms: int) -> Engine:
    """The writing side; it connects when it is opened."""
    if is_postgres(place):
        from tutti.journal.postgres import Postgres

        return Postgres(str(place), workspace, busy_ms)
    return Sqlite(place, busy_ms)


def open_reader(place: str | Path, workspace: str | None) -> Reader:
    """A connection that only reads. Raises: `NotFound`, `StorageFailed`."""
    if is_postgres(place):
        from tutti.journal.postgres import PostgresReader

        if workspace is None:
            raise Invalid("which workspace of this database?", hint="name the workspace")
        return PostgresReader(str(place), workspace)
    if not Path(place).is_file():
        raise NotFound(f"there is no journal {place}", hint="name the workspace's file or an exported folder")
    return SqliteReader(str(place))
