"""No customer gets two contradictory offers; and the demo's check sees it where one does."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tutti.arbiter.ladder import Ladder
from tutti.conflicts import Fate, Resolution
from tutti.fleets import lifecycle
from tutti.fleets.lifecycle.demo import _no_contradictory_offers


async def offered(tutti: Any, company: Any, fitted: Any) -> tuple[Any, dict[str, Any]]:
    run = tutti(lifecycle.build(company, fitted=fitted))
    await run.submit("case.open", {"account": "1", "ticket": "9"})
    await run.submit("outreach.send", {"account": "1", "subject": "Hello", "text": "Hello"})
    await run.submit("price.change", {"account": "1", "amount": 10})
    await run.submit("price.raise", {"account": "1", "amount": 3})
    await run.submit("price.raise", {"account": "2", "amount": 3})
    await run.approve("price.change")
    return run, await _no_contradictory_offers(run.workspace, company, {})


async def test_a_lower_price_goes_before_a_rise_and_a_case_before_a_letter(tutti, company, fitted):
    run, check = await offered(tutti, company, fitted)
    assert check["ok"]
    assert check["found"].startswith("1 accounts were to get a lower and a higher price, 0 got both; 0 letters into an open case; 2 conflicts resolved")
    assert [task.state for task in run.tasks("price.raise")] == ["rejected", "completed"]
    assert run.task("outreach.send").state == "rejected"
    assert run.task("price.change").state == "completed"


async def test_the_check_fails_where_nobody_keeps_them_apart(tutti, company, fitted, monkeypatch: pytest.MonkeyPatch):
    async def goes(self: Ladder, *_: Any) -> Resolution:
        return Resolution(Fate.GOES, "")

    monkeypatch.setattr(Ladder, "resolve", goes)
    _, check = await offered(tutti, company, fitted)
    assert not check["ok"]
    assert "1 got both; 1 letters into an open case" in check["found"]


async def test_what_undoes_an_offer_does_not_contradict_it(tutti, company, fitted):
    run = tutti(lifecycle.build(company, fitted=fitted))
    await run.submit("price.raise", {"account": "1", "amount": 3})
    await run.workspace.undo(run.task("price.raise").id)
    await run.advance(timedelta(seconds=1))
    await run.approve("price.change")
    assert run.task("price.change").state == "completed"
    assert (await _no_contradictory_offers(run.workspace, company, {}))["ok"]
