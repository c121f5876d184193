"""What the MCP tests run on: a fleet, and its workspace served over real HTTP on a port of the system's choice."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import uvicorn
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from pydantic import BaseModel

from tutti import Context, Fleet, Workspace
from tutti.api import build
from tutti.api.guard import trusted
from tutti.api.mcp import install
from tutti.model.caller import OWNER, Caller


class Ticket(BaseModel):
    text: str
    refund: float = 0.0


class Refund(BaseModel):
    amount: float


def make_fleet() -> Fleet:
    fleet = Fleet("support")

    @fleet.agent(skill="ticket.triage", department="support", owner="ana@example.com")
    async def triage(ticket: Ticket, ctx: Context) -> str:
        if ticket.refund:
            ctx.propose("refund.pay", Refund(amount=ticket.refund))
        return f"read {ticket.text}"

    @fleet.agent(skill="ticket.ask", department="support", owner="ana@example.com")
    async def asks(ticket: Ticket, ctx: Context) -> str:
        ctx.progress(0.5, "asking")
        return f"told {await ctx.input('Which account?')}"

    @fleet.action("refund.pay", department="finance", owner="ben@example.com", amount="amount", idempotent=True, says="Pay {amount:.2f} EUR.")
    async def pay(refund: Refund, ctx: Context) -> str:
        return f"paid {refund.amount}"

    fleet.on("ticket.opened", do="ticket.triage")
    fleet.autonomy("refund.pay", level="act", up_to=10)
    return fleet


class Tokens:
    """Admission for tests: a token is one of these names."""

    def __init__(self, app: Any, callers: Mapping[str, Caller]) -> None:
        self._app = app
        self._callers = callers

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        token = dict(scope.get("headers", ())).get(b"authorization", b"").decode().removeprefix("Bearer ")
        if token in self._callers:
            trusted(scope, self._callers[token])
        await self._app(scope, receive, send)


@asynccontextmanager
async def listening(app: Any) -> AsyncIterator[str]:
    """An ASGI app on loopback; gives its origin."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, loop="none", ws="none", lifespan="off", log_config=None, log_level="critical"))
    server.capture_signals = _no_signals  # type: ignore[method-assign]
    running = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await running
        listener.close()


def _no_signals() -> Any:
    from contextlib import nullcontext

    return nullcontext()


@asynccontextmanager
async def served(workspace: Workspace, callers: Mapping[str, Caller] | None = None) -> AsyncIterator[str]:
    """A workspace's API on loopback; gives the address of its MCP door."""
    app = build(workspace, doors=False)
    install(app, workspace)
    async with listening(Tokens(app, callers or {"owner": OWNER})) as origin:
        try:
            yield f"{origin}/mcp"
        finally:
            app.state.stopping.set()


@asynccontextmanager
async def client(url: str, token: str = "owner", **options: Any) -> AsyncIterator[Client]:
    """The official client, with a token."""
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {token}"}, timeout=60, trust_env=False) as http,
        Client(streamable_http_client(url, http_client=http), **options) as opened,
    ):
        yield opened


def words(result: Any) -> str:
    """The text blocks of a tool's result."""
    return "\n".join(block.text for block in result.content)
