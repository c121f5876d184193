"""Sessions of people in a browser: opened by a password, by a link or by an identity provider's word, and ended."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tutti.accounts.book import Book
from tutti.clock import micros
from tutti.errors import Unauthenticated
from tutti.model.caller import Caller
from tutti.model.fact import Draft
from tutti.reception import Bundle
from tutti.security import passwords, tokens

SESSION_LIFE = timedelta(hours=8)


class Sessions(Book):
    """Sessions, kept as digests of their cookies."""

    async def log_in(self, account: str, password: str) -> tuple[str, Caller]:
        """A session for a person: the cookie's value, good for eight hours, and who they are. Raises: `Unauthenticated` after equal work."""
        row = self._table("account").get((account,))
        reference = row["password"] if row is not None and row["state"] == "active" else None
        kept = (await self._journal.payloads([reference])).get(reference) if reference else None
        async with self._hashing:
            good = await asyncio.to_thread(passwords.check_password, kept["argon2id"] if kept else None, password)
        if not good:
            raise Unauthenticated("Account and password do not fit together.", hint="Ask the workspace's owner for a new password.")
        return await self.open_session(account)

    async def open_session(self, account: str) -> tuple[str, Caller]:
        """A session for somebody who has shown who they are. Every log-in makes a new one."""
        caller = self._caller_of(account)
        cookie = tokens.b64(self._ids.bytes(32))
        bundle = Bundle()
        now = self._clock.now()
        for row in self._table("session").values():
            if row["expires_at"] < now:
                bundle.add(Draft("session.closed", row["id"], "tutti", {"reason": "over"}))
        bundle.add(Draft("session.opened", tokens.digest_of(cookie), account, {"account": account, "expires_at": now + micros(SESSION_LIFE)}))
        await self._record(bundle)
        return cookie, caller

    def session_link(self, account: str) -> tuple[str, int]:
        """A code that opens one session for this person, in this process and within a quarter of an hour; and the instant at which it ends."""
        return self._links.make(account)

    async def log_in_by_link(self, code: str) -> tuple[str, Caller]:
        """A session for the person whom a link was made for: the cookie's value, and who they are. Raises: `Unauthenticated`."""
        return await self.open_session(self._links.use(code))

    async def log_out(self, cookie: str) -> None:
        """End a session; one that is over already is fine."""
        id = tokens.digest_of(cookie)
        row = self._table("session").get((id,))
        if row is not None:
            bundle = Bundle()
            bundle.add(Draft("session.closed", id, row["account"], {"reason": "logged out"}))
            await self._record(bundle)
