"""Rows that facts fold into. A fold is a pure function from one fact to changes of rows; the journal applies them.

The same changes go to the database (history) and to memory (open things only), so both always say the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from tutti.model.fact import Fact

Column = Literal["text", "int", "blob"]  # no floats: sums must not depend on the order in which a batch adds them
Key = tuple[Any, ...]
Thing = tuple[str, Key]  # (table, key): what an expectation speaks of


@dataclass(frozen=True, slots=True)
class Table:
    """A view table. Each gets a `version` column, the count of changes to the row, which expectations are held against.

    With `closes` it has a column `open` (1 or 0); memory keeps the open rows only, and loads only those at start.
    Without it memory keeps every row (`hot=True`) or none (`hot=False`). An index leaves out rows whose first column is empty.
    """

    name: str
    key: tuple[str, ...]
    columns: Mapping[str, Column]
    closes: bool = False
    hot: bool = True
    indexes: tuple[tuple[str, ...], ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)  # what a row starts with where `Add` meets no row


class Put(NamedTuple):
    """Insert the row, or set these columns where it exists."""

    table: str
    key: Key
    values: dict[str, Any]


class Set(NamedTuple):
    """Set these columns of a row that exists."""

    table: str
    key: Key
    values: dict[str, Any]


class Add(NamedTuple):
    """Add these integers to the row's columns; a row that is absent starts at 0."""

    table: str
    key: Key
    deltas: dict[str, int]


Change = Put | Set | Add
Fold = Callable[[Fact], Iterable[Change]]


class AtMost(NamedTuple):
    """A condition on a row after the append: `column` must not exceed `limit`. How budgets are never overspent."""

    table: str
    key: Key
    column: str
    limit: int
