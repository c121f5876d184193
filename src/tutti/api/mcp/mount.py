"""`/mcp` in the app: admission first, then the SDK, which is loaded and started with the first request."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.routing import Route

from tutti.api import problems
from tutti.api.guard import caller_of
from tutti.app import Workspace
from tutti.errors import TuttiError

PATH = "/mcp"

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


def install(app: FastAPI, workspace: Workspace) -> None:
    """Mount `/mcp`. It ends with the workspace, or earlier by `app.state.stopping`."""
    door = _Door(workspace, app.state.stopping)
    app.router.routes.append(Route(PATH, door, include_in_schema=False))
    workspace.outside.shared[f"mcp server {id(app)}"] = door


class _Door:
    """The ASGI endpoint. A request without a known caller gets no further than here."""

    def __init__(self, workspace: Workspace, stopping: asyncio.Event) -> None:
        self._workspace = workspace
        self._stopping = stopping
        self._starting = asyncio.Lock()
        self._manager: Any = None
        self._running: asyncio.Task[None] | None = None

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        headers = Headers(scope=scope)
        try:
            caller_of(HTTPConnection(scope))
        except TuttiError as error:
            await problems.of(error)(scope, receive, send)
            return
        if foreign(headers.get("origin", ""), headers.get("host", "")):
            refusal = problems.problem(403, "refused", "This was sent by a web page of another origin.", "Call /mcp from a program, not from a page elsewhere.")
            await refusal(scope, receive, send)
            return
        manager = self._manager or await self._start()
        await manager.handle_request(scope, receive, send)

    async def _start(self) -> Any:
        async with self._starting:
            if self._manager is None:
                server = await asyncio.to_thread(import_module, "tutti.api.mcp.server")  # a second of imports, beside the loop
                manager = server.manager(self._workspace, self._stopping)
                started = asyncio.get_running_loop().create_future()
                self._running = asyncio.create_task(_run(manager, started), name="mcp server")
                await started
                self._manager = manager
        return self._manager

    async def close(self) -> None:
        """End what is under way. Twice is fine."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait((self._running,))
            self._running = self._manager = None


async def _run(manager: Any, started: asyncio.Future[None]) -> None:
    """Hold the SDK's task group: it must be entered and left by one and the same task."""
    async with manager.run():
        started.set_result(None)
        await asyncio.Event().wait()


def foreign(origin: str, host: str) -> bool:
    """Whether a browser says that a page of another origin sent this. Programs send no origin; the host itself is checked before."""
    return bool(origin) and urlsplit(origin).netloc.lower() != host.lower()
