"""A subscription whose condition could not be evaluated on a signal: told with the signal, in its lineage, once in the log, and counted."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from api_site import as_caller, make_fleet
from prometheus_client.parser import text_string_to_metric_families

from tutti import Settings, Workspace
from tutti.app import FOLDS, TABLES
from tutti.journal import rebuild
from tutti.model.caller import OWNER, Caller

SECRET = "zaphod"
MISSPELT, BY_NAME, PAID = "data.chrun > 0.5", "data[data.name] == 1", "data.churn.high"


@pytest.fixture
async def churning(tmp_path: Path) -> AsyncIterator[Workspace]:
    fleet = make_fleet()
    fleet.on("churn.scored", do="ticket.triage", when=MISSPELT)
    fleet.on("churn.scored", do="ticket.ask", when=BY_NAME)
    fleet.on("churn.*", do="refund.pay", when=PAID)
    fleet.on("churn.scored", do="ticket.triage", when="has(data.chrun) && data.chrun > 0.5")
    fleet.on("churn.scored", do="ticket.triage", when="data.churn < 0.5")
    async with Workspace(fleet, Settings("churn", tmp_path / "tutti", grace=timedelta(0))) as workspace:
        yield workspace


async def scored(workspace: Workspace, n: int = 1, **more: Any) -> dict[str, Any]:
    event = {"specversion": "1.0", "id": str(n), "source": "/crm", "type": "churn.scored", "department": "support", "data": {"churn": 0.7, "name": SECRET}}
    return await workspace.send({**event, **more})


def said(signal: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(each["condition"], each["skill"], each["why"]) for each in signal["undecided"]}


async def test_what_a_signal_met_is_told_with_it_and_with_its_lineage(churning: Workspace) -> None:
    sent = await scored(churning)
    assert sent["tasks"] == []
    whole = {
        (MISSPELT, "ticket.triage", "no such key: chrun"), (BY_NAME, "ticket.ask", "no such key"),
        (PAID, "refund.pay", "a value is not of the type that it needs"),
    }  # fmt: skip
    client = as_caller(churning)
    (listed,) = (await client.get("/v1/signals")).json()["signals"]
    subscriptions = {each["id"]: each["condition"] for each in (await client.get("/v1/subscriptions")).json()}
    assert said(listed) == whole
    assert all(subscriptions[each["subscription"]] == each["condition"] for each in listed["undecided"])
    assert (await client.get(f"/v1/signals/{sent['signal']}")).json() == listed
    for path in ("lineage", "why"):
        assert said((await client.get(f"/v1/{path}/{sent['signal']}")).json()["tree"]) == whole


async def test_of_another_department_nothing_is_told(churning: Workspace) -> None:
    sent = await scored(churning, data={"churn": 0.1})
    viewer = as_caller(churning, Caller("person/vera", ("viewer",), ("support",)))
    for told in ((await viewer.get(f"/v1/signals/{sent['signal']}")).json(), (await viewer.get(f"/v1/lineage/{sent['signal']}")).json()["tree"]):
        assert {skill for _, skill, _ in said(told)} == {"ticket.triage", "ticket.ask"}
        assert "refund.pay" not in str(told)


async def test_it_is_logged_once_counted_each_time_and_holds_nothing_of_the_data(churning: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for n in (1, 2, 2, 3):
        await scored(churning, n)
    await scored(churning, 4, data={"churn": 0.7, "name": "churn"})
    logged = [record.getMessage() for record in caplog.records if "could not be evaluated" in record.getMessage()]
    assert len(logged) == 3
    assert f'fleet.on("churn.scored", do="ticket.triage", when="{MISSPELT}"): its condition could not be evaluated on a signal: no such key: chrun' in logged[0]
    text = (await as_caller(churning, OWNER).get("/metrics")).text
    found = {
        (sample.labels["skill"], sample.labels["why"]): sample.value
        for family in text_string_to_metric_families(text) for sample in family.samples if sample.name == "tutti_conditions_undecided_total"
    }  # fmt: skip
    assert found == {
        ("ticket.triage", "no such key: chrun"): 4, ("ticket.ask", "no such key"): 3, ("refund.pay", "a value is not of the type that it needs"): 4,
    }  # fmt: skip
    facts = await churning.facts(kind="signal.received")
    assert len(facts) == 4
    for words in (*logged, text, str(facts)):
        assert SECRET not in words


async def test_it_is_of_the_record(churning: Workspace) -> None:
    sent = await scored(churning)
    await churning.close()
    assert rebuild(churning.settings.place, TABLES, FOLDS) == []
    async with Workspace(make_fleet(), churning.settings) as again:  # which no longer listens to it
        assert (MISSPELT, "ticket.triage", "no such key: chrun") in said(await again.signal(sent["signal"]))


async def test_a_signal_names_no_more_than_a_few(tmp_path: Path) -> None:
    fleet = make_fleet()
    for n in range(40):
        fleet.on("churn.scored", do="ticket.triage", when=f"data.field{n} > 0.5")
    async with Workspace(fleet, Settings("many", tmp_path / "tutti", grace=timedelta(0))) as workspace:
        sent = await scored(workspace)
        assert len((await workspace.signal(sent["signal"]))["undecided"]) == 16
