"""The simulated company: rivals, budgets, approvals, joins, questions, coalescing, and agents that are slow, silent, wrong or broken."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from tutti import Context, Fleet
from tutti.errors import AgentFailed
from tutti.testing import World, agents

REFUNDS = 120  # EUR in all
MAILS = 4  # in all
IDEMPOTENT = {"refund.pay": True, "mail.send": False, "price.change": False}


class Refund(BaseModel):
    account: str
    amount: float


def company(worlds: dict[str, World], rng: random.Random, broken: list[str]) -> Fleet:
    """The fleet as a fresh process declares it. `worlds` are the receivers of each action; `broken` takes what an agent saw and must not see."""
    fleet = Fleet("company", departments={"support": 2, "finance": 1})

    async def work(most: float) -> None:
        await asyncio.sleep(rng.random() * most)

    async def reach(ctx: Context, what: str) -> None:
        try:
            async with asyncio.timeout(2 + rng.random()):
                await worlds[what].do(ctx, what)
        except TimeoutError:
            if rng.random() < 0.5:
                raise  # as a client does that gives up: whether it happened is not known
            await asyncio.get_running_loop().create_future()

    @fleet.agent(skill="ticket.triage", department="support", name="careful", quality=0.7)
    async def careful(ticket: dict[str, Any], ctx: Context) -> dict[str, Any]:
        await work(0.5)
        for action in ticket.get("propose", ()):
            ctx.propose(action, {"account": ticket["account"], "amount": ticket["amount"]} if action != "mail.send" else ticket["account"])
        if ticket.get("tell"):
            ctx.signal("account.unhappy", data={"account": ticket["account"]})
        ctx.note("mood", {"account": ticket["account"]})
        return {"urgent": True}

    @fleet.agent(skill="ticket.triage", department="support", name="hasty", quality=0.6, attempts=2)
    async def hasty(ticket: dict[str, Any], ctx: Context) -> dict[str, Any]:
        if rng.random() < 0.4:
            raise ConnectionError("the line went dead")
        return await careful(ticket, ctx)

    @fleet.check("ticket.triage")
    def urgent(input: Any, output: Any) -> float:
        return 1.0 if output["urgent"] else 0.0

    @fleet.action("refund.pay", department="finance", amount="amount", idempotent=True, timeout=timedelta(seconds=4), concurrency=4)
    async def pay(refund: Refund, ctx: Context) -> str:
        await work(0.1)
        await reach(ctx, "refund.pay")
        if rng.random() < 0.1:
            raise ConnectionError("the bank closed the line after it had paid")
        return "paid"

    @fleet.action("mail.send", department="support", timeout=timedelta(seconds=4), name="post")
    async def post(account: str, ctx: Context) -> str:
        if rng.random() < 0.1:
            raise AgentFailed("the letter box is full", retry=True)
        await reach(ctx, "mail.send")
        return "sent"

    @fleet.action("mail.send", department="support", timeout=timedelta(seconds=4), name="courier", quality=0.4)
    async def courier(account: str, ctx: Context) -> str:
        await reach(ctx, "mail.send")
        return "sent"

    @fleet.action("price.change", department="finance", amount="amount", timeout=timedelta(seconds=4))
    async def change(change: Refund, ctx: Context) -> str:
        await reach(ctx, "price.change")
        return "changed"

    @fleet.agent(skill="account.health", department="support", fresh_for=timedelta(seconds=5), shares="health", attempts=2, timeout=timedelta(seconds=3))
    async def health(account: dict[str, Any]) -> dict[str, Any]:
        await work(2.0)
        if rng.random() < 0.3:
            raise AgentFailed("the usage table is locked", retry=rng.random() < 0.5)
        return {"score": 0.5}

    @fleet.agent(skill="churn.score", department="finance", name="model", quality=0.5)
    def model(account: dict[str, Any]) -> dict[str, Any]:
        return {"risk": 0.25}

    odd = {"skill": "churn.score", "department": "finance", "timeout": timedelta(seconds=3), "attempts": 2}
    fleet.agent(**odd, name="hanging", quality=0.5)(agents.hanging())
    fleet.agent(**odd, name="garbage", quality=0.5)(agents.garbage())
    fleet.agent(**odd, name="failing", quality=0.5)(agents.failing())
    fleet.agent(**odd, name="slow", quality=0.5)(agents.slow(2.0, {"risk": 0.5}))

    @fleet.agent(skill="account.plan", department="support", concurrency=2, timeout=timedelta(seconds=6))
    async def plan(account: dict[str, Any], ctx: Context) -> dict[str, Any]:
        found = await asyncio.gather(ctx.ask("account.health", {"account": account["account"]}), ctx.ask("churn.score", account), return_exceptions=True)
        for one in found:
            if isinstance(one, BaseException) and not isinstance(one, AgentFailed):
                raise one
        if account.get("question"):
            answer = await ctx.input("Shall it be done?")
            if answer != "yes":
                broken.append(f"{ctx.task} was answered {answer!r}")
        return {"known": [one for one in found if not isinstance(one, BaseException)]}

    @fleet.agent(skill="report.write", department="finance", attempts=2)
    async def report(data: dict[str, Any], ctx: Context) -> dict[str, Any]:
        if not {"health", "churn", "account"} <= set(data):
            broken.append(f"{ctx.task} joined without {sorted({'health', 'churn', 'account'} - set(data))}")
        await work(0.5)
        return {"parts": [data["health"], data["churn"]]}

    fleet.on("ticket.opened", do="ticket.triage", priority=2)
    fleet.on("account.unhappy", do="account.plan", deadline=timedelta(seconds=20))
    fleet.on("account.unhappy", do="renewal.check")  # nobody offers it
    fleet.on("month.closed", do="report.write", gather={"health": "account.health", "churn": "churn.score"})
    fleet.autonomy("refund.pay", level="act", up_to=40)
    fleet.autonomy("mail.send", level="act")
    fleet.budget("refunds", action="refund.pay", money=REFUNDS, per="ever")
    fleet.budget("mails", action="mail.send", count=MAILS, per="ever")
    return fleet
