"""Agents' signed tokens of five minutes: for an agent that shows its key, and for the calls that agents are called with."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from tutti.accounts.admitting import Admitting
from tutti.accounts.book import AGENT, REMEMBERED
from tutti.clock import MICROS
from tutti.desk import Desk
from tutti.errors import Invalid, Overloaded, Unauthenticated
from tutti.model.caller import Caller
from tutti.security import enrolment, tokens

_SPARE_S = 90  # before its end a token for calls is made anew: a call may take a while to arrive, and clocks differ


class Passes(Admitting):
    """Making signed tokens, and seeing to it that what asks for one is used once."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self._used: OrderedDict[str, int] = OrderedDict()  # ids of assertions and proofs → when they expire, in seconds
        self._for_calls: dict[tuple[str, str], tuple[str, int]] = {}  # (agent, caller) → token, and until when it is sent, in seconds
        self._since = self._clock.now() // MICROS

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
        if audience and not (audience.startswith("agent/") and AGENT.fullmatch(audience.removeprefix("agent/"))):
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
            if len(self._for_calls) > REMEMBERED:
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
        if len(self._used) >= REMEMBERED:
            raise Overloaded("Too many proofs are open.", hint="Try again in a minute.")
        self._used[id] = expires_at
