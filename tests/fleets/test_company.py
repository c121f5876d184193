"""What comes in: the same for the same seed, complete, in the stated order, and without a trace of the labels."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tutti.fleets import lifecycle
from tutti.fleets.lifecycle.company import Labels


def test_the_same_seed_makes_the_same_company():
    assert lifecycle.sample(3, 40, 30) == lifecycle.sample(3, 40, 30)
    assert lifecycle.sample(3, 40, 30) != lifecycle.sample(4, 40, 30)


def test_sizes_are_as_asked():
    company = lifecycle.sample(1, 33, 21, past_tickets=12, past_accounts=50)
    assert list(map(len, (company.tickets, company.accounts, company.past_tickets, company.past_accounts))) == [33, 21, 12, 50]
    with pytest.raises(ValueError, match="at least 1"):
        lifecycle.sample(1, 0)


def test_everything_comes_in_once_as_cloudevents(company):
    events = list(lifecycle.signals(company))
    assert Counter(event["type"] for event in events) == {"ticket.opened": len(company.tickets), "account.updated": len(company.accounts)}
    assert len({(event["source"], event["id"]) for event in events}) == len(events)
    assert all(event["specversion"] == "1.0" and event["subject"] == f"account/{event['data']['account']}" for event in events)
    assert events == list(lifecycle.signals(company))


def test_most_tickets_come_after_the_snapshot_of_their_account(company):
    met: set[str] = set()
    after = 0
    for event in lifecycle.signals(company):
        if event["type"] == "account.updated":
            met.add(event["data"]["account"])
        else:
            after += event["data"]["account"] in met
    assert 0.55 < after / len(company.tickets) < 0.8


def test_tickets_on_file_were_there_before_the_snapshot(company):
    opened: dict[str, list[str]] = {}
    for event in lifecycle.signals(company):
        if event["type"] == "ticket.opened":
            opened.setdefault(event["data"]["account"], []).append(event["data"]["id"])
        else:
            account = event["data"]["account"]
            on_file = {ticket.id for ticket in company.written_before.get(account, ())} - company.past
            assert on_file == set(opened.get(account, []))


def test_labels_do_not_reach_the_signals(company):
    blind = replace(company, labels=Labels())
    assert list(lifecycle.signals(blind)) == list(lifecycle.signals(company))
    keys = {key for event in lifecycle.signals(company) for key in event["data"]}
    assert keys == {"account", "kind", "facts", "id", "channel", "title", "text"}


def test_training_rows_and_judged_rows_share_nothing(company):
    assert not {row.id for row in company.fresh_tickets} & company.past
    assert not {row.words for row in company.fresh_tickets} & {row.words for row in company.past_tickets}
    facts = [tuple(row.facts.items()) for row in company.past_accounts]
    assert not {tuple(row.facts.items()) for row in company.fresh_accounts} & set(facts)
