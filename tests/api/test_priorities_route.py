"""Joint priorities over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from api_site import Call


async def waiting(call: Call, amount: int) -> str:
    status, body = await call("POST", "/v1/tasks", {"skill": "refund.pay", "input": {"amount": amount}})
    assert status == 201, body
    await call("GET", f"/v1/tasks/{body['task']}/wait?timeout_ms=20000")
    return str(body["task"])


async def test_ballots_become_one_order(call: Call) -> None:
    ids = [await waiting(call, amount) for amount in (20, 30, 40)]
    wish = [ids[2], ids[0], ids[1]]
    status, body = await call(
        "POST", "/v1/priorities", {"skill": "refund.pay", "ballots": {"sales": wish, "support": wish}, "must_precede": [[ids[0], ids[2]]]}
    )
    assert (status, body["schema"], body["exact"]) == (200, "tutti.priorities/1", True)
    assert [entry["task"] for entry in body["order"]] == [ids[0], ids[2], ids[1]]
    assert body["order"][1]["behind"] == [{"task": ids[0], "margin": 2.0, "why": "precedence", "cycle": []}]
    _, why = await call("GET", f"/v1/why/{ids[2]}")
    assert why["backlog"]["ranking"] == body["id"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"ballots": {}}, 400),
        ({"ballots": {"sales": []}}, 400),
        ({"tasks": ["t-none"], "ballots": {"sales": []}}, 404),
        ({"tasks": ["t-none"], "ballots": {"sales": []}, "most": 0}, 400),
        ({"tasks": ["t-none"], "ballots": {"sales": []}, "must_precede": [["a"]]}, 400),
    ],
)
async def test_what_cannot_be_ranked_is_refused(call: Call, body: Any, status: int) -> None:
    assert (await call("POST", "/v1/priorities", body))[0] == status
