"""The socket: for its owner only, free after a dead process, taken while one lives, gone after a stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import stat
from pathlib import Path

import pytest

from tutti import Workspace
from tutti.api import serve
from tutti.api.listening import listen
from tutti.errors import Conflict, StorageFailed


async def asked(path: Path, request: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(request)
    await writer.drain()
    answer = await reader.read()
    writer.close()
    return answer


async def test_it_serves_until_a_signal_and_lets_waiting_requests_end(workspace: Workspace) -> None:
    listening: asyncio.Future[Path] = asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(serve(workspace, ready=listening.set_result))
    path = await listening
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    answer = await asked(path, b"GET /v1/health HTTP/1.1\r\nhost: tutti\r\nconnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"server:" not in answer.lower()

    id = await workspace.submit("refund.pay", {"amount": 1})
    await workspace.result(id)
    asking = await workspace.submit("ticket.ask", {"text": "?"}, after={"text": await workspace.submit("ticket.ask", {"text": "?"})})
    waiting = asyncio.create_task(asked(path, f"GET /v1/tasks/{asking}/wait?timeout_ms=200000 HTTP/1.1\r\nhost: tutti\r\nconnection: close\r\n\r\n".encode()))
    await workspace.quiet()
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    assert b'"done":false' in await waiting  # it did not take its 200 seconds
    assert not path.exists()


async def test_a_socket_left_behind_is_taken_and_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "socket"
    dead = listen(path)
    dead.close()
    assert path.exists()
    living = listen(path)
    with pytest.raises(Conflict, match="answers on"):
        listen(path)
    living.close()


def test_a_file_in_the_sockets_place_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    path.write_text("mine")
    with pytest.raises(StorageFailed, match="no socket"):
        listen(path)
    assert path.read_text() == "mine"
    with pytest.raises(StorageFailed, match="cannot be opened"):
        listen(path / "below a file")


async def test_a_full_backlog_counts_as_living(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy:
        busy.bind(str(path))
        busy.listen(0)
        crowd = []
        for _ in range(4):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            one.setblocking(False)
            crowd.append(one)
            if one.connect_ex(str(path)):
                break
        with pytest.raises(Conflict):
            await asyncio.to_thread(listen, path)
        for one in crowd:
            one.close()
