"""One connection: the web server's protocol with the deadlines and bounds that it lacks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tutti.api.listening import Address, Network, address_of

HEADER_S = 10.0  # seconds from a request's first byte (or the connection) until its headers must be complete
STALL_S = 60.0  # seconds a reader may leave an answer unread while the buffers are full
HEADER_BYTES = 64 * 1024
KEEP_ALIVE_S = 75  # seconds an idle connection stays open
_PHRASES = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large", 503: "Service Unavailable"}


class Bound:
    """How many connections one address may have at a time; the addresses of `free` networks have no such bound."""

    def __init__(self, most: int, free: Sequence[Network] = ()) -> None:
        self._most = most
        self._free = free
        self._held: Counter[str] = Counter()

    def take(self, address: str) -> bool | None:
        """Note one more. False where it is one too many, None where it is not counted."""
        whose = address_of(address)
        if whose is None or any(whose in network for network in self._free):
            return None
        key = _household(whose)
        if self._held[key] >= self._most:
            return False
        self._held[key] += 1
        return True

    def give(self, address: str) -> None:
        """One that was taken has ended."""
        whose = address_of(address)
        if whose is not None:
            key = _household(whose)
            self._held[key] -= 1
            if self._held[key] <= 0:
                del self._held[key]


def _household(address: Address) -> str:
    """What counts as one caller: an IPv4 address, or the network of 64 bits that an IPv6 caller has all addresses of."""
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))


def connection(most: int, bound: Bound | None = None, header_s: float = HEADER_S, stall_s: float = STALL_S) -> type[HttpToolsProtocol]:
    """The class of connections of a listener that takes `most` at a time, and of one address as many as `bound` says."""

    class Connection(HttpToolsProtocol):
        """Cuts off who sends headers too slowly, sends too many of them, or does not read."""

        _heading: asyncio.TimerHandle | None = None
        _stalling: asyncio.TimerHandle | None = None
        _headed = False  # whether the request at hand has all its headers
        _bytes = 0  # that came of headers that are not complete
        _size = 0  # of the headers read so far
        _counted = ""  # the address that this connection counts for

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if len(self.connections) > most:
                self._refuse(503, "Too many connections.")
                return
            address = self.client[0] if bound is not None and self.client else ""
            taken = bound.take(address) if bound is not None and address else None
            if taken is False:
                self._refuse(503, "Too many connections from this address.")
                return
            self._counted = address if taken else ""
            self._expect_headers()

        def connection_lost(self, exc: Exception | None) -> None:
            for timer in (self._heading, self._stalling):
                if timer is not None:
                    timer.cancel()
            if bound is not None and self._counted:
                bound.give(self._counted)
            self._unset_keepalive_if_required()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            if not self._headed:
                self._bytes += len(data)
                if self._heading is None:
                    self._expect_headers()
            super().data_received(data)
            if not self._headed and self._bytes > HEADER_BYTES and not self.transport.is_closing():
                self._refuse(431, f"The headers have more than {HEADER_BYTES} bytes.")

        def on_header(self, name: bytes, value: bytes) -> None:
            if self._headed:
                return  # what comes after the body changes no header: who calls, and for which host, has been read by then
            self._size += len(name) + len(value) + 4
            super().on_header(name, value)

        def on_headers_complete(self) -> None:
            if self._size + len(self.url) > HEADER_BYTES:
                self._refuse(431, f"The headers have more than {HEADER_BYTES} bytes.")
            elif not _is_for(self.url, self.headers):
                self._refuse(400, "The address of the request is not for its Host.")
            self._headed, self._bytes, self._size = True, 0, 0
            if self.transport.is_closing():
                raise ConnectionAbortedError  # the parser stops here
            if self._heading is not None:
                self._heading.cancel()
                self._heading = None
            super().on_headers_complete()

        def send_400_response(self, msg: str) -> None:
            if not self.transport.is_closing():
                super().send_400_response(msg)

        def on_message_complete(self) -> None:
            self._headed = False
            super().on_message_complete()

        def pause_writing(self) -> None:
            super().pause_writing()
            if self._stalling is None:
                self._stalling = self.loop.call_later(stall_s, self.transport.abort)

        def resume_writing(self) -> None:
            if self._stalling is not None:
                self._stalling.cancel()
                self._stalling = None
            super().resume_writing()

        def _expect_headers(self) -> None:
            self._heading = self.loop.call_later(header_s, self._late)

        def _late(self) -> None:
            if not self.transport.is_closing():
                self._refuse(408, "The headers took too long.")

        def _refuse(self, status: int, words: str) -> None:
            """Answer outside of the app, and close."""
            body = words.encode()
            self.transport.write(
                f"HTTP/1.1 {status} {_PHRASES[status]}\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n"
                f"retry-after: 1\r\nconnection: close\r\n\r\n".encode()
                + body
            )
            self.transport.close()

    return Connection


def _is_for(target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a target is a path, or an address at the very host that the header names. Source: RFC 9112, 3.2.2."""
    if target.startswith((b"/", b"*")):
        return True
    _, form, rest = target.partition(b"://")
    authority = rest.partition(b"/")[0].partition(b"?")[0].lower()
    return bool(form) and [value.strip().lower() for name, value in headers if name == b"host"] == [authority]


def options() -> dict[str, Any]:
    """What the web server is told, for every listener."""
    return {
        "loop": "none", "ws": "none", "lifespan": "off", "log_config": None, "log_level": "critical", "access_log": False, "proxy_headers": False,
        "server_header": False, "date_header": False, "timeout_keep_alive": KEEP_ALIVE_S,
    }  # fmt: skip
