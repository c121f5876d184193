"""Marketing: writes to accounts at risk, and sends alone within a budget."""

from __future__ import annotations

from datetime import timedelta

from tutti import Context, Fleet, Intent
from tutti.fleets.lifecycle.shapes import Letter, Renewal

OWNER = "mia@example.com"
LINES = {
    "call": "We would like to hear how it is going and what is missing. When may we call?",
    "yearly": "Your plan runs from month to month. With a yearly one you pay for ten months and have twelve.",
    "repair": "Things have not gone well lately, and that is on us. One of us has looked at it and has a plan.",
}


def declare(fleet: Fleet) -> None:
    """Declare the department's agents."""

    @fleet.agent(skill="outreach.write", department="marketing", owner=OWNER, name="writer", latency=timedelta(milliseconds=5))
    async def write(case: Renewal, ctx: Context) -> Letter:
        """Write to an account that may leave, by the plan of its renewal; the reasons for the forecast stay inside."""
        text = f"Hello, {LINES.get(case.plan, LINES['call'])}"
        letter = Letter(account=case.account, subject="How we go on together", text=text)
        ctx.propose("outreach.send", letter)
        return letter

    @fleet.action(
        "outreach.send",
        department="marketing",
        owner=OWNER,
        name="mailer",
        idempotent=True,
        says="Write to account {account}: {subject}",
        intends=[Intent("inbox/{account}", effect="letter")],
    )
    async def send(letter: Letter, ctx: Context) -> str:
        """Hand the letter to the mail system, which takes `ctx.key` as its own idempotency key."""
        return f"account {letter.account}: sent under {ctx.key}"
