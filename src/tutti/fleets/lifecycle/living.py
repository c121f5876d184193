"""The company lives on: after the first burst tickets and news of accounts keep coming in, and some accounts are reviewed with a person."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

from tutti import Fleet, step
from tutti.app import Workspace
from tutti.errors import TuttiError
from tutti.fleets.lifecycle.company import Account, Company, event, snapshot
from tutti.fleets.lifecycle.sample import more_tickets
from tutti.fleets.lifecycle.shapes import Snapshot

log = logging.getLogger("tutti")
REVIEW = "account.review"
PACE = 1.5  # signals a second
REVIEWS = 3  # reviews that are under way at a time
_NEWS = 0.08  # of what comes in is news of an account: they lead to offers, which people must answer
_LASTS = timedelta(minutes=30)  # in which a review is to be over


def declare(fleet: Fleet) -> None:
    """Declare the review: forecast and health, a pause, a question to a person, and with a yes the forecast again."""
    steps = [
        step("forecast", "churn.forecast", input="{input}"),
        step("health", "account.health", input="{input}"),
        step("pause", wait=timedelta(seconds=5), after=["forecast", "health"]),
        step("call", question="Account {input.account}: risk {steps.forecast.risk}, health {steps.health.score}. Shall somebody call them? (yes or no)", after="pause"),
        step("again", "churn.forecast", input="{input}", after="call", when="steps.call == 'yes'"),
    ]  # fmt: skip
    fleet.playbook(
        REVIEW, steps=steps, department="success", owner="eva@example.com", input=Snapshot, description="A review of an account, with a person's word."
    )


async def live_on(workspace: Workspace, company: Company, *, seed: int, pace: float, stop: asyncio.Event) -> None:
    """Until the stop: send what `news` tells at random instants, `pace` a second on average (0: nothing), and keep some reviews going."""
    random = Random(seed)
    telling = news(company, random, lambda: workspace.ids.new("n"))
    await _review(workspace, company, random)
    while pace and not stop.is_set():
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), random.expovariate(pace))
        if stop.is_set() or not workspace.corridor.traffic.open:
            return
        try:
            await workspace.send(next(telling), by="demo")
            await _review(workspace, company, random)
        except TuttiError as error:  # the queue is full, or the disk: the next one finds room
            log.debug("a signal of the demo was not taken: %s", error.message)


async def _review(workspace: Workspace, company: Company, random: Random) -> None:
    open_now = sum(row["skill"] == REVIEW for row in workspace.journal.hot.table("task").values())
    for _ in range(REVIEWS - open_now):
        account = random.choice(company.accounts)
        await workspace.submit(REVIEW, snapshot(account), subject=f"account/{account.id}", deadline=_LASTS, by="demo")


def news(company: Company, random: Random, name: Callable[[], str]) -> Iterator[dict[str, Any]]:
    """An endless stream of CloudEvents: new tickets of the company's accounts, and now and then an account whose usage has changed.

    `name` gives ids. How a ticket turns out is added to the company's labels, so that judges know it.
    """
    tickets = more_tickets(company, random, name)
    while True:
        if random.random() < _NEWS:
            account = _changed(random.choice(company.accounts), random)
            yield {**event(company, account), "id": f"account-{account.id}-{name()}"}
        else:
            yield event(company, next(tickets))


def _changed(account: Account, random: Random) -> Account:
    """The account a while later: its numbers of use a little up or down, its contract as it was."""
    facts = {
        column: round(value * random.uniform(0.8, 1.2)) * 1.0
        if isinstance(value, float) and column in ("sessions", "minutes", "reports", "failures")
        else value
        for column, value in account.facts.items()
    }
    return replace(account, facts=facts)
