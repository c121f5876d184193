"""What a proxy forwards is believed of the listed ones, and only when the workspace is said to be behind one; and how many connections an address has."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from api_site import Served, make_fleet, serving

from tutti import Settings
from tutti.api import server
from tutti.api.connection import Bound
from tutti.api.listening import listen_tcp, proxies_of
from tutti.errors import Invalid

PUBLIC = "tutti.example"
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Lines:
    """The listener's port, and raw connections to it."""

    def __init__(self) -> None:
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    def listening(self, settings: Settings) -> Any:
        listener = listen_tcp(settings)
        assert listener is not None
        self.port = listener.getsockname()[1]
        return listener

    async def open(self, address: str = "127.0.0.1") -> Line:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def behind(folder: Path, **more: Any) -> AsyncIterator[tuple[Served, aiohttp.ClientSession, Lines]]:
    lines = Lines()
    settings = Settings("support", folder / "tutti", listen="127.0.0.1:0", **more)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(server, "listen_tcp", lines.listening)
        async with serving(make_fleet(), settings) as served, aiohttp.ClientSession(f"http://127.0.0.1:{lines.port}") as session:
            yield served, session, lines
            await lines.close()


async def tried(session: aiohttp.ClientSession, headers: dict[str, str]) -> int:
    """One more wrong code of an agent that nobody knows: 20 in five minutes are taken of one address."""
    form = {"code": "x" * 20, "name": "agent", "url": "http://agents.example/", "key": "0" * 64, "proof": "0" * 128}
    async with session.post("/v1/enrolments/use", json=form, headers=headers) as answer:
        return answer.status


async def spend(session: aiohttp.ClientSession, *headers: dict[str, str]) -> list[int]:
    """The last answers, after more tries than one address has; the headers take turns."""
    return [await tried(session, headers[number % len(headers)]) for number in range(22)][-2:]


async def logged_in(session: aiohttp.ClientSession, served: Served, headers: dict[str, str]) -> str:
    async with session.post("/v1/session", headers={**served.headers, **headers}) as answer:
        assert answer.status == 201, await answer.text()
        return answer.headers["set-cookie"]


async def test_without_the_setting_nothing_forwarded_is_believed(tmp_path: Path) -> None:
    async with behind(tmp_path) as (served, session, lines):
        said = {"x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https", "x-forwarded-host": PUBLIC, "forwarded": "for=203.0.113.7;proto=https"}
        cookie = await logged_in(session, served, said)
        assert cookie.startswith("tutti_session=")
        assert "Secure" not in cookie
        assert set(await spend(session, said, {"x-forwarded-for": "203.0.113.8"})) == {429}
        async with session.get("/v1/tasks", headers={**served.headers, "host": PUBLIC}) as answer:
            assert answer.status == 421
        async with session.get("/.well-known/agent-card.json", headers=said) as answer:
            assert f"http://127.0.0.1:{lines.port}" in await answer.text()
            assert PUBLIC not in await answer.text()


async def test_a_listed_proxy_is_believed(tmp_path: Path) -> None:
    async with behind(tmp_path, behind_proxy=True, hosts=(PUBLIC,)) as (served, session, _):
        cookie = await logged_in(session, served, {"host": PUBLIC, "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "https"})
        assert cookie.startswith("__Host-tutti=")
        assert "; Secure" in cookie
        plain = await logged_in(session, served, {"host": PUBLIC, "x-forwarded-for": "203.0.113.7", "x-forwarded-proto": "http"})
        assert "Secure" not in plain
        changing = {"host": PUBLIC, "cookie": cookie.partition(";")[0], "x-forwarded-proto": "https"}
        for origin, status in ((f"https://{PUBLIC}", 201), (f"http://{PUBLIC}", 403), ("https://evil.example", 403)):
            form = {"skill": "ticket.triage", "input": {"text": "x"}}
            async with session.post("/v1/tasks", json=form, headers={**changing, "origin": origin}) as answer:
                assert answer.status == status, origin
        async with session.get("/.well-known/agent-card.json", headers={"host": PUBLIC}) as answer:
            assert f"https://{PUBLIC}/" in await answer.text()
            assert "127.0.0.1" not in await answer.text()
        async with session.get("/v1/tasks", headers={**served.headers, "host": "evil.example", "x-forwarded-host": PUBLIC}) as answer:
            assert answer.status == 421


async def test_tries_are_counted_for_whom_the_proxy_saw(tmp_path: Path) -> None:
    """The proxy appends whom it saw; what stands before that the caller may have written."""
    async with behind(tmp_path, behind_proxy=True, proxies=("127.0.0.1", "10.0.0.0/8")) as (_, session, _):
        lies = [{"x-forwarded-for": f"198.51.100.{number}, 203.0.113.7"} for number in range(22)]
        assert set(await spend(session, *lies)) == {429}
        assert await tried(session, {"x-forwarded-for": "203.0.113.7, 10.1.1.1"}) == 429, "through two proxies"
        assert await tried(session, {"x-forwarded-for": "[203.0.113.7]:99"}) == 429
        assert await tried(session, {"x-forwarded-for": "::ffff:203.0.113.7"}) == 429
        assert await tried(session, {"x-forwarded-for": "203.0.113.7, 203.0.113.8"}) != 429, "another caller"
        others = [{"x-forwarded-for": text} for text in ("garbage", "", "evil, garbage", ", ,", "\xe9")]
        assert set(await spend(session, *others)) == {429}, "for the proxy itself, where it says nothing that can be read"


async def test_who_is_not_listed_is_not_believed_and_not_answered(tmp_path: Path) -> None:
    async with behind(tmp_path, behind_proxy=True, proxies=("10.0.0.0/8",), hosts=(PUBLIC,)) as (served, session, _):
        for headers in ({}, {"x-forwarded-for": "10.0.0.1"}, {"x-forwarded-for": "10.0.0.1", "x-forwarded-proto": "https"}):
            async with session.get("/v1/tasks", headers={**served.headers, "host": PUBLIC, **headers}) as answer:
                assert answer.status == 403
                assert "proxy" in await answer.text()
        async with session.get("/health", headers={"host": PUBLIC}) as answer:
            assert answer.status == 200
        cookie_free = await tried(session, {"host": PUBLIC})
        assert cookie_free == 403


def test_a_proxy_that_is_none_is_told() -> None:
    with pytest.raises(Invalid, match="TUTTI_PROXIES"):
        proxies_of(Settings(behind_proxy=True, proxies=("all",)))
    assert proxies_of(Settings(proxies=("all",))) == []


# --- connections of one address -------------------------------------------------------------------------------------


async def ask(line: Line) -> bytes:
    reader, writer = line
    async with asyncio.timeout(30):
        with contextlib.suppress(ConnectionError):
            writer.write(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n")
            return await reader.readline()
    return b""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere loopback has one address")
async def test_one_address_does_not_take_all_connections(tmp_path: Path) -> None:
    async with behind(tmp_path, connections_per_address=3) as (_, _, lines):
        held = [await lines.open() for _ in range(3)]
        assert [await ask(line) for line in held] == [b"HTTP/1.1 200 OK\r\n"] * 3
        reader, _ = await lines.open()
        async with asyncio.timeout(30):
            said = await reader.read()
        assert said.startswith(b"HTTP/1.1 503")
        assert b"from this address" in said
        assert b"200" in await ask(await lines.open("127.0.0.2"))
        held[0][1].close()
        async with asyncio.timeout(30):  # its place is free again, for one
            while b"200" not in await ask(await lines.open()):
                pass
        reader, _ = await lines.open()
        async with asyncio.timeout(30):
            assert b"503" in await reader.readline()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere loopback has one address")
async def test_a_listed_proxy_has_no_such_bound(tmp_path: Path) -> None:
    async with behind(tmp_path, connections_per_address=3, behind_proxy=True, proxies=("127.0.0.1",)) as (_, _, lines):
        assert [await ask(await lines.open()) for _ in range(8)] == [b"HTTP/1.1 200 OK\r\n"] * 8
        elsewhere = [await lines.open("127.0.0.2") for _ in range(4)]
        async with asyncio.timeout(30):
            assert b"503" in await elsewhere[3][0].readline()


def test_addresses_of_one_household_count_together() -> None:
    bound = Bound(2, proxies_of(Settings(behind_proxy=True, proxies=("10.0.0.0/8",))))
    assert [bound.take(address) for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1")] == [True, True, False, True]
    assert [bound.take(address) for address in ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1", "192.0.2.2")] == [True, True, False, True]
    assert [bound.take("10.1.1.1") for _ in range(5)] == [None] * 5
    bound.give("2001:db8::2")
    assert [bound.take("2001:db8::9"), bound.take("2001:db8::8")] == [True, False]
