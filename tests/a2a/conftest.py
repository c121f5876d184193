"""What the tests of the server share: the site, and the gate that its agents wait at."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from server_site import Gate, Site, make_fleet, site


@pytest.fixture
def gate() -> Gate:
    return Gate()


@pytest.fixture
async def served(tmp_path: Path, gate: Gate) -> AsyncIterator[Site]:
    async with site(make_fleet(gate), tmp_path) as opened:
        yield opened
