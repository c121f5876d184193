"""A request's trace: what a caller says in `traceparent` is the trace that its work belongs to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from tutti import telemetry

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[MutableMapping[str, Any], _Receive, _Send], Awaitable[None]]


class Traced:
    """ASGI middleware: spans made while a request is served are part of the caller's trace."""

    def __init__(self, app: _App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http" or not telemetry.on():
            await self._app(scope, receive, send)
            return
        said = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"}
        with telemetry.within(said):
            await self._app(scope, receive, send)
