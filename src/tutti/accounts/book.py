"""What every part of the accounts needs: the rows, who an account is now, and the way to record."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from tutti.desk import OWNER, Desk
from tutti.errors import Invalid, NotFound, Unauthenticated
from tutti.model.caller import OWNER as THE_OWNER
from tutti.model.caller import Caller
from tutti.reception import Bundle
from tutti.security import Links

Row = Mapping[str, Any]
LIST = "`tutti accounts` lists them."
FRESH = "Get a fresh token; `tutti tokens new` makes one for a person or a service."
REMEMBERED = 10_000  # verified tokens, and ids that were used once
AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HASHING = 2  # passwords checked at a time: each takes 64 MiB


class Book:
    """The accounts of one open workspace, as its journal has them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._house = desk.corridor.house
        self._journal = self._house.journal
        self._clock, self._ids = self._house.clock, self._house.ids
        self._hashing = asyncio.Semaphore(_HASHING)
        self._links = Links(self._clock, self._ids)

    @property
    def issuer(self) -> str:
        """Who signs this workspace's tokens, and whom its assertions are for."""
        return f"tutti/{self._journal.workspace}"

    def _row(self, id: str) -> Row:
        row: Row | None = self._table("account").get((id,))
        if row is None or row["state"] != "active":
            raise NotFound(f"There is no account {id}.", hint=LIST)
        return row

    def _caller_of(self, account: str) -> Caller:
        """Who an account is now. Raises: `Unauthenticated` when it is shut."""
        if account == OWNER:
            return THE_OWNER
        row = self._table("account").get((account,))
        if row is None or row["state"] != "active":
            raise Unauthenticated("This token is not accepted: it is unknown, expired or revoked.", hint=FRESH)
        return Caller(account, tuple(orjson.loads(row["roles"])), tuple(orjson.loads(row["departments"])))

    def _table(self, name: str) -> Any:
        return self._journal.hot.table(name)

    async def _record(self, bundle: Bundle) -> None:
        await self._desk.corridor.record(bundle)


def departments_of(names: Iterable[str]) -> list[str]:
    """The departments of an account, one at least. Raises: `Invalid`."""
    checked = [*names]
    if not checked or not all(checked):
        raise Invalid("An account belongs to departments.", hint="Name them, or * for all.")
    return checked
