"""Agents outside of this process: how they are found, and how their skills become functions that the corridor can call.

Each transport is a module with two functions: `discover(endpoint, outside)` asks the agent who it is, and `caller(card, skill, outside)` gives
the async function of (input, context) that calls one of its skills.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tutti.clock import Clock
from tutti.errors import AgentFailed, Invalid, Refused
from tutti.ids import Ids
from tutti.model.agent import AgentCard, Endpoint, Skill
from tutti.security import Egress, Secrets, connector
from tutti.transports.inprocess import Bound, Context
from tutti.transports.schemas import reader, writer

if TYPE_CHECKING:
    import aiohttp

KEPT_S = 15.0  # that a connection is kept where a request may be sent twice
_MODULES = {"a2a": "tutti.transports.a2a", "http": "tutti.transports.http", "mcp": "tutti.transports.mcp"}


@dataclass(frozen=True, slots=True)
class Found:
    """What an agent says of itself. `fingerprint` changes whenever anything that it says changes: then it is another version."""

    name: str
    version: str
    skills: dict[str, Skill]
    fingerprint: str
    options: dict[str, Any] = field(default_factory=dict)  # what calls need besides the endpoint's own options


class Outside:
    """What calls to agents outside go through: one egress rule, one pool of connections, secrets by reference, and where answers may be pushed to."""

    def __init__(self, egress: Egress, secrets: Secrets, clock: Clock, ids: Ids) -> None:
        self.egress = egress
        self.secrets = secrets
        self.clock = clock
        self.ids = ids
        self.base_url = ""  # where this process can be reached, for pushed answers; empty while it is not served
        self.shared: dict[str, Any] = {}  # what a transport keeps for all its calls (cards, MCP sessions); closed with this
        self.news = asyncio.Event()  # an agent has said that what it offers has changed
        self.token_for: Callable[[str, str], str] | None = None  # (enrolled agent, on whose behalf) → the token that a call carries
        self._sessions: dict[float, aiohttp.ClientSession] = {}

    @property
    def session(self) -> aiohttp.ClientSession:
        """The pooled session of calls over HTTP. It follows no redirects: pass `allow_redirects=False`."""
        return self.session_for(KEPT_S)

    def session_for(self, keep: float) -> aiohttp.ClientSession:
        """A session whose connections are used again for so many seconds after an answer; with 0, for one request each."""
        session = self._sessions.get(keep)
        if session is None or session.closed:
            import aiohttp

            session = aiohttp.ClientSession(
                connector=connector(self.egress, keep), cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, headers={"Accept-Encoding": "identity"}
            )  # packed answers are refused, so none is asked for
            self._sessions[keep] = session
        return session

    async def close(self) -> None:
        """Let go of all connections."""
        for kept in self.shared.values():
            close = getattr(kept, "close", None)
            if close is not None:
                await close()
        self.shared.clear()
        for session in self._sessions.values():
            await session.close()


async def discover(endpoint: Endpoint, outside: Outside) -> Found:
    """Ask an agent who it is. Raises: `Invalid`, `Refused` (egress), `AgentFailed` when it does not answer."""
    try:
        found: Found = await _transport(endpoint).discover(endpoint, outside)
    except AgentFailed as error:
        if isinstance(error.__cause__, Refused):  # to a call it means that nothing happened; who registers an agent is told the rule itself
            raise error.__cause__ from None
        raise
    return found


def reach(card: AgentCard, skill: Skill, outside: Outside) -> Bound:
    """A skill of an agent outside, as something to call."""
    assert card.endpoint is not None
    where = f"{skill.name} ({card.name})"
    function: Callable[[Any, Context], Awaitable[Any]] = _transport(card.endpoint).caller(card, skill, outside)
    return Bound(function, "async", True, reader(skill.input_schema, where), writer(skill.output_schema, where), skill.input_schema, skill.output_schema)


def _transport(endpoint: Endpoint) -> Any:
    module = _MODULES.get(endpoint.transport)
    if module is None:
        raise Invalid(f"{endpoint.transport!r} is no transport.", hint=f"Transports are: {', '.join(_MODULES)}.")
    return import_module(module)
