"""A kept connection that the other end closes just when a call goes out: what is certain is repeated, what is not waits for a person."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from client_site import calling, card_of, done

from tutti.clock import SystemClock
from tutti.errors import AgentFailed
from tutti.ids import Ids
from tutti.security import Egress, Secrets
from tutti.transports import Outside, calls, outside
from tutti.transports.a2a import wire

SKILLS = {"thing.do": {"nature": "action", "idempotent": False}}
PROCESS = {"uri": wire.IDEMPOTENCY}
DURABLE = {"uri": wire.IDEMPOTENCY, "params": {"durable": True}}
Said = dict[str, Any] | None  # an answer's result; None closes the connection without a word


class Server:
    """An HTTP server of bytes: it answers calls as `answer(call's number, connection's number)` says, and closes as it likes."""

    def __init__(self, answer: Callable[[int, int], Said], extensions: list[Any], process: str) -> None:
        self.answer = answer
        self.extensions = extensions
        self.process = process
        self.calls: list[tuple[int, dict[str, str]]] = []  # (connection, headers)
        self.connections = 0
        self.idle_s = 60.0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while True:
                async with asyncio.timeout(self.idle_s):
                    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
                await reader.readexactly(int(headers.get("content-length", "0")))
                if head[0].startswith("GET"):
                    card = card_of(self.url, skills=SKILLS)
                    card["capabilities"]["extensions"] += self.extensions
                    self._write(writer, card, "connection: close\r\n")
                    await writer.drain()
                    break
                self.calls.append((number, headers))
                said = self.answer(len(self.calls), number)
                if said is None:
                    break
                self._write(writer, {"jsonrpc": "2.0", "id": "1", "result": said})
        except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
            pass
        writer.close()

    def _write(self, writer: asyncio.StreamWriter, value: Any, more: str = "") -> None:
        body = orjson.dumps(value)
        named = f"tutti-process: {self.process}\r\n" if self.process else ""
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{named}{more}content-length: {len(body)}\r\n\r\n".encode() + body)

    url = ""


@asynccontextmanager
async def up(answer: Callable[[int, int], Said], *extensions: Any, process: str = "") -> AsyncIterator[Server]:
    server = Server(answer, list(extensions), process)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with listening:
        yield server


def finished() -> Said:
    return {"message": {"messageId": "m", "role": "ROLE_AGENT", "parts": [{"text": "done"}]}}


def closes_on_second(call: int, connection: int) -> Said:
    return None if call == 2 else finished()


@pytest.mark.parametrize(("extension", "process"), [(PROCESS, "p-1"), (DURABLE, "")])
async def test_a_service_that_keeps_keys_is_asked_once_more(tmp_path: Path, extension: Any, process: str) -> None:
    async with up(closes_on_second, extension, process=process) as server, calling(server.url, tmp_path, act=("thing.do",)) as workspace:
        assert (await done(workspace, "thing.do", "a"))["state"] == "completed"
        assert (await done(workspace, "thing.do", "b"))["state"] == "completed"
        (_, first), (kept, second), (fresh, third) = server.calls
        assert second["idempotency-key"] == third["idempotency-key"] != first["idempotency-key"]
        assert fresh != kept
        assert third.get("tutti-process", "") == process


@pytest.mark.parametrize(
    ("what", "answer", "extensions", "process", "count"),
    [
        ("it promises nothing", closes_on_second, [], "", 2),
        ("it does not say which process it is", closes_on_second, [PROCESS], "", 2),
        ("it closes the second one, too", lambda call, _: finished() if call == 1 else None, [PROCESS], "p-1", 3),
        ("a connection that is new", lambda call, _: None, [DURABLE], "", 1),
    ],
)
async def test_what_is_not_certain_waits_for_a_person(
    tmp_path: Path, what: str, answer: Callable[[int, int], Said], extensions: list[Any], process: str, count: int
) -> None:
    async with up(answer, *extensions, process=process) as server, calling(server.url, tmp_path, act=("thing.do",)) as workspace:
        task: dict[str, Any] = {}
        for name in ("a", "b"):
            if not task or task["state"] == "completed":
                task = await done(workspace, "thing.do", name)
        assert (task["stage"], len(server.calls)) == ("parked", count), what


async def test_another_process_does_not_do_it_again(tmp_path: Path) -> None:
    """The first process is gone with what it knew; the one that answers the second time is another."""

    def answer(call: int, connection: int) -> Said:
        if call == 2:
            server.process = "p-2"
            return None
        return finished()

    async with up(answer, PROCESS, process="p-1") as server, calling(server.url, tmp_path, act=("thing.do",)) as workspace:
        await done(workspace, "thing.do", "a")
        assert (await done(workspace, "thing.do", "b"))["stage"] == "parked"


async def test_nothing_is_sent_on_a_connection_that_may_be_closing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What must not be done twice, by a service that keeps no keys, goes over a connection that was used just before, or over a new one."""
    monkeypatch.setattr(calls, "SURE_S", 60.0)  # however long a call takes here, the next one comes just after it
    async with up(lambda *_: finished()) as server, calling(server.url, tmp_path, act=("thing.do",)) as workspace:
        await done(workspace, "thing.do", "a")
        await done(workspace, "thing.do", "b")
        assert server.calls[0][0] == server.calls[1][0], "used again"
    monkeypatch.setattr(calls, "SURE_S", 0.05)
    async with up(lambda *_: finished()) as server, calling(server.url, tmp_path / "later", act=("thing.do",)) as workspace:
        await done(workspace, "thing.do", "a")
        await asyncio.sleep(0.1)
        await done(workspace, "thing.do", "b")
        assert server.calls[0][0] != server.calls[1][0]


@pytest.fixture
async def listener() -> AsyncIterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


async def test_a_kept_connection_that_was_closed_is_not_used(listener: socket.socket) -> None:
    """Not even where the loop has not heard of it: what is sent on it might have been read, for all that the caller knows."""
    loop, link = asyncio.get_running_loop(), calls.Link()
    async with called(listener) as (outside, url):

        async def answered() -> socket.socket:
            connection, _ = await loop.sock_accept(listener)
            await loop.sock_recv(connection, 4096)
            await loop.sock_sendall(connection, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
            return connection

        first = asyncio.create_task(answered())
        await calls.ask(outside, "POST", url, headers={}, body=b"{}", link=link)
        kept = await first
        second = asyncio.create_task(answered())
        kept.close()
        assert (await calls.ask(outside, "POST", url, headers={}, body=b"{}", link=link)).status == 200
        (await second).close()


async def test_what_was_not_sent_did_not_happen(listener: socket.socket) -> None:
    """A new connection that goes while it is looked at who answers there."""
    loop = asyncio.get_running_loop()

    async def vouch() -> None:
        connection, _ = await loop.sock_accept(listener)
        connection.close()
        await asyncio.sleep(0.05)

    async with called(listener) as (outside, url):
        with pytest.raises(AgentFailed):
            await calls.ask(outside, "POST", url, headers={}, body=b"{}", link=calls.Link(vouch))


@asynccontextmanager
async def called(listener: socket.socket) -> AsyncIterator[tuple[Outside, str]]:
    """What calls go through, and where."""
    clock = SystemClock()
    outside = Outside(Egress(("127.0.0.1",)), Secrets(), clock, Ids(clock))
    try:
        yield outside, f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        await outside.close()


def test_how_long_connections_are_kept() -> None:
    """Well below what common servers keep them (uvicorn and Node 5 seconds), and below what our own service does (75)."""
    from tutti.service.server import _KEEP_ALIVE_S

    assert calls.SURE_S * 2 < 5
    assert outside.KEPT_S * 2 < _KEEP_ALIVE_S
