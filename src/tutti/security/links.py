"""One-time links: a code that opens one session, for whoever opens it first within a quarter of an hour. Kept as digests in memory, never in a fact."""

from __future__ import annotations

import re
from collections import OrderedDict
from datetime import timedelta
from typing import NamedTuple

from tutti.clock import Clock, micros
from tutti.errors import Unauthenticated
from tutti.ids import Ids
from tutti.security.tokens import b64, digest_of

LINK_LIFE = timedelta(minutes=15)
_MOST = 1000  # open codes; the oldest is forgotten first
_CODE = re.compile(r"link_[A-Za-z0-9_-]{43}")


class _Link(NamedTuple):
    account: str
    expires_at: int


class Links:
    """The codes of one process that were not used yet."""

    def __init__(self, clock: Clock, ids: Ids) -> None:
        self._clock, self._ids = clock, ids
        self._open: OrderedDict[str, _Link] = OrderedDict()  # by digest of the code, oldest first

    def make(self, account: str) -> tuple[str, int]:
        """A code of 256 random bits for this account, and the instant at which it ends."""
        code, expires_at = f"link_{b64(self._ids.bytes(32))}", self._clock.now() + micros(LINK_LIFE)
        self._open[digest_of(code)] = _Link(account, expires_at)
        while len(self._open) > _MOST or next(iter(self._open.values())).expires_at <= self._clock.now():
            self._open.popitem(last=False)
        return code, expires_at

    def use(self, code: str) -> str:
        """The account that a code was made for; it holds no more. Raises: `Unauthenticated`, in the same words for whatever is wrong with it."""
        link = self._open.pop(digest_of(code), None) if _CODE.fullmatch(code) else None
        if link is None or link.expires_at <= self._clock.now():
            raise Unauthenticated("This link does not hold: it is unknown, was used, or is older than 15 minutes.", hint="`tutti console` makes a new one.")
        return link.account

    def forget(self, account: str) -> None:
        """End all codes of an account."""
        for digest in [digest for digest, link in self._open.items() if link.account == account]:
            del self._open[digest]
