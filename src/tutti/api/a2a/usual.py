"""The usual call: SendMessage of A2A 1.0, by JSON-RPC or HTTP+JSON, with texts or data. It is read as the JSON that it is.

The SDK reads it into protobuf and back, which costs as much as all that Tutti does with it (0.2 ms of CPU, measured); what is not exactly of this
form goes that way, and so does everything that is wrong, since the SDK knows the words for it.
Source: A2A specification 1.0.1, sections 3.1.1, 4.1.4, 9 and 11.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, NamedTuple

import orjson

Json = dict[str, Any]
_HEADERS = frozenset({b"a2a-version", b"content-type", b"idempotency-key", b"a2a-extensions"})
_CALL = {"jsonrpc", "id", "method", "params"}
_JSON, _A2A_JSON = b"application/json", b"application/a2a+json"
_NEEDED = {"messageId", "role", "parts"}
_LONGEST_HISTORY = 2**31  # what the wire's integer holds


class Usual(NamedTuple):
    """What is asked in a usual call; by HTTP+JSON it has no id."""

    id: str | int | None
    message: Json
    metadata: Json
    at_once: bool
    history: int | None
    state: Json  # what the handler is told of the request


def usual(scope: MutableMapping[str, Any], body: bytes, told: Json) -> Usual | None:
    """The call by JSON-RPC, where it is a usual one in every detail; `told` is what is known of the request besides."""
    headers = _headers(scope, (_JSON,))
    call: Any = None if headers is None else _read(body)
    if headers is None or not _has(call, _CALL, {"params": dict}) or call["jsonrpc"] != "2.0" or call["method"] != "SendMessage":
        return None
    id = call["id"]
    return _asked(id, call["params"], headers, told) if isinstance(id, str) or _is_whole(id) else None


def usual_rest(scope: MutableMapping[str, Any], body: bytes, told: Json) -> Usual | None:
    """The same by HTTP+JSON, where the parameters are the body."""
    headers = None if scope["query_string"] else _headers(scope, (_JSON, _A2A_JSON))
    return None if headers is None else _asked(None, _read(body), headers, told)


def _asked(id: str | int | None, params: Any, headers: dict[bytes, bytes], told: Json) -> Usual | None:
    if not _has(params, {"message"}, _PARAMS):
        return None
    configuration = params.get("configuration", {})
    if not _has(params["message"], _NEEDED, _MESSAGE) or not _has(configuration, set(), _CONFIGURATION):
        return None
    state = {**told, "headers": {"idempotency-key": headers.get(b"idempotency-key", b"").decode("latin-1")}}
    at_once, history = configuration.get("returnImmediately", False), configuration.get("historyLength")
    return Usual(id, params["message"], params.get("metadata", {}), at_once, history, state)


def _headers(scope: MutableMapping[str, Any], types: tuple[bytes, ...]) -> dict[bytes, bytes] | None:
    """The headers that count, where each is there once and says what it says in a usual call."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in _HEADERS:
            if name in headers:
                return None
            headers[name] = value
    if headers.get(b"a2a-version") != b"1.0" or headers.get(b"content-type") not in types or b"a2a-extensions" in headers:
        return None
    return headers


def _read(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


_Form = type | Callable[[Any], bool]


def _has(value: Any, required: set[str], known: dict[str, _Form]) -> bool:
    """Whether it is an object with all that is required, and nothing that is not known and of the known form (a type of JSON's, or a test)."""
    if type(value) is not dict or not required <= value.keys():
        return False
    for name, item in value.items():
        fits = known.get(name)
        if fits is None:
            if name not in required:
                return False
        elif type(item) is not fits if isinstance(fits, type) else not fits(item):
            return False
    return True


def _is_text(value: Any) -> bool:
    """Of the empty text the wire makes no text."""
    return isinstance(value, str) and value != ""


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_parts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(_has(part, set(), _PART) and ("text" in part) + ("data" in part) == 1 for part in value)


_PARAMS: dict[str, _Form] = {"configuration": dict, "metadata": dict}
_CONFIGURATION: dict[str, _Form] = {
    "returnImmediately": bool,
    "historyLength": lambda value: _is_whole(value) and 0 <= value < _LONGEST_HISTORY,
    "acceptedOutputModes": lambda value: isinstance(value, list) and all(isinstance(mode, str) for mode in value),
}
_MESSAGE: dict[str, _Form] = {
    "messageId": _is_text, "contextId": _is_text, "taskId": _is_text, "role": lambda value: value == "ROLE_USER", "parts": _are_parts, "metadata": dict,
}  # fmt: skip
_PART: dict[str, _Form] = {
    "text": str, "data": lambda value: value is not None, "metadata": dict, "mediaType": _is_text,
}  # fmt: skip
