"""Sealing of payloads: a salted digest stands in the fact, the words themselves in a table of their own, so they can be erased.

The salt keeps anybody from guessing a short payload from its digest after the payload is gone. Encrypting bodies with a key
per subject comes in here, and nowhere else: `seal` makes what is stored, `open_body` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from tutti.errors import Invalid
from tutti.model.value import endless

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME
SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Payload:
    """A sealed value. `id` is its salted digest, `subject` the pseudonym of whom it is about, `name` that subject's name."""

    id: str
    subject: str | None
    name: str | None = field(repr=False)
    salt: bytes = field(repr=False)
    body: bytes = field(repr=False)


def canonical(value: Any) -> bytes:
    """A JSON value as bytes, always the same for the same value: sorted keys, no blanks.

    Raises: `Invalid` for what JSON cannot say (NaN, infinity, keys that are no strings, integers over 64 bits, dates, bytes).
    """
    try:
        body = orjson.dumps(value, option=_OPTIONS)
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"this is no JSON value: {error}", hint="use strings, numbers, booleans, None, lists and dicts with string keys") from None
    if b"null" in body and endless(value):
        raise Invalid("NaN and infinity are no JSON values", hint="leave the field out or use None")
    return body


def salt_at(now: int, drawn: bytes) -> bytes:
    """A salt: the millisecond of an instant in six bytes, then `SALT_BYTES` that nobody can guess."""
    return (now // 1000).to_bytes(6) + drawn


def digest(salt: bytes, body: bytes) -> str:
    """The salted digest of a stored body, in hex: what stands in the salt before its last `SALT_BYTES`, then SHA-256 of salt and body.

    So the ids of payloads sort by the time they were sealed at, and new ones stand together at the end of the index instead of all over it:
    two thirds of the pages that a batch of 64 A2A calls wrote were that index's.
    """
    return salt[:-SALT_BYTES].hex() + sha256(salt + body).hexdigest()


def seal(value: Any, salt: bytes, subject: str | None, name: str | None) -> Payload:
    """Seal a JSON value. Raises: `Invalid` for what is none."""
    body = bytes(memoryview(canonical(value)))  # a copy: orjson's own bytes keep about 4 KB each, and sealed bodies stay in memory
    return Payload(digest(salt, body), subject, name, salt, body)


def open_body(body: bytes) -> Any:
    """The value of a stored body."""
    return orjson.loads(body)
