"""Webhooks: each is told at least once, in order, signed, with its own credentials; over failures and restarts, and without keeping a task waiting."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from server_site import Gate, Site, make_fleet, message, site, states, until

from tutti import dialogue
from tutti.security import verify


@dataclass
class Hook:
    """A webhook that fails `fails` times, then takes what comes. `hangs` lets it wait for `freed` first."""

    url: str = ""
    fails: int = 0
    status: int = 500
    hangs: bool = False
    freed: asyncio.Event = field(default_factory=asyncio.Event)
    calls: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.calls.append(({name.lower(): value for name, value in request.headers.items()}, body))
        if self.hangs:
            await self.freed.wait()
        if self.fails:
            self.fails -= 1
            return web.Response(status=self.status, headers={"location": "/elsewhere"})
        self.taken.append(orjson.loads(body))
        return web.Response(status=204)


@asynccontextmanager
async def hooked(**settings: Any) -> AsyncIterator[Hook]:
    hook = Hook(**settings)
    app = web.Application()
    app.router.add_post("/{any:.*}", hook.take)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/told"
    try:
        yield hook
    finally:
        hook.freed.set()
        await runner.cleanup()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialogue, "delay", lambda failures: 0.05)


def config(hook: Hook, **more: Any) -> dict[str, Any]:
    return {"configuration": {"returnImmediately": True, "taskPushNotificationConfig": {"id": "w1", "url": hook.url, **more}}}


async def delivered(served: Site, task: str) -> None:
    await until(lambda: not [key for key in served.workspace.journal.hot.table("push") if key[0] == task])


async def test_a_webhook_that_fails_twice_is_told_all_of_it_in_order(served: Site):
    async with hooked(fails=2) as hook:
        task = await served.send(
            "ticket.triage", "help!", **config(hook, token="s3cret-token", authentication={"scheme": "Bearer", "credentials": "s3cret-bearer"})
        )
        await delivered(served, task["id"])
        assert states(hook.taken) == ["submitted", "working", "artifact", "completed"]
        assert len(hook.calls) == 6
        headers, body = hook.calls[-1]
        assert headers["content-type"] == "application/a2a+json"
        assert headers["x-a2a-notification-token"] == "s3cret-token"
        assert headers["authorization"] == "Bearer s3cret-bearer"
        key = served.workspace.journal.keys.journal.public
        signature = base64.urlsafe_b64decode(headers["x-tutti-signature"].removeprefix("ed25519=") + "==")
        assert verify(key, headers["x-tutti-timestamp"].encode() + b"." + body, signature)
        assert not verify(key, headers["x-tutti-timestamp"].encode() + b"." + body + b" ", signature)
        assert len({call["x-tutti-delivery"] for call, _ in hook.calls}) == 4  # the same delivery has the same name, however often it is tried


async def test_its_credentials_are_readable_in_no_file(tmp_path: Path):
    async with hooked() as hook:
        async with site(make_fleet(), tmp_path) as served:
            task = await served.send(
                "ticket.ask", "x", **config(hook, token="s3cret-token", authentication={"scheme": "Bearer", "credentials": "s3cret-bearer"})
            )
            got = await served.result("GetTaskPushNotificationConfig", {"taskId": task["id"], "id": "w1"})
            assert got["authentication"]["credentials"] == "s3cret-bearer"
            assert "s3cret" not in str(await served.workspace.facts(limit=1000))
        written = _written(tmp_path)
        assert b'"w1"' in written  # what is searched is where it would stand
        assert b"s3cret" not in written


def _written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_what_was_not_told_is_told_by_the_next_process(tmp_path: Path):
    async with hooked(fails=1_000_000) as hook:
        async with site(make_fleet(), tmp_path) as served:
            task = await served.send("ticket.triage", "help!", **config(hook))
            await served.workspace.result(task["id"])
            await until(lambda: len(hook.calls) > 1)
        assert hook.taken == []
        hook.fails = 0
        async with site(make_fleet(), tmp_path) as served:
            await delivered(served, task["id"])
            assert states(hook.taken) == ["submitted", "working", "artifact", "completed"]
        calls = len(hook.calls)
        async with site(make_fleet(), tmp_path) as served:
            await served.send("text.echo", "x")
            assert len(hook.calls) == calls  # it is told once, not at each start


async def test_a_slow_webhook_keeps_neither_tasks_nor_other_webhooks_waiting(served: Site):
    async with hooked(hangs=True) as slow, hooked() as quick:
        first = await served.send("text.echo", "1", **config(slow))
        second = await served.send("text.echo", "2", **config(quick))
        assert await served.workspace.result(first["id"]) == "You said: 1"
        assert await served.workspace.result(second["id"]) == "You said: 2"
        await delivered(served, second["id"])
        assert states(quick.taken)[-1] == "completed"
        assert slow.taken == []
        slow.freed.set()
        await delivered(served, first["id"])
        assert states(slow.taken) == ["submitted", "working", "artifact", "completed"]


@pytest.mark.parametrize("status", [301, 401, 404])
async def test_a_webhook_that_says_no_is_given_up(served: Site, status: int, caplog: pytest.LogCaptureFixture):
    async with hooked(fails=1, status=status) as hook:
        task = await served.send("text.echo", "x", **config(hook))
        await delivered(served, task["id"])
        assert len(hook.calls) == 1  # no redirect is followed either
        failed = await served.workspace.facts(kind="push.failed")
        assert failed[0]["data"]["status"] == str(status)


async def test_addresses_inside_are_refused_when_set_and_when_called(tmp_path: Path, gate: Gate):
    async with site(make_fleet(gate), tmp_path) as served, hooked() as hook:
        task = await served.send("ticket.ask", "x")
        for url in ("http://169.254.169.254/latest", "http://[::1]:80/", "file:///etc/passwd", "http://user:pw@example.com/", "http://10.0.0.1/x", ""):
            assert await served.error("CreateTaskPushNotificationConfig", {"taskId": task["id"], "url": url}) == (-32602, "INVALID_PARAMS"), url
        sent = {"message": message("text.echo", "x"), "configuration": {"taskPushNotificationConfig": {"url": "http://192.168.0.1/"}}}
        assert await served.error("SendMessage", sent) == (-32602, "INVALID_PARAMS")
        assert (await served.result("ListTasks"))["totalSize"] == 1
        await served.result("CreateTaskPushNotificationConfig", {"taskId": task["id"], "id": "w1", "url": hook.url})
        egress = served.workspace.outside.egress
        monkey = pytest.MonkeyPatch()
        with monkey.context() as patched:
            patched.setattr(egress, "allowed", [])
            patched.setattr(egress, "_networks", [])
            patched.setattr(egress, "_names", set())
            patched.setattr(egress, "_good", set())
            await served.result("CancelTask", {"id": task["id"]})
            await delivered(served, task["id"])
        assert hook.calls == []
        assert (await served.workspace.facts(kind="push.failed"))[0]["data"]["status"] == "refused"


async def test_webhooks_are_set_listed_and_removed(served: Site):
    async with hooked() as hook, hooked() as other:
        task = await served.send("ticket.ask", "x")
        id = task["id"]
        for each, url in (("a", hook.url), ("b", other.url), ("a", other.url), ("b", hook.url)):
            await served.result("CreateTaskPushNotificationConfig", {"taskId": id, "id": each, "url": url})
        listed = (await served.result("ListTaskPushNotificationConfigs", {"taskId": id}))["configs"]
        assert [(each["id"], each["url"]) for each in listed] == [("a", other.url), ("b", hook.url)]
        for _ in range(2):
            await served.rpc("DeleteTaskPushNotificationConfig", {"taskId": id, "id": "a"})
        assert await served.error("GetTaskPushNotificationConfig", {"taskId": id, "id": "a"}) == (-32001, "TASK_NOT_FOUND")
        await served.result("SendMessage", {"message": message("", "42", task=id)})
        await served.result("CancelTask", {"id": id})
        await delivered(served, id)
        assert states(hook.taken) == ["working", "input_required", "canceled"]
        assert other.calls == []


async def test_a_webhook_for_a_task_that_has_ended_is_told_how(served: Site):
    async with hooked() as hook:
        task = await served.send("text.echo", "x")
        made = await served.result("CreateTaskPushNotificationConfig", {"taskId": task["id"], "url": hook.url})
        assert made["id"].startswith("w-")
        await delivered(served, task["id"])
        assert states(hook.taken) == ["artifact", "completed"]
