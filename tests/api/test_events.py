"""The stream of changes: everything in order, resumed where it stopped, only what one may know, never more than a bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson

from tutti import Workspace
from tutti.api.events import Events
from tutti.model.caller import OWNER, Caller

Event = tuple[str, int, dict[str, Any]]


def parsed(block: bytes) -> Event:
    fields = dict(line.split(b": ", 1) for line in block.strip().split(b"\n"))
    return fields[b"event"].decode(), int(fields[b"id"]), orjson.loads(fields[b"data"])


async def until(stream: AsyncIterator[bytes], kind: str) -> list[Event]:
    found: list[Event] = []
    async with asyncio.timeout(30):
        async for block in stream:
            if not block.startswith(b":"):
                found.append(parsed(block))
                if found[-1][2].get("kind", "resync") == kind:
                    return found
    return found


async def test_changes_come_in_order_and_say_no_words(workspace: Workspace) -> None:
    stream = Events(workspace, asyncio.Event()).stream(OWNER, None)
    await anext(stream)
    id = await workspace.submit("ticket.triage", {"text": "a secret word"}, subject="account/7")
    events = await until(stream, "task.completed")
    assert [number for _, number, _ in events] == sorted({number for _, number, _ in events})
    states = [event["state"] for _, _, event in events if event.get("task") == id and "state" in event]
    assert states == ["submitted", "working", "completed"]
    said = {"seq", "at", "kind", "about", "task", "state", "agent", "version", "skill", "department", "attempt", "from"}
    assert all(set(event) <= said for _, _, event in events)
    assert "secret" not in str(events)
    assert "account/7" not in str(events)


async def test_who_comes_back_gets_what_they_missed(workspace: Workspace) -> None:
    events = Events(workspace, asyncio.Event())
    await workspace.result(await workspace.submit("ticket.triage", {"text": "1"}))
    whole = await until(events.stream(OWNER, 0), "task.completed")
    assert [number for _, number, _ in whole] == list(range(1, whole[-1][1] + 1))
    middle = whole[len(whole) // 2][1]
    assert await until(events.stream(OWNER, middle), "task.completed") == [event for event in whole if event[1] > middle]


async def test_who_is_ahead_of_the_journal_is_told_to_begin_anew(workspace: Workspace) -> None:
    head = workspace.journal.head.seq
    [(name, number, said)] = await until(Events(workspace, asyncio.Event()).stream(OWNER, 10**12), "resync")
    assert (name, number, said) == ("resync", head, {"seq": head})


async def test_each_caller_hears_of_what_they_may_read(workspace: Workspace) -> None:
    events = Events(workspace, asyncio.Event())
    crm, vera = Caller("service/crm", ("sender",)), Caller("person/vera", ("viewer",), ("finance",))
    streams = [events.stream(caller, 0) for caller in (crm, vera)]
    for stream in streams:
        await anext(stream)
    other = await workspace.submit("ticket.triage", {"text": "not theirs"})
    own = await workspace.submit("ticket.triage", {"text": "theirs"}, by=crm.id)
    paid = await workspace.submit("refund.pay", {"amount": 1})
    for id in (other, own, paid):
        await workspace.result(id)
    heard = [{event["task"] for _, _, event in await until(stream, "task.completed")} for stream in streams]
    assert heard == [{own}, {paid}]


async def test_a_slow_reader_is_bounded_and_told_to_begin_anew(workspace: Workspace) -> None:
    events = Events(workspace, asyncio.Event(), most=10)
    slow, quick = events.stream(OWNER, None), events.stream(OWNER, None)
    await anext(slow)
    await anext(quick)
    waiting = asyncio.create_task(until(quick, "task.completed"))
    first = await workspace.submit("ticket.triage", {"text": "1"})
    await workspace.result(first)
    await waiting  # who reads hears all of it
    for number in range(10):
        await workspace.result(await workspace.submit("ticket.triage", {"text": str(number)}))
    assert all(len(reader.changes) <= 10 for reader in events._readers)
    told = parsed(await anext(slow))
    assert (told[0], told[1]) == ("resync", workspace.journal.head.seq)
    last = await workspace.submit("ticket.triage", {"text": "after"})
    assert {event["task"] for _, _, event in await until(slow, "task.completed")} == {last}


async def test_a_stream_ends_when_its_callers_rights_change_and_at_the_end_of_its_session(workspace: Workspace) -> None:
    await workspace.accounts.add("person/ana", ["viewer"])
    await workspace.accounts.add("person/bob", ["viewer"])
    events = Events(workspace, asyncio.Event())
    ana, bob = Caller("person/ana", ("viewer",)), Caller("person/bob", ("viewer",))
    told = [events.stream(ana, None), events.batches.stream(ana, None, 20), events.stream(bob, None), events.batches.stream(bob, None, 20)]
    reading = [asyncio.create_task(_all(stream)) for stream in told]
    await asyncio.sleep(0)
    await workspace.accounts.change("person/ana", roles=["sender"])
    async with asyncio.timeout(30):
        await asyncio.gather(*reading[:2])
    assert (events.readers, [task.done() for task in reading]) == (2, [True, True, False, False])
    token = await workspace.accounts.issue_token("person/bob")
    await workspace.accounts.revoke(token["id"])
    async with asyncio.timeout(30):
        await asyncio.gather(*reading[2:])
    over = workspace.clock.now() - 1
    async with asyncio.timeout(30):
        assert len(await _all(events.stream(bob, None, over))) == len(await _all(events.batches.stream(bob, None, 20, over))) == 1
    assert events.readers == 0


async def _all(stream: AsyncIterator[bytes]) -> list[bytes]:
    return [block async for block in stream]


async def test_it_beats_and_ends_with_the_process(workspace: Workspace) -> None:
    stopping = asyncio.Event()
    events = Events(workspace, stopping, beat_s=0.01)
    stream = events.stream(OWNER, None)
    await anext(stream)
    assert await asyncio.wait_for(anext(stream), 30) == b": alive\n\n"
    stopping.set()
    async with asyncio.timeout(30):
        assert [block async for block in stream if not block.startswith(b":")] == []
    assert events.readers == 0
