"""The fleet that clients made by others call."""

from __future__ import annotations

from pydantic import BaseModel

from tutti import Context, Fleet

fleet = Fleet("interop")


class Ticket(BaseModel):
    """What a client asks about."""

    text: str


@fleet.agent(name="parrot", skill="text.echo", department="support", owner="ana@example.com")
async def echo(text: str) -> str:
    """Say it again."""
    return f"You said: {text}"


@fleet.agent(name="clerk", skill="ticket.ask", department="support", owner="ana@example.com")
async def ask(ticket: Ticket, ctx: Context) -> str:
    """Ask back before answering."""
    return f"{ticket.text}, for account {await ctx.input('Which account?')}"
