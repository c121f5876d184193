"""Puts the fleet together: who does what when a signal comes in, who judges, and how far actions go alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tutti import Fleet
from tutti.fleets.lifecycle import compliance, marketing, models, revenue, success, support, terms
from tutti.fleets.lifecycle.company import Company

POLICY = """
@id("advice")
permit (principal, action == Tutti::Action::"advise", resource);

@id("prices")
permit (principal in Tutti::Department::"revenue", action == Tutti::Action::"act", resource == Tutti::Skill::"price.change")
when { context has amount && context has currency && context.currency == "EUR"
       && context.amount.lessThanOrEqual(decimal("150.0")) };

@id("rises")
permit (principal in Tutti::Department::"revenue", action == Tutti::Action::"act", resource == Tutti::Skill::"price.raise")
when { context has amount && context.amount.lessThanOrEqual(decimal("50.0")) };

@id("contracts")
permit (principal in Tutti::Department::"revenue", action == Tutti::Action::"act", resource == Tutti::Skill::"term.change");

@id("care")
permit (principal in Tutti::Department::"support", action == Tutti::Action::"act", resource == Tutti::Skill::"care.assign");

@id("cases")
permit (principal in Tutti::Department::"support", action == Tutti::Action::"act", resource == Tutti::Skill::"case.open");

@id("letters")
permit (principal in Tutti::Department::"marketing", action == Tutti::Action::"act", resource == Tutti::Skill::"outreach.send");

@id("terms")
permit (principal in Tutti::Department::"tutti", action == Tutti::Action::"act", resource == Tutti::Skill::"negotiation.adopt");

@id("prices are asked for by revenue or by a person")
forbid (principal, action == Tutti::Action::"act", resource == Tutti::Skill::"price.change")
unless { context.asker == "revenue" || context.cause == "person" };
"""


def build(
    company: Company,
    *,
    fitted: models.Models | None = None,
    at_risk: float = 0.5,
    letters_per_day: int | None = None,
    discounts_per_day: float = 5000,
    large: float | None = None,
) -> Fleet:
    """The whole fleet over a company; trains the models unless `fitted` ones are given.

    `letters_per_day` is by default a fifth of the accounts, at least 100. Terms of accounts at risk that pay `large` a month or more are negotiated:
    by default those that pay more than four fifths of the past accounts do.
    """
    if large is None:
        large = _large(company)
    fitted = fitted or models.train(company)
    weights = {"support": 3, "revenue": 2, "success": 2, "marketing": 1, "compliance": 1}
    fleet = Fleet(company.name, currency="EUR", departments=weights)
    support.declare(fleet, fitted)
    success.declare(fleet, company, fitted, at_risk, large)
    revenue.declare(fleet)
    marketing.declare(fleet)
    compliance.declare(fleet)
    terms.declare(fleet, large)
    _signals(fleet, large)
    _checks(fleet, company)
    fleet.policy(POLICY)
    fleet.autonomy("price.change", level="approve")
    fleet.autonomy("outreach.send", level="act")
    fleet.autonomy("price.raise", level="act")
    fleet.autonomy("case.open", level="act")
    fleet.autonomy("term.change", level="act")
    fleet.autonomy("care.assign", level="act")
    fleet.resource("price", incompatible=[("discount", "rise")], order=["discount", "rise"], waits=timedelta())
    fleet.resource("inbox", incompatible=[("case", "letter")], order=["case", "letter"], waits=timedelta())
    fleet.budget("discounts", action="price.change", money=discounts_per_day, per="day")
    fleet.budget("outreach", action="outreach.send", count=letters_per_day or max(100, len(company.accounts) // 5), per="day")
    fleet.goal("good work", kpi="quality", target=0.75, weights={"quality": 0.7, "latency": 0.1, "cost": 0.1, "load": 0.1})
    fleet.goal("quick hand-overs", kpi="latency", target=500)
    fleet.goal("keep customers", kpi="churn", target=-0.18, parties={"success": 2})
    return fleet


def _large(company: Company) -> float:
    values = sorted(success.monthly_value(account.kind, account.facts) for account in company.past_accounts)
    return values[4 * len(values) // 5]


def _signals(fleet: Fleet, large: float) -> None:
    """Accounts go before tickets, so that an answer finds its account's forecast. What is negotiated is not proposed besides."""
    fleet.on("account.updated", do="churn.forecast", priority=4)
    fleet.on(
        "account.at_risk",
        do="renewal.propose",
        gather={"health": "account.health", "churn": "churn.forecast", "feedback": "feedback.digest"},
        priority=3,
    )
    fleet.on("renewal.due", do="price.advise", when=f"data.monthly < {large!r}", priority=3)
    fleet.on("renewal.due", do="outreach.write", priority=3)
    fleet.on("renewal.due", do="price.review", when=f"data.monthly < {large!r}", priority=1)
    fleet.on("ticket.opened", do="ticket.answer", gather={"triage": "ticket.triage", "queue": "ticket.route"}, priority=2)
    fleet.on("ticket.opened", do="data.watch", priority=1)
    fleet.on("ticket.urgent", do="sla.watch", priority=2)
    fleet.on("data.exposed", do="exposure.assess", priority=2)
    for skill in ("ticket.triage", "ticket.route"):
        fleet.classify(skill, "input.channel")
    fleet.classify("churn.forecast", "input.kind")
    fleet.classify("ticket.answer", f"{support.AT_RISK} ? 'at risk' : 'healthy'")


def _checks(fleet: Fleet, company: Company) -> None:
    """Judges that know the labels. Training rows are never judged; what has no label cannot be."""
    labels = company.labels

    def fresh(known: Mapping[str, Any], id: str) -> Any:
        return None if id in company.past else known.get(id)

    @fleet.check("ticket.triage", name="label")
    def triage(ticket: Any, output: Any) -> float | None:
        """Urgency and mood, each right or wrong; the mean of those that have a label."""
        truth = {"urgency": fresh(labels.urgency, ticket["id"]), "mood": fresh(labels.mood, ticket["id"])}
        right = [output[part] == true for part, true in truth.items() if true is not None]
        return sum(right) / len(right) if right else None

    @fleet.check("ticket.route", name="label")
    def route(ticket: Any, output: Any) -> float | None:
        true = fresh(labels.queue, ticket["id"])
        return None if true is None else float(output["queue"] == true)

    @fleet.check("ticket.answer", name="account")
    def answer(request: Any, output: Any) -> float | None:
        """Whether the tone was right for how the account turned out; care for one that stays is a smaller mistake."""
        left = fresh(labels.left, request["account"])
        if left is None:
            return None
        return 1.0 if (output["tone"] == "retention") == left else 0.2 if left else 0.6

    @fleet.check("sla.watch", name="hours")
    def promise(urgent: Any, output: Any) -> float | None:
        hours = fresh(labels.hours, urgent["ticket"])
        return None if hours is None else float(output["in_danger"] == (hours > output["due_hours"]))

    @fleet.check("churn.forecast", name="outcome")
    def forecast(account: Any, output: Any) -> float | None:
        """One minus the Brier score: proper, so an agent does best by saying what it believes."""
        left = fresh(labels.left, account["account"])
        return None if left is None else 1 - (output["risk"] - left) ** 2

    @fleet.check("renewal.propose", name="outcome")
    def renewal(request: Any, output: Any) -> float | None:
        left = fresh(labels.left, request["account"])
        return None if left is None else float((output["plan"] != "watch") == left)
