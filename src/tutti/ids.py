"""Ids and randomness, passed in. Ids sort by the time they were made (48 bits of milliseconds, 80 random bits)."""

from __future__ import annotations

import os
import random
from hashlib import sha256

from tutti.clock import Clock

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford base 32: no I, L, O, U
_POOL = 4096  # random bytes fetched at a time
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]


_forks = 0  # that led to this process: a forked child draws bytes of its own


def _forked() -> None:
    global _forks  # noqa: PLW0603 - one process, one number
    _forks += 1


os.register_at_fork(after_in_child=_forked)


def _base32(number: int, characters: int) -> str:
    pairs = []
    for _ in range(characters // 2):
        pairs.append(_PAIRS[number & 1023])
        number >>= 10
    return "".join(reversed(pairs))


class Ids:
    """Makes ids such as `t-01J8Z3…` (26 characters after the prefix) and everything else that must look random.

    `rng` is a `random.Random`: seeded in tests, seeded by the operating system otherwise. Secrets (keys, salts) come from
    `bytes()`, which reads the operating system unless a seeded generator was passed in.
    """

    def __init__(self, clock: Clock, seed: int | None = None) -> None:
        self._clock = clock
        self._seeded = seed is not None
        self.rng = random.Random(os.urandom(32) if seed is None else seed)
        self._milli = -1
        self._stem = ""
        self._pool = b""
        self._drawn = 0
        self._fork = _forks

    def new(self, prefix: str) -> str:
        """A fresh id: `prefix`, a dash, 26 sortable characters."""
        milli = self._clock.now() // 1000
        if milli != self._milli:
            self._milli, self._stem = milli, _base32(milli, 10)
        number, pairs = self.rng.getrandbits(80), _PAIRS
        return (
            f"{prefix}-{self._stem}{pairs[number >> 70]}{pairs[number >> 60 & 1023]}{pairs[number >> 50 & 1023]}{pairs[number >> 40 & 1023]}"
            f"{pairs[number >> 30 & 1023]}{pairs[number >> 20 & 1023]}{pairs[number >> 10 & 1023]}{pairs[number & 1023]}"
        )

    def bytes(self, count: int) -> bytes:
        """`count` bytes nobody can guess (reproducible ones under a seed)."""
        if self._seeded:
            return self.rng.randbytes(count)
        if count > len(self._pool) - self._drawn or self._fork != _forks:  # a call to the system for each salt took a sixtieth of a task
            self._pool, self._drawn, self._fork = os.urandom(max(count, _POOL)), 0, _forks
        start, self._drawn = self._drawn, self._drawn + count
        return self._pool[start : self._drawn]


def derived(prefix: str, *parts: str) -> str:
    """The same id for the same parts, every time: how a run that starts again finds what it asked for before."""
    number = int.from_bytes(sha256("\x1f".join(parts).encode()).digest()[:17])
    return f"{prefix}-{_base32(number, 26)}"
