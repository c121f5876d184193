"""The fleet that the API's tests run: advice, an action that asks above 10, and an agent that asks a person."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from pydantic import BaseModel

from tutti import Context, Fleet, Settings, Workspace
from tutti.api import build, ensure_owner_token, serve
from tutti.api.guard import trusted
from tutti.model.caller import OWNER, Caller

Call = Callable[..., Awaitable[tuple[int, Any]]]


class Ticket(BaseModel):
    text: str
    refund: float = 0.0


class Refund(BaseModel):
    amount: float


HOLD = "."  # the folder in which a file `go` lets ticket.hold end


def make_fleet() -> Fleet:
    fleet = Fleet("support")

    @fleet.agent(skill="ticket.triage", department="support", owner="ana@example.com")
    async def triage(ticket: Ticket, ctx: Context) -> str:
        if ticket.refund:
            ctx.propose("refund.pay", Refund(amount=ticket.refund))
        return f"read {ticket.text}"

    @fleet.agent(skill="ticket.ask", department="support", owner="ana@example.com")
    async def asks(ticket: Ticket, ctx: Context) -> str:
        return f"told {await ctx.input('Which account?')}"

    @fleet.agent(skill="ticket.resolve", department="support", owner="ana@example.com")
    async def resolve(ticket: Ticket, ctx: Context) -> str:
        return str(await ctx.ask("refund.pay", {"amount": ticket.refund}))

    @fleet.agent(skill="ticket.hold", department="support", owner="ana@example.com")
    async def hold(ticket: Ticket, ctx: Context) -> str:
        while not (Path(HOLD) / "go").exists():
            await asyncio.sleep(0.01)
        return "held"

    @fleet.action("refund.pay", department="finance", owner="ben@example.com", amount="amount", idempotent=True, says="Pay {amount:.2f} EUR.")
    async def pay(refund: Refund, ctx: Context) -> str:
        return f"paid {refund.amount}"

    fleet.on("ticket.opened", do="ticket.triage")
    fleet.autonomy("refund.pay", level="act", up_to=10)
    return fleet


@dataclass
class Served:
    """A workspace that is served on TCP and on its socket."""

    workspace: Workspace
    url: str
    headers: dict[str, str]  # with the owner's token
    serving: asyncio.Task[None]


@asynccontextmanager
async def serving(fleet: Fleet, settings: Settings) -> AsyncIterator[Served]:
    """Open a workspace and serve it; at the end it is told to stop as by a signal."""
    async with Workspace(fleet, settings) as workspace:
        token = (await ensure_owner_token(workspace)).read_text().strip()
        listening: asyncio.Future[Path] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(serve(workspace, ready=listening.set_result))
        await asyncio.wait((task, listening), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            task.result()
        yield Served(workspace, workspace.outside.base_url, {"authorization": f"Bearer {token}"}, task)
        if not task.done():
            os.kill(os.getpid(), signal.SIGTERM)
        await task


def as_caller(workspace: Workspace, caller: Caller = OWNER) -> httpx.AsyncClient:
    """A client of the app in this process, for somebody who has been let in already."""
    app = build(workspace, doors=False)

    async def admitted(scope: Any, receive: Any, send: Any) -> None:
        trusted(scope, caller)
        await app(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(admitted), base_url="http://tutti")
