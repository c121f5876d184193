"""Egress: special addresses are reached in no form, by neither of the two clients, unless the operator lists them."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import aiohttp
import httpx2
import pytest

from tutti.errors import AgentFailed, Refused
from tutti.security import Egress, connector, read_capped, transport

# Every way to write an address of this machine, of a private network or of a metadata service. {port} is a server that listens on loopback.
HOSTS = (
    "127.0.0.1", "127.1", "127.0.1", "127.255.255.254", "2130706433", "0x7f000001", "0x7f.1", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "0", "0.0.0.0", "127.0.0.1.",
    "localhost", "LOCALHOST", "localhost.", "sub.localhost", "[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]",
    "[2002:7f00:1::]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2001:0:7f00:1::]", "[fe80::1%25lo]", "[fe80::1%lo]", "[fc00::1]", "[fec0::1]", "[ff02::1]",
    "169.254.169.254", "100.64.0.1", "100.100.100.200", "10.0.0.1", "172.16.0.1", "192.168.0.1", "192.0.0.192", "224.0.0.1", "240.0.0.1", "255.255.255.255",
    "\uff11\uff12\uff17.0.0.1", "127\u30020\u30020\u30021", "\u2460\u2461\u2466.0.0.1", "loc\u212alhost", "%31%32%37.0.0.1", "loopback.example", "mixed.example", "mapped.example",
)  # fmt: skip
URLS = (
    *(f"http://{host}:{{port}}/" for host in HOSTS),
    "http://user@127.0.0.1:{port}/",
    "http://public.example@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}\\@public.example/",
    "http:127.0.0.1:{port}/",
    "http:/\\127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@public.example/",
    " http://127.0.0.1:{port}/",
    "http://127.0.0.1\t:{port}/",
    "file:///etc/passwd",
    "ftp://127.0.0.1:{port}/",
    "gopher://127.0.0.1:{port}/_x",
    "unix://127.0.0.1:{port}/",
    "//127.0.0.1:{port}/",
    "http://:{port}/",
)
NAMES = {
    "loopback.example": ["127.0.0.1"],
    "mixed.example": ["93.184.216.34", "127.0.0.1"],
    "mapped.example": ["::ffff:127.0.0.1"],
    "good.example": ["127.0.0.1"],
}


async def names(host: str, port: int) -> Sequence[str]:
    if host not in NAMES:
        raise OSError(f"no such name: {host}")
    return NAMES[host]


class Canary:
    """A server on loopback that answers what it is told to, and remembers every connection and request."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            self.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(self.answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    canary = Canary()
    server = await asyncio.start_server(canary.serve, "127.0.0.1", 0)
    canary.port = server.sockets[0].getsockname()[1]
    async with server:
        yield canary


Get = Callable[[Egress, str], Awaitable[bytes]]


async def by_aiohttp(egress: Egress, url: str) -> bytes:
    async with aiohttp.ClientSession(connector=connector(egress), auto_decompress=False) as session, session.get(url, allow_redirects=False) as response:
        return await read_capped(response, 1000)


async def by_httpx2(egress: Egress, url: str) -> bytes:
    async with httpx2.AsyncClient(transport=transport(egress, 1000), trust_env=False) as client:
        return bytes((await client.get(url)).content)


CLIENTS = pytest.mark.parametrize("get", [by_aiohttp, by_httpx2])
NO = (
    Refused,
    ValueError,
    aiohttp.InvalidURL,
    aiohttp.NonHttpUrlClientError,
    httpx2.UnsupportedProtocol,
    httpx2.InvalidURL,
)


@CLIENTS
async def test_no_form_of_a_special_address_is_reached(get: Get, canary: Canary) -> None:
    egress = Egress(resolver=names)
    reached = []
    for url in URLS:
        try:
            await get(egress, url.format(port=canary.port))
        except (*NO, OSError, aiohttp.ClientConnectorDNSError, httpx2.ConnectError):
            continue
        reached.append(url)
    assert reached == []
    assert canary.connections == 0


@pytest.mark.parametrize("url", [url for url in URLS if ".example:" not in url])  # a name looks like any other until it is resolved
def test_the_form_alone_is_refused(url: str) -> None:
    with pytest.raises(Refused) as refused:
        Egress().check(url.format(port=8080))
    assert refused.value.hint


@pytest.mark.parametrize(
    "url", ["https://example.com/a?b=c#d", "http://8.8.8.8:8080/", "https://[2606:4700::1111]/", "HTTPS://xn--bcher-kva.example:444/", "http://a_b.example"]
)
def test_public_addresses_are_fine(url: str) -> None:
    Egress().check(url)


@CLIENTS
@pytest.mark.parametrize(
    ("listed", "host"),
    [("127.0.0.1:{port}", "127.0.0.1"), ("127.0.0.1", "127.0.0.1"), ("127.0.0.0/8", "loopback.example"), ("good.example:{port}", "good.example"), ("good.example", "GOOD.example"),
     ("http://127.0.0.1:{port}/card.json", "127.0.0.1")],
)  # fmt: skip
async def test_what_the_operator_lists_is_reached(get: Get, listed: str, host: str, canary: Canary) -> None:
    egress = Egress([listed.format(port=canary.port)], resolver=names)
    egress.check(f"http://{host}:{canary.port}/")
    assert await get(egress, f"http://{host}:{canary.port}/") == b"hi"
    assert f"host: {host.lower()}:{canary.port}".encode() in canary.requests[0].lower(), "the name stays in the request"


@CLIENTS
async def test_listing_one_port_or_name_lists_no_other(get: Get, canary: Canary) -> None:
    egress = Egress([f"127.0.0.1:{canary.port + 1}", "good.example:1", "10.0.0.0/8"], resolver=names)
    for host in ("127.0.0.1", "good.example", "loopback.example"):
        with pytest.raises(Refused):
            await get(egress, f"http://{host}:{canary.port}/")
    assert canary.connections == 0


@CLIENTS
async def test_a_name_that_changes_between_check_and_connection_is_looked_at_again(get: Get, canary: Canary) -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["93.184.216.34"] if len(asked) == 1 else ["127.0.0.1"]

    egress = Egress(resolver=rebinding)
    assert await egress.addresses("rebind.example", canary.port) == ["93.184.216.34"]
    with pytest.raises(Refused):
        await get(egress, f"http://rebind.example:{canary.port}/")
    assert (len(asked), canary.connections) == (2, 0)


@CLIENTS
async def test_a_name_is_resolved_once_for_a_connection(get: Get, canary: Canary) -> None:
    asked: list[str] = []

    async def resolver(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["203.0.113.1"]

    assert await get(Egress(["127.0.0.1"], resolver=resolver), f"http://once.example:{canary.port}/") == b"hi"
    assert asked == ["once.example"]


@CLIENTS
async def test_a_redirect_is_not_followed(get: Get, canary: Canary) -> None:
    canary.answer = f"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{canary.port}/inner\r\ncontent-length: 0\r\n\r\n".encode()
    assert await get(Egress(["good.example"], resolver=names), f"http://good.example:{canary.port}/") == b""
    assert len(canary.requests) == 1


async def test_a_session_that_follows_redirects_is_stopped_all_the_same(canary: Canary) -> None:
    canary.answer = f"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{canary.port}/inner\r\ncontent-length: 0\r\n\r\n".encode()
    async with aiohttp.ClientSession(connector=connector(Egress(["good.example"], resolver=names))) as session:
        with pytest.raises(Refused):
            await session.get(f"http://good.example:{canary.port}/")
    assert len(canary.requests) == 1


@CLIENTS
async def test_no_proxy_of_the_environment_is_used(get: Get, canary: Canary, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    with pytest.raises((OSError, aiohttp.ClientConnectorDNSError, httpx2.ConnectError)):
        await get(Egress(resolver=names), "http://unknown.example/")
    assert canary.connections == 0


async def test_a_proxy_that_is_asked_for_is_refused(canary: Canary) -> None:
    async with aiohttp.ClientSession(connector=connector(Egress(resolver=names))) as session:
        with pytest.raises(Refused, match="proxy"):
            await session.get("http://8.8.8.8/", proxy=f"http://127.0.0.1:{canary.port}")
    assert canary.connections == 0


def bomb(head: str, body: bytes) -> bytes:
    return f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body


@CLIENTS
@pytest.mark.parametrize(
    "answer",
    [
        bomb("content-length: 1001", b"x" * 1001),
        bomb("connection: close", b"x" * 100_000),
        bomb("transfer-encoding: chunked", b"1000\r\n" + b"x" * 4096 + b"\r\n0\r\n\r\n"),
        bomb("content-encoding: gzip\r\nconnection: close", gzip.compress(b"x" * 1_000_000)),
        bomb("content-encoding: identity, gzip\r\nconnection: close", gzip.compress(b"x")),
        bomb("content-encoding: br\r\ncontent-length: 2", b"xx"),
    ],
)
async def test_answers_are_capped_while_they_are_read(get: Get, answer: bytes, canary: Canary) -> None:
    canary.answer = answer
    with pytest.raises(AgentFailed, match=r"packed|more than"):
        await get(Egress(["127.0.0.1"]), f"http://127.0.0.1:{canary.port}/")


@CLIENTS
async def test_an_answer_at_the_limit_is_read(get: Get, canary: Canary) -> None:
    canary.answer = bomb("connection: close", b"x" * 1000)
    assert await get(Egress(["127.0.0.1"]), f"http://127.0.0.1:{canary.port}/") == b"x" * 1000


@pytest.mark.parametrize(("events", "fine"), [(b"data: x\n\n" * 1000, True), (b"data: x\r\n\r\n" * 1000, True), (b"data: " + b"x" * 2000, False)])
async def test_each_event_of_a_stream_is_capped_for_itself(events: bytes, fine: bool, canary: Canary) -> None:
    canary.answer = bomb("content-type: text/event-stream\r\nconnection: close", events)
    if fine:
        assert await by_httpx2(Egress(["127.0.0.1"]), f"http://127.0.0.1:{canary.port}/") == events
    else:
        with pytest.raises(AgentFailed):
            await by_httpx2(Egress(["127.0.0.1"]), f"http://127.0.0.1:{canary.port}/")


@pytest.mark.parametrize("origin", ["", "http://", "a b", "host:port:1", "127.1", "*.example"])
def test_a_list_that_cannot_be_meant_is_refused(origin: str) -> None:
    with pytest.raises(Refused):
        Egress([origin])
