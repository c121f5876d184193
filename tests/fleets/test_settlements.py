"""Large renewals are negotiated, carried out once, and never against compliance or a party's own numbers; the demo's check sees it where they are not."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from tutti.fleets import lifecycle
from tutti.fleets.lifecycle import compliance, settlements, terms
from tutti.fleets.lifecycle.success import monthly_value
from tutti.mediation.mediate import _Mediation

RISK = 0.7


@pytest.fixture(scope="module")
def account(company):
    """One that pays enough for its larger discount to need a person."""
    return max(company.accounts, key=lambda row: monthly_value(row.kind, row.facts))


@pytest.fixture(scope="module")
def monthly(account):
    return monthly_value(account.kind, account.facts)


def due(account: str, monthly: float, **more: Any) -> dict[str, Any]:
    return {"account": account, "plan": "call", "monthly": monthly, "risk": RISK, "reasons": [], "term": "monthly", **more}


async def renewed(tutti: Any, company: Any, fitted: Any, data: dict[str, Any]) -> Any:
    run = tutti(lifecycle.build(company, fitted=fitted))
    return await run.send("renewal.due", subject=f"account/{data['account']}", data=data)


async def checked(run: Any, company: Any) -> dict[str, Any]:
    return await settlements.check(run.workspace, company, {})


# --- what becomes of a renewal --------------------------------------------------------------------------------------


async def test_a_large_renewal_is_settled_and_changes_the_price_once(tutti, company, fitted, account, monthly):
    run = await renewed(tutti, company, fitted, due(account.id, monthly))
    agreed = run.task("renewal.agree").output
    assert (agreed["how"], agreed["terms"]["price"]) == ("settled", "-5 %")
    assert (run.tasks("price.advise"), run.tasks("price.review"), run.tasks("price.raise")) == ([], [], [])
    change = run.task("price.change")
    assert (change.waiting_for, change.input) == ("person", {"account": account.id, "amount": round(monthly * 0.05, 2)})
    assert (await checked(run, company))["ok"]


async def test_a_settled_term_and_care_become_one_action_each(tutti, company, fitted, account, monthly):
    run = await renewed(tutti, company, fitted, due(account.id, monthly))
    agreed = run.task("renewal.agree").output["terms"]
    assert (agreed["term"], agreed["care"]) != ("monthly", "none")
    made = [(task.state, task.input) for task in [*run.tasks("term.change"), *run.tasks("care.assign")]]
    wanted = [{"account": account.id, issue: agreed[issue]} for issue, was in (("term", "monthly"), ("care", "none")) if agreed[issue] != was]
    assert made == [("completed", change) for change in wanted]


async def test_adopted_terms_change_the_contract_and_the_care_against_those_that_held(tutti, company, fitted):
    run = tutti(lifecycle.build(company, fitted=fitted))
    about = {"account": "1", "plan": "call", "monthly": 200.0, "risk": RISK, "term": "yearly"}
    held = {"price": "-5 %", "term": "two years", "care": "call"}
    await run.submit("terms.book", {"negotiation": "t-1", "outcome": held, "about": about})
    await run.submit("terms.book", {"negotiation": "t-1", "outcome": {**held, "care": "specialist"}, "about": about, "instead": held})
    assert [task.input for task in run.tasks("term.change")] == [{"account": "1", "term": "two years"}]
    assert [task.input["care"] for task in run.tasks("care.assign")] == ["call", "specialist"]


async def test_better_terms_change_the_price_by_the_difference_when_a_person_adopts_them(tutti, company, fitted, account, monthly):
    run = await renewed(tutti, company, fitted, due(account.id, monthly))
    adoption = run.task("negotiation.adopt")
    assert (adoption.waiting_for, adoption.input["outcome"]["price"]) == ("person", "-10 %")
    await run.approve("negotiation.adopt")
    assert [task.input["amount"] for task in run.tasks("price.change")] == [round(monthly * 0.05, 2)] * 2
    check = await checked(run, company)
    assert check["ok"], check
    ended = await settlements.summary(run.workspace)
    assert (ended["settled"], ended["better"], ended["adopted"], ended["open"]) == (1, 1, 1, 0)
    assert ended["mean_messages"] >= len(terms.PARTIES)


async def test_a_small_renewal_goes_on_with_two_proposals_of_which_one_wins(tutti, company, fitted):
    run = await renewed(tutti, company, fitted, due("1", 100.0, risk=0.95))
    assert run.tasks("renewal.agree") == []
    assert run.task("price.change").waiting_for == "person"
    await run.approve("price.change")
    assert run.task("price.change").state == "completed"
    assert run.task("price.raise").state == "rejected"
    assert (await settlements.summary(run.workspace))["conflicts_resolved"] == 1


async def test_agreed_rises_are_raised_and_terms_that_leave_the_price_change_nothing(tutti, company, fitted):
    run = tutti(lifecycle.build(company, fitted=fitted))
    about = {"account": "1", "plan": "call", "monthly": 200.0, "risk": RISK, "term": "monthly"}
    await run.submit("terms.book", {"negotiation": "t-1", "outcome": {"price": "0 %", "term": "yearly", "care": "call"}, "about": about})
    assert (run.tasks("price.change"), run.tasks("price.raise")) == ([], [])
    await run.submit("terms.book", {"negotiation": "t-2", "outcome": {"price": "+3 %", "term": "yearly", "care": "call"}, "about": about})
    assert (run.task("price.raise").state, run.task("price.raise").input["amount"]) == ("completed", 6.0)


def test_levels_mix(company, fitted):
    fleet = lifecycle.build(company, fitted=fitted)
    levels = {card.name: card.skills["negotiation.answer"].level for card in fleet.cards.values() if "negotiation.answer" in card.skills}
    assert levels == {"retention": "table", "margin": "score", "care": "rank"}


async def test_what_is_settled_is_nearly_the_best_for_all(tutti, company, fitted, account, monthly):
    """By brute force over what needs no person, with the parties' own numbers and the weights of the fleet's goal."""
    run = await renewed(tutti, company, fitted, due(account.id, monthly))
    matter = {"account": account.id, "plan": "call", "monthly": monthly, "risk": RISK, "term": "monthly"}
    held = terms.fallback(terms.Matter.model_validate(matter))

    def welfare(outcome: Any) -> float:
        gains = [
            max(party.worth(outcome, matter) - party.worth(held, matter), 0.0) ** (2 if name == "retention" else 1)
            for name, (party, _) in terms.PARTIES.items()
        ]
        return gains[0] * gains[1] * gains[2]

    able = [dict(zip(terms.ISSUES, values, strict=True)) for values in product(*terms.ISSUES.values())]
    best = max(welfare(each) for each in able if compliance.percent(each["price"]) >= -compliance.FREE)
    assert welfare(run.task("renewal.agree").output["terms"]) >= 0.9 * best > 0


# --- the check sees what it is there for ----------------------------------------------------------------------------


async def test_it_sees_terms_over_the_cap(tutti, company, fitted, account, monthly, monkeypatch):
    monkeypatch.setattr(compliance, "rules", lambda *_: ([], []))
    run = await renewed(tutti, company, fitted, due(account.id, monthly))
    check = await checked(run, company)
    assert not check["ok"]
    assert ", 1 break policy" in check["found"]


async def test_it_sees_terms_that_no_person_has_adopted(tutti, company, fitted, account, monthly):
    fleet = lifecycle.build(company, fitted=fitted)
    fleet.autonomy("negotiation.adopt", level="act")
    run = await tutti(fleet).send("renewal.due", subject=f"account/{account.id}", data=due(account.id, monthly))
    assert run.task("negotiation.adopt").state == "completed"
    check = await checked(run, company)
    assert not check["ok"]
    assert ", 1 break policy" in check["found"]


async def test_it_sees_a_party_under_the_fallback(tutti, company, fitted, account, monthly, monkeypatch):
    rank = terms.Relief.rank
    monkeypatch.setattr(terms.Relief, "rank", lambda self, outcomes, about: rank(self, outcomes, about)[::-1])  # it says the opposite of what it wants
    run = await renewed(tutti, company, fitted, due(account.id, monthly, risk=0.55))
    check = await checked(run, company)
    assert not check["ok"]
    assert "1 parties under the fallback" in check["found"]


async def test_it_sees_a_price_that_is_changed_besides(tutti, company, fitted, account, monthly):
    fleet = lifecycle.build(company, fitted=fitted)
    fleet.on("renewal.due", do="price.review")
    run = await tutti(fleet).send("renewal.due", subject=f"account/{account.id}", data=due(account.id, monthly))
    check = await checked(run, company)
    assert not check["ok"]
    assert "1 accounts for which other changes were proposed" in check["found"]


@pytest.mark.parametrize(("skill", "change"), [("term.change", {"term": "two years"}), ("care.assign", {"care": "specialist"})])
async def test_it_sees_a_contract_or_a_care_that_is_changed_besides(tutti, company, fitted, account, monthly, skill, change):
    run = await renewed(tutti, company, fitted, due(account.id, monthly))
    assert (await checked(run, company))["ok"]
    await run.submit(skill, {"account": account.id, **change})
    check = await checked(run, company)
    assert not check["ok"]
    assert "1 accounts for which other changes were proposed" in check["found"]


async def test_it_sees_a_negotiation_that_has_not_ended_and_silent_parties_hold_nobody_up_for_ever(tutti, company, fitted, account, monthly):
    run = tutti(lifecycle.build(company, fitted=fitted))
    for name in terms.PARTIES:
        await run.kill("agent", name)
    await run.send("renewal.due", subject=f"account/{account.id}", data=due(account.id, monthly))
    check = await checked(run, company)
    assert not check["ok"]
    assert ", 1 not ended by the deadline" in check["found"]
    await run.advance(terms.DEADLINE + timedelta(minutes=1))
    check = await checked(run, company)
    assert check["ok"], check
    assert run.task("renewal.agree").output["how"] == "fallback"
    assert run.tasks("price.change") == []


async def test_it_sees_a_decision_after_the_deadline(tutti, company, fitted, account, monthly, monkeypatch):
    monkeypatch.setattr(_Mediation, "_patience", lambda *_: 2 * terms.DEADLINE.total_seconds())
    run = tutti(lifecycle.build(company, fitted=fitted))
    for name in terms.PARTIES:
        await run.kill("agent", name)
    await run.send("renewal.due", subject=f"account/{account.id}", data=due(account.id, monthly))
    await run.advance(terms.DEADLINE * 1.5)
    await run.submit("data.watch", {"id": "1", "account": "1", "channel": "desk", "title": "", "text": ""})
    await run.advance(terms.DEADLINE * 4)
    assert run.task("renewal.agree").state == "completed"
    check = await checked(run, company)
    assert not check["ok"]
    assert ", 1 not ended by the deadline" in check["found"]
