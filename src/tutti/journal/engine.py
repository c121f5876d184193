"""What a database must do for the journal. Two of them do it: `sqlite.py` and `postgres.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tutti.errors import StorageFailed
from tutti.journal.batch import Merged
from tutti.journal.tables import Shape
from tutti.model.view import Key, Thing
from tutti.security.sealing import Payload

SCHEMA = 1


class HeadRow(NamedTuple):
    """Where the journal stands, as stored: `frontier` are the peaks of its tree."""

    seq: int
    at: int
    frontier: bytes
    workspace: str
    origin: str


class SignedHead(NamedTuple):
    """A head with the journal key's signature; `key` is the public half in hex."""

    seq: int
    at: int
    root: str
    key: str
    signature: str


class Held(StorageFailed):
    """Another program or session holds the journal."""


class Reader(Protocol):
    """A connection that only reads. `sql` is portable, with `?` for parameters."""

    bytewise: str  # what makes ORDER BY sort text by its bytes

    def query(self, sql: str, params: Sequence[Any] = ()) -> tuple[list[str], list[tuple[Any, ...]]]:
        """Column names and all rows."""

    def stream(self, sql: str, params: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows as they come, in constant memory, from one snapshot."""

    def snapshot(self) -> AbstractContextManager[None]:
        """All reads inside see one state."""

    def tolerate(self) -> None:
        """Read on over damaged text."""

    def look_up(self) -> None:
        """Have joins look rows up by index: for readings of a small part of large tables."""

    def close(self) -> None:
        """Let go of the connection."""


class Engine(Protocol):
    """The writing side: one connection, used by one thread at a time.

    Everything raises `Invalid` for what the caller's values did wrong, `StorageFailed` for what may pass, and
    `JournalBroken` for damage.
    """

    def open(self, workspace: str, origin: str) -> None:
        """Connect and migrate."""

    def make_tables(self, tables: Mapping[str, Shape]) -> list[str]:
        """Make the view tables that are new or of another shape; their names: they must be filled in the same transaction."""

    def close(self) -> None: ...

    embedded: bool  # statements run in this process and do not wait; only the commit does

    def begin(self, wait: bool = True) -> HeadRow:
        """Open a transaction that holds the head: nobody else appends until it ends. Raises: `Held` at once where it shall not wait."""

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def savepoint(self) -> None: ...

    def release(self) -> None: ...

    def rollback_to_savepoint(self) -> None: ...

    def read(self, shape: Shape, keys: Sequence[Key], columns: Sequence[str]) -> dict[Key, tuple[Any, ...]]:
        """These columns of the rows that exist."""

    def add_facts(self, rows: Sequence[tuple[Any, ...]]) -> None: ...

    def add_payloads(self, payloads: Sequence[Payload]) -> None: ...

    def change(self, tables: Mapping[str, Shape], merged: Mapping[Thing, Merged]) -> None:
        """Apply merged changes to the view tables."""

    def set_head(self, seq: int, at: int, frontier: bytes) -> None: ...

    def add_signed_head(self, head: SignedHead) -> None: ...

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Portable SQL inside the transaction that is open, or by itself."""

    def forget(self, subject: str) -> int:
        """Delete a subject's payloads and name, inside the transaction that is open; how many payloads, -1 for an unknown subject."""

    def scrub(self) -> None:
        """Leave no byte of what was deleted in the database's files."""

    def backup(self, target: Path) -> None:
        """A consistent copy while writing goes on."""

    def reader(self) -> Reader: ...
