"""Time, passed in. Nothing else in the house reads a clock.

Instants are whole microseconds since 1970 in UTC (`int`), because facts and rows keep integers; the doors turn them
into text. Monotonic seconds (`float`) measure durations and never appear in a fact.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Protocol

MICROS = 1_000_000


class Clock(Protocol):
    """Where time comes from: the machine in production, a number in tests."""

    def now(self) -> int:
        """The present instant, in microseconds since 1970 UTC."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never go backwards."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        return time.monotonic()


@lru_cache(64)
def _second(second: int) -> str:
    """A second as text: instants that are told come close together."""
    return datetime.fromtimestamp(second, UTC).isoformat(timespec="seconds").removesuffix("+00:00")


def to_text(instant: int) -> str:
    """An instant as ISO 8601 in UTC with milliseconds, for example `2026-11-22T10:14:03.120Z`."""
    return f"{_second(instant // MICROS)}.{instant % MICROS // 1000:03d}Z"


def from_datetime(moment: datetime) -> int:
    """An aware datetime as an instant. Raises `ValueError` for a naive one."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone; write it with one, for example 2026-11-22T10:00:00Z")
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))


def micros(duration: timedelta) -> int:
    """A duration in whole microseconds."""
    return int(duration / timedelta(microseconds=1))
