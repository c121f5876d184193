"""The same work asked twice is done once: what makes two tasks the same work."""

from __future__ import annotations

import hmac
from typing import Any


def work_key(secret: bytes, skill: str, subject: str | None, input: Any) -> str:
    """A keyed digest of skill, subject and exact input: equal for equal work, and no way back to the input."""
    import orjson

    body = orjson.dumps([skill, subject, input], option=orjson.OPT_SORT_KEYS)
    return hmac.digest(secret, body, "sha256").hex()[:32]
