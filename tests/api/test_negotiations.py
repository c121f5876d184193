"""Negotiations over HTTP: opened once, listed, told to those who may know."""

from __future__ import annotations

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
