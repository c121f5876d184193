"""Revenue: pricing proposes, the price change itself waits for a person."""

from __future__ import annotations

from datetime import timedelta

from tutti import Context, Fleet, Intent
from tutti.fleets.lifecycle.shapes import PriceAdvice, PriceChange, PriceRise, Renewal, RiseAdvice

OWNER = "ben@example.com"
KEPT = 0.25  # of those who would leave stay for a lower price: an assumption, to be replaced by a trial
REDUCTION = 0.1  # of the monthly price
LARGEST = 150.0
RISE = 0.03  # of the monthly price, once a year
LEAST_RISE = 1.0  # a month; below it the letter costs more
OFFER = timedelta(days=90)  # for which an offer to a customer stands: nothing that contradicts it is made meanwhile
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
        intends=[Intent("price/{account}", effect="discount", lasts=OFFER)],
        undo="price.raise",
    )
    async def change_price(change: PriceChange, ctx: Context) -> str:
        """Change a price in the billing system, which takes `ctx.key` as its own idempotency key."""
        return f"account {change.account}: {change.amount:.2f} EUR a month less, booked under {ctx.key}"

    @fleet.agent(skill="price.review", department="revenue", owner=OWNER, name="yield", latency=timedelta(milliseconds=5))
    async def review(case: Renewal, ctx: Context) -> RiseAdvice:
        """Propose the yearly rise at a renewal. It knows nothing of discounts: what contradicts one is kept from happening by what both touch."""
        amount = round(RISE * case.monthly, 2)
        if amount < LEAST_RISE:
            return RiseAdvice(amount=0)
        ctx.propose("price.raise", PriceRise(account=case.account, amount=amount))
        return RiseAdvice(amount=amount)

    @fleet.action(
        "price.raise",
        department="revenue",
        owner=OWNER,
        name="rise-desk",
        amount="amount",
        idempotent=True,
        reversible=True,
        says="Raise the monthly price of account {account} by {amount:.2f} EUR.",
        intends=[Intent("price/{account}", effect="rise", lasts=OFFER)],
        undo="price.change",
    )
    async def raise_price(rise: PriceRise, ctx: Context) -> str:
        """Raise a price in the billing system, which takes `ctx.key` as its own idempotency key."""
        return f"account {rise.account}: {rise.amount:.2f} EUR a month more, booked under {ctx.key}"
