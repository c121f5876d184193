"""Hot state: the open rows in memory, the same as in the database as of one `seq`, never ahead of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tutti.journal.batch import Merged
from tutti.journal.tables import Shape
from tutti.model.view import Key, Thing

Row = dict[str, Any]


class Hot:
    """Open rows by table and key. A row is never changed in place: who holds one holds a snapshot."""

    def __init__(self, tables: Mapping[str, Shape]) -> None:
        self._tables = tables
        self._rows: dict[str, dict[Key, Row]] = {name: {} for name, shape in tables.items() if shape.hot}
        self.closed: dict[Thing, Row] = {}  # rows that the facts which are being told have closed, as they stand in the database now
        self.seq = 0

    def table(self, name: str) -> dict[Key, Row]:
        """The rows of a table by key (a tuple). Raises `KeyError` for a table that memory does not keep."""
        return self._rows[name]

    def holds(self, name: str) -> bool:
        """Whether memory keeps this table's open rows."""
        return name in self._rows

    def load(self, name: str, rows: Iterable[tuple[Any, ...]]) -> None:
        """Start a table from stored rows."""
        shape = self._tables[name]
        table = self._rows[name]
        table.clear()
        names, width = shape.columns, [shape.columns.index(column) for column in shape.key]
        for row in rows:
            table[tuple([row[place] for place in width])] = dict(zip(names, row, strict=True))

    def replace(self, thing: Thing, row: Row | None) -> None:
        """Take a row as the database has it."""
        name, key = thing
        if row is None or (self._tables[name].closes and not row["open"]):
            self._rows[name].pop(key, None)
            if row is not None:
                self.closed[thing] = row
        else:
            self._rows[name][key] = row

    def apply(self, thing: Thing, merged: Merged) -> None:
        """Apply what a batch did to a row."""
        name, key = thing
        table, shape = self._rows[name], self._tables[name]
        row = table.get(key)
        if row is None:
            if merged.row is not None:
                self.replace(thing, merged.row)
                return
            if not merged.create:
                return  # closed, or never there
            row = (shape.row_add if merged.create == "add" else shape.row_put) | dict(zip(shape.key, key, strict=True))
        row = row | merged.values
        for column, delta in merged.deltas.items():
            row[column] = (row[column] or 0) + delta
        row["version"] += merged.count
        if shape.closes and not row["open"]:
            table.pop(key, None)
            self.closed[thing] = row
        else:
            table[key] = row
