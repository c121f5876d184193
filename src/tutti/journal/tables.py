"""View tables as the engines see them: names, types and the SQL parts that both databases share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tutti.errors import Invalid
from tutti.model.view import Table

RESERVED = frozenset({"fact", "payload", "subject", "head", "signed_head", "view_shape"})


def quoted(name: str) -> str:
    """An SQL identifier, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def columns_in(index: tuple[str, ...]) -> str:
    """The columns of an index as SQL."""
    return ", ".join(map(quoted, index))


def literal(value: Any) -> str:
    """An SQL literal for a default: text, integer or nothing."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    raise ValueError(f"a default must be text, an integer or None, not {value!r}")


class Shape:
    """A table's columns in their order: key, columns, `open` where it closes, `version`."""

    __slots__ = ("closes", "columns", "hot", "key", "name", "row_add", "row_put", "start_add", "start_put", "table", "types")

    def __init__(self, table: Table) -> None:
        if table.name in RESERVED:
            raise ValueError(f"a view table cannot be called {table.name}: the journal keeps its own table of that name")
        self.table = table
        self.name = table.name
        self.key = table.key
        self.closes = table.closes
        self.hot = table.hot
        self.types: dict[str, str] = {column: table.columns.get(column, "text") for column in table.key}
        self.types |= table.columns
        if table.closes:
            self.types["open"] = "int"
        self.types["version"] = "int"
        self.columns = tuple(self.types)
        known = set(self.columns) - {"version"}
        for column in (*table.defaults, *(name for index in table.indexes for name in index)):
            if column not in known:
                raise ValueError(f"table {table.name} has no column {column}")
        rest = [column for column in self.columns if column not in table.key and column != "version"]
        opened = {"open": 1} if table.closes else {}
        # what the columns hold that nobody mentioned when the row came to be
        self.start_put: dict[str, Any] = dict.fromkeys(rest) | opened
        self.start_add: dict[str, Any] = {column: 0 if self.types[column] == "int" else None for column in rest} | opened | dict(table.defaults)
        # the same as whole rows, columns in their order
        self.row_put: dict[str, Any] = dict.fromkeys(self.columns) | self.start_put | {"version": 0}
        self.row_add: dict[str, Any] = dict.fromkeys(self.columns) | self.start_add | {"version": 0}

    def check_changed(self, columns: Iterable[str]) -> None:
        """Raise `Invalid` for columns that a fold may not change."""
        for column in columns:
            if column not in self.types or column == "version" or column in self.key:
                raise Invalid(f"a fold changes {self.name}.{column}, which is no column it may change")

    def described(self) -> str:
        """The shape in one line; where it differs from the stored one the table is built anew from the facts."""
        table = self.table
        return repr((self.types, table.key, table.closes, table.indexes, sorted(table.defaults.items())))


_ACCEPTED = {"text": (str, type(None)), "int": (int, type(None)), "blob": (bytes, type(None))}


def check_types(shape: Shape, columns: Sequence[str], values: Iterable[Iterable[Any]]) -> None:
    """Hold values, given column by column, against the declared types, so that memory and both databases hold the same."""
    for column, found in zip(columns, values, strict=False):
        accepted = _ACCEPTED[shape.types[column]]
        for kind in set(map(type, found)):
            if not issubclass(kind, accepted):
                raise Invalid(f"a fold gives {kind.__name__} for {shape.name}.{column}, which is declared as {shape.types[column]}")


def columns_of(shape: Shape) -> str:
    """A shape's columns for a SELECT."""
    return ", ".join(map(quoted, shape.columns))


def open_rows(shape: Shape) -> str:
    """SQL for the rows that memory keeps, all columns in the shape's order."""
    only = " WHERE open = 1" if shape.closes else ""
    return f"SELECT {columns_of(shape)} FROM {quoted(shape.name)}{only}"


def shapes(tables: Iterable[Table]) -> Mapping[str, Shape]:
    """The shapes by table name. Raises `ValueError` for two tables of one name."""
    found: dict[str, Shape] = {}
    for table in tables:
        if table.name in found:
            raise ValueError(f"two view tables are called {table.name}")
        found[table.name] = Shape(table)
    return found
