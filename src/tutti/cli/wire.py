"""The line to a workspace: HTTP over the socket of a running `tutti up`, or the same app in this process when none runs."""

from __future__ import annotations

import asyncio
import http.client
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode

import orjson

from tutti.cli.options import Look
from tutti.cli.places import existing, settings_for
from tutti.errors import Conflict, Refused, TuttiError, Unreachable
from tutti.settings import Settings

if TYPE_CHECKING:  # declaring fleets loads pydantic and numpy, talking to one does not
    from tutti.fleet import Fleet

_PROBE = 5.0  # seconds in which a running `tutti up` says that it is there
_PATIENCE = 3600.0  # seconds for an answer; rewriting a large file for an erasure takes minutes
_FAMILIES: dict[str, type[TuttiError]] = {cls.code: cls for cls in TuttiError.__subclasses__()}


class _Wire(Protocol):
    def exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]: ...


class Api:
    """Calls of one workspace's API."""

    def __init__(self, wire: _Wire, settings: Settings, *, served: bool) -> None:
        self._wire = wire
        self.settings = settings
        self.served = served  # by another process

    def call(self, method: str, path: str, *parts: str, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """One request; `{}` in the path stand for `parts`. Raises the error of the house that the answer speaks of."""
        place = path.format(*[quote(part, safe="") for part in parts])
        asked = {name: str(value).lower() if isinstance(value, bool) else value for name, value in (query or {}).items() if value is not None}
        if asked:
            place += "?" + urlencode(asked)
        status, answer = self._wire.exchange(method, place, b"" if body is None else orjson.dumps(body))
        try:
            value = orjson.loads(answer)
        except ValueError:
            raise Unreachable(f"The answer to {method} {place} is no JSON (status {status}).", hint="Is another program on the socket?") from None
        if status >= 400:
            family = _FAMILIES.get(value.get("code", ""), TuttiError)
            raise family(value.get("detail", f"status {status}"), hint=value.get("hint", ""))
        return value

    def get(self, path: str, /, *parts: str, **query: Any) -> Any:
        """A GET request."""
        return self.call("GET", path, *parts, query=query)

    def post(self, path: str, /, *parts: str, **body: Any) -> Any:
        """A POST request with a JSON object."""
        return self.call("POST", path, *parts, body=body)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("tutti", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class _Socket:
    """HTTP over a Unix socket, a connection a request."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.timeout = _PATIENCE

    def exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        connection = _Connection(self._path, self.timeout)
        try:
            connection.request(method, path, body or None, {"content-type": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except TimeoutError:
            raise Unreachable(
                f"The process behind {self._path} does not answer.", hint="See whether it is stopped or overloaded; `tutti doctor` names it."
            ) from None
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, ConnectionRefusedError | FileNotFoundError):
                raise Unreachable(f"Nobody answers on {self._path}.", hint="Start it again with `tutti up fleet.py`.") from None
            raise Unreachable(
                f"The process behind {self._path} went away before it answered ({error or type(error).__name__}).",
                hint="Start it again with `tutti up fleet.py` and look whether the request was taken in.",
            ) from None
        finally:
            connection.close()


class _Here:
    """The app in this process, on a loop of its own."""

    def __init__(self, settings: Settings, fleet: Fleet | None) -> None:
        from tutti.api import build
        from tutti.app import Workspace

        self._runner = asyncio.Runner()
        self._workspace = Workspace(fleet, settings, run=fleet is not None)
        try:
            self._runner.run(self._workspace.open())
        except BaseException:
            self._runner.close()
            raise
        self._app = build(self._workspace, doors=False)

    def exchange(self, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        from tutti.api import request

        return self._runner.run(request(self._app, method, path, body))

    def close(self) -> None:
        try:
            self._runner.run(self._workspace.close())
        finally:
            self._runner.close()


@contextmanager
def connect(look: Look, fleet: Fleet | None = None) -> Iterator[Api]:
    """The API of the workspace that `look` names. With a fleet, a workspace that nobody serves is opened (and made) to run it here.

    Raises: `NotFound`, `Unreachable` when another process has the workspace and does not answer.
    """
    settings = settings_for(look, fleet.name if fleet else "")
    served = serving(settings)
    if served is not None:
        yield served
        return
    if fleet is None:
        existing(settings)
    try:
        here = _Here(settings, fleet)
    except Conflict as conflict:
        pid = conflict.about.get("pid", "unknown")
        raise Unreachable(
            f"Process {pid} has the workspace {settings.workspace} and does not answer on {settings.socket}.",
            hint=f"Wait until it has ended, or stop it: kill {pid}",
        ) from conflict
    try:
        yield Api(here, settings, served=False)
    finally:
        here.close()


def serving(settings: Settings) -> Api | None:
    """The API of the process that serves this workspace; None where none does.

    Raises: `Refused` for another user's socket, `Unreachable` when somebody is there and does not answer.
    """
    path = settings.socket
    try:
        owner = path.stat().st_uid
    except OSError:
        return None
    if owner != os.getuid() and os.getuid() != 0:
        raise Refused(f"The socket {path} belongs to another user.", hint="Work as the user who runs `tutti up`.")
    wire = _Socket(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return None  # left behind by a process that died
        except OSError:
            pass  # busy: the request below says it
    api = Api(wire, settings, served=True)
    wire.timeout = _PROBE
    health = api.get("/v1/health")
    if health["workspace"] != settings.workspace:
        raise Unreachable(f"The socket {path} serves workspace {health['workspace']}.", hint="Name the right --folder and --workspace.")
    wire.timeout = _PATIENCE
    return api
