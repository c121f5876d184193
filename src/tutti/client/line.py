"""A line to a server without a web library: HTTP over TCP, TLS or a Unix socket, one request at a time."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from urllib.parse import urlsplit

from tutti.client.turns import Reply
from tutti.errors import Invalid, Unreachable

PATIENCE = 3600.0  # seconds for an answer; rewriting a large file for an erasure takes minutes
_LOST = (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected)


class _Unix(http.client.HTTPConnection):
    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("tutti", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def placed(where: str | Path) -> tuple[str, str]:
    """A server's address as (scheme, host:port or path): http, https or unix. Raises: `Invalid` for anything else."""
    if isinstance(where, Path) or where.startswith(("unix:", "/")):
        return "unix", str(where).removeprefix("unix://").removeprefix("unix:")
    parts = urlsplit(where)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
        raise Invalid(f"{where} is no address of a server.", hint="Give http://host:port, https://host or unix:/path.")
    return parts.scheme, parts.netloc


class Line:
    """Requests to one server over a connection that is kept. Threads take turns."""

    def __init__(self, where: str | Path, *, timeout: float = PATIENCE, tls: ssl.SSLContext | None = None) -> None:
        self._scheme, self._place = placed(where)
        self.where = self._place if self._scheme == "unix" else f"{self._scheme}://{self._place}"
        self.timeout = timeout
        self._tls = tls
        self._kept: http.client.HTTPConnection | None = None
        self._turn = Lock()

    def exchange(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """One request and its answer. Raises: `Unreachable` when nobody answers, or not to the end."""
        with self._turn:
            fresh = self._kept is None
            connection = self._kept or self._open(self.timeout)
            self._kept = None
            with self._told(connection):
                try:
                    answer = self._ask(connection, method, target, headers, body)
                except _LOST:
                    if fresh or method != "GET":
                        raise
                    connection.close()  # it was closed meanwhile, as idle ones are
                    connection = self._open(self.timeout)
                    answer = self._ask(connection, method, target, headers, body)
                reply = Reply(answer.status, answer.read(), answer.headers.get("retry-after", ""))
            if answer.will_close:
                connection.close()
            else:
                self._kept = connection
            return reply

    @contextmanager
    def stream(self, target: str, headers: Mapping[str, str], silence: float) -> Iterator[http.client.HTTPResponse]:
        """An answer that is read as it comes, on a connection of its own; `silence` seconds without a byte end it."""
        connection = self._open(silence)
        try:
            with self._told(connection):
                yield self._ask(connection, "GET", target, headers, b"")
        finally:
            connection.close()

    def close(self) -> None:
        """Let go of the connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def _ask(self, connection: http.client.HTTPConnection, method: str, target: str, headers: Mapping[str, str], body: bytes) -> http.client.HTTPResponse:
        if connection.sock is not None:
            connection.sock.settimeout(connection.timeout)
        connection.request(method, target, body or None, dict(headers))
        return connection.getresponse()

    def _open(self, timeout: float) -> http.client.HTTPConnection:
        if self._scheme == "unix":
            return _Unix(self._place, timeout)
        if self._scheme == "https":
            return http.client.HTTPSConnection(self._place, timeout=timeout, context=self._tls or ssl.create_default_context())
        return http.client.HTTPConnection(self._place, timeout=timeout)

    @contextmanager
    def _told(self, connection: http.client.HTTPConnection) -> Iterator[None]:
        """The network's errors in the house's words; the connection does not survive them."""
        try:
            yield
        except TimeoutError:
            connection.close()
            raise Unreachable(
                f"The process behind {self.where} does not answer.", hint="See whether it is stopped or overloaded; `tutti doctor` names it."
            ) from None
        except ssl.SSLError as error:
            connection.close()
            if error.reason == "WRONG_VERSION_NUMBER":
                raise Unreachable(f"{self.where} does not speak TLS.", hint="Say http:// where it listens without.") from None
            raise Unreachable(
                f"{self.where} is not trusted: {error.reason or error}.",
                hint="Where it has a certificate of your own authority, name that one's file in SSL_CERT_FILE.",
            ) from None
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            if isinstance(error, ConnectionRefusedError | FileNotFoundError):
                raise Unreachable(f"Nobody answers on {self.where}.", hint="Start it again with `tutti up fleet.py`.") from None
            if isinstance(error, socket.gaierror):
                raise Unreachable(f"{self.where} is not found: there is no such host.", hint="See how its address is written.") from None
            again = "Start it again with `tutti up fleet.py` and look whether the request was taken in."
            if self._scheme == "https" and self._tls is None:
                again = f"Where it asks its callers for a certificate, name yours in TUTTI_CLIENT_CERT. {again}"
            raise Unreachable(f"The process behind {self.where} went away before it answered ({error or type(error).__name__}).", hint=again) from None
        except BaseException:  # interrupted: half an answer is left in it
            connection.close()
            raise
