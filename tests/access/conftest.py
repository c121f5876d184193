"""An open workspace with a clock that stands still, and its API as callers on TCP meet it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from access_site import Door, make_fleet

from tutti import Settings, Workspace
from tutti.ids import Ids
from tutti.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def workspace(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Workspace]:
    settings = Settings("shop", tmp_path / "tutti", grace=timedelta(0))
    async with Workspace(make_fleet(), settings, clock=clock, ids=Ids(clock)) as opened:
        yield opened


@pytest.fixture
def door(workspace: Workspace) -> Door:
    return Door(workspace)
