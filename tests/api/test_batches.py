"""The stream in batches: seldom enough, complete, made once for all who may hear the same, and nothing kept for a reader who is slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import orjson
from api_site import as_caller

from tutti import Workspace
from tutti.api.batches import Batches
from tutti.api.changes import Audience, change_of
from tutti.model.caller import OWNER, Caller
from tutti.model.fact import Fact

BATCH_MS = 20


def batches(workspace: Workspace, stopping: asyncio.Event | None = None, **bounds: Any) -> Batches:
    """Batches that follow the journal."""
    audience = Audience(workspace)
    made = Batches(workspace, audience, stopping or asyncio.Event(), **bounds)

    def follow(facts: list[Fact]) -> None:
        audience.follow(facts)
        made.put([change_of(fact) for fact in facts])

    workspace.journal.on_facts.append(follow)
    return made


def parsed(block: bytes) -> list[tuple[str, dict[str, Any]]]:
    found = []
    for event in block.split(b"\n\n"):
        fields = dict(line.split(b": ", 1) for line in event.strip().split(b"\n") if b": " in line)
        if b"event" in fields:
            data = orjson.loads(fields[b"data"])
            assert int(fields[b"id"]) == data["seq"]
            found.append((fields[b"event"].decode(), data))
    return found


async def until(stream: AsyncIterator[bytes], kind: str, times: int = 1) -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    async with asyncio.timeout(30):
        async for block in stream:
            found += parsed(block)
            if [*(name for name, _ in found), *(change["kind"] for change in changes(found))].count(kind) >= times:
                break
    return found


def changes(found: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [change for _, data in found for change in data.get("changes", ())]


async def test_batches_hold_every_change_in_order_and_no_words(workspace: Workspace) -> None:
    began = workspace.journal.head.seq
    made = batches(workspace)
    live, found = made.stream(OWNER, None, BATCH_MS), []
    found += parsed(await anext(live))
    reading = asyncio.create_task(until(live, "task.completed", 20))
    for number in range(20):
        await workspace.result(await workspace.submit("ticket.triage", {"text": f"{number} a secret word"}, subject="account/7"))
    found += await reading
    told = changes(found)
    assert [change["seq"] for change in told] == list(range(began + 1, told[-1]["seq"] + 1))
    assert sum(change["kind"] == "task.completed" for change in told) == 20
    assert found[0][0] == "beat", "the server's time and place come first"
    assert "secret" not in str(told)
    assert "account/7" not in str(told)


async def test_batches_come_seldom(workspace: Workspace) -> None:
    loop = asyncio.get_running_loop()
    stream, times = batches(workspace).stream(OWNER, None, 200), []

    async def read() -> None:
        async for block in stream:
            times.extend(loop.time() for name, _ in parsed(block) if name == "changes")

    began = loop.time()
    reading = asyncio.create_task(read())
    async with asyncio.timeout(60):
        while len(times) < 6:
            await workspace.result(await workspace.submit("ticket.triage", {"text": "x"}))
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    # A starved reader may find two at once, but never more than have been sent; there are many changes in each.
    assert len(times) <= (times[-1] - began) / 0.2 + 2, times


async def test_a_change_says_who_and_where(workspace: Workspace) -> None:
    stream = batches(workspace).stream(OWNER, None, BATCH_MS)
    await anext(stream)
    reading = asyncio.create_task(until(stream, "approval.requested"))
    await workspace.submit("ticket.triage", {"text": "money back", "refund": 700})
    told = changes(await reading)
    first, started, proposed = (next(c for c in told if c["kind"] == "task.submitted"), next(c for c in told if c["kind"] == "run.started"), told[-1])
    assert (first["skill"], first["department"], first["state"], first.get("from")) == ("ticket.triage", "support", "submitted", "person")
    assert (started["agent"], started["attempt"], len(started["version"]) > 0) == ("triage", 1, True)
    child = [change for change in told if change["kind"] == "task.submitted"][-1]
    assert (child["skill"], child["from"], child["department"]) == ("refund.pay", "triage", "finance")
    assert (proposed["kind"], proposed["agent"], proposed["task"]) == ("approval.requested", "pay", child["task"])


async def test_a_batch_is_made_once_for_all_who_may_hear_the_same(workspace: Workspace) -> None:
    made = batches(workspace)
    vera = Caller("person/vera", ("viewer",), ("finance",))
    streams = [made.stream(caller, None, BATCH_MS) for caller in (OWNER, Caller("person/ann", ("operator",)), vera)]
    for stream in streams:
        await anext(stream)
    reading = [asyncio.create_task(anext(stream)) for stream in streams]
    for skill, input in (("ticket.triage", {"text": "1"}), ("refund.pay", {"amount": 1})):
        await workspace.submit(skill, input)
    first, second, hers = [await task for task in reading]
    assert first is second
    assert {change["skill"] for change in changes(parsed(hers)) if "skill" in change and change["kind"] == "task.submitted"} == {"refund.pay"}


async def test_who_comes_back_gets_what_they_missed_or_is_told_to_read_anew(workspace: Workspace) -> None:
    made = batches(workspace, missed=30)
    before = workspace.journal.head.seq
    await workspace.result(await workspace.submit("ticket.triage", {"text": "1"}))
    head = workspace.journal.head.seq
    back = await until(made.stream(OWNER, before, BATCH_MS), "changes")
    assert [change["seq"] for change in changes(back)] == list(range(before + 1, head + 1))
    for number in range(10):
        await workspace.result(await workspace.submit("ticket.triage", {"text": str(number)}))
    late = await until(made.stream(OWNER, before, BATCH_MS), "resync")
    assert [(name, data["seq"]) for name, data in late] == [("beat", before), ("resync", workspace.journal.head.seq)]
    ahead = await until(made.stream(OWNER, 10**12, BATCH_MS), "resync")
    assert [data["seq"] for _, data in ahead] == [workspace.journal.head.seq] * 2, "who is ahead of the journal has read another one"


async def test_a_slow_reader_falls_out_of_the_ring_and_goes_on_from_now(workspace: Workspace) -> None:
    made = batches(workspace, ring=20)
    slow = made.stream(OWNER, None, BATCH_MS)
    await anext(slow)
    for number in range(10):
        await workspace.result(await workspace.submit("ticket.triage", {"text": str(number)}))
    assert len(made._ring) == 20
    assert [(name, data["seq"]) for name, data in parsed(await anext(slow))] == [("resync", workspace.journal.head.seq)]
    reading = asyncio.create_task(until(slow, "task.completed"))
    await asyncio.sleep(0)
    last = await workspace.submit("ticket.triage", {"text": "after"})
    assert {change["task"] for change in changes(await reading)} == {last}


async def test_a_large_burst_comes_in_parts(workspace: Workspace) -> None:
    made = batches(workspace)
    stream = made.stream(OWNER, None, BATCH_MS)
    await anext(stream)
    first = workspace.journal.head.seq + 1
    facts = [Fact(first + number, 0, "task.noted", f"t-{number}", "x", None, {}) for number in range(2500)]
    made.put([change_of(fact) for fact in facts])
    sizes = [len(changes(parsed(await anext(stream)))) for _ in range(3)]
    assert sizes == [1000, 1000, 500]


async def test_it_beats_in_silence_and_ends_with_the_process(workspace: Workspace) -> None:
    stopping = asyncio.Event()
    made = batches(workspace, stopping, beat_s=0.05)
    stream = made.stream(OWNER, None, BATCH_MS)
    found = await until(stream, "beat", 3)
    assert {(name, data["seq"]) for name, data in found} == {("beat", workspace.journal.head.seq)}
    assert len({data["at"] for _, data in found}) == 3
    sender = made.stream(Caller("service/crm", ("sender",)), None, BATCH_MS)
    await anext(sender)
    reading = asyncio.create_task(until(sender, "beat"))
    await workspace.result(await workspace.submit("ticket.triage", {"text": "not theirs"}))
    assert {name for name, _ in await reading} == {"beat"}, "what they may not hear of is silence"
    stopping.set()
    async with asyncio.timeout(30):
        assert [name async for block in stream for name, _ in parsed(block) if name != "beat"] == []
        assert [name async for block in sender for name, _ in parsed(block) if name != "beat"] == []
    assert made.readers == set()
    assert made._paces == {}


async def test_the_route_bounds_the_pace(workspace: Workspace) -> None:
    async with as_caller(workspace) as client:
        for pace in ("0", "19", "10001", "x", "-5"):
            assert (await client.get(f"/v1/events?batch_ms={pace}")).status_code == 400
    async with as_caller(workspace, Caller("person/nobody")) as client:
        answer: httpx.Response = await client.get("/v1/events?batch_ms=100")
        assert answer.status_code == 403
