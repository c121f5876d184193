"""A service's connections: who sends headers or reads too slowly is cut, and a request for another process is turned away."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from service_site import Shop, serving

from tutti.clock import SystemClock
from tutti.connection import Connection
from tutti.ids import Ids
from tutti.security import Egress, Secrets
from tutti.service import offers_of, server
from tutti.service.app import Door
from tutti.service.work import Work
from tutti.transports import Outside
from tutti.transports.a2a import wire

ASKS = b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n"


async def test_slow_headers_are_cut_while_others_are_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_connection", lambda _, original=server._connection: original(0.3))
    async with serving(Shop().fleet(), tmp_path) as url, aiohttp.ClientSession() as session:
        host, port = url.removeprefix("http://").split(":")
        slow = [await asyncio.open_connection(host, int(port)) for _ in range(20)]
        for number, (_, writer) in enumerate(slow):
            writer.write(b"" if number % 2 else b"POST / HTTP/1.1\r\nhost: a\r\nx-slow: ")

        async def drip() -> None:
            while True:
                for number, (_, writer) in enumerate(slow):
                    if not number % 2:
                        writer.write(b"a")
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        try:
            async with asyncio.timeout(30):
                for number, (reader, _) in enumerate(slow):
                    waiting = asyncio.create_task(reader.read(-1))
                    while not waiting.done():
                        async with session.get(url + "/health") as answer:
                            assert answer.status == 200
                        await asyncio.sleep(0.01)
                    if number % 2 or waiting.exception() is None:  # who goes on sending may meet a connection that is gone
                        assert waiting.result().startswith(b"HTTP/1.1 408 ")
        finally:
            dripping.cancel()
            for _, writer in slow:
                writer.close()


async def test_headers_without_end_are_cut(tmp_path: Path) -> None:
    async with serving(Shop().fleet(), tmp_path) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /health HTTP/1.1\r\nhost: a\r\nx-long: " + b"a" * 40_000)
        async with asyncio.timeout(30):
            assert (await reader.read(-1)).startswith(b"HTTP/1.1 4")
        writer.close()


async def test_a_connection_is_used_again_after_the_deadline_of_headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline is for headers that have begun, not for a kept connection that is idle."""
    monkeypatch.setattr(server, "_connection", lambda _, original=server._connection: original(0.1))
    async with serving(Shop().fleet(), tmp_path) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        for _ in range(2):
            writer.write(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
            async with asyncio.timeout(30):
                assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.25):
                    await reader.read(1)
        writer.close()


async def test_what_comes_after_a_body_is_no_authority(tmp_path: Path) -> None:
    """Headers behind a body, in the same packet, are there before anybody has read who calls."""
    body = orjson.dumps({"message": wire.message(wire.parts_of({"product": "tea", "amount": 1}), id="m-1", metadata={"skill": "price.change"})})
    lines = "POST /message:send HTTP/1.1\r\nhost: a\r\na2a-version: 1.0\r\ncontent-type: application/json\r\nconnection: close\r\n"
    right = "authorization: Bearer t0ken\r\n"
    shop = Shop()
    async with serving(shop.fleet(), tmp_path, token="t0ken") as url:
        host, port = url.removeprefix("http://").split(":")
        for first, last, status in ((right, "", 200), ("", right, 401)):
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(b"%s%stransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n%s\r\n" % (lines.encode(), first.encode(), len(body), body, last.encode()))
            async with asyncio.timeout(30):
                assert (await reader.read(-1)).startswith(f"HTTP/1.1 {status} ".encode())
            writer.close()
    assert len(shop.effects) == 1


def noted(monkeypatch: pytest.MonkeyPatch) -> list[Connection]:
    """The connections that are made from now on."""
    connections: list[Connection] = []
    made = Connection.connection_made

    def note(self: Connection, transport: Any) -> None:
        connections.append(self)
        made(self, transport)

    monkeypatch.setattr(Connection, "connection_made", note)
    return connections


async def test_answers_leave_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Head and body are two segments; the second does not wait until the caller has acknowledged the first."""
    connections = noted(monkeypatch)
    async with serving(Shop().fleet(), tmp_path) as url, aiohttp.ClientSession() as session:
        async with session.get(url + "/health") as answer:
            assert answer.status == 200
        assert connections[0].transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_what_is_on_a_connection_when_it_is_closed_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connections = noted(monkeypatch)
    async with serving(Shop().fleet(), tmp_path) as url:
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(ASKS)
        async with asyncio.timeout(30):
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200")
            writer.write(ASKS)  # it is on its way at once
            connections[0].shutdown()
            answer = await reader.read(-1)
        assert answer.startswith(b"HTTP/1.1 200")
        assert b"connection: close" in answer
        writer.close()


async def test_the_last_answer_on_a_connection_says_so(tmp_path: Path) -> None:
    """One that stops leaves callers no connection that is closed under their next request."""
    async with AsyncExitStack() as service:
        url = await service.enter_async_context(serving(Shop().fleet(), tmp_path))
        host, port = url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        stopping, answer = asyncio.create_task(service.aclose()), b""
        async with asyncio.timeout(30):
            while b"connection: close" not in answer:
                writer.write(ASKS)
                answer = await reader.readuntil(b"}")
            assert await reader.read(-1) == b""
            await stopping
        writer.close()


@pytest.mark.parametrize("turns", range(5))
async def test_who_connects_while_the_listener_closes_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, turns: int) -> None:
    """In whatever turn of the loop that happens: a caller whose connection is cut cannot know what became of its call."""
    with socket.socket() as caller:

        async def close(*closing: Any, original: Any = server.close_listener) -> None:
            caller.connect(address)
            caller.sendall(ASKS)
            for _ in range(turns):
                await asyncio.sleep(0)
            await original(*closing)

        monkeypatch.setattr(server, "close_listener", close)
        async with serving(Shop().fleet(), tmp_path) as url:
            host, port = url.removeprefix("http://").split(":")
            address = host, int(port)
        caller.settimeout(30)
        assert caller.recv(4096).startswith(b"HTTP/1.1 503 ")


async def test_a_request_for_another_process_is_turned_away(tmp_path: Path) -> None:
    shop = Shop()
    async with serving(shop.fleet(), tmp_path) as url, aiohttp.ClientSession() as session:
        message = {"message": wire.message(wire.parts_of({"product": "tea", "amount": 1}), id="m-1", metadata={"skill": "price.change"})}
        headers = {"A2A-Version": "1.0", "Content-Type": "application/json", "Idempotency-Key": "k-1"}
        async with session.post(url + "/message:send", json=message, headers=headers | {"Tutti-Process": "p-gone"}) as answer:
            assert (answer.status, shop.effects) == (409, [])
            process = answer.headers["Tutti-Process"]
        for _ in range(2):
            async with session.post(url + "/message:send", json=message, headers=headers | {"Tutti-Process": process}) as answer:
                assert (answer.status, shop.effects) == (200, ["k-1"])


async def test_one_that_stops_still_knows_what_it_has_begun(tmp_path: Path) -> None:
    """A call that is sent once more while the service stops gets its task; anything new is turned away."""
    shop = Shop()
    clock = SystemClock()
    outside = Outside(Egress(), Secrets(), clock, Ids(clock))
    door = Door(Work(offers_of(shop.fleet()).skills, outside, lambda mode: None, most=10, kept=10), {"name": "shop"})
    assert await asked(door, "k-1") == 200
    door.draining = True
    assert [await asked(door, key) for key in ("k-1", "k-2")] == [200, 503]
    assert shop.effects == ["k-1"]


async def asked(door: Door, key: str) -> int:
    """The status of a call under this key."""
    message = wire.message(wire.parts_of({"product": "tea", "amount": 1}), id="m-1", metadata={"skill": "price.change"})
    headers = {"a2a-version": "1.0", "content-type": "application/json", "idempotency-key": key}
    scope = {"type": "http", "method": "POST", "path": "/message:send", "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}
    answers: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": orjson.dumps({"message": message}), "more_body": False}

    async def send(answer: Any) -> None:
        answers.append(answer)

    await door(scope, receive, send)
    return int(answers[0]["status"])
