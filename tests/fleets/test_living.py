"""The company lives on after the first burst: signals at random instants, labels for what is new, reviews that ask a person."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import count, islice
from random import Random
from typing import Any

from tutti import Settings, Workspace
from tutti.fleets import lifecycle
from tutti.fleets.lifecycle import living


def names() -> Any:
    numbers = count(1)
    return lambda: f"n{next(numbers)}"


def test_news_is_the_same_for_the_same_seed_and_never_the_same_twice():
    first, again = (list(islice(living.news(lifecycle.sample(3, tickets=5, accounts=8), Random(1), names()), 200)) for _ in range(2))
    assert first == again
    assert len({event["id"] for event in first}) == 200
    kinds = [event["type"] for event in first]
    assert 4 < kinds.count("account.updated") < 40
    assert kinds.count("ticket.opened") == 200 - kinds.count("account.updated")


def test_how_a_new_ticket_turns_out_is_known_to_judges_and_its_account_is_one_of_the_company():
    company = lifecycle.sample(3, tickets=5, accounts=8)
    accounts = {account.id for account in company.accounts}
    for event in islice(living.news(company, Random(1), names()), 100):
        assert event["data"]["account"] in accounts
        if event["type"] == "ticket.opened":
            id = event["data"]["id"]
            assert id in company.labels.urgency
            assert id in company.labels.mood
            assert id not in company.past


async def test_signals_come_until_the_stop_and_reviews_ask_a_person(tmp_path, company, fitted):
    fleet = lifecycle.build(company, fitted=fitted)
    living.declare(fleet)
    assert fleet.problems() == []
    async with Workspace(fleet, Settings("acme", tmp_path, grace=timedelta(0))) as workspace:

        async def tickets() -> int:
            return len((await workspace.signals(type="ticket.opened", limit=1000))["signals"])

        stop = asyncio.Event()
        lasting = asyncio.create_task(living.live_on(workspace, company, seed=1, pace=200.0, stop=stop))
        while await tickets() < 5:
            await workspace.corridor.traffic.wait("any")
        stop.set()
        await lasting
        [playbook] = await workspace.playbooks()
        assert (playbook["name"], playbook["open"], playbook["steps_all"]) == (living.REVIEW, living.REVIEWS, 5 * living.REVIEWS)
        came = await tickets()
        await living.live_on(workspace, company, seed=1, pace=0.0, stop=asyncio.Event())
        assert await tickets() == came, "without a pace nothing comes in"
        assert (await workspace.playbooks())[0]["open"] == living.REVIEWS, "and no more reviews begin than go on at a time"
