"""Admission: ASGI middleware around the app that finds out who calls.

On the workspace's Unix socket (and in the same process) it is the owner: only their user can open it. On TCP a token or a session says it. What
is brought and does not hold is refused at once, wherever it is brought; who brings nothing, or a session that is over, goes on as nobody, and
each route asks for somebody.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tutti.accounts import Admitted
from tutti.api import problems
from tutti.api.guard import CALLER, trusted
from tutti.app import Workspace
from tutti.errors import Refused, TuttiError, Unauthenticated
from tutti.model.caller import OWNER
from tutti.security import Throttle, check_dpop

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[MutableMapping[str, Any], _Receive, _Send], Awaitable[None]]
_TOKEN = "owner.token"
_OWNER_LIFE = timedelta(days=366)
COOKIES = ("__Host-tutti", "tutti_session")  # over TLS, and on loopback without it
_SAFE = ("GET", "HEAD", "OPTIONS")
_UNKNOWN_PER_MINUTE = 300  # requests of one address that bring nothing that holds, and get nothing


class Local:
    """The app for callers who are the owner by where they come from."""

    def __init__(self, app: _App) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] == "http":
            trusted(scope, OWNER)  # type: ignore[arg-type]
        await self._app(scope, receive, send)


class Admission:
    """The app for callers on TCP: whoever brings a token or a session that holds is its holder, everybody else is nobody."""

    def __init__(self, app: _App, workspace: Workspace) -> None:
        self._app = app
        self._workspace = workspace
        self._unknown = Throttle(workspace.clock, _UNKNOWN_PER_MINUTE, timedelta(minutes=1))

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        address = (scope.get("client") or ("",))[0]
        brings = [value for name, value in scope["headers"] if name == b"authorization"]
        cookie = None if brings else session_cookie(scope)
        try:
            if brings:
                admitted = self._by_token(scope, brings)
                trusted(scope, admitted.caller, admitted.expires_at)  # type: ignore[arg-type]
            elif cookie is not None and (held := self._by_session(cookie)) is not None:
                check_origin(scope)
                trusted(scope, held.caller, held.expires_at)  # type: ignore[arg-type]
        except TuttiError as error:
            wait = self._unknown.take(address) if isinstance(error, Unauthenticated) else 0
            await (too_often(wait) if wait else problems.of(error))(scope, receive, send)
            return
        if CALLER in scope:
            await self._app(scope, receive, send)
        elif wait := self._unknown.wait(address):
            await too_often(wait)(scope, receive, send)
        else:
            await self._app(scope, receive, self._counting(address, send))

    def _counting(self, address: str, send: _Send) -> _Send:
        """Count what nobody known asks for in vain. Cards, callbacks and health that are answered are not counted."""

        async def count(message: _Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                self._unknown.take(address)
            await send(message)

        return count

    def _by_session(self, cookie: str) -> Admitted | None:
        """Who has this session; nobody where it is over, for browsers send old cookies by themselves, to the log-in too."""
        try:
            return self._workspace.accounts.session(cookie)
        except Unauthenticated:
            return None

    def _by_token(self, scope: MutableMapping[str, Any], brings: list[bytes]) -> Admitted:
        if len(brings) > 1:
            raise Unauthenticated("There is more than one Authorization header.", hint="Send one.")
        scheme, _, token = brings[0].decode("latin-1").partition(" ")
        if scheme.lower() not in ("bearer", "dpop") or not token:
            raise Unauthenticated("This kind of authorization is not accepted.", hint="Send `Authorization: Bearer …`; `tutti tokens new` makes a token.")
        admitted = self._workspace.accounts.admit(token)
        if admitted.key:
            proofs = [value.decode("latin-1") for name, value in scope["headers"] if name == b"dpop"]
            url = address_of(scope)
            proof = check_dpop(proofs, token, admitted.key, method=scope["method"], url=url, now=self._workspace.clock.now())
            self._workspace.accounts.use_once(proof.jti, proof.expires_at)
        elif scheme.lower() != "bearer":
            raise Unauthenticated("This token is bound to no key.", hint="Send it as `Authorization: Bearer …`.")
        return admitted


def session_cookie(scope: MutableMapping[str, Any]) -> str | None:
    """The session that a request brings; over TLS only the cookie that no other site or port can have set."""
    wanted = COOKIES[0] if scope.get("scheme") == "https" else COOKIES[1]
    for name, value in scope["headers"]:
        if name == b"cookie":
            for pair in value.decode("latin-1").split(";"):
                key, _, text = pair.strip().partition("=")
                if key == wanted:
                    return str(text)
    return None


def check_origin(scope: MutableMapping[str, Any]) -> None:
    """With a session, what changes something must come from this server's own pages. Raises: `Refused`."""
    if scope["method"] in _SAFE:
        return
    headers = dict(scope["headers"])
    origin, host = headers.get(b"origin", b"").decode("latin-1"), headers.get(b"host", b"").decode("latin-1")
    parts = urlsplit(origin)
    if (
        not origin
        or (parts.scheme, parts.netloc.lower()) != (scope.get("scheme", "http"), host.lower())
        or headers.get(b"sec-fetch-site", b"same-origin") != b"same-origin"
    ):
        raise Refused("A session is for this server's own pages.", hint="Other programs send a token: `Authorization: Bearer …`.")


def address_of(scope: MutableMapping[str, Any]) -> str:
    """The URL of a request without its query, as the caller wrote it."""
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    return f"{scope.get('scheme', 'http')}://{host.lower()}{scope.get('raw_path', scope['path'].encode()).partition(b'?')[0].decode('latin-1')}"


def too_often(seconds: int) -> Any:
    """The answer to somebody who tries too often."""
    answer = problems.problem(429, "overloaded", "That was too often.", f"Try again in {seconds} s, with a token.")
    answer.headers["retry-after"] = str(seconds)
    return answer


async def ensure_owner_token(workspace: Workspace) -> Path:
    """The file with a token of the owner's, made where there is none that holds; only this user can read it."""
    place = workspace.settings.home / _TOKEN
    if await asyncio.to_thread(_read, place, workspace) is None:
        made = await workspace.accounts.issue_token("person/owner", life=_OWNER_LIFE, label=_TOKEN)
        await asyncio.to_thread(_write, place, made["token"])
    return place


def _read(place: Path, workspace: Workspace) -> str | None:
    try:
        text = place.read_text().strip()
        if place.stat().st_mode & 0o077:
            place.chmod(0o600)
        workspace.accounts.admit(text)
    except (FileNotFoundError, Unauthenticated):
        return None
    return text


def _write(place: Path, text: str) -> None:
    making = place.with_name(f"{place.name}.{os.getpid()}")
    with os.fdopen(os.open(making, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(file.fileno())
    making.replace(place)
