"""Compliance: finds what should not stand in a ticket, and says what to do. What it finds is counted, never copied."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tutti import Context, Fleet
from tutti.fleets.lifecycle.company import Ticket
from tutti.fleets.lifecycle.shapes import Assessment, Exposure

OWNER = "ida@example.com"
FAST = timedelta(milliseconds=5)
CAP = 10  # percent that a price may go down by at most
FREE = 5  # percent that it may go down by without a person's word, however much that is
ALONE = 30.0  # a month, in the fleet's currency, that it may go down by without a person's word
MAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b", re.IGNORECASE)
CARD = re.compile(r"(?<![\w.-])(?:\d[ -]?){12,18}\d(?![\w.-]?\d)")
SECRET = re.compile(r"\b(?:password|passwd|pwd|api[_ -]?key|secret)\b[\"']?\s*(?:is|[:=])\s*[\"']?(?=\S*\d)\S{6,}", re.IGNORECASE)
KEYS_IN_ADDRESS = re.compile(r"\b[a-z][a-z0-9+.-]*://[^/\s:@]{3,}:[^/\s@]{6,}@", re.IGNORECASE)


def exposed(text: str) -> dict[str, int]:
    """Counts of e-mail addresses, card numbers (with a right check digit), passwords and keys in a text."""
    cards = sum(_luhn(match.group()) for match in CARD.finditer(text))
    secrets = len(SECRET.findall(text)) + len(KEYS_IN_ADDRESS.findall(text))
    found = {"card": cards, "e-mail": len(MAIL.findall(text)), "secret": secrets}
    return {kind: count for kind, count in found.items() if count}


def _luhn(text: str) -> bool:
    digits = [int(sign) for sign in reversed(text) if sign.isdigit()]
    total = sum(sum(divmod(2 * digit, 10)) if n % 2 else digit for n, digit in enumerate(digits))
    return total % 10 == 0 and digits[-1] in (3, 4, 5, 6)  # the ranges that banks issue


def rules(monthly: float, prices: Sequence[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What no negotiated change of a monthly price may break, and what needs a person besides."""
    over = [price for price in prices if forbidden(percent(price))]
    asking = [price for price in prices if asks(monthly, percent(price))]
    policy = [{"rule": "compliance cap", "forbid": {"price": over}}] if over else []
    return policy, [{"rule": "large discount", "forbid": {"price": asking}}] if asking else []


def forbidden(percents: int) -> bool:
    """Whether a price may never change by so much."""
    return percents < -CAP


def asks(monthly: float, percents: int) -> bool:
    """Whether a change of a monthly price needs a person's word."""
    return -CAP <= percents < -FREE and monthly * -percents / 100 > ALONE


def percent(price: str) -> int:
    """The number of a price's change that is written like "-10 %"."""
    return int(price.removesuffix(" %"))


def declare(fleet: Fleet) -> None:
    """Declare the department's agents."""

    @fleet.agent(skill="data.watch", department="compliance", owner=OWNER, name="data-watch", latency=FAST)
    async def watch(ticket: Ticket, ctx: Context) -> Exposure:
        """Look for card numbers, e-mail addresses, passwords and keys, and signal that they are there."""
        found = Exposure(ticket=ticket.id, account=ticket.account, kinds=exposed(ticket.words))
        if found.kinds:
            ctx.signal("data.exposed", data=found)
        return found

    @fleet.agent(skill="exposure.assess", department="compliance", owner=OWNER, name="assessor", latency=FAST)
    async def assess(exposure: Exposure) -> Assessment:
        """Say how bad an exposure is and what to do about it."""
        if exposure.kinds.keys() & {"card", "secret"}:
            step = "Mask it in the ticket today, tell the customer, and have the secret changed."
            return Assessment(severity="high", step=step)
        return Assessment(severity="low", step="Mask the address before the ticket is shared outside.")
