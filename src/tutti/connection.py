"""One connection of whatever listens: the web server's protocol with the deadlines and bounds that it lacks, so that nobody holds one by sending
or reading slowly, and nothing that comes after a request's headers changes them. An answer that is there as a whole leaves in one piece, and
timers are set only for what lets wait: together a twentieth of an A2A call."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import HEADER_RE, HEADER_VALUE_RE, STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

WHOLE = "tutti.whole"  # in the ASGI scope, where the whole body had come with the headers: nobody waits for it
_PHRASES = {400: "Bad Request", 408: "Request Timeout", 431: "Request Header Fields Too Large", 503: "Service Unavailable"}


class _Cycle(RequestResponseCycle):
    """One request and its answer."""

    _start: Any = None  # of an answer that says its length: it waits for the body, which follows at once

    async def send(self, message: Any) -> None:
        """Send a part of the answer, or keep the head until the body is there."""
        start = self._start
        if message["type"] == "http.response.start" and not self.response_started and any(name == b"content-length" for name, _ in message["headers"]):
            self._start = message
        elif start is None:
            await super().send(message)
        else:
            self._start = None
            if not self._at_once(start, message):
                await super().send(start)
                await super().send(message)

    def _at_once(self, start: Any, message: Any) -> bool:
        """Send a whole answer in one piece, where it is an ordinary one."""
        body = message.get("body", b"")
        if message.get("more_body") or self.flow.write_paused or self.disconnected or self.scope["method"] == "HEAD":
            return False
        content = [STATUS_LINE[start["status"]]]
        for name, value in (*self.default_headers, *start["headers"]):
            if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value) or name.lower() in (b"connection", b"transfer-encoding"):
                return False
            if name.lower() == b"content-length" and value != b"%d" % len(body):
                return False
            content += (name.lower(), b": ", value, b"\r\n")
        content.append(b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n")
        content.append(body)
        self.waiting_for_100_continue = False
        self.response_started = self.response_complete = True
        self.transport.write(b"".join(content))
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True


class Connection(HttpToolsProtocol):
    """Cuts off who sends headers too slowly, sends too many of them, or does not read. A subclass says what else is turned away."""

    header_s = 10.0  # seconds from a request's first byte (or the connection) until its headers must be complete
    stall_s = 60.0  # seconds a reader may leave an answer unread while the buffers are full
    header_bytes = 64 * 1024

    _heading: asyncio.TimerHandle | None = None
    _stalling: asyncio.TimerHandle | None = None
    _idling: asyncio.TimerHandle | None = None
    _idle_since: float | None = None  # on the loop's clock; None while there is something to do
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
        for timer in (self._heading, self._stalling, self._idling):
            if timer is not None:
                timer.cancel()
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
        self._serve()

    def _serve(self) -> None:
        """Begin to serve the request at hand, or queue it up behind those that came before on this connection."""
        scope: Any = self.scope
        version, target = self.parser.get_http_version(), httptools.parse_url(self.url)
        path = target.path.decode("ascii")
        scope["method"] = self.parser.get_method().decode("ascii")
        scope["http_version"] = version
        scope["path"] = unquote(path) if "%" in path else path
        scope["raw_path"] = target.path
        scope["query_string"] = target.query or b""
        before = self.cycle
        self.cycle = _Cycle(
            scope, self.transport, self.flow, self.logger, self.access_logger, False, self.server_state.default_headers, asyncio.Event(), self.expect_100_continue,
            version != "1.0" and self.parser.should_keep_alive(), self.on_response_complete,
        )  # fmt: skip
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_since = self.loop.time()
        if self._idling is None:
            self._idling = self.loop.call_later(self.timeout_keep_alive, self._idle)

    def _unset_keepalive_if_required(self) -> None:
        self._idle_since = None  # the timer runs on, and looks when it has run out: setting one for each request costs more

    def _idle(self) -> None:
        self._idling = None
        if self._idle_since is None or self.transport.is_closing():
            return
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._idling = self.loop.call_later(left, self._idle)
        else:
            self.timeout_keep_alive_handler()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def on_message_complete(self) -> None:
        self._headed = False
        self.scope[WHOLE] = True  # type: ignore[literal-required]
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
