"""Admission: ASGI middleware around the app that finds out who calls.

On the workspace's Unix socket (and in the same process) it is the owner: only their user can open it. On TCP a token says it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tutti.api.guard import trusted
from tutti.model.caller import OWNER

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[MutableMapping[str, Any], _Receive, _Send], Awaitable[None]]


class Local:
    """The app for callers who are the owner by where they come from."""

    def __init__(self, app: _App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] == "http":
            trusted(scope, OWNER)  # type: ignore[arg-type]
        await self._app(scope, receive, send)
