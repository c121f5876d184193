"""People and services, and the agents whose keys are known: who there is, taken in, changed and shut."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Any

import orjson

from tutti import access
from tutti.accounts.book import LIST, Book, Row, departments_of
from tutti.clock import to_text
from tutti.desk import OWNER
from tutti.errors import Conflict, Invalid, NotFound, Refused
from tutti.model.caller import EVERY
from tutti.model.fact import Draft
from tutti.reception import Bundle
from tutti.security import passwords

_ACCOUNT = re.compile(r"(person|service)/[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")


class People(Book):
    """Accounts of people and services, and agents' keys."""

    def everybody(self) -> list[dict[str, Any]]:
        """All accounts, agents' keys among them. The owner, whom nobody has to add, is left out."""
        people = [_account_view(row) for row in self._table("account").values()]
        agents = [
            {
                "schema": "tutti.account/1", "id": f"agent/{row['name']}", "roles": ["agent"], "departments": [row["department"]], "state": row["state"],
                "since": to_text(row["since"]), "password": False, "key": row["key"], "url": row["url"],
            }
            for row in self._table("agent_key").values()
        ]  # fmt: skip
        return sorted([*people, *agents], key=lambda account: account["id"])

    def account(self, id: str) -> dict[str, Any]:
        """One account of a person or a service. Raises: `NotFound`."""
        return _account_view(self._row(id))

    async def add(
        self, id: str, roles: Iterable[str], *, departments: Iterable[str] = (EVERY,), password: str | None = None, by: str = OWNER
    ) -> dict[str, Any]:
        """Take in a person (`person/ana`, who may have a password) or a service (`service/crm`, by token only).

        Raises: `Invalid`, `Conflict` when there is one of that name.
        """
        if not _ACCOUNT.fullmatch(id) or id == OWNER:
            raise Invalid(f"{id!r} cannot be an account.", hint="Write person/NAME or service/NAME; person/owner is there from the beginning.")
        if password is not None and not id.startswith("person/"):
            raise Invalid("A service has no password.", hint="Make it a token with `tutti tokens new`.")
        known = self._table("account").get((id,))
        if known is not None and known["state"] == "active":
            raise Conflict(f"There is an account {id} already.", hint=LIST)
        bundle = Bundle(expect={("account", (id,)): known["version"] if known else 0})
        data: dict[str, Any] = {"roles": [*access.check_roles(roles)], "departments": departments_of(departments)}
        if password is not None:
            data["password"] = await self._sealed(bundle, id, password)
        bundle.add(Draft("account.created", id, by, data))
        await self._record(bundle)
        return self.account(id)

    async def change(
        self, id: str, *, roles: Iterable[str] | None = None, departments: Iterable[str] | None = None, password: str | None = None, by: str = OWNER
    ) -> dict[str, Any]:
        """Change an account, from the next request on. A new password ends its sessions. Raises: `Invalid`, `NotFound`."""
        row = self._row(id)
        bundle = Bundle(expect={("account", (id,)): row["version"]})
        data: dict[str, Any] = {}
        if roles is not None:
            data["roles"] = [*access.check_roles(roles)]
        if departments is not None:
            data["departments"] = departments_of(departments)
        if password is not None:
            if not id.startswith("person/"):
                raise Invalid("A service has no password.", hint="Make it a token with `tutti tokens new`.")
            data["password"] = await self._sealed(bundle, id, password)
        bundle.add(Draft("account.changed", id, by, data))
        if password is not None:
            self._end_sessions(bundle, id, by)
        await self._record(bundle)
        return self.account(id)

    async def vouched(self, id: str, roles: Iterable[str], *, departments: Iterable[str], by: str) -> None:
        """Take in a person for whom an identity provider vouches, or bring their roles up to date. `by` stands for issuer and subject.

        Raises: `Refused` for a name that belongs to a local account or to somebody else there, or that was removed.
        """
        row = self._table("account").get((id,))
        if row is None:
            await self.add(id, roles, departments=departments, by=by)
            return
        if row["by"] != by or row["state"] != "active":
            raise Refused(f"{id} is somebody else here, or was removed.", hint="Ask the workspace's owner.")
        wanted, places = [*access.check_roles(roles)], departments_of(departments)
        if (orjson.loads(row["roles"]), orjson.loads(row["departments"])) != (wanted, places):
            await self.change(id, roles=wanted, departments=places, by=by)

    async def remove(self, id: str, *, by: str = OWNER) -> dict[str, Any]:
        """Shut an account, its tokens and its sessions; for an agent, let go of its key and take it out of the fleet. Raises: `NotFound`."""
        if id.startswith("agent/"):
            return await self._unpin(id.removeprefix("agent/"), by)
        row = self._row(id)
        bundle = Bundle(expect={("account", (id,)): row["version"]})
        bundle.add(Draft("account.removed", id, by, {"reason": "removed"}))
        for token in self._table("token").values():
            if token["holder"] == id:
                bundle.add(Draft("token.revoked", token["id"], by, {"what": "token"}))
        self._end_sessions(bundle, id, by)
        await self._record(bundle)
        return _account_view(self._table("account")[(id,)])

    async def _unpin(self, name: str, by: str) -> dict[str, Any]:
        row = self._table("agent_key").get((name,))
        if row is None or row["state"] != "active":
            raise NotFound(f"There is no account agent/{name}.", hint=LIST)
        bundle = Bundle(expect={("agent_key", (name,)): row["version"]})
        bundle.add(Draft("agent.key_removed", name, by, {"reason": "removed"}))
        await self._record(bundle)
        if any(card.name == name for card in self._house.registry.live()):
            await self._desk.retire(name, reason="its account was removed", by=by)
        return next(account for account in self.everybody() if account["id"] == f"agent/{name}")

    def _end_sessions(self, bundle: Bundle, id: str, by: str) -> None:
        self._links.forget(id)
        for session in self._table("session").values():
            if session["account"] == id:
                bundle.add(Draft("session.closed", session["id"], by, {"reason": "the account has changed"}))

    async def _sealed(self, bundle: Bundle, id: str, password: str) -> str:
        async with self._hashing:
            kept = await asyncio.to_thread(passwords.hash_password, password)
        payload = self._journal.seal({"argon2id": kept}, id)
        bundle.payloads.append(payload)
        return str(payload.id)


def _account_view(row: Row) -> dict[str, Any]:
    return {
        "schema": "tutti.account/1", "id": row["id"], "roles": orjson.loads(row["roles"]), "departments": orjson.loads(row["departments"]), "state": row["state"],
        "since": to_text(row["since"]), "password": row["password"] is not None,
    }  # fmt: skip
