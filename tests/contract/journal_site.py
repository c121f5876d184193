"""The contract suite runs on both databases. A journal here has a few tables, small folds, a clock that tests set, and seeded ids."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tutti.ids import Ids
from tutti.journal import Journal, Limits, Report, export, open_journal, rebuild, verify
from tutti.model.fact import Draft, Fact
from tutti.model.view import Add, Change, Put, Set, Table
from tutti.security import Keys

NOON = 1_795_000_000_000_000

TASK = Table("task", ("id",), {"id": "text", "stage": "text", "skill": "text", "priority": "int", "subject": "text"}, closes=True, indexes=(("stage",),))
BUDGET = Table("budget", ("owner", "unit"), {"owner": "text", "unit": "text", "spent": "int", "limit": "int"}, defaults={"limit": 100})
HISTORY = Table("history", ("seq",), {"seq": "int", "kind": "text"}, hot=False)
TABLES = (TASK, BUDGET, HISTORY)


def submitted(fact: Fact) -> Iterator[Change]:
    yield Put("task", (fact.about,), {"stage": "new", "priority": 1} | {k: v for k, v in fact.data.items() if k in TASK.columns})


def changed(fact: Fact) -> Iterator[Change]:
    yield Set("task", (fact.about,), dict(fact.data))


def completed(fact: Fact) -> Iterator[Change]:
    yield Set("task", (fact.about,), {"stage": "done", "open": 0})


def resumed(fact: Fact) -> Iterator[Change]:
    yield Set("task", (fact.about,), {"stage": "again", "open": 1})


def spent(fact: Fact) -> Iterator[Change]:
    yield Add("budget", (fact.about, "EUR"), {"spent": fact.data["amount"]})


def noted(fact: Fact) -> Iterator[Change]:
    yield Put("history", (fact.seq,), {"kind": fact.kind})


def raising(fact: Fact) -> Iterator[Change]:
    raise LookupError("this fold has a bug")


FOLDS: dict[str, Any] = {
    "task.submitted": (submitted, noted),
    "task.changed": (changed,),
    "task.completed": (completed, noted),
    "task.resumed": (resumed,),
    "budget.spent": (spent,),
    "fold.raises": (raising,),
}


@dataclass
class SetClock:
    """A clock that says what a test tells it."""

    at: int = NOON

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1e6


@dataclass
class Site:
    """A place for one workspace, and what all journals on it share."""

    engine: str
    place: str
    folder: Path
    workspace: str
    clock: SetClock = field(default_factory=SetClock)
    journals: list[Journal] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ids = Ids(self.clock, seed=7)
        self.keys = Keys.create(self.ids)
        self.witness = self.folder / "witness.jsonl"

    def journal(self, **options: Any) -> Journal:
        given = {
            "clock": self.clock,
            "ids": self.ids,
            "keys": self.keys,
            "tables": TABLES,
            "folds": FOLDS,
            "witness": self.witness,
            "threaded": False,
        } | options
        journal = open_journal(self.place, self.workspace, **given)
        self.journals.append(journal)
        return journal

    async def open(self, **options: Any) -> Journal:
        journal = self.journal(**options)
        await journal.start()
        return journal

    async def close(self) -> None:
        for journal in self.journals:
            await journal.close()

    def verify(self, **options: Any) -> Report:
        return verify(self.place, workspace=self.workspace, **options)

    def rebuild(self, tables: Any = TABLES, folds: Any = None) -> list[Any]:
        return rebuild(self.place, tables, folds or FOLDS, workspace=self.workspace)

    def export(self, folder: Path, **options: Any) -> Any:
        return export(self.place, folder, workspace=self.workspace, **options)

    def bytes(self) -> bytes:
        return Path(self.place).read_bytes()

    def put(self, content: bytes) -> None:
        Path(self.place).write_bytes(content)

    def tamper(self, sql: str, params: tuple[Any, ...] = ()) -> None:
        """Change the database behind the journal's back, as somebody with its password could."""
        if self.engine == "sqlite":
            import sqlite3

            db = sqlite3.connect(self.place)
            with db:
                db.execute(sql, params)
            db.close()
        else:
            from tutti.journal.postgres import connect, translated_sql

            with connect(self.place, self.workspace) as db:
                db.execute(translated_sql(sql), params)


def draft(kind: str = "task.submitted", about: str = "t-1", cause: int | None = None, **data: Any) -> Draft:
    return Draft(kind, about, "test", data, cause)


def spend(amount: int, owner: str = "sales") -> Draft:
    return Draft("budget.spent", owner, "test", {"amount": amount})


async def until(condition: Any) -> None:
    """Let the loop turn until something holds; no clock involved."""
    while not condition():
        await asyncio.sleep(0)


SMALL = Limits(waiting=3)
