"""Serving the API on the workspace's Unix socket and on TCP, inside the loop that runs the fleet."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.server import ServerState

from tutti.api.admission import Admission, Local
from tutti.api.app import build
from tutti.api.connection import Bound, connection, options
from tutti.api.front import Front
from tutti.api.listening import BACKLOG, listen, listen_tcp, proxies_of, tls, url_of
from tutti.app import Workspace
from tutti.connection import close_listener
from tutti.halting import on_halt

log = logging.getLogger("tutti.api")
_GRACE = 5.0  # seconds that requests under way get when the server stops
_TURNS = 2  # of the loop, until what has come on a connection is being served
_HANDSHAKE_S = 10.0  # seconds a TLS handshake may take
_LOCAL_CONNECTIONS = 1000  # of this user's own programs


class _Server:
    """One listener and its connections."""

    def __init__(self, app: Any, listener: socket.socket, most: int, bound: Bound | None, context: ssl.SSLContext | None) -> None:
        self._config = uvicorn.Config(app, http=connection(most, bound), backlog=BACKLOG, **options())
        self._config.load()
        self._protocol: Any = self._config.http_protocol_class
        self._state = ServerState()
        self._listener = listener
        self._context = context

    async def start(self) -> None:
        """Take connections from now on."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._made, sock=self._listener, ssl=self._context, backlog=BACKLOG, ssl_handshake_timeout=_HANDSHAKE_S if self._context else None
        )

    def _made(self) -> Any:
        return self._protocol(config=self._config, server_state=self._state, app_state={})

    async def stop(self, grace: float) -> None:
        """Take no more connections, and let requests under way end within `grace` seconds."""
        await close_listener(self._listener, [self._server], self._made, self._context)
        for each in list(self._state.connections):
            each.shutdown()
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=grace)
        for task in list(self._state.tasks):
            task.cancel()
        for each in list(self._state.connections):
            if each.transport is not None:
                each.transport.close()


async def serve(workspace: Workspace, *, ready: Callable[[Path], None] | None = None, stopping: Callable[[], None] | None = None) -> None:
    """Answer on the workspace's socket, and on `settings.listen`, until SIGINT or SIGTERM; then drain. The caller closes the workspace.

    Draining: no new work is taken (503), waiting requests and streams end, agents that run get `settings.grace` while everything can still be
    read; then requests under way end. A second signal ends it at once; after Ctrl-C this process ignores further ones (see `on_halt`). `ready` is called with the socket's path when all listens
    (`workspace.outside.base_url` is the address on TCP), `stopping` when the first signal comes.
    Raises: `Conflict` when another process answers there, `Invalid` for an address or TLS files that cannot be used, `StorageFailed`.
    """
    settings = workspace.settings
    workspace.outside.secrets.guard_logs()
    context = tls(settings)
    per_address = Bound(settings.connections_per_address, proxies_of(settings))
    listeners: list[tuple[socket.socket | None, int, Bound | None, ssl.SSLContext | None]] = [
        (listen_tcp(settings), settings.connections, per_address, context)
    ]
    path = settings.socket
    try:
        listeners.append((listen(path), _LOCAL_CONNECTIONS, None, None))
    except BaseException:
        if listeners[0][0] is not None:
            listeners[0][0].close()
        raise
    stopped, at_once = asyncio.Event(), asyncio.Event()

    def stop() -> None:
        if stopped.is_set():
            at_once.set()
        stopped.set()

    servers: list[_Server] = []
    try:
        if listeners[0][0] is not None:
            workspace.outside.base_url = url_of(settings, listeners[0][0])
        app = build(workspace)
        doors = [Front(Admission(app, workspace), settings), Local(app)]
        servers += [
            _Server(door, listener, most, each, cipher) for door, (listener, most, each, cipher) in zip(doors, listeners, strict=True) if listener is not None
        ]
        with on_halt(stop):
            async with running(app):
                for server in servers:
                    await server.start()
                if ready is not None:
                    ready(path)
                await stopped.wait()
                app.state.stopping.set()
                if stopping is not None:
                    stopping()
                await _unless(at_once, workspace.corridor.traffic.stop(settings.grace.total_seconds()))
                await _unless(at_once, asyncio.gather(*(server.stop(_GRACE) for server in servers)))
    finally:
        for listener, *_ in listeners:
            if listener is not None:
                listener.close()
        path.unlink(missing_ok=True)
        workspace.outside.base_url = ""


async def _unless(at_once: asyncio.Event, work: Any) -> None:
    """Do this, and leave off when the event comes."""
    doing, hurry = asyncio.ensure_future(work), asyncio.create_task(at_once.wait())
    try:
        await asyncio.wait((doing, hurry), return_when=asyncio.FIRST_COMPLETED)
    finally:
        hurry.cancel()
        if not doing.done():
            doing.cancel()
            await asyncio.gather(doing, return_exceptions=True)


@contextlib.asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[None]:
    """Keep what the app's doors need going: enters `app.state.contexts`, in this task, and leaves them in the other order."""
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(app.state.events.close)
        stack.callback(app.state.pressure.close)
        for make in app.state.contexts:
            await stack.enter_async_context(make())
        yield
