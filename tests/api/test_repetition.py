"""Requests under a key are done once, whoever repeats them, however often at once, and after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from api_site import as_caller, make_fleet

from tutti import Settings, Workspace
from tutti.model.caller import Caller

TASK = {"skill": "refund.pay", "input": {"amount": 5}}
EVENT = {"specversion": "1.0", "id": "1", "source": "/helpdesk", "type": "ticket.opened", "subject": "account/7", "data": {"text": "hello"}}
Post = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def client(workspace: Workspace) -> httpx.AsyncClient:
    return as_caller(workspace)


async def count(workspace: Workspace, kind: str) -> int:
    return len(await workspace.facts(kind=kind, limit=1000))


async def test_fifty_at_once_are_one_task(workspace: Workspace, client: httpx.AsyncClient) -> None:
    answers = await asyncio.gather(*(client.post("/v1/tasks", json=TASK, headers={"idempotency-key": "k1"}) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["task"] for answer in answers}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
    assert await count(workspace, "task.submitted") == 1


async def test_fifty_at_once_on_two_apps_are_one_task(workspace: Workspace) -> None:
    """As two nodes on one journal: nothing in the process holds them apart, only the append does."""
    clients = [as_caller(workspace), as_caller(workspace)]
    answers = await asyncio.gather(*(clients[n % 2].post("/v1/tasks", json=TASK, headers={"idempotency-key": "k1"}) for n in range(50)))
    assert len({answer.json()["task"] for answer in answers}) == 1
    assert await count(workspace, "task.submitted") == 1


async def test_the_key_belongs_to_one_request_of_one_caller(workspace: Workspace, client: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "k1"}
    first = await client.post("/v1/tasks", json=TASK, headers=key)
    other = await client.post("/v1/tasks", json={**TASK, "input": {"amount": 6}}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "conflict")
    elsewhere = await client.post("/v1/signals", json=EVENT, headers=key)
    assert elsewhere.status_code == 409
    ana = as_caller(workspace, Caller("person/ana", ("operator",)))
    theirs = await ana.post("/v1/tasks", json=TASK, headers=key)
    assert (theirs.status_code, "idempotency-replayed" in theirs.headers) == (201, False)
    assert theirs.json()["task"] != first.json()["task"]
    assert (await client.post("/v1/tasks", json=TASK, headers={"idempotency-key": "with blank"})).status_code == 400


async def test_signals_and_what_people_do_are_answered_again(workspace: Workspace, client: httpx.AsyncClient) -> None:
    first = await client.post("/v1/signals", json=EVENT, headers={"idempotency-key": "s"})
    again = await client.post("/v1/signals", json=EVENT, headers={"idempotency-key": "s"})
    assert (again.status_code, again.json()) == (201, first.json())  # without the key it would be known already, 200
    task = first.json()["tasks"][0]
    await workspace.result(task)
    rated = [await client.post(f"/v1/tasks/{task}/rating", json={"quality": 0.5}, headers={"idempotency-key": "r"}) for _ in range(2)]
    assert rated[0].json() == rated[1].json()
    assert rated[1].headers["idempotency-replayed"] == "true"
    assert len([fact for fact in await workspace.facts(kind="task.judged") if fact["by"] == "person/owner"]) == 1


async def test_what_failed_is_tried_again(client: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "k"}
    assert (await client.post("/v1/tasks/t-no/cancel", headers=key)).status_code == 404
    assert (await client.post("/v1/tasks", json=TASK, headers=key)).status_code == 201


async def test_a_restart_forgets_nothing_and_an_erasure_does(tmp_path: Path) -> None:
    settings = Settings("support", tmp_path / "tutti", grace=timedelta(0))
    body: dict[str, Any] = {**TASK, "subject": "account/7"}
    async with Workspace(make_fleet(), settings) as workspace:
        first = await as_caller(workspace).post("/v1/tasks", json=body, headers={"idempotency-key": "k1"})
    async with Workspace(make_fleet(), settings) as workspace:
        client = as_caller(workspace)
        again = await client.post("/v1/tasks", json=body, headers={"idempotency-key": "k1"})
        assert (again.json(), again.headers["idempotency-replayed"]) == (first.json(), "true")
        assert await count(workspace, "task.submitted") == 1
        await workspace.erase("account/7")
        erased = await client.post("/v1/tasks", json=body, headers={"idempotency-key": "k1"})
        assert (erased.status_code, "erased" in erased.json()["detail"]) == (409, True)
