"""Requests that were asked under a key of their own (`Idempotency-Key`): the same one again gets the first one's answer."""

from __future__ import annotations

from typing import NamedTuple

from tutti.model.view import Table


class Once(NamedTuple):
    """What makes a request the same: a keyed digest of who asks and their key, and a digest of what they ask."""

    key: str
    digest: str


REQUESTS = Table("request", key=("key",), columns={"key": "text", "digest": "text", "answer": "text", "status": "int", "at": "int"}, hot=False)
