"""Admission: ASGI middleware around the app that finds out who calls.

On the workspace's Unix socket (and in the same process) it is the owner: only their user can open it. On TCP a token says it.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, MutableMapping
from hmac import compare_digest
from pathlib import Path
from typing import Any

from tutti.api.guard import trusted
from tutti.app import Workspace
from tutti.model.caller import OWNER

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[MutableMapping[str, Any], _Receive, _Send], Awaitable[None]]
_TOKEN = "owner.token"


class Local:
    """The app for callers who are the owner by where they come from."""

    def __init__(self, app: _App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] == "http":
            trusted(scope, OWNER)  # type: ignore[arg-type]
        await self._app(scope, receive, send)


class Admission:
    """The app for callers on TCP: whoever brings the owner's token is the owner, everybody else is nobody."""

    def __init__(self, app: _App, workspace: Workspace) -> None:
        self._app = app
        self._place = workspace.settings.home / _TOKEN

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if self._place.is_file() and compare_digest(given, b"Bearer " + self._place.read_bytes().strip()):
                trusted(scope, OWNER)  # type: ignore[arg-type]
        await self._app(scope, receive, send)


async def ensure_owner_token(workspace: Workspace) -> Path:
    """The file with the owner's token, made where it is not there; only this user can read it."""
    place = workspace.settings.home / _TOKEN
    if not place.is_file():
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"tutti_{workspace.ids.bytes(32).hex()}\n")
    return place
