"""An open workspace for the MCP tests."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from mcp_site import make_fleet, served

from tutti import Settings, Workspace


@pytest.fixture
async def workspace(tmp_path: Path) -> AsyncIterator[Workspace]:
    async with Workspace(make_fleet(), Settings("support", tmp_path / "tutti", grace=timedelta(0))) as opened:
        yield opened


@pytest.fixture
async def url(workspace: Workspace) -> AsyncIterator[str]:
    async with served(workspace) as address:
        yield address
