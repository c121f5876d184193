"""Accounts: who may come in. People, services and agents, their tokens, sessions and keys; who somebody is, by what they bring.

Beside the desk and above it: enrolling an agent registers it too. What is secret is shown once and kept as a digest.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, NamedTuple

import orjson

from tutti import access
from tutti.clock import MICROS, micros, to_text
from tutti.desk import OWNER, Desk
from tutti.errors import Conflict, Invalid, NotFound, Overloaded, Refused, Unauthenticated
from tutti.model.agent import Endpoint
from tutti.model.caller import EVERY, Caller
from tutti.model.caller import OWNER as THE_OWNER
from tutti.model.fact import Draft
from tutti.reception import Bundle
from tutti.security import Links, enrolment, passwords, tokens

Row = Mapping[str, Any]
SESSION_LIFE = timedelta(hours=8)
ENROLMENT_LIFE = timedelta(minutes=15)
LONGEST_TOKEN = timedelta(days=366)
_ACCOUNT = re.compile(r"(person|service)/[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_AGENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_REMEMBERED = 10_000  # verified tokens, and ids that were used once
_SPARE_S = 90  # before its end a token for calls is made anew: a call may take a while to arrive, and clocks differ
_HASHING = 2  # passwords checked at a time: each takes 64 MiB
_LIST = "`tutti accounts` lists them."
_FRESH = "Get a fresh token; `tutti tokens new` makes one for a person or a service."


class Admitted(NamedTuple):
    """Who brings a token or a session, and the thumbprint of the key they must prove to have where the token is bound to one."""

    caller: Caller
    key: str = ""
    expires_at: int | None = None  # when what they bring ends


class Accounts:
    """Operations on one open workspace's accounts, and who a token or session belongs to."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._house = desk.corridor.house
        self._journal = self._house.journal
        self._clock, self._ids = self._house.clock, self._house.ids
        self._verified: OrderedDict[str, tokens.AgentToken] = OrderedDict()
        self._used: OrderedDict[str, int] = OrderedDict()  # ids of assertions and proofs → when they expire, in seconds
        self._for_calls: dict[tuple[str, str], tuple[str, int]] = {}  # (agent, caller) → token, and until when it is sent, in seconds
        self._since = self._clock.now() // MICROS
        self._hashing = asyncio.Semaphore(_HASHING)
        self._links = Links(self._clock, self._ids)

    @property
    def issuer(self) -> str:
        """Who signs this workspace's tokens, and whom its assertions are for."""
        return f"tutti/{self._journal.workspace}"

    # --- people and services ------------------------------------------------------------------------------------

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
            raise Conflict(f"There is an account {id} already.", hint=_LIST)
        bundle = Bundle(expect={("account", (id,)): known["version"] if known else 0})
        data: dict[str, Any] = {"roles": [*access.check_roles(roles)], "departments": _departments(departments)}
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
            data["departments"] = _departments(departments)
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
        wanted, places = [*access.check_roles(roles)], _departments(departments)
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

    def _row(self, id: str) -> Row:
        row: Row | None = self._table("account").get((id,))
        if row is None or row["state"] != "active":
            raise NotFound(f"There is no account {id}.", hint=_LIST)
        return row

    # --- tokens -------------------------------------------------------------------------------------------------

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
            "departments": None if departments is None else _departments(departments),
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
                raise NotFound(f"There is no account {id}.", hint=_LIST)
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

    # --- sessions -----------------------------------------------------------------------------------------------

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

    # --- agents -------------------------------------------------------------------------------------------------

    async def enrol(self, name: str, *, department: str, owner: str = "", by: str = OWNER) -> dict[str, Any]:
        """A one-use code, good for a quarter of an hour, with which an agent of this name comes in. Raises: `Invalid`, `Conflict`."""
        if not _AGENT.fullmatch(name) or not department or department == EVERY:
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

    async def _unpin(self, name: str, by: str) -> dict[str, Any]:
        row = self._table("agent_key").get((name,))
        if row is None or row["state"] != "active":
            raise NotFound(f"There is no account agent/{name}.", hint=_LIST)
        bundle = Bundle(expect={("agent_key", (name,)): row["version"]})
        bundle.add(Draft("agent.key_removed", name, by, {"reason": "removed"}))
        await self._record(bundle)
        if any(card.name == name for card in self._house.registry.live()):
            await self._desk.retire(name, reason="its account was removed", by=by)
        return next(account for account in self.everybody() if account["id"] == f"agent/{name}")

    def agent_token(self, agent: str, assertion: str, *, audience: str = "", subject_token: str = "", key: str = "") -> dict[str, Any]:
        """A five-minute token for an agent (by name) that signed this assertion; each assertion is good for one.

        `audience` is another agent as `agent/NAME`, or this workspace when it is empty. `subject_token` is a token made for this agent by whoever it
        acts for: the new one speaks for both, and never says more than either. `key` is the thumbprint that it is bound to.
        Raises: `Unauthenticated`, `Invalid`.
        """
        row = self._table("agent_key").get((agent,))
        active = row is not None and row["state"] == "active"
        # an agent that is not there costs the same check, and fails the same way
        public = bytes.fromhex(row["key"]) if row is not None and active else self._journal.keys.token.public
        now = self._clock.now()
        said = enrolment.check_assertion(assertion, public, agent=agent, workspace=self._journal.workspace, now=now)
        if row is None or not active or said.expires_at - enrolment.ASSERTION_LIFE_S < self._since - 1:
            raise Unauthenticated("This assertion does not hold.", hint="Make a fresh one.")
        self.use_once(f"{agent} {said.jti}", said.expires_at)
        if audience and not (audience.startswith("agent/") and _AGENT.fullmatch(audience.removeprefix("agent/"))):
            raise Invalid(f"{audience[:80]!r} is no audience.", hint="Leave it out, or name an agent as agent/NAME.")
        sub, task = f"agent/{agent}", ""
        actors: tuple[str, ...] = ()
        scopes: tuple[str, ...] | None = None
        if subject_token:
            given = self._checked(subject_token, f"agent/{agent}")
            sub, actors, scopes, task = given.sub, (f"agent/{agent}", *given.actors), given.scopes, given.task
        return self._signed(sub, audience or self.issuer, int(row["not_before"]), actors=actors, scopes=scopes, task=task, key=key)

    def token_for(self, agent: str, caller: str = "") -> str:
        """The token that calls to an enrolled agent carry: for it alone, made once and used again until shortly before it ends.

        It says on whose behalf (`caller`, else this workspace's) and gives no authority here: its scope is empty.
        """
        now = self._clock.now() // MICROS
        made = self._for_calls.get((agent, caller))
        if made is None or made[1] <= now:
            sub = caller or self.issuer
            said = self._signed(sub, f"agent/{agent}", 0, scopes=(), actors=(self.issuer,) if caller else ())
            made = self._for_calls[agent, caller] = (str(said["access_token"]), now + tokens.LIFE_S - _SPARE_S)
            if len(self._for_calls) > _REMEMBERED:
                self._for_calls.pop(next(iter(self._for_calls)))
        return made[0]

    def call_token(self, caller: Caller, agent: str, *, task: str = "", scopes: tuple[str, ...] | None = None) -> str:
        """A five-minute token with which the agent that is called can act for the caller, for this task only."""
        return str(self._signed(caller.id, f"agent/{agent}", 0, scopes=scopes if scopes is not None else caller.scopes, task=task)["access_token"])

    def _signed(self, sub: str, audience: str, not_before: int, **more: Any) -> dict[str, Any]:
        # after the second in which all tokens of this agent were last revoked: `iat` is in whole seconds
        issued_at = max(self._clock.now() // MICROS, not_before // MICROS + 1 if not_before else 0)
        token = tokens.AgentToken(sub, audience, self._ids.new("jti"), issued_at, issued_at + tokens.LIFE_S, **more)
        text = tokens.issue(self._journal.keys.token, token, self.issuer)
        kind = "DPoP" if token.key else "Bearer"
        return {"access_token": text, "token_type": kind, "expires_in": tokens.LIFE_S, "jti": token.jti}

    def use_once(self, id: str, expires_at: int) -> None:
        """Note that an assertion or a proof was used. Raises: `Unauthenticated` the second time, `Overloaded` when too many are open."""
        now = self._clock.now() // MICROS
        while self._used and next(iter(self._used.values())) + tokens.SKEW_S < now:
            self._used.popitem(last=False)
        if id in self._used:
            raise Unauthenticated("This was used already.", hint="Make a fresh one for each request.")
        if len(self._used) >= _REMEMBERED:
            raise Overloaded("Too many proofs are open.", hint="Try again in a minute.")
        self._used[id] = expires_at

    # --- who is it ----------------------------------------------------------------------------------------------

    def admit(self, token: str) -> Admitted:
        """Who brings this token, opaque or signed. Raises: `Unauthenticated`."""
        id = tokens.opaque_id(token)
        if id is None:
            return self._by_agent_token(token)
        row = self._table("token").get((id,))
        digest = tokens.digest_of(token)
        good = tokens.same(digest, row["digest"] if row is not None else "0" * 64)
        if row is None or not good or row["expires_at"] <= self._clock.now():
            raise Unauthenticated("This token is not accepted: it is unknown, expired or revoked.", hint=_FRESH)
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
            if len(self._verified) > _REMEMBERED:
                self._verified.popitem(last=False)
        if (token.jti,) in self._table("revoked_token"):
            raise Unauthenticated("This token was revoked.", hint=_FRESH)
        return token

    def _link(self, id: str, issued_at: int) -> Caller:
        if not id.startswith("agent/"):
            return self._caller_of(id)
        row = self._table("agent_key").get((id.removeprefix("agent/"),))
        if row is None or row["state"] != "active" or issued_at * MICROS <= row["not_before"]:
            raise Unauthenticated("This token was revoked.", hint=_FRESH)
        return Caller(id, ("agent",), (row["department"],))

    def _caller_of(self, account: str) -> Caller:
        """Who an account is now. Raises: `Unauthenticated` when it is shut."""
        if account == OWNER:
            return THE_OWNER
        row = self._table("account").get((account,))
        if row is None or row["state"] != "active":
            raise Unauthenticated("This token is not accepted: it is unknown, expired or revoked.", hint=_FRESH)
        return Caller(account, tuple(orjson.loads(row["roles"])), tuple(orjson.loads(row["departments"])))

    def _table(self, name: str) -> Any:
        return self._journal.hot.table(name)

    async def _record(self, bundle: Bundle) -> None:
        await self._desk.corridor.record(bundle)


def _departments(names: Iterable[str]) -> list[str]:
    checked = [*names]
    if not checked or not all(checked):
        raise Invalid("An account belongs to departments.", hint="Name them, or * for all.")
    return checked


def _account_view(row: Row) -> dict[str, Any]:
    return {
        "schema": "tutti.account/1", "id": row["id"], "roles": orjson.loads(row["roles"]), "departments": orjson.loads(row["departments"]), "state": row["state"],
        "since": to_text(row["since"]), "password": row["password"] is not None,
    }  # fmt: skip


def _token_view(row: Row) -> dict[str, Any]:
    lists = {name: None if row[name] is None else orjson.loads(row[name]) for name in ("roles", "departments", "scopes")}
    return {
        "schema": "tutti.token/1", "id": row["id"], "holder": row["holder"], **lists, "label": row["label"], "issued_at": to_text(row["issued_at"]),
        "expires_at": to_text(row["expires_at"]),
    }  # fmt: skip
