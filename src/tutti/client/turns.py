"""A call and its answer, without any I/O: what is sent, when it is sent again, and what the answer means. Both clients drive this."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import quote, urlencode

import orjson

from tutti.errors import Invalid, Overloaded, TuttiError, Unreachable
from tutti.model.answers.changes import Change
from tutti.model.value import endless

T = TypeVar("T")
TRIES = 5  # how often a call that may be repeated is made
_FIRST_PAUSE = 0.2  # seconds; doubled with each try
_LONGEST_PAUSE = 30.0  # seconds a server may ask to wait between two tries
_BUSY = (429, 503)
_FAMILIES: dict[str, type[TuttiError]] = {cls.code: cls for cls in TuttiError.__subclasses__()}


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One operation: `{}` in the path stand for `parts`. `keyed` calls carry an Idempotency-Key, so that they too can be repeated."""

    method: str
    path: str
    parts: tuple[str, ...] = ()
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    keyed: bool = False
    media: str = "application/json"

    @property
    def target(self) -> str:
        """The path as it stands on the wire, with its query."""
        place = self.path.format(*[quote(part, safe="") for part in self.parts])
        asked = {name: str(value).lower() if isinstance(value, bool) else value for name, value in self.query.items() if value is not None}
        return f"{place}?{urlencode(asked)}" if asked else place

    @property
    def content(self) -> bytes:
        """The body as JSON. Raises: `Invalid` where a number in it is none: it would go out as null."""
        body = b"" if self.body is None else orjson.dumps(self.body)
        if b"null" in body and endless(self.body):
            raise Invalid("NaN and infinity are no JSON values.", hint="Give a number, or leave it out.")
        return body


class Ask(NamedTuple):
    """What the driver sends."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Pause(NamedTuple):
    """How long the driver waits, in seconds."""

    seconds: float


class Reply(NamedTuple):
    """What came back. `retry_after` is empty where the server said nothing."""

    status: int
    body: bytes
    retry_after: str = ""


class Event(NamedTuple):
    """One event of the stream: a change, or (`change` is None) that some were lost and all should be read anew. `seq` is where to resume."""

    seq: int
    change: Change | None


def new_key() -> str:
    """A key that no other request has."""
    return os.urandom(16).hex()


def talk(call: Call[T], *, token: str = "", key: Callable[[], str] = new_key, tries: int = TRIES) -> Generator[Ask | Pause, Reply | Unreachable | None, T]:
    """Yields what is to be sent or waited for; is sent the reply, or why there is none. Returns the answer.

    Raises: the error of the house that the answer speaks of; `Unreachable` when nobody answered.
    """
    headers = {"content-type": call.media, "accept": "application/json"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    if call.keyed:
        headers["idempotency-key"] = key()
    body = call.content
    repeatable = call.keyed or call.method in ("GET", "PUT")
    pause = _FIRST_PAUSE
    for left in reversed(range(tries if repeatable else 1)):
        reply = yield Ask(call.method, call.target, headers, body)
        assert reply is not None
        if isinstance(reply, Unreachable):
            if not left:
                raise reply
        elif reply.status in _BUSY and left:
            pause = max(pause, float(reply.retry_after) if reply.retry_after.isdigit() else 0.0)
            if pause > _LONGEST_PAUSE:
                raise problem(call, reply)
        else:
            answer: T = read(call, reply)
            return answer
        yield Pause(pause)
        pause *= 2
    raise AssertionError("the last try returns or raises")


def read(call: Call[Any], reply: Reply) -> Any:
    """The value of an answer. Raises: the error it speaks of, `Unreachable` when it is no answer of the API."""
    if reply.status >= 400:
        raise problem(call, reply)
    try:
        return orjson.loads(reply.body) if reply.body else None
    except orjson.JSONDecodeError:
        raise _strange(call, reply) from None


def problem(call: Call[Any], reply: Reply) -> TuttiError:
    """The error of the house that an answer speaks of."""
    try:
        value = orjson.loads(reply.body)
    except orjson.JSONDecodeError:
        return _strange(call, reply)
    if not isinstance(value, dict) or "detail" not in value:
        return _strange(call, reply)
    family = _FAMILIES.get(str(value.get("code", "")), TuttiError)
    about: dict[str, Any] = {"status": reply.status}
    if family is Overloaded and reply.retry_after.isdigit():
        about["retry_after"] = int(reply.retry_after)
    return family(str(value["detail"]), hint=str(value.get("hint", "")), **about)


def _strange(call: Call[Any], reply: Reply) -> Unreachable:
    return Unreachable(f"The answer to {call.method} {call.target} is no JSON (status {reply.status}).", hint="Does another program listen there?")


class Stream:
    """Reads server-sent events line by line, and keeps the place to resume at."""

    def __init__(self, after: int | None) -> None:
        self.after = after
        self._fields: dict[str, str] = {}

    def feed(self, line: str) -> Event | None:
        """Take one line (without its end); returns the event that it ends, if it does."""
        if line:
            name, _, value = line.partition(":")
            if name:
                self._fields[name] = value.removeprefix(" ")
            return None
        fields, self._fields = self._fields, {}
        if "data" not in fields or not fields.get("id", "").isdigit():
            return None
        self.after = int(fields["id"])
        return Event(self.after, orjson.loads(fields["data"]) if fields.get("event") == "change" else None)

    def call(self) -> Call[Any]:
        """The request that begins the stream, or resumes it."""
        self._fields = {}
        return Call("GET", "/v1/events", query={"after": self.after})
