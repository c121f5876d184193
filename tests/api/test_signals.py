"""Signals in every form of CloudEvents over HTTP, and how many tasks are let in."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from api_site import as_caller, make_fleet

from tutti import Settings, Workspace
from tutti.model.caller import Caller

EVENT = {"specversion": "1.0", "id": "1", "source": "/helpdesk", "type": "ticket.opened", "subject": "account/7", "data": {"text": "hello"}}
BINARY = {"ce-specversion": "1.0", "ce-id": "b1", "ce-source": "/helpdesk", "ce-type": "ticket.opened", "ce-subject": "account%2F%C3%A4", "ce-priority": "5"}


@pytest.fixture
def client(workspace: Workspace) -> httpx.AsyncClient:
    return as_caller(workspace)


async def test_structured_and_binary(workspace: Workspace, client: httpx.AsyncClient) -> None:
    structured = await client.post("/v1/signals", json=EVENT, headers={"content-type": "application/cloudevents+json; charset=utf-8"})
    assert structured.status_code == 201
    binary = await client.post("/v1/signals", json={"text": "in headers"}, headers=BINARY)
    assert binary.status_code == 201, binary.text
    task = await workspace.task(binary.json()["tasks"][0])
    assert (task["subject"], task["priority"], task["input"]) == ("account/ä", 5, {"text": "in headers"})
    again = await client.post("/v1/signals", json={"text": "in headers"}, headers=BINARY)
    assert (again.status_code, again.json()["duplicate"]) == (200, True)


async def test_a_batch_says_of_each_how_it_went(client: httpx.AsyncClient) -> None:
    events = [{**EVENT, "id": "1"}, {"type": "wrong"}, {**EVENT, "id": "2"}, {**EVENT, "id": "1"}]
    answer = await client.post("/v1/signals", json=events, headers={"content-type": "application/cloudevents-batch+json"})
    said = answer.json()
    assert (answer.status_code, said["taken"]) == (200, 3)
    assert said["signals"][1]["problem"]["status"] == 400
    assert sorted(each["duplicate"] for each in (said["signals"][0], said["signals"][3])) == [False, True]
    for body in ({"a": 1}, [EVENT] * 1001):
        refused = await client.post("/v1/signals", json=body, headers={"content-type": "application/cloudevents-batch+json"})
        assert refused.status_code == 400


async def test_other_types_are_not_taken(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/signals", content=b"<a/>", headers={"content-type": "application/xml"})).status_code == 415
    assert (await client.post("/v1/signals", content=b"x", headers={**BINARY, "content-type": "image/png"})).status_code == 415
    assert (await client.post("/v1/signals", content=b"\xff", headers={**BINARY, "content-type": "text/plain"})).status_code == 400


async def test_who_sends_for_one_department_names_it(workspace: Workspace) -> None:
    crm = as_caller(workspace, Caller("service/crm", ("sender",), ("support",)))
    assert (await crm.post("/v1/signals", json=EVENT)).status_code == 403
    assert (await crm.post("/v1/signals", json={**EVENT, "department": "finance"})).status_code == 403
    assert (await crm.post("/v1/signals", json={**EVENT, "department": "support"})).status_code == 201
    batch = await crm.post(
        "/v1/signals",
        json=[{**EVENT, "id": "x"}, {**EVENT, "id": "y", "department": "support"}],
        headers={"content-type": "application/cloudevents-batch+json"},
    )
    assert batch.json()["taken"] == 1


async def test_a_full_queue_says_when_to_come_again(tmp_path: Path) -> None:
    async with Workspace(make_fleet(), Settings("support", tmp_path / "tutti", queue=5, slots=1)) as workspace:
        client = as_caller(workspace)
        await workspace.result(await workspace.submit("ticket.triage", {"text": "a pace to measure"}))
        statuses = []
        workspace.corridor.traffic._slots = 0  # nothing is begun from now on
        for number in range(8):
            answer = await client.post("/v1/tasks", json={"skill": "ticket.triage", "input": {"text": str(number)}})
            statuses.append(answer.status_code)
        assert statuses == [201] * 5 + [429] * 3
        assert answer.headers["content-type"] == "application/problem+json"
        assert 1 <= int(answer.headers["retry-after"]) <= 300
        assert answer.json()["code"] == "overloaded"
        kept = await client.post("/v1/signals", json=EVENT)
        assert kept.status_code == 429
        assert len((await workspace.tasks())["tasks"]) == 6
        workspace.corridor.traffic._slots = 1
        workspace.corridor.traffic.pump()
        await workspace.quiet()
        assert (await client.post("/v1/signals", json=EVENT)).status_code == 201
