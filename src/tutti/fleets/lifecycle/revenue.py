"""Revenue: pricing proposes, the price change itself waits for a person."""

from __future__ import annotations

from datetime import timedelta

from tutti import Context, Fleet
from tutti.fleets.lifecycle.shapes import PriceAdvice, PriceChange, Renewal

OWNER = "ben@example.com"
KEPT = 0.25  # of those who would leave stay for a lower price: an assumption, to be replaced by a trial
REDUCTION = 0.1  # of the monthly price
LARGEST = 150.0
LEAST_GAIN = 100.0  # a year; below it a person's time costs more


def declare(fleet: Fleet) -> None:
    """Declare the department's agents."""

    @fleet.agent(skill="price.advise", department="revenue", owner=OWNER, name="pricing", latency=timedelta(milliseconds=5))
    async def advise(case: Renewal, ctx: Context) -> PriceAdvice:
        """Propose a lower price where what it is likely to keep is worth more than what it costs."""
        amount = round(min(LARGEST, REDUCTION * case.monthly), 2)
        gain = round(12 * (KEPT * case.risk * case.monthly - amount), 2)
        if gain < LEAST_GAIN or amount <= 0:
            return PriceAdvice(amount=0, gain_per_year=gain)
        ctx.propose("price.change", PriceChange(account=case.account, amount=amount))
        return PriceAdvice(amount=amount, gain_per_year=gain)

    @fleet.action(
        "price.change",
        department="revenue",
        owner=OWNER,
        name="price-desk",
        amount="amount",
        idempotent=True,
        reversible=True,
        says="Lower the monthly price of account {account} by {amount:.2f} EUR.",
    )
    async def change_price(change: PriceChange, ctx: Context) -> str:
        """Change a price in the billing system, which takes `ctx.key` as its own idempotency key."""
        return f"account {change.account}: {change.amount:.2f} EUR a month less, booked under {ctx.key}"
