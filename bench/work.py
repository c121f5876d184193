"""The fleet that is measured: advice with two rival agents and a declared check; an action under Cedar, level act and a budget."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from tutti import Fleet

POLICY = """
@id("support advises")
permit (principal in Tutti::Department::"support", action == Tutti::Action::"advise", resource);
@id("small refunds")
permit (principal in Tutti::Department::"finance", action == Tutti::Action::"act", resource == Tutti::Skill::"refund.pay")
when { context has amount && context.amount.lessThan(decimal("500.0")) };
@id("never abroad")
forbid (principal, action == Tutti::Action::"act", resource) when { context has currency && context.currency != "EUR" };
"""
SKILLS = {"advice": "ticket.triage", "action": "refund.pay"}


class Ticket(BaseModel):
    id: str
    account: str
    text: str
    amount: float


class Triage(BaseModel):
    urgency: float
    words: int


class Refund(BaseModel):
    id: str
    account: str
    amount: float


class Receipt(BaseModel):
    paid: float
    account: str


def fleet() -> Fleet:
    """A fleet whose agents cost nothing, so that what is left is Tutti's own cost."""
    made = Fleet("bench")

    @made.agent(skill="ticket.triage", department="support", owner="bench", concurrency=1000)
    async def first(ticket: Ticket) -> Triage:
        return Triage(urgency=0.9 if "!" in ticket.text else 0.2, words=len(ticket.text.split()))

    @made.agent(skill="ticket.triage", department="support", owner="bench", concurrency=1000)
    async def second(ticket: Ticket) -> Triage:
        return Triage(urgency=0.8 if ticket.text.endswith("!") else 0.3, words=ticket.text.count(" ") + 1)

    @made.action("refund.pay", department="finance", owner="bench", amount="amount", idempotent=True, concurrency=1000)
    async def pay(refund: Refund) -> Receipt:
        return Receipt(paid=refund.amount, account=refund.account)

    @made.check("ticket.triage", name="words")
    def words(ticket: Any, triage: Any) -> float:
        return float(triage["words"] == len(ticket["text"].split()))

    @made.check("refund.pay", name="paid")
    def paid(refund: Any, receipt: Any) -> float:
        return float(refund["amount"] == receipt["paid"])

    made.policy(POLICY)
    made.autonomy("refund.pay", level="act", up_to=450)
    made.budget("refunds", action="refund.pay", money=10**12, count=10**9, per="day")
    return made


def request(kind: str, n: int) -> dict[str, Any]:
    """Request number `n`; no two are equal, and no two amounts of a run are either (up to 40 million)."""
    if kind == "advice":
        return {"id": f"T{n}", "account": f"A{n % 1000}", "text": f"Order {n} has not come and nobody answers me" + "!" * (n % 2), "amount": 1.0 + n % 400}
    return {"id": f"R{n}", "account": f"A{n % 1000}", "amount": round(1 + (n * 7919 % 4_000_000) / 10_000, 4)}
