"""A limit on how often somebody may try. Source: the generic cell rate algorithm (ITU-T I.371), as a virtual schedule."""

from __future__ import annotations

from collections import OrderedDict
from datetime import timedelta

from tutti.clock import Clock, micros

_REMEMBERED = 10_000  # callers; who has not been here for longest is forgotten first


class Throttle:
    """At most `count` in `period` for each key, all at once if need be; then one each time a share of the period is over."""

    def __init__(self, clock: Clock, count: int, period: timedelta) -> None:
        self._clock = clock
        self._share = micros(period) // count
        self._burst = micros(period) - self._share
        self._due: OrderedDict[str, int] = OrderedDict()  # when the next one would come if they came evenly

    def take(self, key: str) -> int:
        """Take one: 0 when it may go on, otherwise the whole seconds until the next try."""
        now = self._clock.now()
        due = max(self._due.get(key, now), now)
        if due - now > self._burst:
            return -(-(due - now - self._burst) // 1_000_000)
        self._due[key] = due + self._share
        self._due.move_to_end(key)
        if len(self._due) > _REMEMBERED:
            self._due.popitem(last=False)
        return 0

    def wait(self, key: str) -> int:
        """The whole seconds until this key may go on, without taking one."""
        due = self._due.get(key, 0) - self._clock.now() - self._burst
        return -(-due // 1_000_000) if due > 0 else 0
