"""An open workspace, and a way to call its API in process."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from api_site import Call, make_fleet

from tutti import Settings, Workspace
from tutti.api import build, request


@pytest.fixture
async def workspace(tmp_path: Path) -> AsyncIterator[Workspace]:
    async with Workspace(make_fleet(), Settings("support", tmp_path / "tutti", grace=timedelta(0))) as opened:
        yield opened


@pytest.fixture
def call(workspace: Workspace) -> Call:
    app = build(workspace)

    async def call(method: str, path: str, body: Any = None, *, raw: bytes | None = None) -> tuple[int, Any]:
        sent = raw if raw is not None else b"" if body is None else orjson.dumps(body)
        reply = await request(app, method, path, sent)
        return reply.status, orjson.loads(reply.body)

    return call
