"""Egress under httpx and httpx2, which are the same library twice: the module is an argument. Loaded when a client of them is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from tutti.errors import Refused
from tutti.security.egress import packed, too_long

if TYPE_CHECKING:
    from tutti.security.egress import Egress


class _Network:
    """What the connection pool connects with: names become addresses here, once, after every one was looked at."""

    def __init__(self, httpcore: Any, egress: Egress) -> None:
        self._plain = httpcore.AnyIOBackend()
        self._failed: type[Exception] = httpcore.ConnectError
        self._egress = egress

    async def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, local_address: str | None = None, socket_options: Iterable[Any] | None = None
    ) -> Any:
        try:
            addresses = await self._egress.addresses(host, port)
        except OSError as error:
            raise self._failed(str(error)) from error
        for address in addresses[:-1]:
            try:
                return await self._plain.connect_tcp(address, port, timeout, local_address, socket_options)
            except self._failed:
                continue
        return await self._plain.connect_tcp(addresses[-1], port, timeout, local_address, socket_options)

    async def connect_unix_socket(self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None) -> Any:
        raise Refused("A Unix socket is not called.", hint="Give the address of an HTTP server.")

    async def sleep(self, seconds: float) -> None:
        await self._plain.sleep(seconds)


class _Body:
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


class _Transport:
    def __init__(self, plain: Any, body: Any, egress: Egress, limit: int) -> None:
        self._plain = plain
        self._body = body
        self._egress = egress
        self._limit = limit

    async def handle_async_request(self, request: Any) -> Any:
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
        response.stream = self._body(response.stream, self._limit, events=events)
        return response

    async def aclose(self) -> None:
        await self._plain.aclose()


@cache
def _classes(httpx: Any) -> tuple[type, type]:
    """The library looks at the types of what it is given: ours must be children of its own."""
    return type("EgressTransport", (_Transport, httpx.AsyncBaseTransport), {}), type("EgressBody", (_Body, httpx.AsyncByteStream), {})


def transport(httpx: Any, httpcore: Any, egress: Egress, limit: int) -> Any:
    """A transport of this library that keeps the rule."""
    made, body = _classes(httpx)
    plain = httpx.AsyncHTTPTransport(verify=egress.trust, trust_env=False)
    # The transport has no argument for what it connects with; its pool has.
    plain._pool = httpcore.AsyncConnectionPool(
        ssl_context=egress.trust, max_connections=100, max_keepalive_connections=20, keepalive_expiry=5.0, network_backend=_Network(httpcore, egress)
    )
    return made(plain, body, egress, limit)
