"""CloudEvents over HTTP: one event as JSON, a batch of them, or one in headers with its data as the body.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import orjson
from fastapi import Request

from tutti.errors import Invalid

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"
MOST = 1000  # events in a batch
_NUMBERS = ("priority", "hops")  # Tutti's own attributes that are whole numbers


class Unsupported(Exception):
    """The body's type is none that is taken."""


async def read(request: Request) -> tuple[list[Any], bool]:
    """The events of a request (not checked yet), and whether they came as a batch. Raises: `Invalid`, `Unsupported`."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if media == BATCH:
        events = _json(body)
        if not isinstance(events, list) or len(events) > MOST:
            raise Invalid(f"A batch is a JSON list of up to {MOST} events.", hint="Send more of them in further batches.")
        return events, True
    if "ce-specversion" in request.headers and media != STRUCTURED:
        return [_binary(request, media, body)], False
    if media not in (STRUCTURED, "application/json"):
        raise Unsupported
    return [_json(body)], False


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Invalid(f"The body is no JSON: {error.msg} (at byte {error.pos}).", hint="`/docs` shows what a signal looks like.") from None


def _binary(request: Request, media: str, body: bytes) -> dict[str, Any]:
    event: dict[str, Any] = {}
    for name, value in request.headers.items():
        if name.startswith("ce-"):
            attribute, text = name.removeprefix("ce-"), unquote(value)
            event[attribute] = int(text) if attribute in _NUMBERS and text.lstrip("-").isascii() and text.lstrip("-").isdigit() and len(text) < 9 else text
    if media in ("application/json", "") or media.endswith("+json"):
        event["data"] = _json(body) if body else None
    elif media.startswith("text/"):
        try:
            event["data"] = body.decode()
        except UnicodeDecodeError:
            raise Invalid("The body is no UTF-8 text.", hint="Send JSON, or text in UTF-8.") from None
    else:
        raise Unsupported
    if media:
        event["datacontenttype"] = media
    return event
