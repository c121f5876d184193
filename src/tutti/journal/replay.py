"""Folding the stored facts anew: to fill a view table whose shape is new, and to check that the view says what the facts say."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from tutti.journal.batch import Folds, Plan, Planner
from tutti.journal.engine import Engine, Reader
from tutti.journal.places import open_reader
from tutti.journal.tables import Shape, columns_of, quoted, shapes
from tutti.journal.writer import FACT_COLUMNS, fact_of
from tutti.model.fact import Fact
from tutti.model.view import Add, Change, Fold, Key, Set, Table

_CHUNK = 5000  # facts in memory at once


class Difference(NamedTuple):
    """A row that the view has and the facts do not give, or the other way round; None stands for no row."""

    table: str
    key: Key
    stored: dict[str, Any] | None
    replayed: dict[str, Any] | None


def fill(engine: Engine, tables: Mapping[str, Shape], folds: Folds) -> None:
    """Fold all facts into these (empty) view tables, in the transaction that is open."""
    planner = Planner("", tables, folds, engine.read)
    after = 0
    while stored := engine.query(f"SELECT {FACT_COLUMNS} FROM fact WHERE seq > ? ORDER BY seq LIMIT {_CHUNK}", (after,)):
        plan = Plan(after)
        for fact in map(fact_of, stored):
            for fold in folds.get(fact.kind, ()):
                planner.merge(plan, [change for change in fold(fact) if change[0] in tables])
        engine.change(tables, plan.merged)
        after = stored[-1][0]


def rebuild(
    place: str | Path, tables: Iterable[Table], folds: Mapping[str, Sequence[Fold]], *, workspace: str | None = None, most: int = 100,
    progress: Callable[[int], None] | None = None,
) -> list[Difference]:  # fmt: skip
    """Replay all facts into a fresh view and compare it with the stored one, row for row; at most `most` differences.

    The replay applies change by change and shares no code with the writer's merging, so it checks that too.
    """
    known = shapes(tables)
    reader = open_reader(place, workspace)
    scratch = _Scratch(known)
    try:
        with reader.snapshot():
            for number, row in enumerate(reader.stream(f"SELECT {FACT_COLUMNS} FROM fact ORDER BY seq"), 1):
                scratch.fold(fact_of(row), folds)
                if number % _CHUNK == 0:
                    scratch.flush()
                    if progress:
                        progress(number)
            scratch.flush()
            differences: list[Difference] = []
            for shape in known.values():
                for difference in _compare(reader, scratch, shape):
                    differences.append(difference)
                    if len(differences) >= most:
                        return differences
            return differences
    finally:
        scratch.db.close()
        reader.close()


class _Scratch:
    """A view in a temporary database, changed one change at a time."""

    def __init__(self, tables: Mapping[str, Shape]) -> None:
        self.tables = tables
        self.db = sqlite3.connect("", isolation_level=None)  # temporary, in memory until it grows large
        self._rows: dict[tuple[str, Key], dict[str, Any] | None] = {}
        for name, shape in tables.items():
            self.db.execute(f"CREATE TABLE {quoted(name)} ({columns_of(shape)}, PRIMARY KEY ({', '.join(map(quoted, shape.key))})) WITHOUT ROWID")

    def fold(self, fact: Fact, folds: Folds) -> None:
        for fold in folds.get(fact.kind, ()):
            for change in fold(fact):
                self._apply(change)

    def _apply(self, change: Change) -> None:
        table, key, values = change
        shape = self.tables[table]
        row = self._row(shape, key)
        if row is None:
            if type(change) is Set:
                return
            start = shape.start_add if type(change) is Add else shape.start_put
            row = self._rows[table, key] = dict(zip(shape.key, key, strict=True)) | start | {"version": 0}
        for column, value in values.items():
            row[column] = (row[column] or 0) + value if type(change) is Add else value
        row["version"] += 1

    def _row(self, shape: Shape, key: Key) -> dict[str, Any] | None:
        if (shape.name, key) not in self._rows:
            held = " AND ".join(f"{quoted(column)} = ?" for column in shape.key)
            found = self.db.execute(f"SELECT {columns_of(shape)} FROM {quoted(shape.name)} WHERE {held}", key).fetchone()
            self._rows[shape.name, key] = dict(zip(shape.columns, found, strict=True)) if found else None
        return self._rows[shape.name, key]

    def flush(self) -> None:
        """Put the rows of this stretch away."""
        self.db.execute("BEGIN")
        for (name, _), row in self._rows.items():
            if row is not None:
                shape = self.tables[name]
                marks = ", ".join("?" * len(shape.columns))
                self.db.execute(f"INSERT OR REPLACE INTO {quoted(name)} ({columns_of(shape)}) VALUES ({marks})", [row[column] for column in shape.columns])
        self.db.execute("COMMIT")
        self._rows.clear()

    def rows(self, shape: Shape) -> Iterator[tuple[Any, ...]]:
        yield from self.db.execute(f"SELECT {columns_of(shape)} FROM {quoted(shape.name)} ORDER BY {', '.join(map(quoted, shape.key))}")


def _compare(reader: Reader, scratch: _Scratch, shape: Shape) -> Iterator[Difference]:
    """Walk both sides by key. Keys sort by their bytes on both, whatever the database's language."""
    width = len(shape.key)
    places = [shape.columns.index(column) for column in shape.key]
    order = ", ".join(quoted(c) + (reader.bytewise if shape.types[c] == "text" else "") for c in shape.key)
    stored = chain(reader.stream(f"SELECT {columns_of(shape)} FROM {quoted(shape.name)} ORDER BY {order}"), [None])
    replayed = chain(scratch.rows(shape), [None])

    def key(row: tuple[Any, ...]) -> Key:
        return tuple([row[place] for place in places])

    def named(row: tuple[Any, ...]) -> dict[str, Any]:
        return dict(zip(shape.columns, row, strict=True))

    assert width
    left, right = next(stored), next(replayed)
    while left is not None or right is not None:
        if right is None or (left is not None and _bytes(key(left)) < _bytes(key(right))):
            assert left is not None
            yield Difference(shape.name, key(left), named(left), None)
            left = next(stored)
        elif left is None or _bytes(key(left)) > _bytes(key(right)):
            yield Difference(shape.name, key(right), None, named(right))
            right = next(replayed)
        else:
            if left != right:
                yield Difference(shape.name, key(left), named(left), named(right))
            left, right = next(stored), next(replayed)


def _bytes(key: Key) -> tuple[Any, ...]:
    return tuple([part.encode() if isinstance(part, str) else part for part in key])
