"""Requests that no client makes: each is answered at once with a 4xx, or as what it means; nothing fails, hangs, or tells about the machine."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from api_site import Served, make_fleet, serving

from tutti import Settings

CLOSE = b"connection: close\r\n"
TASK = b'{"skill": "ticket.triage", "input": {"text": "x"}}'


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(make_fleet(), Settings("support", tmp_path / "tutti", listen="127.0.0.1:0")) as found:
        yield found


async def say(served: Served, raw: bytes) -> bytes:
    """What comes back until the connection closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
    with contextlib.suppress(ConnectionError):
        writer.write(raw)
        await writer.drain()
    try:
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


def head(served: Served, target: bytes, method: bytes = b"GET", more: bytes = CLOSE, host: bytes = b"host: localhost\r\n") -> bytes:
    return b"%s %s HTTP/1.1\r\n%sauthorization: %s\r\n%s\r\n" % (method, target, host, served.headers["authorization"].encode(), more)


def post(served: Served, body: bytes, more: bytes = b"", target: bytes = b"/v1/tasks") -> bytes:
    return head(served, target, b"POST", CLOSE + b"content-type: application/json\r\n" + (more or b"content-length: %d\r\n" % len(body))) + body


CHUNKED = b"transfer-encoding: chunked\r\n"
FRAMES = {
    "no chunk": (CHUNKED, b"zz\r\nabc\r\n0\r\n\r\n"),
    "negative chunk": (CHUNKED, b"-1\r\nabc\r\n0\r\n\r\n"),
    "endless chunk": (CHUNKED, b"ffffffffffffffffff\r\nabc"),
    "two lengths": (b"content-length: 2\r\ncontent-length: 3\r\n", b"{} "),
    "length and chunks": (b"content-length: 5\r\n" + CHUNKED, b"0\r\n\r\nGET /v1/tasks HTTP/1.1\r\n\r\n"),
    "signed length": (b"content-length: +2\r\n", b"{}"),
    "length beyond all": (b"content-length: 99999999999999999999999\r\n", b"{}"),
    "another coding": (b"transfer-encoding: gzip\r\n", b"0\r\n\r\n"),
    "folded": (b"x: a\r\n b\r\ncontent-length: 2\r\n", b"{}"),
    "blank in a name": (b"content-length : 2\r\n", b"{}"),
}


async def test_frames_that_can_be_read_in_two_ways_are_not_read(served: Served) -> None:
    for name, (more, body) in FRAMES.items():
        answer = await say(served, post(served, body, more))
        assert answer.startswith(b"HTTP/1.1 400"), name
        assert answer.count(b"HTTP/1.1") == 1, name


async def test_what_comes_after_a_body_changes_no_header(served: Served) -> None:
    body = b"%x\r\n%s\r\n0\r\n" % (len(TASK), TASK)
    for trailer in (b"authorization: Bearer x", b"host: evil.example", b"content-encoding: gzip", b"idempotency-key: \xff"):
        answer = await say(served, post(served, body + trailer + b"\r\n\r\n", CHUNKED))
        assert answer.startswith(b"HTTP/1.1 201"), answer


TARGETS = [
        (b"http://localhost/v1/tasks", 200), (b"http://localhost?x", 400), (b"http://evil.example/v1/tasks", 400), (b"//v1/../v1/tasks", 404), (b"/v1/../health", 404),
        (b"/v1/%2e%2e/health", 404), (b"/../../../../etc/passwd", 404), (b"/v1/agents/..%2f..%2f..%2fetc%2fpasswd", 404), (b"/v1/tasks/a%2fb", 404),
        (b"/v1/tasks/%00", 404), (b"/v1/tasks/%ff%fe", 404), (b"/v1/tasks/\xff", 400), (b"/v1/why/t-%ED%A0%80", 404), (b"/v1/tasks/" + b"a" * 20_000, 404),
        (b"/v1/tasks?" + b"&".join(b"a%d=1" % number for number in range(6000)), 200), (b"/v1/tasks?" + b"a=1&" * 10_000, 200),
        (b"/v1/tasks?limit=" + b"9" * 5000, 400), (b"/v1/tasks?subject=%00%ff", 200), (b"/v1/journal/facts?about=%00", 200), (b"/v1/tasks?;;&&==&%", 200), (b"*", 404),
    ]  # fmt: skip


async def test_strange_targets(served: Served) -> None:
    for target, status in TARGETS:
        answer = await say(served, head(served, target))
        assert answer.startswith(b"HTTP/1.1 %d" % status), (target[:80], answer[:300])
        assert b"root:" not in answer


BODIES = [
        b'{"skill": "\xff\xfe"}', b'{"skill": "refund.pay", "input": {"amount": NaN}}', b'{"skill": "refund.pay", "input": {"amount": 1e999}}',
        b'{"skill": "refund.pay", "input": {"amount": %s}}' % (b"9" * 5000), b'{"skill": "ticket.triage", "input": {"text": "\\ud800"}}', b"[" * 100_000,
        TASK.decode().encode("utf-16"), b"\xef\xbb\xbf" + TASK, b"", b"null", b'{"skill": "ticket.triage", "priority": %s}' % (b"9" * 500),
    ]  # fmt: skip


async def test_strange_bodies(served: Served) -> None:
    for body in BODIES:
        answer = await say(served, post(served, body))
        assert answer.startswith(b"HTTP/1.1 400"), (body[:80], answer[:300])
        assert b"application/problem+json" in answer


async def test_strange_methods_versions_and_hosts(served: Served) -> None:
    for method in (b"HEAD", b"OPTIONS", b"TRACE", b"PROPFIND", b"DELETE"):
        answer = await say(served, head(served, b"/v1/tasks", method))
        assert answer.startswith(b"HTTP/1.1 405"), method
        assert served.headers["authorization"].encode() not in answer
    probe = await say(served, head(served, b"/health", b"HEAD"))
    assert probe.startswith(b"HTTP/1.1 200")
    assert probe.endswith(b"\r\n\r\n")
    for raw, status in (
        (b"GET /health HTTP/1.0\r\nhost: localhost\r\n\r\n", 200), (b"GET /health HTTP/1.0\r\n\r\n", 421), (b"GET /health HTTP/9.9\r\nhost: localhost\r\n\r\n", 400),
        (b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n", 400), (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00\x01", 400),
        (head(served, b"/v1/tasks", host=b"host: evil.example\r\n"), 421), (head(served, b"/v1/tasks", host=b"host: localhost\r\nhost: evil.example\r\n"), 421),
        (head(served, b"/v1/tasks", host=b"host: \xff[]::@/\r\n"), 421), (head(served, b"/v1/tasks", host=b"host: localhost:1@evil.example\r\n"), 421),
        (head(served, b"/health", more=CLOSE + b"x: " + b"a" * 70_000 + b"\r\n"), 431), (head(served, b"/health?" + b"a" * 70_000), 431),
        (head(served, b"/health", more=CLOSE + b"".join(b"x%d: 1\r\n" % number for number in range(8000))), 431),
    ):  # fmt: skip
        answer = await say(served, raw)
        assert answer.startswith((b"HTTP/1.1 %d" % status, b"HTTP/1.0 %d" % status)), (raw[:80], answer[:200])


async def test_requests_in_one_piece_are_answered_in_their_order(served: Served) -> None:
    one = head(served, b"/health", more=b"") + post(served, TASK).replace(CLOSE, b"")
    answer = await say(served, one * 20 + head(served, b"/v1/tasks?limit=1"))
    found = re.findall(rb"HTTP/1.1 (\d+)", answer)
    assert found == [b"200", b"201"] * 20 + [b"200"]
