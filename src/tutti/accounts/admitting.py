"""Who it is: what a token or a session says about whoever brings it."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import orjson

from tutti.accounts.book import FRESH, REMEMBERED, Book
from tutti.clock import MICROS
from tutti.desk import Desk
from tutti.errors import Unauthenticated
from tutti.model.caller import Caller
from tutti.security import tokens


class Admitted(NamedTuple):
    """Who brings a token or a session, and the thumbprint of the key they must prove to have where the token is bound to one."""

    caller: Caller
    key: str = ""
    expires_at: int | None = None  # when what they bring ends


class Admitting(Book):
    """Telling who brings a token or has a session."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._verified: OrderedDict[str, tokens.AgentToken] = OrderedDict()

    def admit(self, token: str) -> Admitted:
        """Who brings this token, opaque or signed. Raises: `Unauthenticated`."""
        id = tokens.opaque_id(token)
        if id is None:
            return self._by_agent_token(token)
        row = self._table("token").get((id,))
        digest = tokens.digest_of(token)
        good = tokens.same(digest, row["digest"] if row is not None else "0" * 64)
        if row is None or not good or row["expires_at"] <= self._clock.now():
            raise Unauthenticated("This token is not accepted: it is unknown, expired or revoked.", hint=FRESH)
        holder = self._caller_of(row["holder"])
        if row["roles"] is None and row["departments"] is None and row["scopes"] is None:
            return Admitted(holder, expires_at=row["expires_at"])
        roles, departments, scopes = (None if row[name] is None else tuple(orjson.loads(row[name])) for name in ("roles", "departments", "scopes"))
        narrowed = Caller(holder.id, roles or holder.roles, departments or holder.departments, scopes, (holder,))
        return Admitted(narrowed, expires_at=row["expires_at"])

    def session(self, cookie: str) -> Admitted:
        """Who has this session. Raises: `Unauthenticated`."""
        row = self._table("session").get((tokens.digest_of(cookie),))
        if row is None or row["expires_at"] <= self._clock.now():
            raise Unauthenticated("This session is over.", hint="Log in again.")
        return Admitted(self._caller_of(row["account"]), expires_at=row["expires_at"])

    def _by_agent_token(self, text: str) -> Admitted:
        token = self._checked(text, self.issuer)
        links = [*token.actors, token.sub]
        callers = [self._link(name, token.issued_at) for name in links]
        first = callers[0]
        return Admitted(Caller(first.id, first.roles, first.departments, token.scopes, tuple(callers[1:])), token.key, token.expires_at * MICROS)

    def _checked(self, text: str, audience: str) -> tokens.AgentToken:
        digest = tokens.digest_of(text)
        token = self._verified.get(digest)
        now = self._clock.now()
        if token is None or token.expires_at <= now // MICROS - tokens.SKEW_S or token.aud != audience:
            token = tokens.verify_token(text, self._journal.keys.token.public, issuer=self.issuer, audience=audience, now=now)
            self._verified[digest] = token
            if len(self._verified) > REMEMBERED:
                self._verified.popitem(last=False)
        if (token.jti,) in self._table("revoked_token"):
            raise Unauthenticated("This token was revoked.", hint=FRESH)
        return token

    def _link(self, id: str, issued_at: int) -> Caller:
        if not id.startswith("agent/"):
            return self._caller_of(id)
        row = self._table("agent_key").get((id.removeprefix("agent/"),))
        if row is None or row["state"] != "active" or issued_at * MICROS <= row["not_before"]:
            raise Unauthenticated("This token was revoked.", hint=FRESH)
        return Caller(id, ("agent",), (row["department"],))
