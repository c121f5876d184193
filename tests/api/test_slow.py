"""Who sends slowly, too much, packed or nothing at all is cut off, while others are served; who drains says so."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import api_site
import pytest
from api_site import Served, make_fleet, serving

from tutti import Settings
from tutti.api import limits, server
from tutti.api.limits import BODY_BYTES
from tutti.connection import Connection


@pytest.fixture
async def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    """Deadlines that a test can wait for."""
    monkeypatch.setattr(Connection, "header_s", 0.3)
    monkeypatch.setattr(Connection, "stall_s", 0.5)
    monkeypatch.setattr(limits.Limits.__init__, "__defaults__", (0.3,))
    async with serving(make_fleet(), Settings("support", tmp_path / "tutti", listen="127.0.0.1:0", connections=20)) as found:
        yield found


async def opened(served: Served) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))


async def told(served: Served, *parts: bytes) -> bytes:
    """What comes back until the connection closes."""
    reader, writer = await opened(served)
    for part in parts:
        writer.write(part)
    async with asyncio.timeout(30):
        try:
            answer = await reader.read()
        except ConnectionResetError:
            answer = b""
    writer.close()
    return answer


def head(served: Served, *more: str, method: str = "POST", path: str = "/v1/signals") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", f"authorization: {served.headers['authorization']}", "content-type: application/json", *more]
    return "\r\n".join([*lines, "", ""]).encode()


async def test_slow_headers_are_cut_while_others_are_served(served: Served) -> None:
    crowd = [asyncio.create_task(told(served, b"GET /v1/tasks HTTP/1.1\r\nhost: loc")) for _ in range(10)]
    silent = [asyncio.create_task(told(served)) for _ in range(5)]
    async with aiohttp.ClientSession(headers=served.headers) as session, session.get(served.url + "/v1/tasks") as answer:
        assert answer.status == 200
    assert all(answer.startswith(b"HTTP/1.1 408") for answer in await asyncio.gather(*crowd, *silent))


async def test_half_a_request_behind_a_whole_one_is_cut(served: Served) -> None:
    answer = await told(served, head(served, method="GET", path="/v1/tasks") + b"GET /v1/tasks HTTP/1.1\r\nhost: loc")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in answer


async def test_half_a_request_does_not_cost_the_one_before_its_answer(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_site, "HOLD", str(tmp_path))
    id = await served.workspace.submit("ticket.hold", {"text": "x"})
    waits = head(served, method="GET", path=f"/v1/tasks/{id}/wait?timeout_ms=700")
    answer = await told(served, waits + b"GET /v1/tasks HTTP/1.1\r\nhost: loc")
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"HTTP/1.1 408" in answer
    (tmp_path / "go").touch()


async def test_who_asks_for_nothing_more_is_let_go(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "header_s", 20.0)
    monkeypatch.setattr(Connection, "__init__", _impatient(Connection.__init__))
    reader, writer = await opened(served)
    for _ in range(3):  # each begins the time anew
        await asyncio.sleep(0.6)
        writer.write(head(served, method="GET", path="/v1/tasks"))
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200")
        await reader.readexactly(int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
    async with asyncio.timeout(30):
        await reader.read()
    writer.close()


def _impatient(init: Callable[..., None]) -> Callable[..., None]:
    def made(self: Connection, *arguments: Any, **named: Any) -> None:
        init(self, *arguments, **named)
        self.timeout_keep_alive = 1.5  # type: ignore[assignment]

    return made


async def test_answers_leave_at_once(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """Head and body are two segments; the second does not wait until the caller has acknowledged the first."""
    found: list[int] = []
    made = Connection.connection_made

    def looked_at(self: Connection, transport: Any) -> None:
        made(self, transport)
        found.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    monkeypatch.setattr(Connection, "connection_made", looked_at)
    async with aiohttp.ClientSession(headers=served.headers) as session, session.get(served.url + "/v1/tasks") as answer:
        assert answer.status == 200
    assert found == [1]


async def test_headers_without_end_are_cut(served: Served) -> None:
    answer = await told(served, b"GET / HTTP/1.1\r\n", *[b"x-%d: " % n + b"y" * 8000 + b"\r\n" for n in range(12)])
    assert answer == b"" or answer.startswith(b"HTTP/1.1 431")


async def test_a_slow_body_is_cut(served: Served) -> None:
    assert (await told(served, head(served, "content-length: 100"), b"{")).startswith(b"HTTP/1.1 408")
    assert (await told(served, head(served, "transfer-encoding: chunked"), b"1\r\n{\r\n")).startswith(b"HTTP/1.1 408")


async def test_large_and_packed_bodies_are_refused_before_they_are_read(served: Served) -> None:
    assert (await told(served, head(served, f"content-length: {BODY_BYTES + 1}"))).startswith(b"HTTP/1.1 413")  # not a byte of it was sent
    chunk = b"%x\r\n" % 65536 + b"x" * 65536 + b"\r\n"
    assert (await told(served, head(served, "transfer-encoding: chunked"), *[chunk] * 33)).startswith(b"HTTP/1.1 413")
    assert (await told(served, head(served, "content-encoding: gzip", "content-length: 1"), b"x")).startswith(b"HTTP/1.1 415")


async def test_more_connections_than_are_taken_are_turned_away(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "header_s", 60.0)  # they are held, and not cut for their silence
    held = [await opened(served) for _ in range(20)]
    assert (await told(served, b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")).startswith(b"HTTP/1.1 503")
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(served.workspace.settings.socket))) as session,
        session.get("http://tutti/v1/tasks") as answer,
    ):
        assert answer.status == 200  # the workspace's own socket has its own bound
    for _, writer in held:
        writer.close()


async def test_a_reader_that_stalls_is_cut(served: Served) -> None:
    for number in range(40):  # facts enough to fill the buffers
        await served.workspace.submit("ticket.triage", {"text": str(number)})
    await served.workspace.quiet()
    reader, writer = await opened(served)
    reader._transport.pause_reading()  # type: ignore[attr-defined]
    request = head(served, method="GET", path="/v1/journal/facts?limit=1000")
    sending = asyncio.create_task(_many(writer, request))
    async with asyncio.timeout(30):
        while not sending.done():
            await asyncio.sleep(0.05)
    assert isinstance(sending.exception(), ConnectionError)


async def _many(writer: asyncio.StreamWriter, request: bytes) -> None:
    while True:
        writer.write(request)
        await writer.drain()
        await asyncio.sleep(0)


@pytest.mark.parametrize("turns", range(4))
async def test_who_connects_while_the_listener_closes_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turns: int) -> None:
    """In whatever turn of the loop that happens: a caller whose connection is cut cannot know what became of its call."""
    with socket.socket() as caller:

        async def close(listener: socket.socket, *closing: Any, original: Any = server.close_listener) -> None:
            if listener.family == socket.AF_INET:
                caller.connect(listener.getsockname())
                caller.sendall(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
                for _ in range(turns):
                    await asyncio.sleep(0)
            await original(listener, *closing)

        monkeypatch.setattr(server, "close_listener", close)
        async with serving(make_fleet(), Settings("support", tmp_path / "tutti", listen="127.0.0.1:0")):
            pass
        caller.settimeout(30)
        assert caller.recv(4096).startswith(b"HTTP/1.1 200 ")


async def test_draining_says_so_and_takes_nothing_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_site, "HOLD", tmp_path)
    settings = Settings("support", tmp_path / "tutti", listen="127.0.0.1:0", grace=timedelta(seconds=20))
    async with serving(make_fleet(), settings) as served, aiohttp.ClientSession(headers=served.headers) as session:
        async with session.get(served.url + "/ready") as answer:
            assert answer.status == 200
        asked = await served.workspace.submit("ticket.hold", {"text": "?"})
        while (await served.workspace.task(asked))["state"] != "working":
            await asyncio.sleep(0.01)
        async with session.get(served.url + "/v1/events") as stream:
            await stream.content.readline()
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.wait_for(stream.content.read(), 30)  # it ends
        async with session.get(served.url + "/ready") as answer:
            assert answer.status == 503
        async with session.get(served.url + "/health") as answer:
            assert answer.status == 200
        async with session.post(served.url + "/v1/tasks", json={"skill": "ticket.triage", "input": {"text": "late"}}) as answer:
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        async with session.get(served.url + f"/v1/tasks/{asked}") as answer:
            assert (await answer.json())["state"] == "working"
        (tmp_path / "go").touch()  # what the agent waits for
        await served.serving
        assert (await served.workspace.journal.row("task", (asked,)))["state"] == "completed"


async def test_a_second_signal_ends_it_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(api_site, "HOLD", tmp_path)
    settings = Settings("support", tmp_path / "tutti", listen="127.0.0.1:0", grace=timedelta(seconds=600))
    async with serving(make_fleet(), settings) as served:
        asked = await served.workspace.submit("ticket.hold", {"text": "?"})
        while (await served.workspace.task(asked))["state"] != "working":
            await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        async with aiohttp.ClientSession() as session:
            while True:
                async with session.get(served.url + "/ready") as answer:
                    if answer.status == 503:
                        break
                await asyncio.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(served.serving, 30)
        assert (await served.workspace.task(asked))["state"] == "working"  # nobody waited for it
        (tmp_path / "go").touch()
    gc.collect()
    assert "never retrieved" not in caplog.text  # what was broken off is not told as a defect
