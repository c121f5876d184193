"""One connection of a service: the web server's protocol with the deadlines that it lacks, so that nobody holds one by sending or reading slowly."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_S = 10.0  # seconds until a request's headers must be complete, from its first byte or the connection's beginning
STALL_S = 60.0  # seconds a caller may leave an answer unread
HEADER_BYTES = 32 * 1024
_LATE = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


def connection(header_s: float = HEADER_S, stall_s: float = STALL_S) -> type[HttpToolsProtocol]:
    """The class of connections with these deadlines."""

    class Connection(HttpToolsProtocol):
        """Cuts off who sends headers too slowly, sends too many, or does not read."""

        _heading: asyncio.TimerHandle | None = None
        _stalling: asyncio.TimerHandle | None = None
        _headed = False  # whether the request at hand has all its headers
        _bytes = 0

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._heading = self.loop.call_later(header_s, self._cut, _LATE)

        def connection_lost(self, exc: Exception | None) -> None:
            for timer in (self._heading, self._stalling):
                if timer is not None:
                    timer.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self.transport.is_closing():
                return
            if not self._headed:
                self._bytes += len(data)
                if self._heading is None:
                    self._heading = self.loop.call_later(header_s, self._cut, _LATE)
            super().data_received(data)
            if not self._headed and self._bytes > HEADER_BYTES:
                self._cut(_LARGE)

        def on_headers_complete(self) -> None:
            self._headed, self._bytes = True, 0
            if self._heading is not None:
                self._heading.cancel()
                self._heading = None
            super().on_headers_complete()

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

        def _cut(self, answer: bytes) -> None:
            if not self.transport.is_closing():
                self.transport.write(answer)
                self.transport.close()

    return Connection
