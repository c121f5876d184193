"""What a request may weigh, looked at before anything parses it: bytes, depth, and the time it takes to come."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.responses import Response

from tutti.api.problems import problem

BODY_BYTES = 2 * 1024 * 1024  # twice what a payload may have in the journal
BODY_S = 30.0  # seconds until a body must be there
DEPTH = 32  # levels, as intake allows
BODY = "tutti.body"  # where the body stands in the ASGI scope: what a framework reads it with costs as much as all that is done here
_ESCAPE = re.compile(rb"\\.", re.DOTALL)
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[MutableMapping[str, Any], _Receive, _Send], Awaitable[None]]


def depth(body: bytes) -> int:
    """The deepest nesting of a JSON text. One pass without recursion, so that hostile depth costs no more than its bytes."""
    if body.count(b"[") + body.count(b"{") <= DEPTH:
        return 0  # it cannot be too deep, whatever it is
    import numpy as np

    outside = b"".join(_ESCAPE.sub(b"", body).split(b'"')[::2])
    brackets = np.frombuffer(outside.translate(None, _ALL_BUT_BRACKETS), np.uint8)
    if not len(brackets):
        return 0
    return int(np.cumsum(np.where((brackets == ord("[")) | (brackets == ord("{")), 1, -1), dtype=np.int32).max())


class Limits:
    """ASGI middleware: reads the body, refuses what is too large, too deep, too slow or packed, and hands the rest on in one piece."""

    def __init__(self, app: _App, body_s: float = BODY_S) -> None:
        self._app = app
        self._body_s = body_s

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        stated = headers.get(b"content-length", b"0")
        packed = headers.get(b"content-encoding", b"identity").strip().lower()
        if packed != b"identity":  # unpacked it could be any size
            refusal = problem(415, "invalid", "Packed bodies are not taken.", "Send it without Content-Encoding.")
        elif stated.isdigit() and int(stated) > BODY_BYTES:
            refusal = _too_large()
        else:
            try:
                async with asyncio.timeout(self._body_s):
                    body = await _read(receive)
            except TimeoutError:
                refusal = problem(408, "invalid", f"The body did not come within {self._body_s:g} seconds.", "Send it at once.")
            else:
                if body is None:
                    return
                if len(body) > BODY_BYTES:
                    refusal = _too_large()
                elif depth(body) > DEPTH:
                    refusal = problem(400, "invalid", f"The body is nested deeper than {DEPTH} levels.", "Flatten it, or send a reference to it.")
                else:
                    scope[BODY] = body
                    await self._app(scope, _once(body, receive), send)
                    return
        refusal.headers["connection"] = "close"  # the rest of a body that is refused is not read
        await refusal(scope, receive, send)


def _too_large() -> Response:
    return problem(413, "invalid", f"The body has more than {BODY_BYTES} bytes.", "Send large content by reference.")


async def _read(receive: _Receive) -> bytes | None:
    """The body, or what of it came until it was too large; None when the client has gone."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        more, ends = message.get("body", b""), not message.get("more_body")
        if ends and not body:
            return bytes(more)
        body += more
        if ends or len(body) > BODY_BYTES:
            return bytes(body)


def _once(body: bytes, receive: _Receive) -> _Receive:
    given = False

    async def replay() -> _Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
