"""View tables with rows in them, put there by hand: in memory, or in a workspace's journal on either database."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tutti.app import TABLES

SECOND = 1_000_000
Row = dict[str, Any]
_TYPES = {"text": "TEXT", "int": "INTEGER", "blob": "BLOB"}


class Memory:
    """The view in memory."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:")
        self.db.execute('CREATE TABLE fact (seq INTEGER PRIMARY KEY, at INTEGER, kind TEXT, about TEXT, "by" TEXT, cause INTEGER, data TEXT)')
        for table in TABLES:
            columns = {**dict.fromkeys(table.key, "text"), **table.columns, **({"open": "int"} if table.closes else {}), "version": "int"}
            self.db.execute(
                f'CREATE TABLE "{table.name}" (rowid INTEGER PRIMARY KEY, {", ".join(f"{chr(34)}{c}{chr(34)} {_TYPES[t]}" for c, t in columns.items())})'
            )

    async def select(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        cursor = self.db.execute(sql, tuple(params))
        return [dict(zip([column[0] for column in cursor.description], row, strict=True)) for row in cursor]

    def put(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        for row in rows:
            self.db.execute(inserting(table, row, "?"), tuple(row.values()))


def inserting(table: str, row: Mapping[str, Any], mark: str) -> str:
    return f'INSERT INTO "{table}" ({", ".join(chr(34) + name + chr(34) for name in row)}) VALUES ({", ".join([mark] * len(row))})'


def task(id: str, **values: Any) -> Row:
    """A row of a task that an agent did at once, at second 0, unless said otherwise."""
    row: Row = {
        "id": id, "skill": "job.do", "nature": "advice", "department": "a", "state": "completed", "stage": "ended", "agent": "anna", "agent_version": "1",
        "attempts": 1, "from_agent": "signal", "from_at": 0, "submitted_at": 0, "started_at": 0, "finished_at": 0, "by_person": 0, "cost": 0, "seq": 1, "state_at": 0,
        "priority": 0, "open": 0, "version": 3,
    }  # fmt: skip
    row |= values
    if row["finished_at"] is None:
        row |= {"open": 1} | ({} if "state" in values else {"state": "submitted", "stage": "ready"})
    return row


def history(seed: int, tasks: int, seconds: int) -> list[Row]:
    """Tasks of a made-up fleet over some time: trees of them, some open, some failed, some with a person."""
    rng = random.Random(seed)
    rows: list[Row] = []
    for n in range(tasks):
        parent = rng.choice(rows[-5:]) if rows and rng.random() < 0.6 else None
        came = (parent["finished_at"] or parent["submitted_at"]) if parent else rng.randrange(seconds * SECOND)
        started = came + rng.randrange(2 * SECOND) if rng.random() < 0.9 else None
        finished = started + rng.randrange(5 * SECOND) if started is not None and rng.random() < 0.8 else None
        rows.append(task(
            f"t-{n}", parent=parent["id"] if parent else None, submitted_at=came, from_at=came, started_at=started, finished_at=finished,
            from_agent=(parent["agent"] or "person/ana") if parent else rng.choice(("signal", "person", "service/crm")),
            agent=rng.choice(("anna", "ben", "carl")) if started is not None else None, department=rng.choice("ab"), nature=rng.choice(("advice", "action")),
            state="submitted" if finished is None else rng.choice(("completed", "completed", "completed", "failed", "rejected")),
            by_person=rng.randrange(2), quality=rng.choice((None, rng.randrange(SECOND))), cost=rng.randrange(5_000_000),
        ))  # fmt: skip
    return rows
