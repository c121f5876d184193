"""Calling the app without a server: the same routes, errors and limits, in this process."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, NamedTuple

from fastapi import FastAPI

from tutti.api.guard import CALLER
from tutti.model.caller import OWNER


class Reply(NamedTuple):
    """What came back: an HTTP status and the body."""

    status: int
    body: bytes


async def request(app: FastAPI, method: str, path: str, body: bytes = b"") -> Reply:
    """One HTTP request to an app. `path` is as it stands on the wire: percent-encoded, with its query."""
    from urllib.parse import unquote

    place, _, query = path.partition("?")
    headers = [(b"host", b"tutti"), (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": method, "scheme": "http", "path": unquote(place),
        "raw_path": place.encode(), "query_string": query.encode(), "root_path": "", "headers": headers, "client": None, "server": None, CALLER: OWNER,
    }  # fmt: skip
    status, parts, sent = 0, [], False

    async def receive() -> MutableMapping[str, Any]:
        nonlocal sent
        if sent:
            return {"type": "http.disconnect"}
        sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
        else:
            parts.append(message.get("body", b""))

    try:
        await app(scope, receive, send)
    except Exception:
        if not status:  # the framework answers a defect, then raises it once more for its server to log
            raise
    return Reply(status, b"".join(parts))
