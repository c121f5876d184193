"""A message that comes in by A2A and goes out by A2A: the agent outside gets the sender's message id and metadata as they were."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from client_site import Scripted, task
from server_site import message, site

from tutti import Fleet
from tutti.transports.a2a import wire

METADATA = {"trace": "abc", "count": 3, "share": 0.25, "deep": {"list": [1, "two", None, True]}, "urn:example:thing": "x"}


async def test_id_and_metadata_go_through_unchanged(tmp_path: Path) -> None:
    agent = Scripted(SendMessage=lambda params, request: {"task": task("COMPLETED", output="done")})
    async with agent.up() as url:
        fleet = Fleet("through")
        fleet.remote(url, department="support", owner="ana@example.com")
        async with site(fleet, tmp_path, workspace="through") as served:
            sent = message("thing.do", "hello")
            sent["metadata"] = {**sent.get("metadata", {}), **METADATA}
            answered = await served.result("SendMessage", {"message": sent})
            assert answered["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
            [(_, params, headers)] = agent.calls
            got = params["message"]
            assert got["messageId"] == sent["messageId"]
            assert {name: value for name, value in got["metadata"].items() if name not in ("skill", wire.RUN)} == METADATA
            assert isinstance(got["metadata"]["count"], int)
            assert (got["metadata"]["skill"], got["metadata"][wire.RUN]["task"]) == ("thing.do", answered["task"]["id"])
            assert headers["Idempotency-Key"] == answered["task"]["id"]
            assert answered["task"]["history"][0]["metadata"]["trace"] == "abc"


async def test_what_is_tuttis_own_in_the_metadata_is_not_the_senders_to_say(tmp_path: Path) -> None:
    agent = Scripted(SendMessage=lambda params, request: {"task": task("COMPLETED", output="done")})
    async with agent.up() as url:
        fleet = Fleet("through")
        fleet.remote(url, department="support", owner="ana@example.com", skills={"thing.do": {"as_": "stuff.do"}})
        async with site(fleet, tmp_path, workspace="through") as served:
            sent = message("stuff.do", "hello")
            sent["metadata"] = {**sent.get("metadata", {}), wire.RUN: {"task": "t-forged", "attempt": 9}}
            answered = await served.result("SendMessage", {"message": sent})
            got = agent.calls[0][1]["message"]["metadata"]
            assert (got["skill"], got[wire.RUN]) == ("thing.do", {"task": answered["task"]["id"], "attempt": 1})


FILE = {"url": "https://example.com/a.pdf", "mediaType": "application/pdf", "filename": "a.pdf"}
SCAN = {"raw": "aGk=", "mediaType": "text/plain", "metadata": {"page": 1}}


@pytest.mark.parametrize("parts", [[FILE], [{"text": "Read this"}, FILE, SCAN], [{"text": "Price it"}, {"data": {"sku": "a", "n": 2}}]])
async def test_files_and_mixed_parts_go_through_as_parts(tmp_path: Path, parts: list[dict[str, Any]]) -> None:
    agent = Scripted(SendMessage=lambda params, request: {"task": task("COMPLETED", output="done")})
    async with agent.up() as url:
        fleet = Fleet("through")
        fleet.remote(url, department="support", owner="ana@example.com")
        async with site(fleet, tmp_path, workspace="through") as served:
            answered = await served.result("SendMessage", {"message": {**message("thing.do", "x"), "parts": parts}})
            assert answered["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
            assert agent.calls[0][1]["message"]["parts"] == parts
            row = await served.workspace.task(answered["task"]["id"])
            assert row["input"] == wire.value_of(parts), "and stands in the record as values"
