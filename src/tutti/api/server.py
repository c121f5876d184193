"""Serving the API on the workspace's Unix socket, inside the loop that runs the fleet."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import uvicorn

from tutti.api.admission import Local
from tutti.api.app import build
from tutti.app import Workspace
from tutti.errors import Conflict, StorageFailed

_GRACE = 5  # seconds that requests under way get when the server stops
_BACKLOG = 128


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours: they stop the workspace too, and are not raised again afterwards."""
        yield


async def serve(workspace: Workspace, *, ready: Callable[[Path], None] | None = None) -> None:
    """Answer on the workspace's socket until SIGINT or SIGTERM, then let requests under way end. The caller closes the workspace.

    `ready` is called with the socket's path when it listens. Raises: `Conflict` when another process answers there, `StorageFailed`.
    """
    path = workspace.settings.socket
    app = build(workspace)
    config = uvicorn.Config(
        Local(app), loop="none", ws="none", lifespan="off", log_config=None, log_level="critical", access_log=False, proxy_headers=False, server_header=False, date_header=False,
        timeout_graceful_shutdown=_GRACE, backlog=_BACKLOG,
    )  # fmt: skip
    server = _Server(config)

    def stop() -> None:
        server.force_exit = server.should_exit  # the second time: at once
        server.should_exit = True
        app.state.stopping.set()

    loop = asyncio.get_running_loop()
    listener = listen(path)
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        if ready is not None:
            ready(path)
        await server.serve([listener])
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        listener.close()
        path.unlink(missing_ok=True)


def listen(path: Path) -> socket.socket:
    """A listening socket at a path, for this user only; one that a dead process left behind is taken away.

    Raises: `Conflict` when a process answers there, `StorageFailed` when the path cannot be used.
    """
    try:
        _clear(path)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)  # the socket is never open to others, not even between two calls
        try:
            listener.bind(str(path))
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(before)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        raise StorageFailed(f"The socket {path} cannot be opened: {error.strerror or error}.", hint="See who owns it, or name another folder.") from error
    return listener


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StorageFailed(f"{path} is no socket.", hint="Move it away.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError:
            pass  # busy or slow: somebody is there
    raise Conflict(f"Another process answers on {path}.", hint="Stop it, or give this workspace another folder.")
