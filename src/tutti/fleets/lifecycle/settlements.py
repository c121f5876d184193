"""What became of the negotiated renewals, read from the journal: for the demo's summary, and to check it against the parties' own numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tutti.app import Workspace
from tutti.clock import MICROS
from tutti.fleets.lifecycle import compliance, terms
from tutti.fleets.lifecycle.company import Company
from tutti.fleets.lifecycle.shapes import Matter
from tutti.fleets.lifecycle.success import monthly_value

_SOON_S = 10  # after the deadline, or after a process was there again that was away at it, in which a negotiation is to be decided
_NOTHING = 1e-9

Outcome = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Negotiated:
    """One renewal: what it was about, the terms that held at first, and those that a person has adopted instead."""

    matter: Matter
    how: str | None
    late: bool  # others went on after the deadline before it was decided
    outcome: Outcome | None
    adopted: Outcome | None
    by_person: bool  # whether a person has said yes to what was adopted


async def summary(workspace: Workspace) -> dict[str, Any]:
    """How negotiations about renewals ended, with mean rounds and messages, and how many conflicts of the fleet were resolved."""
    rows = await workspace.journal.select(
        "SELECT n.how, n.rounds, n.messages, n.better, n.adopted FROM negotiation n JOIN task t ON t.id = n.id JOIN task p ON p.id = t.parent "
        "WHERE p.skill = 'renewal.agree'"
    )
    ended = Counter(row["how"] or "open" for row in rows)
    resolved = await workspace.journal.select("SELECT COUNT(*) AS n FROM conflict WHERE open = 0")
    count = max(len(rows), 1)
    return {
        **{how: ended[how] for how in ("settled", "fallback", "person", "open")},
        "better": sum(row["better"] for row in rows),
        "adopted": sum(row["adopted"] is not None for row in rows),
        "mean_rounds": round(sum(row["rounds"] for row in rows) / count, 2),
        "mean_messages": round(sum(row["messages"] for row in rows) / count, 2),
        "conflicts_resolved": resolved[0]["n"],
    }


async def check(workspace: Workspace, company: Company, measured: Mapping[str, Any]) -> dict[str, Any]:
    """Recompute what may be settled from compliance's limits and what it is worth from the parties' own numbers; the mediator's word counts for nothing."""
    found = await _negotiated(workspace)
    opened = await workspace.journal.select("SELECT COUNT(*) AS n FROM task WHERE skill = 'renewal.agree' AND state <> 'canceled'")
    unended = opened[0]["n"] - sum(each.how is not None and not each.late for each in found)
    broken = sum(map(breaks, found))
    losing = sum(len(under(each)) for each in found)
    twice = await _unlike_what_was_settled(workspace, company, found)
    return {
        "check": "every negotiation ended in time, inside policy, with nobody under the fallback, and was carried out once",
        "ok": not unended and not broken and not losing and not twice,
        "found": (
            f"{len(found)} negotiated, {unended} not ended by the deadline, {broken} break policy, {losing} parties under the fallback by their own numbers; "
            f"{twice} accounts for which other changes were proposed than settled"
        ),
    }


def breaks(each: Negotiated) -> bool:
    """Whether what held or holds is more than compliance allows, with a person's word or without."""
    monthly = each.matter.monthly
    first = each.outcome is not None and _too_much(monthly, each.outcome, each.how == "person")
    return first or (each.adopted is not None and _too_much(monthly, each.adopted, each.by_person))


def _too_much(monthly: float, outcome: Outcome, by_person: bool) -> bool:
    percents = compliance.percent(outcome["price"])
    return compliance.forbidden(percents) or (not by_person and compliance.asks(monthly, percents))


def under(each: Negotiated) -> list[str]:
    """The parties to which what holds is worth less than what the account had, by their own numbers."""
    about = each.matter.model_dump()
    held = terms.fallback(each.matter)
    reached = [outcome for outcome in (each.outcome, each.adopted) if outcome is not None]
    return [name for name, (party, _) in terms.PARTIES.items() if any(party.worth(outcome, about) < party.worth(held, about) - _NOTHING for outcome in reached)]


async def _negotiated(workspace: Workspace) -> list[Negotiated]:
    journal = workspace.journal
    rows = await journal.select(
        "SELECT n.how, n.opening, n.adopted, t.output, "
        "n.settled_at > n.ends_at AND "
        f"EXISTS (SELECT 1 FROM task o WHERE o.state_at > n.ends_at AND o.state_at < n.settled_at - {_SOON_S * MICROS}) AS late "
        "FROM negotiation n JOIN task t ON t.id = n.id JOIN task p ON p.id = t.parent WHERE p.skill = 'renewal.agree'"
    )
    adoptions = await journal.select("SELECT id, output FROM task WHERE skill = 'negotiation.adopt' AND state = 'completed'")
    outputs = {row["id"]: row["output"] for row in adoptions}
    approved = {row["task"] for row in await journal.select("SELECT task FROM approval WHERE state IN ('approved', 'used') AND answered_by LIKE 'person/%'")}
    names = [row["opening"].partition("#")[0] for row in rows]
    payloads = await journal.payloads([name for name in [*names, *(row["output"] for row in rows), *outputs.values()] if name])
    found = []
    for row, name in zip(rows, names, strict=True):
        output = payloads.get(row["output"])
        found.append(
            Negotiated(
                matter=Matter.model_validate(payloads[name]["about"]), how=row["how"], late=bool(row["late"]), outcome=output["outcome"] if output else None,
                adopted=payloads.get(outputs.get(row["adopted"], "")), by_person=row["adopted"] in approved,
            )
        )  # fmt: skip
    return found


async def _unlike_what_was_settled(workspace: Workspace, company: Company, found: Iterable[Negotiated]) -> int:
    """Accounts for which other changes of price, contract or care were proposed than the settled ones, by the company's own rows. What undoes one is none."""
    monthly = {account.id: monthly_value(account.kind, account.facts) for account in company.accounts}
    wanted: dict[str, Counter[tuple[str, Any]]] = {}
    for each in found:
        account, was = each.matter.account, terms.fallback(each.matter)
        changes = wanted.setdefault(account, Counter())
        for outcome in (each.outcome, each.adopted):
            if outcome is not None:
                percents = compliance.percent(outcome["price"]) - compliance.percent(was["price"])
                changes["price", terms.change(monthly[account], percents)] += 1
                changes.update((issue, outcome[issue]) for issue in ("term", "care") if outcome[issue] != was[issue])
                was = dict(outcome)
        del changes["price", 0.0]
    rows = await workspace.journal.select(
        "SELECT id, parent, skill, input FROM task WHERE skill IN ('price.change', 'price.raise', 'term.change', 'care.assign')"
    )
    inputs = await workspace.journal.payloads([row["input"] for row in rows])
    ids = {row["id"] for row in rows}
    made: dict[str, Counter[tuple[str, Any]]] = {account: Counter() for account in wanted}
    for row in rows:
        change = inputs[row["input"]]
        if change["account"] in made and row["parent"] not in ids:
            made[change["account"]][_told(row["skill"], change)] += 1
    return sum(made[account] != changes for account, changes in wanted.items())


def _told(skill: str, change: Mapping[str, Any]) -> tuple[str, Any]:
    """What an action changes, and to what; of a price by how much."""
    match skill:
        case "term.change":
            return "term", change["term"]
        case "care.assign":
            return "care", change["care"]
        case "price.change":
            return "price", -change["amount"]
    return "price", change["amount"]
