"""Customer success: churn forecasts by three agents, health, feedback and renewals."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from tutti import Context, Fleet
from tutti.fleets.lifecycle import texts
from tutti.fleets.lifecycle.churn import Facts
from tutti.fleets.lifecycle.company import Company
from tutti.fleets.lifecycle.models import Models
from tutti.fleets.lifecycle.shapes import Churn, Feedback, Health, Renewal, RenewalRequest, Snapshot, Term

OWNER = "cem@example.com"
FAST = timedelta(milliseconds=5)
F = TypeVar("F", bound=Callable[..., Any])
# Columns that speak for an account (+1) or against it (-1) the higher they are.
SIGNS = {
    "business": {"active_days": 1, "minutes": 1, "features_used": 1, "failures": -1, "complaints": -1, "days_since_login": -1},
    "usage": {"seconds_of_use": 1, "frequency_of_use": 1, "distinct_called_numbers": 1, "call_failure": -1, "complains": -1},
    "telco": {"tenure": 1, "TotalCharges": 1, "MonthlyCharges": -1},
}  # fmt: skip


def declare(fleet: Fleet, company: Company, models: Models, at_risk: float, large: float) -> None:
    """Declare the department's agents; a forecast over `at_risk` is signalled. From a monthly value of `large` on, terms are negotiated and promised by no letter."""
    _forecast(fleet, models, at_risk)
    _health(fleet, company)
    _feedback(fleet, company)

    @fleet.agent(skill="renewal.propose", department="success", owner=OWNER, name="renewal", latency=FAST)
    async def renew(request: RenewalRequest, ctx: Context) -> Renewal:
        """Choose how to keep an account from its health, its risk and what it has written."""
        feedback, health = request.feedback, request.health
        monthly = monthly_value(request.kind, request.facts)
        if request.churn.risk < at_risk:
            plan = "watch"
        elif 2 * feedback.negative > feedback.tickets or health.score < 0.3:
            plan = "repair"
        else:
            plan = "yearly" if _monthly_term(request.facts) and monthly < large else "call"
        reasons = [*request.churn.reasons, *health.weak][:4]
        found = Renewal.model_validate(
            {"account": request.account, "plan": plan, "monthly": monthly, "risk": request.churn.risk, "reasons": reasons, "term": _term(request.facts)}
        )
        if found.plan != "watch":
            ctx.signal("renewal.due", data=found)
        return found


def _forecast(fleet: Fleet, models: Models, at_risk: float) -> None:
    def offer(name: str) -> Callable[[F], F]:
        # Fresh for a day: an account at risk is forecast again by the plan that its first forecast started, and then
        # the first result is taken over instead of a second signal going round in a circle.
        return fleet.agent(
            skill="churn.forecast", department="success", owner=OWNER, name=name, latency=FAST, shares="churn",
            fresh_for=timedelta(days=1),
        )  # fmt: skip

    @offer("churn-rule")
    async def by_rule(account: Snapshot, ctx: Context) -> Churn:
        """A rule of thumb over a column or two."""
        return _told(ctx, account, models.churn[account.kind].by_rule(account.facts), [], at_risk)

    @offer("churn-logistic")
    async def by_logistic(account: Snapshot, ctx: Context) -> Churn:
        """A logistic regression trained on past accounts."""
        model = models.churn[account.kind]
        return _told(ctx, account, model.by_logistic(account.facts), model.reasons(account.facts), at_risk)

    @offer("churn-blend")
    async def by_blend(account: Snapshot, ctx: Context) -> Churn:
        """Logistic regression and boosted trees, averaged and calibrated."""
        model = models.churn[account.kind]
        return _told(ctx, account, model.by_blend(account.facts), model.reasons(account.facts), at_risk)


def _told(ctx: Context, account: Snapshot, risk: float, reasons: list[str], at_risk: float) -> Churn:
    if risk >= at_risk:
        ctx.signal("account.at_risk", data=account)
    return Churn(risk=round(risk, 4), reasons=reasons)


def _health(fleet: Fleet, company: Company) -> None:
    among: dict[tuple[str, str], list[float]] = {}
    for account in company.past_accounts:
        for column in SIGNS.get(account.kind, {}):
            among.setdefault((account.kind, column), []).append(float(account.facts[column]))
    for values in among.values():
        values.sort()

    @fleet.agent(skill="account.health", department="success", owner=OWNER, name="health", latency=FAST)
    async def health(account: Snapshot) -> Health:
        """The mean rank of an account's columns among past accounts of its kind."""
        ranks: dict[str, float] = {}
        for column, sign in SIGNS.get(account.kind, {}).items():
            values = among.get((account.kind, column), [])
            rank = bisect_left(values, float(account.facts[column])) / max(1, len(values))
            ranks[column] = rank if sign > 0 else 1 - rank
        weak = sorted((column for column, rank in ranks.items() if rank < 0.25), key=lambda column: ranks[column])
        return Health(score=round(sum(ranks.values()) / len(ranks), 4) if ranks else 0.5, weak=weak)


def _feedback(fleet: Fleet, company: Company) -> None:
    on_file = company.written_before

    @fleet.agent(skill="feedback.digest", department="success", owner=OWNER, name="feedback", latency=FAST)
    async def digest(account: Snapshot) -> Feedback:
        """Sum up the tickets that the account had written before its snapshot came in."""
        tickets = on_file.get(account.account, ())
        negative = sum(texts.mood_by_words(ticket.words) == "negative" for ticket in tickets)
        words = Counter(word for ticket in tickets for word in texts.WORD.findall(ticket.title.lower()) if len(word) > 4)
        return Feedback(tickets=len(tickets), negative=negative, subjects=[word for word, _ in words.most_common(3)])


def monthly_value(kind: str, facts: Facts) -> float:
    """What an account is worth a month. The usage set has no price: a twelfth of its `customer_value` stands in."""
    if kind == "usage":
        return round(float(facts["customer_value"]) / 12, 2)
    return float(facts["MonthlyCharges" if kind == "telco" else "monthly_fee"])


def _monthly_term(facts: Facts) -> bool:
    return facts.get("Contract") == "Month-to-month" or facts.get("term") == "monthly"


def _term(facts: Facts) -> Term:
    """How long an account is bound now; where its facts do not say, it is not."""
    said = facts.get("Contract", facts.get("term"))
    return "yearly" if said in ("yearly", "One year") else "two years" if said == "Two year" else "monthly"
