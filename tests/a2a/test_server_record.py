"""What the A2A door leaves in the journal: rebuilt from the facts, erased with its subject, and the same on PostgreSQL."""

from __future__ import annotations

import asyncio
from pathlib import Path

from server_site import make_fleet, message, site, until

from tutti import Settings, Workspace
from tutti.api.a2a.service import Service
from tutti.app import FOLDS, TABLES
from tutti.journal import rebuild


async def test_the_view_is_rebuilt_from_the_facts(tmp_path: Path):
    async with site(make_fleet(), tmp_path) as served:
        task = await served.send("ticket.ask", "x", configuration={"taskPushNotificationConfig": {"id": "w", "url": "http://127.0.0.1:9/"}})
        await served.result("SendMessage", {"message": message("", "42", task=task["id"])})
        other = (await served.result("SendMessage", {"message": message("", "x")}, path="/agents/parrot"))["task"]
        await served.result("CreateTaskPushNotificationConfig", {"taskId": other["id"], "id": "v", "url": "http://127.0.0.1:9/"})
        await served.rpc("DeleteTaskPushNotificationConfig", {"taskId": other["id"], "id": "v"})
        place = served.workspace.settings.place
    assert not await asyncio.to_thread(rebuild, place, TABLES, FOLDS, workspace="support")


async def test_a_subject_that_is_erased_takes_its_messages_along(tmp_path: Path):
    async with site(make_fleet(), tmp_path) as served:
        sent = message("ticket.ask", "my secret illness", subject="max@example.com", context="max-case")
        configuration = {"taskPushNotificationConfig": {"id": "w", "url": "http://127.0.0.1:9/"}}
        task = (await served.result("SendMessage", {"message": sent, "configuration": configuration}))["task"]
        await served.result("SendMessage", {"message": message("", "account 471108150042", task=task["id"])})
        await served.result("CancelTask", {"id": task["id"]})
        await served.workspace.erase("max@example.com")
        told = await served.result("GetTask", {"id": task["id"]})
        assert told["status"]["state"] == "TASK_STATE_CANCELED"
        assert "illness" not in str(told)
        assert told["contextId"] == f"c{task['id'][1:]}"
        assert await served.error("GetTaskPushNotificationConfig", {"taskId": task["id"], "id": "w"}) == (-32001, "TASK_NOT_FOUND")
        await until(lambda: not served.workspace.journal.hot.table("push"))
    written = _written(tmp_path)
    for words in (b"illness", b"471108150042", b"max-case", b"max@example.com"):
        assert words not in written, words


def _written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_the_same_on_postgresql(tmp_path: Path, postgres_url: str):
    async with site(make_fleet(), tmp_path, database=postgres_url, workspace="a2a_server") as served:
        for number in range(3):
            await served.send("text.echo", str(number))
        asked = await served.send("ticket.ask", "x", configuration={"taskPushNotificationConfig": {"id": "w", "url": "http://127.0.0.1:9/"}})
        first = await served.result("ListTasks", {"pageSize": 3, "includeArtifacts": True})
        assert (first["totalSize"], first["tasks"][0]["id"]) == (4, asked["id"])
        second = await served.result("ListTasks", {"pageSize": 3, "pageToken": first["nextPageToken"]})
        assert len(second["tasks"]) == 1
        assert (await served.result("ListTasks", {"contextId": asked["contextId"]}))["totalSize"] == 1
        assert (await served.result("ListTaskPushNotificationConfigs", {"taskId": asked["id"]}))["configs"][0]["id"] == "w"
        got = await served.result("GetTask", {"id": asked["id"]})
        assert got["status"]["message"]["parts"][0]["text"] == "Which account?"


async def test_a_process_that_runs_no_agents_tells_no_webhook(tmp_path: Path):
    async with Workspace(make_fleet(), Settings("support", tmp_path), run=False) as workspace:
        before = len(workspace.journal.on_facts)
        service = Service(workspace, asyncio.Event(), lambda: None)
        service.start()
        assert len(workspace.journal.on_facts) == before + 1  # the feed's; a webhook's courier would be one more
        await service.close()
        assert len(workspace.journal.on_facts) == before
