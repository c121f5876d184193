"""Tokens of people and services: issued, listed and revoked; an agent's are revoked here, too."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import orjson

from tutti import access
from tutti.accounts.book import LIST, Book, Row, departments_of
from tutti.clock import MICROS, micros, to_text
from tutti.desk import OWNER
from tutti.errors import Invalid, NotFound
from tutti.model.fact import Draft
from tutti.reception import Bundle
from tutti.security import tokens

LONGEST_TOKEN = timedelta(days=366)


class Tokens(Book):
    """Tokens that are secrets, kept as digests."""

    async def issue_token(
        self,
        holder: str,
        *,
        roles: Iterable[str] | None = None,
        departments: Iterable[str] | None = None,
        scopes: Iterable[str] | None = None,
        life: timedelta = timedelta(days=90),
        label: str = "",
        by: str = OWNER,
    ) -> dict[str, Any]:
        """A token for a person or a service, in `token`: it is shown here and never again. What is not given is the holder's own.

        Roles, departments and scopes only narrow what the holder may do. Raises: `Invalid`, `NotFound`.
        """
        if holder != OWNER:
            self._row(holder)
        if not timedelta(0) < life <= LONGEST_TOKEN:
            raise Invalid("A token lives for some time and for at most a year.", hint="Give between 1 and 366 days.")
        if len(label) > 100:
            raise Invalid("A label has at most 100 characters.")
        made = tokens.new_opaque(self._ids)
        expires_at = self._clock.now() + micros(life)
        data = {
            "holder": holder,
            "digest": made.digest,
            "roles": None if roles is None else [*access.check_roles(roles)],
            "departments": None if departments is None else departments_of(departments),
            "scopes": None if scopes is None else [*access.check_scopes(scopes)],
            "expires_at": expires_at,
            "label": label,
        }
        bundle = Bundle(expect={("token", (made.id,)): 0})
        bundle.add(Draft("token.issued", made.id, by, data))
        await self._record(bundle)
        return {**_token_view(self._table("token")[(made.id,)]), "token": made.text}

    def issued(self, holder: str | None = None) -> list[dict[str, Any]]:
        """Tokens that hold now, oldest first; never the tokens themselves."""
        now = self._clock.now()
        rows = [row for row in self._table("token").values() if holder in (None, row["holder"]) and row["expires_at"] > now]
        return [_token_view(row) for row in sorted(rows, key=lambda row: row["issued_at"])]

    async def revoke(self, id: str, *, by: str = OWNER) -> dict[str, Any]:
        """End a token at once, by the id that `issued` shows, an agent's token by its jti, or all tokens of an agent by `agent/NAME`.

        Raises: `NotFound` when there is no such token of a person or service, or no such agent.
        """
        bundle = Bundle()
        if id.startswith("agent/"):
            row = self._table("agent_key").get((id.removeprefix("agent/"),))
            if row is None:
                raise NotFound(f"There is no account {id}.", hint=LIST)
            # the last token may be dated up to a second after the revocation before this one
            until = max(self._clock.now(), row["not_before"] + MICROS)
            bundle.expect["agent_key", (row["name"],)] = row["version"]
            bundle.add(Draft("token.revoked", row["name"], by, {"what": "agent", "until": until}))
        elif id.startswith("jti-"):
            self._forget_revoked(bundle)
            bundle.add(Draft("token.revoked", id, by, {"what": "jti", "until": self._clock.now() + (tokens.LIFE_S + 2 * tokens.SKEW_S) * MICROS}))
        elif (id,) in self._table("token"):
            bundle.add(Draft("token.revoked", id, by, {"what": "token"}))
        else:
            raise NotFound(f"There is no token {id}.", hint="`tutti tokens list` lists them.")
        await self._record(bundle)
        return {"schema": "tutti.revoked/1", "id": id}

    def _forget_revoked(self, bundle: Bundle) -> None:
        """What no token can have any more need not be kept."""
        now = self._clock.now()
        for row in self._table("revoked_token").values():
            if row["until"] < now:
                bundle.add(Draft("token.forgotten", row["id"], "tutti", {}))


def _token_view(row: Row) -> dict[str, Any]:
    lists = {name: None if row[name] is None else orjson.loads(row[name]) for name in ("roles", "departments", "scopes")}
    return {
        "schema": "tutti.token/1", "id": row["id"], "holder": row["holder"], **lists, "label": row["label"], "issued_at": to_text(row["issued_at"]),
        "expires_at": to_text(row["expires_at"]),
    }  # fmt: skip
