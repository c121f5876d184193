"""One HTTP exchange: how answers are framed, which connections are used again, and what is never sent or believed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tutti.errors import AgentFailed, Invalid, Refused
from tutti.security import Egress
from tutti.transports import calls, exchange
from tutti.transports.exchange import Cut, NotReached, Pool, TooLarge
from tutti.transports.outside import Outside


class Server:
    """A server of bytes: `answers` are what it writes for each request, None closes; what it was asked is kept."""

    def __init__(self, answers: list[bytes | None], *, then_close: bool = False) -> None:
        self.answers = answers
        self.asked: list[bytes] = []
        self.connections = 0
        self.ended = 0
        self.writers: list[asyncio.StreamWriter] = []
        self._then_close = then_close
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
                self.asked.append(head + await reader.readexactly(length))
                said = self.answers.pop(0) if self.answers else None
                if said is None:
                    break
                for part in said.split(b"|"):
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0)
                if self._then_close:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        self.ended += 1
        writer.close()


@asynccontextmanager
async def up(*answers: bytes | None, then_close: bool = False) -> AsyncIterator[tuple[Server, Pool]]:
    server = Server(list(answers), then_close=then_close)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    pool = Pool(Egress(["127.0.0.1"]))
    async with listening, asyncio.timeout(10):
        try:
            yield server, pool
        finally:
            pool.close()
            while server.ended < server.connections:
                await asyncio.sleep(0.01)


async def ask(
    pool: Pool, url: str, method: str = "GET", body: bytes | None = None, *, cap: int = 1000, keep: float = 15.0, **headers: str
) -> tuple[int, bytes]:
    sent = await pool.send(method, url, {name.replace("_", "-"): value for name, value in headers.items()}, body, keep=keep)
    try:
        return (await _whole(sent, cap))[0:2]
    finally:
        sent.close()


async def _whole(sent: exchange.Exchange, cap: int = 1000) -> tuple[int, bytes, dict[str, str]]:
    body = await sent.whole(cap)
    return sent.status, body, sent.headers


OK = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"


@pytest.mark.parametrize(
    ("answer", "status", "body", "again"),
    [
        (OK, 200, b"hello", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5|\r\n\r\nhe|llo", 200, b"hello", True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n|2\r\nlo\r\n0\r\n\r\n", 200, b"hello", True),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\ncontent-encoding: gzip\r\n\r\n", 200, b"hello", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n", 304, b"", True),
        (b"HTTP/1.1 100 Continue\r\nx: 1\r\n\r\n|HTTP/1.1 103 Early Hints\r\n\r\n" + OK, 200, b"hello", True),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello", 200, b"hello", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, b"hello", False),
    ],
)
async def test_answers_are_framed_as_they_say(answer: bytes, status: int, body: bytes, again: bool) -> None:
    async with up(answer, OK) as (server, pool):
        assert await ask(pool, server.url) == (status, body)
        assert await ask(pool, server.url + "/more?x=1") == (200, b"hello")
        assert server.connections == (1 if again else 2)
        assert server.asked[1].startswith(b"GET /more?x=1 HTTP/1.1\r\n")


async def test_an_answer_may_end_with_its_connection() -> None:
    async with up(b"HTTP/1.1 200 OK\r\n\r\nhel|lo", then_close=True) as (server, pool):
        assert await ask(pool, server.url) == (200, b"hello")


@pytest.mark.parametrize(
    ("answer", "unanswered"),
    [
        (None, True), (b"HTTP/1.1 200 OK\r\ncontent-le", False), (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello", False), (b"220 mail.example\r\n", False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel", False), (b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nhello", False), (b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", False),
    ],
)  # fmt: skip
async def test_what_is_no_whole_answer_is_none(answer: bytes | None, unanswered: bool) -> None:
    async with up(answer, OK, then_close=True) as (server, pool):
        with pytest.raises(Cut) as cut:
            await ask(pool, server.url)
        assert cut.value.unanswered is unanswered


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
ENDLESS = {
    "headers": b"HTTP/1.1 200 OK\r\n" + b"".join(b"x%d: %s\r\n" % (number, b"y" * 1000) for number in range(80)),
    "one header": b"HTTP/1.1 200 OK\r\nx: |" + b"y" * 80_000,
    "trailers": CHUNKED + b"1\r\nx\r\n0\r\n|x: " + b"y" * 1_000_000,  # more than is read at a time
    "a chunk's extension": CHUNKED + b"1;|" + b"y" * 80_000,
    "not yet": b"HTTP/1.1 100 Continue\r\n\r\n" * 4000,
}


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
async def test_what_does_not_end_and_is_no_body_is_cut_off(answer: bytes) -> None:
    async with up(answer) as (server, pool):
        with pytest.raises(Cut, match="too many"):
            await ask(pool, server.url)


EVIL = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"


@pytest.mark.parametrize("more", [EVIL, b"x"])
async def test_what_comes_unasked_answers_nothing(more: bytes) -> None:
    async with up(OK + more, OK) as (server, pool):
        assert await ask(pool, server.url) == (200, b"hello")
        assert await ask(pool, server.url) == (200, b"hello")
        assert server.connections == 2


@pytest.mark.parametrize("more", [EVIL, b"x", b""])
async def test_a_connection_on_which_anything_happens_meanwhile_is_let_go_of(more: bytes) -> None:
    async with up(OK, OK) as (server, pool):
        assert await ask(pool, server.url) == (200, b"hello")
        server.writers[0].write(more)
        if not more:
            server.writers[0].close()
        while not server.ended:
            await asyncio.sleep(0.01)
        assert await ask(pool, server.url) == (200, b"hello")
        assert server.connections == 2


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n", b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3ea\r\n" + b"x" * 1001]
)
async def test_an_answer_over_the_cap_is_let_go_of_at_once(answer: bytes) -> None:
    async with up(answer, OK) as (server, pool):
        with pytest.raises(TooLarge):
            await ask(pool, server.url)
        assert await ask(pool, server.url) == (200, b"hello")
        assert server.connections == 2


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("GET", {"x": "a\r\nb: c"}), ("GET", {"x\r\ny": "a"}), ("GET", {"x y": "a"}), ("GET", {"": "a"}), ("GET", {"x": "a\x00"}), ("G T", {}), ("GET /x HTTP/1.1\r\n", {}),
        ("POST", {"Content-Length": "0"}), ("POST", {"transfer-encoding": "chunked"}), ("GET", {"Host": "other"}), ("GET", {"Connection": "x"}),
    ],
)  # fmt: skip
async def test_one_request_is_never_two(method: str, headers: dict[str, str]) -> None:
    async with up(OK) as (server, pool):
        with pytest.raises(ValueError, match="malformed"):
            await ask(pool, server.url, method, **headers)
        assert server.connections == 0


async def test_what_is_sent() -> None:
    async with up(OK, OK, OK) as (server, pool):
        await ask(pool, server.url + "?q", "POST", b"{}", Accept="text/plain", accept_encoding="br")
        await ask(pool, server.url + "/x#part", "POST")
        await ask(pool, server.url, "DELETE", keep=0)
        host = server.url.removeprefix("http://").encode()
        assert (
            server.asked[0]
            == b"POST /?q HTTP/1.1\r\nHost: " + host + b"\r\nAccept: text/plain\r\naccept-encoding: br\r\nUser-Agent: tutti\r\nContent-Length: 2\r\n\r\n{}"
        )
        assert server.asked[1].startswith(b"POST /x HTTP/1.1\r\n")
        assert b"Content-Length: 0\r\n" in server.asked[1]
        assert b"Content-Length" not in server.asked[2]
        assert b"Connection: close\r\n" in server.asked[2]
        assert server.connections == 2, "the last one wants a connection of its own"


async def test_a_connection_is_used_for_one_exchange_at_a_time_and_let_go_of_in_the_end() -> None:
    async with up(OK, OK, OK) as (server, pool):
        first, second = await pool.send("GET", server.url, {}, None, keep=0.2), await pool.send("GET", server.url, {}, None, keep=0.2)
        assert [(await _whole(each))[1] for each in (first, second)] == [b"hello"] * 2
        first.close()
        second.close()
        second.close()
        assert await ask(pool, server.url, keep=0.2) == (200, b"hello")
        assert server.connections == 2
        while server.ended < 2:  # nobody asks, they are closed all the same
            await asyncio.sleep(0.02)


async def test_who_gives_up_leaves_no_answer_for_the_next() -> None:
    async with up(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", OK) as (server, pool):
        waiting = asyncio.create_task(ask(pool, server.url))
        while not server.asked:
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await ask(pool, server.url) == (200, b"hello")
        assert server.connections == 2


async def test_a_stream_is_not_read_faster_than_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "_AHEAD", 1000)
    chunk = b"ffff\r\n" + b"x" * 0xFFFF + b"\r\n"
    async with up(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunk * 200 + b"0\r\n\r\n") as (server, pool):
        sent = await pool.send("GET", server.url, {}, None, keep=15.0)
        await sent.head()
        await asyncio.sleep(0.1)
        assert sent._channel.size < 2_000_000, "thirteen million bytes are to come"
        size = 0
        while some := await sent.some():
            size += len(some)
        assert size == 200 * 0xFFFF
        sent.close()


async def test_nobody_is_connected_to_whom_the_rule_refuses() -> None:
    async def names(host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host == "inside.example" else ["127.0.0.9", "127.0.0.1"]

    async with up(OK) as (server, _):
        port = server.url.rpartition(":")[2]
        pool = Pool(Egress(resolver=names))
        for url in (f"http://inside.example:{port}", f"http://127.0.0.1:{port}", f"http://localhost:{port}", f"http://u@inside.example:{port}"):
            with pytest.raises(Refused):
                await pool.send("GET", url, {}, None, keep=15.0)
        assert server.connections == 0
        listed = Pool(Egress([f"two.example:{port}"], resolver=names))
        assert await ask(listed, f"http://two.example:{port}") == (200, b"hello"), "nobody listens at the first of its addresses"
        listed.close()


async def test_where_nobody_listens_nothing_was_sent() -> None:
    async with up() as (server, pool):
        free = server.url
    with pytest.raises(NotReached):
        await pool.send("GET", free, {}, None, keep=15.0)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n", calls.OutcomeUnknown, "elsewhere"),
        (b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 2\r\n\r\nxx", Invalid, "coded"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n", Invalid, "larger"),
        (None, calls.OutcomeUnknown, "broke"),
    ],
)
async def test_what_an_exchanges_failing_means(answer: bytes | None, error: type[Exception], words: str) -> None:
    async with up(answer) as (server, pool):
        outside = _outside(pool)
        with pytest.raises(error, match=words):
            await calls.ask(outside, "GET", server.url, headers={})
        with pytest.raises(AgentFailed, match="cannot be sent"):
            await calls.ask(outside, "GET", server.url, headers={"x": "a\nb"})
        with pytest.raises(AgentFailed, match="not called"):
            await calls.ask(outside, "GET", "ftp://127.0.0.1/", headers={})


def _outside(pool: Pool) -> Outside:
    class Only:
        def __init__(self) -> None:
            self.pool = pool

    return Only()  # type: ignore[return-value]
