"""Where the contract suite runs: SQLite files and the PostgreSQL server, a workspace per test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from journal_site import Site


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def site(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    name = f"w{abs(hash(request.node.name)) % 10**12}"
    place = request.getfixturevalue("postgres_url") if engine == "postgres" else str(tmp_path / "journal.db")
    here = Site(engine, place, tmp_path, name)
    yield here
    await here.close()
