"""Circuit breakers: an agent version that keeps failing gets no work for a while, then one trial."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from tutti.clock import micros
from tutti.model.outcome import HELD_BACK, Ending, Outcome

THRESHOLD = 5  # failures in a row (governance notes 4.3: a breaker opens after at most 5)
FIRST_REST = timedelta(seconds=5)
LONGEST_REST = timedelta(minutes=5)
_NOT_ITS_FAULT = ("invalid_input", HELD_BACK)


@dataclass(slots=True)
class _Breaker:
    failures: int = 0
    until: int = 0
    rest: int = 0
    probing: bool = False


class Breakers:
    """Health of every agent version in this process. A breaker is open until an instant, then lets one run through."""

    def __init__(self) -> None:
        self._breakers: dict[tuple[str, str], _Breaker] = {}

    def shut(self, now: int) -> dict[tuple[str, str], str]:
        """Versions that get no work now, with the rule in words."""
        if not self._breakers:
            return {}
        return {
            key: f"circuit open: {breaker.failures} failures in a row"
            for key, breaker in self._breakers.items()
            if breaker.until and (now < breaker.until or breaker.probing)
        }

    def opens_at(self, now: int, of: Iterable[tuple[str, str]]) -> int | None:
        """When the first open breaker of these agents lets a trial through; None where none of theirs is open."""
        found = (self._breakers.get(key) for key in of)
        return min((breaker.until for breaker in found if breaker is not None and breaker.until > now), default=None)

    def started(self, key: tuple[str, str]) -> None:
        """A run starts: where the breaker has rested, this is its one trial."""
        breaker = self._breakers.get(key)
        if breaker is not None and breaker.until:
            breaker.probing = True

    def unfinished(self, key: tuple[str, str]) -> None:
        """A run ended in a way that says nothing of the agent: where it was the trial, there may be another."""
        breaker = self._breakers.get(key)
        if breaker is not None:
            breaker.probing = False

    def ended(self, key: tuple[str, str], outcome: Outcome, now: int) -> tuple[str, int] | None:
        """A run ended. Returns ("tripped", until) or ("recovered", 0) where that changed something."""
        if outcome.ending in (Ending.CANCELED, Ending.STOPPED) or outcome.error in _NOT_ITS_FAULT:
            self.unfinished(key)
            return None
        if outcome.ending is Ending.DONE:
            del_breaker = self._breakers.pop(key, None)
            return ("recovered", 0) if del_breaker is not None and del_breaker.until else None
        breaker = self._breakers.setdefault(key, _Breaker())
        breaker.failures += 1
        was_probing, breaker.probing = breaker.probing, False
        if breaker.failures < THRESHOLD and not was_probing:
            return None
        breaker.rest = min(max(breaker.rest * 2, micros(FIRST_REST)), micros(LONGEST_REST))
        breaker.until = now + breaker.rest
        return "tripped", breaker.until

    def failures(self, key: tuple[str, str]) -> int:
        """Failures in a row."""
        breaker = self._breakers.get(key)
        return breaker.failures if breaker else 0
