"""Agents that come in by themselves: enrolled with a code, bound to their key, and taken in again when they have started anew."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tutti.accounts.book import AGENT, Book, Row
from tutti.clock import micros, to_text
from tutti.desk import OWNER
from tutti.errors import Conflict, Invalid, Refused
from tutti.model.agent import Endpoint
from tutti.model.caller import EVERY
from tutti.model.fact import Draft
from tutti.reception import Bundle
from tutti.security import enrolment, tokens

ENROLMENT_LIFE = timedelta(minutes=15)


class Enrolling(Book):
    """Binding an agent's name to its key, and registering it from its card."""

    async def enrol(self, name: str, *, department: str, owner: str = "", by: str = OWNER) -> dict[str, Any]:
        """A one-use code, good for a quarter of an hour, with which an agent of this name comes in. Raises: `Invalid`, `Conflict`."""
        if not AGENT.fullmatch(name) or not department or department == EVERY:
            raise Invalid(f"{name!r} in {department!r} cannot be enrolled.", hint="Give a name of letters, digits, dots and dashes, and one department.")
        self._check_unbound(name, "")
        code = enrolment.new_code(self._ids)
        expires_at = self._clock.now() + micros(ENROLMENT_LIFE)
        bundle = Bundle()
        bundle.add(Draft("enrolment.issued", tokens.digest_of(code), by, {"name": name, "department": department, "owner": owner, "expires_at": expires_at}))
        await self._record(bundle)
        return {
            "schema": "tutti.enrolment/1",
            "name": name,
            "department": department,
            "workspace": self._journal.workspace,
            "code": code,
            "expires_at": to_text(expires_at),
        }

    async def enrolled(self, code: str, *, name: str, url: str, key: str, proof: str) -> dict[str, Any]:
        """Take in an agent with its code: its name is bound to its key, and it is registered from its card at `url`.

        With the same code and the same key it may come again, for the case that it could not be reached. Raises: `Refused` for a code or
        proof that does not hold, `Conflict` when the name is bound to another key, and what `Desk.register` raises.
        """
        id = tokens.digest_of(code)
        rows = await self._journal.rows("enrolment", {"id": id}, limit=1) if enrolment.is_code(code) else []
        row = rows[0] if rows else None
        if row is None or row["name"] != name or row["expires_at"] < self._clock.now():
            raise Refused("This enrolment code does not hold.", hint="Get a fresh one with `tutti agents enrol`; it is good for 15 minutes and one agent.")
        enrolment.check_proof(key, proof, code=code, name=name, workspace=self._journal.workspace, url=url)
        self._house.outside.egress.check(url)
        bound = self._check_unbound(name, key)
        if not row["open"]:
            if bound is None:
                raise Refused("This enrolment code was used already.", hint="Get a fresh one with `tutti agents enrol`.")
        else:
            known = self._table("agent_key").get((name,))
            bundle = Bundle(expect={("enrolment", (id,)): row["version"], ("agent_key", (name,)): known["version"] if known else 0})
            bundle.add(Draft("enrolment.used", id, f"agent/{name}", {"name": name, "key": key}))
            bundle.add(Draft("agent.key_pinned", name, row["by"], {"key": key, "department": row["department"], "url": url}, -1))
            await self._record(bundle)
        endpoint = Endpoint("a2a", url, key=key, by=row["by"])
        return await self._desk.register(endpoint, department=row["department"], owner=row["owner"], name=name, by=row["by"])

    async def came_again(self, name: str, url: str) -> dict[str, Any]:
        """Take in an agent that is enrolled and has started anew, at whatever address: its card must be signed with its key.

        Raises: `Refused` when it is not enrolled, or its last version was taken out by somebody; what `Desk.register` raises.
        """
        row = self._table("agent_key").get((name,))
        if row is None or row["state"] != "active":
            raise Refused(f"agent/{name} is not enrolled.", hint=f"Get a code with `tutti agents enrol {name}`.")
        self._house.outside.egress.check(url)
        cards = [card for card in self._house.registry.outside() if card.name == name]
        known = any(row["name"] == name for row in self._table("agent").values())
        if known and not self._house.registry.versions(name):
            raise Refused(f"{name} was taken out of the fleet.", hint="Have an operator take it in again, or enrol it anew after `tutti accounts remove`.")
        last = cards[-1] if cards else None
        endpoint = Endpoint("a2a", url, key=row["key"], by=f"agent/{name}" if last is None or last.endpoint is None else last.endpoint.by)
        more: dict[str, Any] = {} if last is None else {"owner": last.owner, "concurrency": last.concurrency}
        return await self._desk.register(endpoint, department=row["department"], name=name, by=endpoint.by, **more)

    def _check_unbound(self, name: str, key: str) -> Row | None:
        row: Row | None = self._table("agent_key").get((name,))
        if row is None or row["state"] != "active":
            return None
        if row["key"] != key:
            raise Conflict(f"{name} is bound to another key.", hint=f"Take a new name, or remove the old one with `tutti accounts remove agent/{name}`.")
        return row
