"""Reading: pages of view rows, facts and payloads, from a connection that cannot write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tutti.errors import Invalid
from tutti.journal.engine import Reader
from tutti.journal.tables import Shape, columns_of, quoted
from tutti.journal.writer import FACT_COLUMNS, fact_of
from tutti.model.fact import Fact
from tutti.model.view import Key
from tutti.security.sealing import digest

Row = dict[str, Any]
_CHUNK = 500  # values in one IN list


def _held(where: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    parts: list[str] = []
    params: list[Any] = []
    for column, value in where.items():
        if value is None:
            parts.append(f"{quoted(column)} IS NULL")
        elif isinstance(value, (list, tuple, set, frozenset)):
            parts.append(f"{quoted(column)} IN ({', '.join('?' * len(value))})" if value else "1 = 0")
            params += value
        else:
            parts.append(f"{quoted(column)} = ?")
            params.append(value)
    return parts, params


def rows(
    reader: Reader, shape: Shape, where: Mapping[str, Any], after: Mapping[str, Any] | int | None, order: str | Sequence[str], descending: bool, limit: int
) -> list[Row]:
    """One page of a view table; each row also has its `rowid`, the order in which rows came to be.

    `after` is the last row of the page before (or its `rowid`). Columns to order by must not be empty; ties go by `rowid`.
    """
    names = [order] if isinstance(order, str) else list(order)
    for column in (*names, *where):
        if column not in shape.types and column != "rowid":
            raise Invalid(f"table {shape.name} has no column {column}")
    if names[-1] != "rowid":
        names.append("rowid")
    parts, params = _held(where)
    if after is not None:
        last = [after] if isinstance(after, int) else [after[name] for name in names]
        if len(last) != len(names):
            raise Invalid("after must be the last row of the page before where the order is not rowid")
        side = "<" if descending else ">"
        parts.append(f"({', '.join(map(quoted, names))}) {side} ({', '.join('?' * len(names))})")
        params += last
    sql = f"SELECT rowid, {columns_of(shape)} FROM {quoted(shape.name)}"
    if parts:
        sql += " WHERE " + " AND ".join(parts)
    way = " DESC" if descending else ""
    sql += f" ORDER BY {', '.join(quoted(name) + way for name in names)} LIMIT ?"
    columns, found = reader.query(sql, [*params, limit])
    return [dict(zip(columns, row, strict=True)) for row in found]


def row(reader: Reader, shape: Shape, key: Key) -> Row | None:
    """One row of a view table."""
    held = " AND ".join(f"{quoted(column)} = ?" for column in shape.key)
    columns, found = reader.query(f"SELECT {columns_of(shape)} FROM {quoted(shape.name)} WHERE {held}", key)
    return dict(zip(columns, found[0], strict=True)) if found else None


def facts(reader: Reader, after: int, about: str | Sequence[str] | None, kind: str | Sequence[str] | None, limit: int) -> list[Fact]:
    """Facts after a `seq`, in order."""
    parts, params = _held({column: value for column, value in (("about", about), ("kind", kind)) if value is not None})
    held = " AND ".join(["seq > ?", *parts])
    _, found = reader.query(f"SELECT {FACT_COLUMNS} FROM fact WHERE {held} ORDER BY seq LIMIT ?", [after, *params, limit])
    return [fact_of(fact) for fact in found]


def payloads(reader: Reader, ids: Sequence[str]) -> dict[str, tuple[str | None, bytes]]:
    """Subject and body of the payloads that are still there."""
    found: dict[str, tuple[str | None, bytes]] = {}
    for start in range(0, len(ids), _CHUNK):
        part = ids[start : start + _CHUNK]
        _, stored = reader.query(f"SELECT id, subject, body FROM payload WHERE id IN ({', '.join('?' * len(part))})", part)
        found |= {name: (subject, bytes(body)) for name, subject, body in stored}
    return found


def subject_name(reader: Reader, pseudonym: str) -> str | None:
    """The name behind a pseudonym, while it is not erased."""
    _, found = reader.query("SELECT name FROM subject WHERE id = ?", (pseudonym,))
    return found[0][0] if found else None


def intact(reader: Reader, id: str) -> bool:
    """Whether the stored body still gives the digest that is its id."""
    _, found = reader.query("SELECT salt, body FROM payload WHERE id = ?", (id,))
    return bool(found) and digest(bytes(found[0][0]), bytes(found[0][1])) == id
