"""The eleven operations as they go over the wire, on JSON-RPC: what a message asks for, what a task looks like, who sees what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from server_site import Gate, Site, make_fleet, message, site, until

from tutti.api.a2a.feed import Feed, Watch

FILE = {"url": "https://example.com/a.pdf", "mediaType": "application/pdf", "filename": "a.pdf"}
RAW = {"raw": "aGk=", "mediaType": "text/plain"}


async def settle_approval(served: Site, task: str, answer: str) -> None:
    await served.workspace.answer_as_owner(task, answer)


# --- which skill, which input ---------------------------------------------------------------------------------------


async def test_a_message_is_a_task_and_its_output_an_artifact(served: Site, gate: Gate):
    task = await served.send("ticket.triage", {"text": "help!", "days": 2})
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert task["artifacts"][0]["parts"][0]["data"] == {"label": "urgent", "days": 3}
    assert task["history"][0]["parts"][0]["data"] == {"text": "help!", "days": 2}
    row = await served.workspace.task(task["id"])
    assert row["caller"] == "service/crm"
    assert isinstance(row["input"]["days"], int)  # the wire knows fractions only; the agent gets the whole number that was sent


async def test_the_messages_id_goes_through_to_the_agent(served: Site, gate: Gate):
    sent = message("ticket.triage", {"text": "help!"})
    await served.result("SendMessage", {"message": sent})
    assert gate.kept[-1]["messageId"] == sent["messageId"]


@pytest.mark.parametrize(
    ("skill", "value", "expected"),
    [
        ("text.echo", "hi", "You said: hi"),  # a text for a text
        ("text.echo", '{"a": 1}', 'You said: {"a": 1}'),
        ("ticket.triage", "help!", {"label": "urgent", "days": 1}),  # the one text that the object must have
        ("ticket.triage", '{"text": "calm", "days": 4}', {"label": "normal", "days": 5}),  # JSON
    ],
)
async def test_a_text_is_what_the_skill_takes(served: Site, skill: str, value: str, expected: object):
    part = (await served.send(skill, value))["artifacts"][0]["parts"][0]
    assert part.get("data", part.get("text")) == expected


async def test_what_does_not_fit_is_refused_with_the_schemas_complaint(served: Site):
    told = await served.rpc("SendMessage", {"message": message("ticket.triage", {"txt": 1})})
    assert told["error"]["code"] == -32602
    assert "text" in told["error"]["message"]
    assert told["error"]["data"][0]["reason"] == "INVALID_PARAMS"
    assert (await served.result("ListTasks"))["tasks"] == []


async def test_without_a_name_the_only_skill_that_fits_is_taken(served: Site):
    task = (await served.result("SendMessage", {"message": message("", {"amount": 5})}))["task"]
    assert task["metadata"]["urn:tutti:task"]["skill"] == "refund.pay"
    told = await served.rpc("SendMessage", {"message": message("", {"text": "which?"})})
    assert told["error"]["code"] == -32602
    assert "ticket.triage" in told["error"]["message"]
    assert "metadata.skill" in told["error"]["message"]
    assert "ticket.triage" in (await served.rpc("SendMessage", {"message": message("nothing.here", "x")}))["error"]["message"]


async def test_an_agents_only_skill_needs_no_name_and_no_other_is_there(served: Site):
    task = (await served.result("SendMessage", {"message": message("", "hello")}, path="/agents/parrot"))["task"]
    assert task["artifacts"][0]["parts"][0]["text"] == "You said: hello"
    assert await served.error("SendMessage", {"message": message("ticket.triage", "x")}, path="/agents/parrot/") == (-32602, "INVALID_PARAMS")
    assert await served.error("SendMessage", {"message": message("", "x")}, path="/agents/nobody") == (-32001, "TASK_NOT_FOUND")


@pytest.mark.parametrize("skill", ["text.echo", ""])
@pytest.mark.parametrize("file", [{"url": "https://example.com/a.pdf", "mediaType": "application/pdf"}, {"raw": "aGk=", "filename": "a.txt"}])
async def test_files_that_no_skill_takes_are_refused_as_such(served: Site, skill: str, file: dict[str, str]):
    for parts in ([file], [{"text": "Look at this"}, file]):
        sent = {**message(skill, "x"), "parts": parts}
        assert await served.error("SendMessage", {"message": sent}) == (-32005, "CONTENT_TYPE_NOT_SUPPORTED")


async def test_an_empty_part_is_refused(served: Site):
    told = await served.rpc("SendMessage", {"message": {**message("text.echo", "x"), "parts": [{"text": "x"}, {"mediaType": "text/plain"}]}})
    assert (told["error"]["code"], told["error"]["message"]) == (-32602, "A part of the message is empty. It holds text, data, raw or url.")


async def test_a_file_is_an_object_to_the_skill_that_takes_it(tmp_path: Path):
    fleet, seen = make_fleet(), []

    @fleet.agent(name="scanner", skill="invoice.scan", department="support", owner="ana@example.com")
    async def scan(found: list[dict[str, str] | str]) -> int:
        seen.append(found)
        return len(found)

    async with site(fleet, tmp_path) as served:
        sent = {**message("", "x"), "parts": [{"text": "Look at this"}, FILE, RAW]}
        assert (await served.result("SendMessage", {"message": sent}))["task"]["artifacts"][0]["parts"][0]["data"] == 3
        assert seen == [["Look at this", FILE, RAW]]


@asynccontextmanager
async def finding(tmp_path: Path, found: Any) -> AsyncIterator[Site]:
    """A fleet with a skill `invoice.find` that always finds this."""
    fleet = make_fleet()

    @fleet.agent(name="scanner", skill="invoice.find", department="support", owner="ana@example.com")
    async def find(text: str) -> Any:
        return found

    async with site(fleet, tmp_path) as served:
        yield served


@pytest.mark.parametrize("found", [FILE, RAW, [FILE, RAW], ["Here it is", FILE, {"pages": 3}]])
async def test_a_file_in_a_result_is_a_file_part(tmp_path: Path, found: Any):
    async with finding(tmp_path, found) as served:
        parts = (await served.result("SendMessage", {"message": message("invoice.find", "x")}))["task"]["artifacts"][0]["parts"]
        wanted = {"Here it is": {"text": "Here it is", "mediaType": "text/plain"}}
        several = found if isinstance(found, list) else [found]
        assert parts == [each if "mediaType" in each else wanted.get(str(each), {"data": each, "mediaType": "application/json"}) for each in several]
        listed = (await served.result("ListTasks", {"includeArtifacts": True}))["tasks"][0]["artifacts"][0]["parts"]
        assert [part.get("url") for part in listed] == [part.get("url") for part in parts]


@pytest.mark.parametrize(
    "other", [{"url": "https://example.com"}, {**FILE, "pages": 3}, {**FILE, **RAW}, {**RAW, "raw": "not base 64"}, {**FILE, "url": 1}, [FILE]]
)
async def test_an_object_that_only_looks_like_a_file_stays_data(tmp_path: Path, other: Any):
    async with finding(tmp_path, other) as served:
        task = (await served.result("SendMessage", {"message": message("invoice.find", "x")}))["task"]
        assert task["artifacts"][0]["parts"] == [{"data": other, "mediaType": "application/json"}]


async def test_metadata_names_subject_priority_and_deadline(served: Site):
    sent = message("text.echo", "hi", subject="max@example.com", priority=7, deadline_ms=60_000)
    task = (await served.result("SendMessage", {"message": sent}))["task"]
    row = await served.workspace.task(task["id"])
    assert (row["subject"], row["priority"]) == ("max@example.com", 7)
    assert row["deadline_at"] is not None
    for wrong in ({"priority": 1.5}, {"priority": 5000}, {"subject": 3}, {"deadline_ms": -1}):
        assert await served.error("SendMessage", {"message": message("text.echo", "hi", **wrong)}) == (-32602, "INVALID_PARAMS")


async def test_a_task_is_done_by_the_agent_it_was_sent_to(tmp_path: Path):
    fleet = make_fleet()

    @fleet.agent(name="rival", skill="text.echo", department="support", owner="ana@example.com", quality=0.99)
    async def better(text: str) -> str:
        return f"Better: {text}"

    async with site(fleet, tmp_path) as served:
        for name, words in (("parrot", "You said: x"), ("rival", "Better: x")):
            task = (await served.result("SendMessage", {"message": message("", "x")}, path=f"/agents/{name}"))["task"]
            assert task["artifacts"][0]["parts"][0]["text"] == words
        assert [row["metadata"]["urn:tutti:task"]["agent"] for row in (await served.result("ListTasks", path="/agents/rival"))["tasks"]] == ["rival@1"]
        assert await served.error("GetTask", {"id": task["id"]}, path="/agents/parrot") == (-32001, "TASK_NOT_FOUND")


# --- states ---------------------------------------------------------------------------------------------------------


async def test_a_failed_task_says_why(served: Site):
    task = await served.send("work.fail", "x")
    assert task["status"]["state"] == "TASK_STATE_FAILED"
    assert "the plates fell" in task["status"]["message"]["parts"][0]["text"]


async def test_an_approval_is_input_required_and_no_message_answers_it(served: Site):
    task = await served.send("refund.pay", {"amount": 50})
    assert task["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
    assert "person must approve" in task["status"]["message"]["parts"][0]["text"]
    assert await served.error("SendMessage", {"message": message("", "yes", task=task["id"])}) == (-32004, "UNSUPPORTED_OPERATION")
    assert (await served.result("GetTask", {"id": task["id"]}))["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
    await settle_approval(served, task["id"], "approve")
    await served.workspace.result(task["id"])
    assert (await served.result("GetTask", {"id": task["id"]}))["artifacts"][0]["parts"][0]["text"] == "paid 50.0"
    other = await served.send("refund.pay", {"amount": 51})
    await settle_approval(served, other["id"], "reject")
    assert (await served.result("GetTask", {"id": other["id"]}))["status"]["state"] == "TASK_STATE_REJECTED"


async def test_a_question_is_answered_by_messages_that_name_only_the_task(served: Site):
    task = await served.send("ticket.ask", "refund me")
    assert task["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
    assert task["status"]["message"]["parts"][0]["text"] == "Which account?"
    second = (await served.result("SendMessage", {"message": message("", "42", task=task["id"])}))["task"]
    assert second["id"] == task["id"]
    assert second["contextId"] == task["contextId"]
    assert second["status"]["message"]["parts"][0]["text"] == "Really?"
    done = (await served.result("SendMessage", {"message": message("", "yes", task=task["id"], context=task["contextId"])}))["task"]
    assert done["artifacts"][0]["parts"][0]["text"] == "told 42 and yes"
    said = [each["parts"][0]["text"] for each in done["history"]]
    assert said == ["refund me", "Which account?", "42", "Really?", "yes"]
    assert [each["role"] for each in done["history"]] == ["ROLE_USER", "ROLE_AGENT", "ROLE_USER", "ROLE_AGENT", "ROLE_USER"]
    short = await served.result("GetTask", {"id": task["id"], "historyLength": 2})
    assert [each["parts"][0]["text"] for each in short["history"]] == ["Really?", "yes"]
    assert "history" not in await served.result("GetTask", {"id": task["id"], "historyLength": 0})


async def test_follow_ups_that_cannot_be(served: Site):
    task = await served.send("ticket.ask", "refund me")
    assert await served.error("SendMessage", {"message": message("", "x", task=task["id"], context="another")}) == (-32602, "INVALID_PARAMS")
    assert await served.error("SendMessage", {"message": message("", "x", task="t-00000000000000000000000000")}) == (-32001, "TASK_NOT_FOUND")
    ended = await served.send("text.echo", "x")
    assert await served.error("SendMessage", {"message": message("", "x", task=ended["id"])}) == (-32004, "UNSUPPORTED_OPERATION")
    assert (await served.result("GetTask", {"id": task["id"]}))["status"]["message"]["parts"][0]["text"] == "Which account?"


async def test_being_let_in_is_auth_required(served: Site):
    task = await served.send("door.open", "knock")
    assert task["status"]["state"] == "TASK_STATE_AUTH_REQUIRED"
    done = (await served.result("SendMessage", {"message": message("", {"token": "t"}, task=task["id"])}))["task"]
    assert done["artifacts"][0]["parts"][0]["text"] == "let in with {'token': 't'}"


async def test_returning_at_once_polling_and_canceling(served: Site, gate: Gate):
    task = await served.send("slow.work", "x", configuration={"returnImmediately": True})
    assert task["status"]["state"] in ("TASK_STATE_SUBMITTED", "TASK_STATE_WORKING")
    await asyncio.wait_for(gate.entered.wait(), 30)
    assert (await served.result("GetTask", {"id": task["id"]}))["status"]["state"] == "TASK_STATE_WORKING"
    canceled = await served.result("CancelTask", {"id": task["id"]})
    assert canceled["status"]["state"] == "TASK_STATE_CANCELED"
    assert await served.error("CancelTask", {"id": task["id"]}) == (-32002, "TASK_NOT_CANCELABLE")
    assert await served.error("CancelTask", {"id": "t-nope"}) == (-32001, "TASK_NOT_FOUND")


# --- who sees what --------------------------------------------------------------------------------------------------


async def test_what_is_another_callers_is_not_there(served: Site):
    task = await served.send("ticket.ask", "mine")
    id = task["id"]
    calls = [
        ("GetTask", {"id": id}), ("CancelTask", {"id": id}), ("SubscribeToTask", {"id": id}), ("SendMessage", {"message": message("", "x", task=id)}),
        ("SendStreamingMessage", {"message": message("", "x", task=id)}), ("CreateTaskPushNotificationConfig", {"taskId": id, "url": "http://127.0.0.1:9/x"}),
        ("ListTaskPushNotificationConfigs", {"taskId": id}), ("GetTaskPushNotificationConfig", {"taskId": id, "id": "x"}),
        ("DeleteTaskPushNotificationConfig", {"taskId": id, "id": "x"}),
    ]  # fmt: skip
    for method, params in calls:
        theirs = await served.rpc(method, params, who="erp")
        absent = await served.rpc(method, {name: _renamed(value, id) for name, value in params.items()}, who="erp")
        assert theirs["error"]["code"] == -32001, method
        assert theirs["error"]["message"].replace(id, "") == absent["error"]["message"].replace("t-00000000000000000000000000", ""), method
    assert (await served.result("ListTasks", who="erp"))["totalSize"] == 0
    assert (await served.result("ListTasks", {"contextId": task["contextId"]}, who="erp"))["tasks"] == []
    assert (await served.result("GetTask", {"id": id}, who="reader"))["id"] == id  # a viewer reads, and does no more
    assert await served.error("CancelTask", {"id": id}, who="reader") == (-32001, "TASK_NOT_FOUND")
    assert (await served.result("GetTask", {"id": id}))["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"


def _renamed(value: object, id: str) -> object:
    if isinstance(value, dict):
        return {name: _renamed(item, id) for name, item in value.items()}
    return "t-00000000000000000000000000" if value == id else value


async def test_without_a_token_nobody_is_answered_and_without_the_right_nothing_is_taken_in(served: Site):
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": message("text.echo", "x")}}
    for path in ("/", "/a2a", "/agents/parrot"):
        async with served.http.post(served.url + path, json=body, headers={"a2a-version": "1.0"}) as answer:
            assert answer.status == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
    async with served.http.post(served.url + "/", json=body, headers={"a2a-version": "1.0", "x-caller": "reader"}) as answer:
        assert answer.status == 403
    async with served.http.post(served.url + "/a2a/message:send", json=body["params"], headers={"a2a-version": "1.0", "x-caller": "reader"}) as answer:
        assert answer.status == 403
    assert (await served.workspace.tasks())["tasks"] == []


async def test_a_full_queue_takes_nothing_new_and_says_when_to_come_again(served: Site, monkeypatch: pytest.MonkeyPatch):
    asked = await served.send("ticket.ask", "x")
    monkeypatch.setattr(type(served.workspace.corridor.traffic), "waiting", property(lambda traffic: 10**9))
    sent = {"message": message("text.echo", "x")}
    calls = [("/", {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": sent}), ("/a2a/message:send", sent), ("/a2a/message:stream", sent)]
    for path, body in calls:
        async with served.http.post(served.url + path, json=body, headers={"a2a-version": "1.0", "x-caller": "crm"}) as answer:
            assert answer.status == 429, path
            assert int(answer.headers["retry-after"]) > 0
    answered = await served.result("SendMessage", {"message": message("", "42", task=asked["id"])})  # what was begun goes on
    assert answered["task"]["status"]["message"]["parts"][0]["text"] == "Really?"
    assert (await served.result("ListTasks"))["totalSize"] == 1


# --- lists ----------------------------------------------------------------------------------------------------------


async def test_lists_are_paged_newest_state_first(served: Site):
    asked = await served.send("ticket.ask", "first")
    context = asked["contextId"]
    others = [(await served.result("SendMessage", {"message": message("text.echo", str(number), context=context)}))["task"] for number in range(3)]
    await served.result("SendMessage", {"message": message("", "42", task=asked["id"])})  # its state is the newest now
    told = await served.result("ListTasks", {"pageSize": 2})
    assert [each["id"] for each in told["tasks"]] == [asked["id"], others[2]["id"]]
    assert (told["pageSize"], told["totalSize"]) == (2, 4)
    assert all("artifacts" not in each for each in told["tasks"])
    rest = await served.result("ListTasks", {"pageSize": 2, "pageToken": told["nextPageToken"], "includeArtifacts": True, "historyLength": 1})
    assert [each["id"] for each in rest["tasks"]] == [others[1]["id"], others[0]["id"]]
    assert rest["nextPageToken"] == ""
    assert rest["tasks"][0]["artifacts"]
    assert rest["tasks"][0]["history"]
    assert (await served.result("ListTasks", {"contextId": context}))["totalSize"] == 4
    assert (await served.result("ListTasks", {"contextId": "another"}))["totalSize"] == 0
    assert (await served.result("ListTasks", {"status": "TASK_STATE_INPUT_REQUIRED"}))["tasks"][0]["id"] == asked["id"]
    after = others[2]["status"]["timestamp"]
    assert (await served.result("ListTasks", {"statusTimestampAfter": after}))["totalSize"] == 2
    for wrong in ({"pageSize": 0}, {"pageSize": 101}, {"pageToken": "nonsense"}, {"historyLength": -1}):
        assert await served.error("ListTasks", wrong) == (-32602, "INVALID_PARAMS")


# --- idempotency ----------------------------------------------------------------------------------------------------


async def test_a_message_that_is_refused_leaves_nobody_watching(served, monkeypatch):
    """Else whoever sends nonsense all day would fill the memory, a reader at a time."""
    watching: set[Watch] = set()
    watch, leave = Feed.watch, Feed.leave

    def begun(self: Feed, task: str) -> Watch:
        new = watch(self, task)
        watching.add(new)
        return new

    def left(self: Feed, old: Watch) -> None:
        watching.discard(old)
        leave(self, old)

    monkeypatch.setattr(Feed, "watch", begun)
    monkeypatch.setattr(Feed, "leave", left)
    begun_by: list[int] = []

    async def broken(self: Any, *args: Any, **options: Any) -> Any:
        begun_by.append(len(watching))
        raise OSError("the disk is full")

    await served.result("SendMessage", {"message": message("text.echo", "once")}, idempotency_key="k1")
    assert await served.error("SendMessage", {"message": message("text.echo", "else")}, idempotency_key="k1") == (-32602, "INVALID_PARAMS")
    assert not watching
    monkeypatch.setattr(type(served.workspace), "submit", broken)
    assert (await served.error("SendMessage", {"message": message("text.echo", "more")}))[0] == -32603
    assert (begun_by, watching) == ([1], set())


async def test_a_key_makes_one_task_and_a_messages_id_does_not(served: Site):
    sent = message("text.echo", "hi")
    first = (await served.result("SendMessage", {"message": sent}))["task"]
    assert (await served.result("SendMessage", {"message": sent}))["task"]["id"] != first["id"]  # the id alone says nothing
    keyed = [served.result("SendMessage", {"message": message("text.echo", "once")}, idempotency_key="k1") for _ in range(20)]
    assert len({told["task"]["id"] for told in await asyncio.gather(*keyed)}) == 1
    by_metadata = message("text.echo", "once", **{"urn:tutti:idempotency": "k1"})
    one = (await served.result("SendMessage", {"message": message("text.echo", "once")}, idempotency_key="k1"))["task"]
    assert (await served.result("SendMessage", {"message": by_metadata}))["task"]["id"] == one["id"]
    assert await served.error("SendMessage", {"message": message("text.echo", "else")}, idempotency_key="k1") == (-32602, "INVALID_PARAMS")
    theirs = (await served.result("SendMessage", {"message": message("text.echo", "once")}, who="erp", idempotency_key="k1"))["task"]
    assert theirs["id"] != one["id"]


async def test_a_context_survives_a_restart_and_its_name_stands_in_no_fact(tmp_path: Path):
    async with site(make_fleet(), tmp_path) as served:
        task = (await served.result("SendMessage", {"message": message("ticket.ask", "x", context="max@example.com")}))["task"]
        assert task["contextId"] == "max@example.com"
        facts = await served.workspace.facts(limit=1000)
        assert "max@example.com" not in str(facts)
    async with site(make_fleet(), tmp_path) as served:
        told = await served.result("ListTasks", {"contextId": "max@example.com"})
        assert [each["id"] for each in told["tasks"]] == [task["id"]]
        await until(lambda: (row := served.workspace.journal.hot.table("task").get((task["id"],))) and row["stage"] == "asking")
        again = (await served.result("SendMessage", {"message": message("", "7", task=task["id"])}))["task"]
        assert again["contextId"] == "max@example.com"
        assert again["status"]["message"]["parts"][0]["text"] == "Really?"
