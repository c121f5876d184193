"""Terms of a large renewal: success, revenue and support negotiate them inside what compliance allows; revenue has price, contract and care changed accordingly.

Each party has a plain number for what terms are worth to it, from the account's risk and monthly value, and tells as much of it as its level says. The
shares below are assumptions, to be replaced by trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol, get_args

from tutti import Context, Fleet, Intent
from tutti.fleets.lifecycle import compliance, revenue, success, support
from tutti.fleets.lifecycle.shapes import Agreed, Agreement, Booking, Care, CareChange, Matter, Price, PriceChange, PriceRise, Renewal, Term, TermChange, Terms

ISSUES: dict[str, tuple[str, ...]] = {"price": get_args(Price), "term": get_args(Term), "care": get_args(Care)}
DEADLINE = timedelta(hours=1)
FAST = timedelta(milliseconds=5)
# Of those who would leave, how many more (or fewer) stay.
STAY: dict[str, dict[str, float]] = {
    "price": {"-15 %": 0.32, "-10 %": 0.25, "-5 %": 0.14, "0 %": 0.0, "+3 %": -0.1},
    "term": {"monthly": 0.0, "yearly": -0.02, "two years": -0.08},  # nobody who thinks of leaving likes to be bound
    "care": {"none": 0.0, "call": 0.05, "specialist": 0.15},
}
BOUND = {"monthly": 0.0, "yearly": 0.35, "two years": 0.5}  # of those who would leave are kept by their contract
HOURS = {"none": 0.0, "call": 1.0, "specialist": 8.0}  # a year, that care takes
SPARED = {"none": 0.0, "call": 3.0, "specialist": 12.0}  # hours that it spares with an account that would surely have left
PAPERS = {"monthly": 0.0, "yearly": 0.2, "two years": 0.3}  # hours that fewer renewals spare
QUESTIONS = 0.5  # hours that a rise takes

Outcome = Mapping[str, Any]


class Minded(Protocol):
    """A party with its own number for terms: more is better to it."""

    def worth(self, outcome: Outcome, about: Outcome) -> float:
        """What terms are worth to it in a matter."""


class Retention:
    """Success: how much likelier the account stays, in percentage points. It shows its whole table."""

    def utility(self, about: Outcome) -> dict[str, dict[str, float]]:
        """What each value adds; care counts twice where something is to be repaired."""
        scale = {"price": 1.0, "term": 1.0, "care": 2.0 if about["plan"] == "repair" else 1.0}
        return {issue: {value: round(100 * about["risk"] * scale[issue] * share, 4) for value, share in shares.items()} for issue, shares in STAY.items()}

    def worth(self, outcome: Outcome, about: Outcome) -> float:
        """The same of one outcome."""
        table = self.utility(about)
        return sum(table[issue][value] for issue, value in outcome.items())


class Margin:
    """Revenue: what the account is expected to pay in a year. It counts on contracts, not on goodwill, and tells numbers."""

    def worth(self, outcome: Outcome, about: Outcome) -> float:
        """In the fleet's currency."""
        stays = 1 - about["risk"] * (1 - BOUND[outcome["term"]])
        return float(12 * about["monthly"] * (1 + compliance.percent(outcome["price"]) / 100) * stays)

    def score(self, outcomes: list[Outcome], about: Outcome) -> list[float]:
        """A number for each."""
        return [self.worth(outcome, about) for outcome in outcomes]


class Relief:
    """Support: the hours that it has left over. It only says which terms it would rather have."""

    def worth(self, outcome: Outcome, about: Outcome) -> float:
        """In hours a year."""
        care = outcome["care"]
        questions = QUESTIONS if compliance.percent(outcome["price"]) > 0 else 0.0
        return float(PAPERS[outcome["term"]] + about["risk"] * SPARED[care] - HOURS[care] - questions)

    def rank(self, outcomes: list[Outcome], about: Outcome) -> list[int]:
        """Their places, best first."""
        return sorted(range(len(outcomes)), key=lambda place: -self.worth(outcomes[place], about))


PARTIES: dict[str, tuple[Minded, str]] = {"retention": (Retention(), "success"), "margin": (Margin(), "revenue"), "care": (Relief(), "support")}


def declare(fleet: Fleet, large: float) -> None:
    """Declare the parties, who opens a negotiation, and who has its outcome carried out. Renewals from a monthly value of `large` on are negotiated."""
    owners = {"success": success.OWNER, "revenue": revenue.OWNER, "support": support.OWNER}
    for name, (party, department) in PARTIES.items():
        fleet.party(party, name=name, department=department, owner=owners[department], latency=FAST)

    @fleet.agent(skill="renewal.agree", department="success", owner=success.OWNER, name="terms", latency=FAST, timeout=DEADLINE)
    async def agree(case: Renewal, ctx: Context) -> Agreement:
        """Have the terms of a renewal negotiated. Without agreement everything stays as it is."""
        policy, approval = compliance.rules(case.monthly, ISSUES["price"])
        matter = Matter.model_validate(case.model_dump(include=set(Matter.model_fields)))
        settled = await ctx.negotiate(
            ISSUES, list(PARTIES), policy=policy, approval=approval, fallback=fallback(matter), deadline=DEADLINE, name="terms", about=matter.model_dump()
        )
        return Agreement.model_validate({"how": settled["how"], "terms": settled["outcome"], "why": settled["why"]})

    @fleet.agent(skill="terms.book", department="revenue", owner=revenue.OWNER, name="bookings", latency=FAST)
    async def book(agreed: Agreed, ctx: Context) -> Booking:
        """Propose the changes of price, contract and care that agreed terms come to; of adopted ones, what they change against those that held."""
        account, to = agreed.about.account, agreed.outcome
        was = agreed.instead or Terms.model_validate(fallback(agreed.about))
        amount = change(agreed.about.monthly, compliance.percent(to.price) - compliance.percent(was.price))
        if amount < 0:
            ctx.propose("price.change", PriceChange(account=account, amount=-amount))
        elif amount > 0:
            ctx.propose("price.raise", PriceRise(account=account, amount=amount))
        if to.term != was.term:
            ctx.propose("term.change", TermChange(account=account, term=to.term))
        if to.care != was.care:
            ctx.propose("care.assign", CareChange(account=account, care=to.care))
        return Booking(amount=amount, term=to.term if to.term != was.term else None, care=to.care if to.care != was.care else None)

    @fleet.action(
        "term.change",
        department="revenue",
        owner=revenue.OWNER,
        name="bookings",
        idempotent=True,
        says="Bind account {account}: {term}.",
        intends=[Intent("contract/{account}", effect="term")],
    )
    async def bind(bound: TermChange, ctx: Context) -> str:
        """Change a contract in the billing system, which takes `ctx.key` as its own idempotency key."""
        return f"account {bound.account}: bound {bound.term}, booked under {ctx.key}"

    @fleet.action(
        "care.assign",
        department="support",
        owner=support.OWNER,
        name="case-desk",
        idempotent=True,
        reversible=True,
        says="Care for account {account}: {care}.",
        intends=[Intent("care/{account}", effect="care")],
    )
    async def assign(cared: CareChange, ctx: Context) -> str:
        """Say in the ticket system who cares for an account; it takes `ctx.key` as its own idempotency key."""
        return f"account {cared.account}: care is {cared.care}, noted under {ctx.key}"

    fleet.on("renewal.due", do="renewal.agree", when=f"data.monthly >= {large!r}", priority=3)
    fleet.on("negotiation.settled", do="terms.book", when="has(data.about.account)", priority=3)
    fleet.on("negotiation.adopted", do="terms.book", when="has(data.about.account)", priority=3)


def fallback(matter: Matter) -> dict[str, str]:
    """The terms that an account has now."""
    return {"price": "0 %", "term": matter.term, "care": "none"}


def change(monthly: float, percents: int) -> float:
    """What a change of the price comes to, in the fleet's currency."""
    return round(monthly * percents / 100, 2)
