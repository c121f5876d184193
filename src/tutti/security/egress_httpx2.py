"""Egress under httpx2, which the SDKs of models and of MCP bring. Loaded when a client of them is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpcore2
import httpx2

from tutti.errors import Refused
from tutti.security.egress import Egress, packed, too_long


class _Network(httpcore2.AsyncNetworkBackend):
    """What the connection pool connects with: names become addresses here, once, after every one was looked at."""

    def __init__(self, egress: Egress) -> None:
        self._plain = httpcore2.AnyIOBackend()
        self._egress = egress

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Iterable[Any] | None = None
    ) -> Any:
        try:
            addresses = await self._egress.addresses(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        for address in addresses[:-1]:
            try:
                return await self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore2.ConnectError:
                continue
        return await self._plain.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None) -> Any:
        raise Refused("A Unix socket is not called.", hint="Give the address of an HTTP server.")

    async def sleep(self, seconds: float) -> None:
        await self._plain.sleep(seconds)


class _Body(httpx2.AsyncByteStream):
    """An answer's bytes, counted as they come. Of a stream of events each event counts for itself: the stream may go on for days."""

    def __init__(self, stream: Any, limit: int, *, events: bool) -> None:
        self._stream = stream
        self._limit = limit
        self._events = events

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen, last = 0, b""
        async for chunk in self._stream:
            seen += len(chunk)
            if self._events:
                text = (last + chunk).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
                end = text.rfind(b"\n\n")
                if end >= 0:
                    seen = len(text) - end
                last = chunk[-3:]
            if seen > self._limit:
                raise too_long(self._limit)
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class Transport(httpx2.AsyncBaseTransport):
    """A transport that keeps the rule, and reads at most `limit` bytes of an answer."""

    def __init__(self, egress: Egress, limit: int) -> None:
        self._plain = httpx2.AsyncHTTPTransport(verify=egress.trust, trust_env=False)
        # The transport has no argument for what it connects with; its pool has.
        self._plain._pool = httpcore2.AsyncConnectionPool(
            ssl_context=egress.trust, max_connections=100, max_keepalive_connections=20, keepalive_expiry=5.0, network_backend=_Network(egress)
        )
        self._egress = egress
        self._limit = limit

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        url = request.url
        self._egress.check_origin(url.scheme, url.raw_host.decode("ascii"), url.port)
        request.headers["accept-encoding"] = "identity"
        response = await self._plain.handle_async_request(request)
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        stated = response.headers.get("content-length", "")
        if encoding not in ("", "identity"):
            await response.aclose()
            raise packed(encoding)
        if stated.isdigit() and int(stated) > self._limit:
            await response.aclose()
            raise too_long(self._limit)
        events = response.headers.get("content-type", "").startswith("text/event-stream")
        response.stream = _Body(response.stream, self._limit, events=events)
        return response

    async def aclose(self) -> None:
        await self._plain.aclose()
