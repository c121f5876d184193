"""Streams: the journal's facts as events, the same ones for everybody, in order, over restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from server_site import Gate, Site, make_fleet, message, site, states, until

from tutti.api.a2a.feed import Feed, Progress
from tutti.model.fact import Fact


async def read(served: Site, method: str, params: dict[str, Any], **how: Any) -> list[dict[str, Any]]:
    return [event async for event in served.stream(method, params, **how)]


async def test_a_stream_begins_with_the_task_and_ends_with_its_end(served: Site):
    events = await read(served, "SendStreamingMessage", {"message": message("ticket.triage", "help!")})
    assert states(events) == ["task:working", "artifact", "completed"]
    task = events[0]["task"]
    assert {event[name]["taskId"] for event in events[1:] for name in event} == {task["id"]}
    assert {event[name]["contextId"] for event in events[1:] for name in event} == {task["contextId"]}
    got = await served.result("GetTask", {"id": task["id"]})
    assert got["artifacts"][0] == events[-2]["artifactUpdate"]["artifact"]
    assert got["status"]["timestamp"] == events[-1]["statusUpdate"]["status"]["timestamp"]


async def test_a_question_ends_the_stream_and_the_answers_stream_goes_on(served: Site):
    first = await read(served, "SendStreamingMessage", {"message": message("ticket.ask", "x")})
    assert states(first) == ["task:working", "input_required"]
    said = first[-1]["statusUpdate"]["status"]["message"]
    assert said["parts"][0]["text"] == "Which account?"
    id = first[0]["task"]["id"]
    assert (await served.result("GetTask", {"id": id}))["status"]["message"]["messageId"] == said["messageId"]
    second = await read(served, "SendStreamingMessage", {"message": message("", "42", task=id)})
    assert states(second) == ["task:working", "input_required"]
    third = await read(served, "SendStreamingMessage", {"message": message("", "yes", task=id)})
    assert states(third) == ["task:working", "artifact", "completed"]


async def test_being_let_in_does_not_end_the_stream(served: Site):
    reading = asyncio.create_task(read(served, "SendStreamingMessage", {"message": message("door.open", "x")}))
    table = served.workspace.journal.hot.table("task")
    await until(lambda: [row for row in table.values() if row["stage"] == "asking"])
    await served.workspace.answer(next(iter(table))[0], "ana")
    assert states(await reading) == ["task:working", "auth_required", "working", "artifact", "completed"]


async def test_a_subscriber_sees_an_approval_through(served: Site):
    task = await served.send("refund.pay", {"amount": 50})
    reading = asyncio.create_task(read(served, "SubscribeToTask", {"id": task["id"]}))
    await until(lambda: _watched(served, task["id"]) == 1)
    await served.workspace.answer_as_owner(task["id"], "approve")
    assert states(await reading) == ["task:input_required", "submitted", "working", "artifact", "completed"]
    assert await served.error("SubscribeToTask", {"id": task["id"]}) == (-32004, "UNSUPPORTED_OPERATION")


def _watched(served: Site, id: str) -> int:
    """How many watch a task."""
    listeners = [each.__self__ for each in served.workspace.journal.on_facts if isinstance(getattr(each, "__self__", None), Feed)]
    return len(listeners[0]._watches.get(id, ()))


async def test_all_subscribers_see_the_same_in_the_same_order(served: Site, gate: Gate):
    task = await served.send("slow.work", "x", configuration={"returnImmediately": True})
    await asyncio.wait_for(gate.entered.wait(), 30)
    told: list[list[dict[str, Any]]] = [[] for _ in range(8)]

    async def follow(heard: list[dict[str, Any]]) -> None:
        async for event in served.stream("SubscribeToTask", {"id": task["id"]}):
            heard.append(event)

    reading = [asyncio.create_task(follow(heard)) for heard in told]
    await until(lambda: _watched(served, task["id"]) == 8)
    others = [served.send("text.echo", str(number)) for number in range(20)]
    await asyncio.gather(*others)
    await until(lambda: all(len(heard) == 2 for heard in told))  # the agent's words on its progress are looked at four times a second
    gate.opened.set()
    await asyncio.gather(*reading)
    assert all(each == told[0] for each in told)
    assert states(told[0])[:2] == ["task:working", "working"]  # the second one is the progress
    assert told[0][1]["statusUpdate"]["metadata"] == {"urn:tutti:progress": 0.5}
    assert told[0][1]["statusUpdate"]["status"]["message"]["parts"][0]["text"] == "half way"
    assert states(told[0])[2:] == ["artifact", "completed"]
    assert _watched(served, task["id"]) == 0


async def test_many_streams_at_once_keep_their_order(served: Site):
    told = await asyncio.gather(*(read(served, "SendStreamingMessage", {"message": message("text.echo", str(number))}) for number in range(30)))
    for number, events in enumerate(told):
        assert states(events)[-3:] in (["task:working", "artifact", "completed"], ["working", "artifact", "completed"])  # some had to wait
        assert events[-2]["artifactUpdate"]["artifact"]["parts"][0]["text"] == f"You said: {number}"


async def test_a_reader_that_does_not_read_is_dropped_and_told_so(served: Site):
    feed = Feed(served.workspace, asyncio.Event())
    with feed.watch("t-1") as slow, feed.watch("t-1") as quick:
        for seq in range(1, 400):
            feed._follow([Fact(seq, seq, "run.started", "t-1", "tutti", None, {})])
            assert [fact.seq for fact in quick.take() if not isinstance(fact, Progress)] == [seq]
        assert slow.lost
        assert await slow.next() == []
        assert len(slow._found) == 256
    await feed.close()


async def test_a_client_that_goes_away_leaves_nothing_behind(served: Site, gate: Gate):
    stream = served.stream("SendStreamingMessage", {"message": message("slow.work", "x")})
    task = (await anext(stream))["task"]
    await until(lambda: _watched(served, task["id"]) == 1)
    await stream.aclose()
    await until(lambda: _watched(served, task["id"]) == 0)
    gate.opened.set()
    assert await served.workspace.result(task["id"]) == "done at last"


async def test_stopping_ends_streams_and_the_next_process_takes_the_subscriber(tmp_path: Path, gate: Gate):
    async with site(make_fleet(gate), tmp_path) as served:
        waiting = asyncio.create_task(served.rpc("SendMessage", {"message": message("ticket.ask", "x")}))
        task = (await waiting)["result"]["task"]
        reading = asyncio.create_task(read(served, "SubscribeToTask", {"id": task["id"]}))
        await until(lambda: _watched(served, task["id"]) == 1)
        served.app.state.stopping.set()
        assert states(await asyncio.wait_for(reading, 30)) == ["task:input_required"]
    async with site(make_fleet(gate), tmp_path) as served:
        reading = asyncio.create_task(read(served, "SubscribeToTask", {"id": task["id"]}))
        await until(lambda: _watched(served, task["id"]) == 1)
        table = served.workspace.journal.hot.table("task")
        await until(lambda: table[task["id"],]["stage"] == "asking")
        for words in ("42", "yes"):
            await served.result("SendMessage", {"message": message("", words, task=task["id"])})
        told = await asyncio.wait_for(reading, 30)
        assert states(told)[0] in ("task:input_required", "task:working")  # the agent runs again, up to its question
        assert states(told)[-2:] == ["artifact", "completed"]
        assert told[-2]["artifactUpdate"]["artifact"]["parts"][0]["text"] == "told 42 and yes"
