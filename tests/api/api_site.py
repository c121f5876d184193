"""The fleet that the API's tests run: advice, an action that asks above 10, and an agent that asks a person."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from pydantic import BaseModel

from tutti import Context, Fleet

Call = Callable[..., Awaitable[tuple[int, Any]]]


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
        return f"told {await ctx.input('Which account?')}"

    @fleet.agent(skill="ticket.resolve", department="support", owner="ana@example.com")
    async def resolve(ticket: Ticket, ctx: Context) -> str:
        return str(await ctx.ask("refund.pay", {"amount": ticket.refund}))

    @fleet.action("refund.pay", department="finance", owner="ben@example.com", amount="amount", idempotent=True, says="Pay {amount:.2f} EUR.")
    async def pay(refund: Refund, ctx: Context) -> str:
        return f"paid {refund.amount}"

    fleet.on("ticket.opened", do="ticket.triage")
    fleet.autonomy("refund.pay", level="act", up_to=10)
    return fleet
