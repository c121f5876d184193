"""Negotiations over HTTP: opened once, listed, told to those who may know."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_site import as_caller

from tutti import Fleet, Settings, Workspace
from tutti.model.caller import Caller

CASE = {"issues": {"price": [0, 5, 10]}, "parties": {"buyer": 1, "seller": 1}, "fallback": {"price": 0}, "deadline_ms": 20_000, "about": {"order": 7}}
TABLES = {"buyer": {"price": {"0": 1, "5": 4, "10": 2}}, "seller": {"price": {"0": 0, "5": 2, "10": 3}}}


class Party:
    def __init__(self, name: str) -> None:
        self.name = name

    def utility(self) -> dict[str, dict[str, float]]:
        return TABLES[self.name]


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Workspace]:
    fleet = Fleet("market")
    for name in TABLES:
        fleet.party(Party(name), name=name, department="sales")
    async with Workspace(fleet, Settings("market", tmp_path / "tutti", grace=timedelta(0))) as workspace:
        yield workspace


async def opened(owner: httpx.AsyncClient, case: dict[str, Any] = CASE, **headers: str) -> str:
    reply = await owner.post("/v1/negotiations", json=case, headers=headers)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["negotiation"])


async def test_one_is_opened_ends_and_is_told(market: Workspace) -> None:
    async with as_caller(market) as owner:
        id = await opened(owner)
        waited = (await owner.get(f"/v1/tasks/{id}/wait")).json()
        assert (waited["task"]["state"], waited["task"]["output"]["outcome"]) == ("completed", {"price": 5})
        listed = (await owner.get("/v1/negotiations")).json()
        assert [(each["id"], each["state"], each["how"], each["rounds"], each["messages"]) for each in listed["negotiations"]] == [
            (id, "completed", "settled", 1, 2)
        ]
        told = (await owner.get(f"/v1/negotiations/{id}")).json()
        assert (told["opening"]["about"], told["settled"]["gains"]) == ({"order": 7}, {"buyer": 3.0, "seller": 2.0})
        assert [said["party"] for said in told["rounds_told"][0]["said"]] == ["buyer", "seller"]
        assert (await owner.get("/v1/negotiations/t-unknown")).status_code == 404
        why = (await owner.get(f"/v1/why/{id}")).json()
        assert any("gains" in sentence for sentence in why["negotiation"])


async def test_the_same_request_opens_one_and_pages_do_not_overlap(market: Workspace) -> None:
    key = {"Idempotency-Key": '"once"'}
    async with as_caller(market) as owner:
        first = await opened(owner, **key)
        assert await opened(owner, **key) == first
        second = await opened(owner)
        await market.quiet()
        page = (await owner.get("/v1/negotiations?limit=1")).json()
        assert [each["id"] for each in page["negotiations"]] == [second]
        page = (await owner.get(f"/v1/negotiations?limit=1&after={page['next']}")).json()
        assert [each["id"] for each in page["negotiations"]] == [first]


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"parties": {"nobody": 1}}, 400, "nobody takes part in no negotiation"),
        ({"parties": {"buyer": "much"}}, 400, "opens no negotiation"),
        ({"policy": [{"rule": "r", "when": "("}]}, 400, "is not CEL"),
        ({"deadline_ms": 0}, 400, "deadline_ms"),
        ({"colour": "red"}, 400, "colour"),
    ],
)
async def test_what_cannot_be_negotiated_is_told(market: Workspace, change: dict[str, Any], status: int, words: str) -> None:
    async with as_caller(market) as owner:
        reply = await owner.post("/v1/negotiations", json={**CASE, **change})
        assert (reply.status_code, words in reply.text) == (status, True), reply.text


async def test_who_may_not_read_tasks_reads_no_negotiation(market: Workspace) -> None:
    async with as_caller(market) as owner, as_caller(market, Caller("person/nobody")) as nobody, as_caller(market, Caller("person/vi", ("viewer",))) as viewer:
        id = await opened(owner)
        await market.quiet()
        assert (await viewer.post("/v1/negotiations", json=CASE)).status_code == 403
        assert (await viewer.get("/v1/negotiations")).status_code == 200
        assert (await nobody.get("/v1/negotiations")).status_code == 403
        assert (await nobody.get(f"/v1/negotiations/{id}")).status_code == 404


async def test_taking_over_is_for_who_may_settle_it_and_approve_what_needs_it(tmp_path: Path) -> None:
    class Silent:
        name = "buyer"

        async def score(self, outcomes: list[Any]) -> list[float]:
            await asyncio.sleep(600)
            return [0.0] * len(outcomes)

    fleet = Fleet("market")
    fleet.party(Silent(), name="buyer", department="sales")
    rules = {"policy": [{"rule": "never 10", "forbid": {"price": 10}}], "approval": [{"rule": "five needs a yes", "forbid": {"price": 5}}]}
    async with Workspace(fleet, Settings("market", tmp_path / "tutti", grace=timedelta(0))) as workspace:
        sam = Caller("person/sam", roles=("approver",))
        async with as_caller(workspace) as owner, as_caller(workspace, sam) as other, as_caller(workspace, Caller("person/eve", roles=("viewer",))) as eve:
            id = await workspace.negotiate(
                issues={"price": [0, 5, 10]}, parties=["buyer"], fallback={"price": 0}, deadline=timedelta(minutes=10), by=sam.id, **rules
            )  # fmt: skip
            while await workspace.journal.row("negotiation", (id,)) is None:
                await asyncio.sleep(0.01)
            path = f"/v1/negotiations/{id}/take-over"
            assert (await eve.post(path, json={"outcome": None})).status_code == 403
            refused = await owner.post(path, json={"outcome": {"price": 10}})
            assert (refused.status_code, "never 10" in refused.json()["detail"]) == (403, True)
            assert (await owner.post(path, json={"outcome": {"price": 7}})).status_code == 400
            own = await other.post(path, json={"outcome": {"price": 5}})
            assert (own.status_code, "asked for themselves" in own.json()["detail"]) == (403, True)
            done = await owner.post(path, json={"outcome": {"price": 5}, "note": "fine"})
            assert (done.json()["how"], done.json()["decided_by"], done.json()["settled"]["outcome"]) == ("person", "person/owner", {"price": 5})
            assert (await owner.post(path, json={"outcome": None})).status_code == 409
