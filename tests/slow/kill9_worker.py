"""The process that is killed: tickets that lead to actions, approvals, questions and joins.

python kill9_worker.py FOLDER PORT
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from kill9_loop import reach, work

from tutti import Context, Fleet
from tutti.errors import AgentFailed

fleet = Fleet("kill9")


@fleet.agent(skill="ticket.triage", department="support", concurrency=4, attempts=20)
async def triage(ticket: dict[str, Any], ctx: Context) -> dict[str, Any]:
    await asyncio.sleep(0.02)
    if ticket["n"] % 3 == 0 and ctx.attempt == 1:
        raise AgentFailed("not yet", retry=True)
    ctx.propose("refund.pay", {"n": ticket["n"]})
    if ticket["n"] % 2:
        ctx.propose("price.change", {"n": ticket["n"]})
    ctx.signal("account.unhappy", data={"n": ticket["n"]})
    return {"urgent": True}


@fleet.action("refund.pay", department="finance", idempotent=True, attempts=50, concurrency=4)
def pay(refund: dict[str, Any], ctx: Context) -> str:
    reach(ctx, "refund.pay", True)
    return "paid"


@fleet.action("price.change", department="finance", concurrency=1)
def change(price: dict[str, Any], ctx: Context) -> str:
    reach(ctx, "price.change", False)
    return "changed"


@fleet.agent(skill="account.health", department="support", fresh_for=timedelta(seconds=1), attempts=50)
async def health(account: Any) -> float:
    await asyncio.sleep(0.15)
    return 0.5


@fleet.agent(skill="account.plan", department="support", attempts=50)
async def plan(account: dict[str, Any], ctx: Context) -> Any:
    known = await ctx.ask("account.health", {})
    return [known, await ctx.input("Well?") if account["n"] % 4 == 0 else None]


@fleet.agent(skill="report.write", department="support", attempts=50)
async def report(data: dict[str, Any]) -> Any:
    return [data["health"], data["plan"]]


fleet.on("ticket.opened", do="ticket.triage")
fleet.on("account.unhappy", do="report.write", gather={"health": "account.health", "plan": "account.plan"})
fleet.autonomy("refund.pay", level="act")

work(fleet, "ticket.opened")
