"""A view on either database, to be filled by hand."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from view_site import inserting

from tutti import Settings
from tutti.app import journal_for
from tutti.journal import Journal


class Stored:
    """The view of a workspace's journal."""

    def __init__(self, journal: Journal, settings: Settings) -> None:
        self.select = journal.select
        self._settings = settings

    def put(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        mark = "%s" if self._settings.database else "?"
        self._write([(inserting(table, row, mark), tuple(row.values())) for row in rows])

    def set_head(self, seq: int) -> None:
        self._write([(f"UPDATE head SET seq = {seq}", ())])

    def _write(self, statements: Iterable[tuple[str, tuple[Any, ...]]]) -> None:
        if not self._settings.database:
            with sqlite3.connect(self._settings.place) as db:
                for sql, params in statements:
                    db.execute(sql, params)
            return
        import psycopg

        with psycopg.connect(self._settings.database) as there:
            there.execute(f'SET search_path TO "tutti_{self._settings.workspace}"')
            for sql, params in statements:
                there.execute(sql, params)


@pytest.fixture(params=["sqlite", "postgres"])
async def stored(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stored]:
    database = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    settings = Settings(f"w{abs(hash(request.node.name)) % 10**12}", tmp_path, database)
    journal = journal_for(settings)
    await journal.start()
    yield Stored(journal, settings)
    await journal.close()
