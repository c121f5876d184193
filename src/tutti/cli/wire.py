"""The line to a workspace: a server elsewhere, the socket of a running `tutti up`, or the same app in this process when none runs."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from tutti.cli.options import Look
from tutti.cli.places import existing, settings_for
from tutti.client import Call, Client, Reply, read
from tutti.errors import Conflict, Invalid, NotFound, Refused, Unauthenticated, Unreachable
from tutti.settings import Settings

if TYPE_CHECKING:  # declaring fleets loads pydantic and numpy, talking to one does not
    import ssl

    from tutti.fleet import Fleet

_PROBE = 5.0  # seconds in which a running `tutti up` says that it is there


class _Asked(Protocol):
    def ask(self, call: Call[Any]) -> Any: ...


class Api:
    """Calls of one workspace's API."""

    def __init__(self, asked: _Asked, settings: Settings, *, served: bool, remote: bool = False) -> None:
        self._asked = asked
        self.settings = settings
        self.served = served  # by another process
        self.remote = remote  # elsewhere: its files and keys are not here

    def call(self, method: str, path: str, *parts: str, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        """One request; `{}` in the path stand for `parts`. Raises the error of the house that the answer speaks of."""
        return self._asked.ask(Call(method, path, parts, query or {}, body, keyed=method == "POST"))

    def get(self, path: str, /, *parts: str, **query: Any) -> Any:
        """A GET request."""
        return self.call("GET", path, *parts, query=query)

    def post(self, path: str, /, *parts: str, **body: Any) -> Any:
        """A POST request with a JSON object."""
        return self.call("POST", path, *parts, body=body)


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

    def ask(self, call: Call[Any]) -> Any:
        from tutti.api import request

        reply = self._runner.run(request(self._app, call.method, call.target, call.content))
        return read(call, Reply(reply.status, reply.body))

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
    if look.server or os.environ.get("TUTTI_SERVER"):
        if fleet is not None:
            raise Invalid("A fleet runs here, and --server is elsewhere.", hint="Leave --fleet out, or --server (and TUTTI_SERVER).")
        token = _token(look)
        with Client(look.server or os.environ["TUTTI_SERVER"], token, tls=_certified()) as client:
            try:
                yield Api(client, Settings(), served=True, remote=True)
            except Unauthenticated as error:
                if token:
                    raise
                raise Unauthenticated(error.message, hint="Put it into TUTTI_TOKEN, or name its file with --token-file.") from error
        return
    settings = settings_for(look, fleet.name if fleet else "")
    served = serving(settings)
    if served is not None:
        with served.client:
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


def _certified() -> ssl.SSLContext | None:
    """With the certificate that a server elsewhere is shown when it asks who calls, from TUTTI_CLIENT_CERT. Raises: `Invalid`."""
    certificate = os.environ.get("TUTTI_CLIENT_CERT", "")
    if not certificate:  # what is not needed is not loaded
        return None
    from tutti.security import certified

    return certified(certificate)


def _token(look: Look) -> str:
    """The token for a server elsewhere: from --token-file, else TUTTI_TOKEN. Never an option itself: others could read it in the list of processes."""
    if not look.token_file:
        return os.environ.get("TUTTI_TOKEN", "").strip()
    try:
        return Path(look.token_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"The token in {look.token_file} cannot be read.", hint="`tutti tokens new` makes one.") from error


class Served(Api):
    """The API of another process, over its socket; the connection is made with the first call."""

    def __init__(self, client: Client, settings: Settings) -> None:
        super().__init__(client, settings, served=True)
        self.client = client


def serving(settings: Settings) -> Served | None:
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
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return None  # left behind by a process that died
        except OSError:
            pass  # busy: the request below says it
    with Client(path, timeout=_PROBE, tries=1) as asked:
        health = asked.health()
    if health["workspace"] != settings.workspace:
        raise Unreachable(f"The socket {path} serves workspace {health['workspace']}.", hint="Name the right --folder and --workspace.")
    return Served(Client(path, tries=1), settings)
