"""One connection of whatever listens: the web server's protocol with the deadlines and bounds that it lacks, so that nobody holds one by sending
or reading slowly, nothing that comes after a request's headers changes them, and nobody is cut off whose call is on its way when it closes."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import ssl
from collections.abc import Callable, Iterable

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_HANDSHAKE_S = 2.0  # that a server which stops waits for TLS handshakes
_PHRASES = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large", 503: "Service Unavailable"}


class Connection(HttpToolsProtocol):
    """Cuts off who sends headers too slowly, sends too many of them, or does not read. A subclass says what else is turned away."""

    header_s = 10.0  # seconds from a request's first byte (or the connection) until its headers must be complete
    stall_s = 60.0  # seconds a reader may leave an answer unread while the buffers are full
    header_bytes = 64 * 1024
    last = False  # whether the answer to the next request is the last one on its connection

    _heading: asyncio.TimerHandle | None = None
    _stalling: asyncio.TimerHandle | None = None
    _begun = False  # whether a request has begun whose headers are not complete
    _headed = False  # whether the request at hand has all its headers
    _bytes = 0  # that came of headers that are not complete
    _size = 0  # of the headers read so far

    def too_many(self) -> str:
        """Why this connection is one too many, in words; empty where it is not."""
        return ""

    def misdirected(self) -> str:
        """Why the request at hand is not for this server, in words; empty where it is."""
        return ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        words = self.too_many()
        if words:
            self._refuse(503, words)
        else:
            self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._heading, self._stalling):
            if timer is not None:
                timer.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if not self._headed:
            self._bytes += len(data)
        super().data_received(data)
        if not self._headed and (self._begun or self._bytes) and not self.transport.is_closing():
            if self._bytes > self.header_bytes:
                self._too_large()
            elif self._heading is None:
                self._expect_headers()

    def on_message_begin(self) -> None:
        self._begun = True
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._headed:
            return  # what comes after the body changes no header: who calls, and for which host, has been read by then
        self._size += len(name) + len(value) + 4
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._size + len(self.url) > self.header_bytes:
            self._too_large()
        elif words := self.misdirected():
            self._refuse(400, words)
        self._headed, self._begun, self._bytes, self._size = True, False, 0, 0
        if self.transport.is_closing():
            raise ConnectionAbortedError  # the parser stops here
        if self._heading is not None:
            self._heading.cancel()
            self._heading = None
        super().on_headers_complete()
        if self.last:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """Close as soon as what has come is answered: whoever is cut off under a request cannot know what became of it."""
        self.last = True
        if not self._unread():
            super().shutdown()

    def _unread(self) -> bool:
        """Whether more has come than the loop has read, or the end of it."""
        waiting = select.poll()
        waiting.register(self.transport.get_extra_info("socket"), select.POLLIN)
        return bool(waiting.poll(0))

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def on_message_complete(self) -> None:
        self._headed = False
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._stalling is None:
            self._stalling = self.loop.call_later(self.stall_s, self.transport.abort)

    def resume_writing(self) -> None:
        if self._stalling is not None:
            self._stalling.cancel()
            self._stalling = None
        super().resume_writing()

    def _expect_headers(self) -> None:
        self._heading = self.loop.call_later(self.header_s, self._late)

    def _late(self) -> None:
        self._heading = None
        if self.cycle is not None and not self.cycle.response_complete:
            self._expect_headers()  # the answer to the request before goes first
        elif not self.transport.is_closing():
            self._refuse(408, "The headers took too long.")

    def _too_large(self) -> None:
        self._refuse(431, f"The headers have more than {self.header_bytes} bytes.")

    def _refuse(self, status: int, words: str) -> None:
        """Answer outside of the app, and close."""
        body = words.encode()
        self.transport.write(
            f"HTTP/1.1 {status} {_PHRASES[status]}\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n"
            f"retry-after: 1\r\nconnection: close\r\n\r\n".encode()
            + body
        )
        self.transport.close()


async def close_listener(
    listener: socket.socket, servers: Iterable[asyncio.Server], made: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None = None
) -> None:
    """Listen no more, in one go with taking in whoever is connected already, each by a protocol that `made` makes.

    A door that closes on them would cut them off, and they could not know what became of their calls.
    """
    loop = asyncio.get_running_loop()
    loop.remove_reader(listener)
    await asyncio.sleep(0)  # the loop takes a caller in over two turns, and drops one whose listener is closed between them
    taken = []
    with contextlib.suppress(OSError):  # nobody is left that waits
        while True:
            taken.append(listener.accept()[0])
    for server in servers:
        server.close()
    for connected in taken:
        connected.setblocking(False)
    shaking = _HANDSHAKE_S if tls else None
    await asyncio.gather(
        *(loop.connect_accepted_socket(made, connected, ssl=tls, ssl_handshake_timeout=shaking) for connected in taken), return_exceptions=True
    )
    await asyncio.sleep(0)  # by now whoever was taken in is known as a connection
