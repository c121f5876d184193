"""Signals as CloudEvents 1.0 in JSON. Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tutti.errors import Invalid

_REQUIRED = ("specversion", "id", "source", "type")
_NAME = re.compile(r"^[a-z0-9]{1,40}$")  # CloudEvents attribute names are lower-case letters and digits
_OWN = frozenset({"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data", "data_base64"})
DEPTH_LIMIT = 32  # levels of nesting; deeper JSON is refused before anything walks it
_EXAMPLE = '{"specversion": "1.0", "id": "1", "source": "/helpdesk", "type": "ticket.opened", "subject": "account/7", "data": {…}}'


def read_event(event: Any) -> dict[str, Any]:
    """A checked CloudEvent as a plain dict, `data` always JSON. Raises `Invalid` with what is wrong and an example.

    Tutti's own extension attributes: `priority` (integer, higher first), `department` (who sends it), `hops` (set by Tutti).
    """
    if not isinstance(event, Mapping):
        raise _wrong(f"A signal is a JSON object, not {type(event).__name__}.")
    for name in _REQUIRED:
        value = event.get(name)
        if not isinstance(value, str) or not value.strip():
            raise _wrong(f"The signal has no `{name}` (a text that is not empty).")
    if event["specversion"] != "1.0":
        raise _wrong(f"The signal says specversion {event['specversion']!r}; Tutti reads 1.0.")
    for name, value in event.items():
        if not isinstance(name, str) or (name not in _OWN and not _NAME.match(name)):
            raise _wrong(f"`{name}` is no CloudEvents attribute name: lower-case letters and digits only.")
        if name not in ("data", "data_base64") and not isinstance(value, str | int | bool) and value is not None:
            raise _wrong(f"`{name}` must be a text, a whole number or a truth value, not {type(value).__name__}.")
    _check_text(event)
    checked = {name: value for name, value in event.items() if value is not None or name == "data"}
    if "data_base64" in checked:
        checked["data"] = _decoded(checked.pop("data_base64"), "data" in checked)
    if too_deep(checked.get("data")):
        raise _wrong(f"The signal's data is nested deeper than {DEPTH_LIMIT} levels.", "Flatten it, or send a reference to it.")
    return checked


def _check_text(event: Mapping[str, Any]) -> None:
    subject = event.get("subject")
    if subject is not None and (not isinstance(subject, str) or not subject.strip()):
        raise _wrong("`subject` must be a text that is not empty, for example account/7.")
    for name, low, high in (("priority", -1000, 1000), ("hops", 0, 1000)):
        value = event.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high):
            raise _wrong(f"`{name}` must be a whole number from {low} to {high}.")
    moment = event.get("time")
    if moment is not None:
        try:
            datetime.fromisoformat(str(moment).replace("Z", "+00:00"))
        except ValueError:
            raise _wrong(f"`time` is {moment!r}, not an RFC 3339 instant such as 2026-11-22T10:14:03Z.") from None


def _decoded(text: Any, doubled: bool) -> Any:
    if doubled:
        raise _wrong("The signal has both `data` and `data_base64`.", "Send one of them.")
    try:
        import orjson

        return orjson.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, TypeError):
        raise _wrong("`data_base64` does not hold JSON in base 64.", "Tutti's agents take JSON; send other content by reference.") from None


def too_deep(value: Any, limit: int = DEPTH_LIMIT) -> bool:
    """Whether JSON data is nested deeper than `limit`. Walks level by level, so deep data cannot exhaust the stack."""
    level = [value]
    for _ in range(limit):
        level = [
            child
            for parent in level
            if isinstance(parent, dict | list)
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _wrong(message: str, hint: str = f"A CloudEvent looks like {_EXAMPLE}") -> Invalid:
    return Invalid(message, hint=hint)
