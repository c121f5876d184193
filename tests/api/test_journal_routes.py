"""The record over HTTP: pages from either end, and everything that a browser needs to check it without trusting the server."""

from __future__ import annotations

import asyncio
import re
from hashlib import sha256
from typing import Any

import orjson
from api_site import Call, as_caller
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tutti import Workspace
from tutti.journal import pages
from tutti.journal.merkle import root_of
from tutti.model.caller import Caller


async def worked(workspace: Workspace) -> None:
    for number in range(8):
        await workspace.result(await workspace.submit("ticket.triage", {"text": str(number)}, by="person/ana" if number % 2 else "service/crm"))
    await workspace.quiet()


async def get(call: Call, path: str) -> Any:
    status, body = await call("GET", path)
    assert status == 200, body
    return body


async def test_facts_come_from_either_end(call: Call, workspace: Workspace) -> None:
    await worked(workspace)
    every = await get(call, "/v1/journal/facts?limit=1000")
    head = workspace.journal.head.seq
    assert [fact["seq"] for fact in every] == list(range(1, head + 1))
    newest = await get(call, f"/v1/journal/facts?before={head + 1}&limit=5")
    assert newest == every[::-1][:5]
    assert await get(call, f"/v1/journal/facts?before={newest[-1]['seq']}&limit=1000") == every[::-1][5:]
    runs = await get(call, f"/v1/journal/facts?before={head + 1}&kinds=run.,task.judged&limit=1000")
    assert runs == [fact for fact in every[::-1] if fact["kind"].startswith(("run.", "task.judged"))]
    hers = await get(call, "/v1/journal/facts?by=person/ana")
    assert {fact["kind"] for fact in hers} == {"task.submitted"}
    assert len(hers) == 4
    people = await get(call, "/v1/journal/facts?by=person/&limit=1000")
    assert people == [fact for fact in every if fact["by"].startswith("person/")]
    instant = every[len(every) // 2]["at"]
    later = await get(call, f"/v1/journal/facts?since={instant}&limit=1000")
    assert [fact["seq"] for fact in later] == [fact["seq"] for fact in every if fact["at"] >= instant]
    earlier = await get(call, f"/v1/journal/facts?until={instant}&limit=1000")
    assert len(earlier) + len(later) == len(every)
    for wrong in ("before=0", "before=x", "since=2026-11-22T10:00:00", "limit=1001", "after=-1"):
        assert (await call("GET", f"/v1/journal/facts?{wrong}"))[0] == 400, wrong


async def test_a_short_page_links_to_the_rest(workspace: Workspace, monkeypatch: Any) -> None:
    await worked(workspace)
    monkeypatch.setattr(pages, "STRETCH", 10)
    head = workspace.journal.head.seq
    async with as_caller(workspace) as client:
        path, found, walked = f"/v1/journal/facts?before={head + 1}&by=service/crm&kinds=task.submitted", [], 0
        while path:
            answer = await client.get(path)
            found += answer.json()
            link = re.fullmatch(r'<(/v1/journal/facts\?.*)>; rel="next"', answer.headers.get("link", ""))
            path, walked = link[1] if link else "", walked + 1
        assert (len(found), walked > 1) == (4, True)


async def test_a_browser_can_check_leaves_root_and_signature(call: Call, workspace: Workspace) -> None:
    await worked(workspace)
    async with asyncio.timeout(30):
        while ((await workspace.leaves(limit=1))["head"] or {"seq": 0})["seq"] < workspace.journal.head.seq:  # it is signed within a second
            await asyncio.sleep(0.05)
    leaves: list[dict[str, Any]] = []
    while True:
        page = await get(call, f"/v1/journal/leaves?after={len(leaves)}&limit=30")
        leaves += page["leaves"]
        if not page["leaves"]:
            break
    head = page["head"]
    hashed = [sha256(b"\0" + leaf["content"].encode()).digest() for leaf in leaves]
    assert [digest.hex() for digest in hashed] == [leaf["leaf"] for leaf in leaves]
    assert root_of(hashed[: head["seq"]]).hex() == head["root"]
    assert head["seq"] == len(leaves)
    said = orjson.loads(head["statement"].removeprefix("tutti head 1\n"))
    assert (said["root"], said["seq"], said["origin"]) == (head["root"], head["seq"], head["origin"])
    Ed25519PublicKey.from_public_bytes(bytes.fromhex(head["key"])).verify(bytes.fromhex(head["signature"]), head["statement"].encode())
    facts = await get(call, "/v1/journal/facts?limit=1000")
    for fact, leaf in zip(facts, leaves, strict=True):
        header, _, data = leaf["content"].partition("\n")
        assert (orjson.loads(header)[3:6], orjson.loads(data), fact["leaf"]) == ([fact["kind"], fact["about"], fact["by"]], fact["data"], leaf["leaf"])
    assert (await get(call, "/v1/journal/heads?before=100000&limit=1"))[0] == head


async def test_only_who_may_read_the_journal_gets_leaves(workspace: Workspace) -> None:
    async with as_caller(workspace, Caller("person/vera", ("viewer",), ("finance",))) as client:
        for path in ("/v1/journal/leaves", "/v1/journal/facts?before=10", "/v1/journal/heads?before=10"):
            assert (await client.get(path)).status_code == 403
