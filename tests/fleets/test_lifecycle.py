"""The fleet: enough agents, rivals with equal claims, judges that know the labels and agents that do not."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import replace
from random import Random

import pytest

from tutti import Context
from tutti.fleets import lifecycle
from tutti.fleets.lifecycle.company import Labels, signals
from tutti.fleets.lifecycle.compliance import exposed
from tutti.fleets.lifecycle.sample import card_number
from tutti.fleets.lifecycle.success import SIGNS
from tutti.fleets.lifecycle.terms import PARTIES
from tutti.intake import Subscriptions


@pytest.fixture(scope="module")
def fleet(company, fitted):
    return lifecycle.build(company, fitted=fitted)


def by_skill(fleet):
    found = defaultdict(list)
    for card in fleet.cards.values():
        for skill in card.skills.values():
            found[skill.name].append((card, skill))
    return found


def test_the_fleet_is_whole(fleet):
    assert fleet.problems() == []
    assert len(fleet.cards) >= 10
    assert {card.department for card in fleet.cards.values()} == {"support", "success", "revenue", "marketing", "compliance"}


def test_three_skills_have_rivals_with_equal_claims(fleet):
    rivals = {name: offers for name, offers in by_skill(fleet).items() if len(offers) > 1}
    assert rivals.keys() >= {"ticket.triage", "ticket.route", "ticket.answer", "churn.forecast"}
    for offers in rivals.values():
        assert len({(skill.quality, skill.cost, skill.latency) for _, skill in offers}) == 1


def test_actions_are_governed(fleet):
    assert fleet.levels["price.change"].level.name == "APPROVE"
    assert fleet.levels["outreach.send"].level.name == "ACT"
    assert {budget.action for budget in fleet.budgets.values()} == {"price.change", "outreach.send"}
    assert "price.change" in fleet.policy_text


async def walk(fleet, company, seed=1):
    """Every signal through functions and subscriptions alone, rivals drawn at random: what was asked and answered. Nothing is negotiated."""
    random, done, known = Random(seed), [], {}
    subscriptions = Subscriptions(each for each in fleet.subscriptions.values() if each.skill != "renewal.agree")
    offers = by_skill(fleet)

    async def do(skill, data, subject):
        able = [card for card, offer in offers[skill] if offer.when is None or known.get(subject, 0) > 0.5]
        card = random.choice(able)
        bound = fleet.functions[card.name, card.version, skill]
        ctx = Context(task="t", skill=skill, key="k", attempt=1, deadline=None, subject=subject)
        output = bound.write(await bound.function(bound.read(data), *([ctx] if bound.takes_context else [])))
        done.append((skill, card.name, data, output))
        if skill == "churn.forecast":
            known[subject] = output["risk"]
        for proposal in ctx._proposals:
            await do(proposal.skill if hasattr(proposal, "skill") else proposal.action, proposal.input, subject)
        for emission in ctx._emissions:
            await take(emission.type, emission.subject, json.loads(json.dumps(emission.data)))
        return output

    async def take(type, subject, data):
        for subscription in subscriptions.match({"type": type, "subject": subject, "data": data}).met:
            gathered = {}
            for field, skill in subscription.gather:
                asked = [output for name, _, input, output in done[-200:] if name == skill and input == data]
                gathered[field] = asked[0] if asked and skill == "churn.forecast" else await do(skill, data, subject)
            await do(subscription.skill, {**data, **gathered}, subject)

    for event in signals(company):
        await take(event["type"], event["subject"], event["data"])
    return done


async def test_one_signal_leads_from_risk_to_price_and_letter(fleet, company):
    done = await walk(fleet, company)
    count = Counter(skill for skill, *_ in done)
    assert count["ticket.answer"] == count["data.watch"] == len(company.tickets)
    assert 10 < count["renewal.propose"] < len(company.accounts) / 2
    assert 0 < count["price.change"] < count["price.advise"] == count["price.review"] < count["outreach.send"]
    assert {name for _, name, *_ in done} == {card.name for card in fleet.cards.values()} - {"terms", "bookings", *PARTIES}
    assert len(done) < 5 * (len(company.tickets) + len(company.accounts))


async def test_labels_do_not_reach_any_agent(fleet, company, fitted):
    """With the labels gone, the same agents say the same to the same."""
    blind = replace(company, labels=Labels())
    assert await walk(lifecycle.build(blind, fitted=fitted), blind) == await walk(fleet, company)


async def test_judges_tell_the_rivals_apart(fleet, company):
    said = defaultdict(list)
    for skill, name, input, output in await walk(fleet, company):
        for check in fleet.checks.get(skill, []):
            quality = check.quality(input, output)
            assert quality is None or 0 <= quality <= 1
            said[name].append(quality)
    mean = {name: sum(all) / len(all) for name, all in said.items() if None not in all}
    assert mean["triage-text"] > 0.15 + max(mean["triage-words"], mean["triage-vader"])
    assert mean["route-text"] > 0.4 + mean["route-majority"]
    assert min(mean["churn-logistic"], mean["churn-blend"]) > 0.05 + mean["churn-rule"]


def test_training_rows_are_not_judged(fleet, company):
    (check,) = fleet.checks["ticket.triage"]
    ticket, said = company.past_tickets[0], {"urgency": "low", "mood": "neutral"}
    assert ticket.id in company.labels.urgency
    assert check.quality({"id": ticket.id}, said) is None
    assert check.quality({"id": company.tickets[0].id}, said) is not None


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        (f"pay with {card_number(Random(1))} please", {"card": 1}),
        ("pay with 4000 0000 0000 0002", {"card": 1}),
        ("order 4000 0000 0000 0003, build 20200222130008", {}),
        ("write to a.b@example.com or c@example.org", {"e-mail": 2}),
        ("Handler@5bf0d49 and <email> and stdout@@GLIBC_2.2.5", {}),
        ("my password is blue-1234-sky", {"secret": 1}),
        ("password reset, the password field is empty", {}),
        ("hadoop fs -ls s3a://AKIDEXAMPLE:abc123secret@bucket/", {"secret": 1}),
        ("see https://example.com:8080/path", {}),
    ],
)
def test_what_should_not_stand_in_a_ticket_is_counted(text, kinds):
    assert exposed(text) == kinds


def test_what_was_found_is_not_copied(fleet, company):
    slips = [ticket for ticket in company.tickets if exposed(ticket.words)]
    assert 3 < len(slips) < 0.1 * len(company.tickets)


def test_health_reads_columns_that_are_there(company):
    facts = company.accounts[0].facts
    assert set(SIGNS["business"]) <= set(facts)
