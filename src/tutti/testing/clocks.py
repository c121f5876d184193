"""Clocks for tests: one that stands still until it is moved, and one that shows a loop's virtual time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tutti.clock import MICROS, from_datetime, micros
from tutti.testing.loop import SimLoop

START = from_datetime(datetime(2026, 1, 5, 9, tzinfo=UTC))  # a Monday morning, so that a test does not depend on the day it runs


class ManualClock:
    """A clock that moves when it is told to."""

    def __init__(self, start: int = START) -> None:
        self._start = start
        self._now = start

    def now(self) -> int:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start) / MICROS

    def advance(self, by: timedelta) -> None:
        """Move on. Raises `ValueError` for a step back."""
        if by < timedelta():
            raise ValueError("a clock does not go back; advance it by a positive duration")
        self._now += micros(by)


class SimClock:
    """The virtual time of a `SimLoop` as a clock."""

    def __init__(self, loop: SimLoop, start: int = START) -> None:
        self._loop = loop
        self._start = start

    def now(self) -> int:
        return self._start + round(self._loop.time() * MICROS)

    def monotonic(self) -> float:
        return self._loop.time()
