"""An agent outside is replaced under load, and nothing is lost or done twice; one is killed in the middle of a run."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from service_site import Shop, serving

from tutti import Fleet, Settings, Workspace

AGENT = """
import asyncio, os
from pathlib import Path
from tutti import Context, Fleet

fleet = Fleet("work")
here = Path(os.environ["SHOP"])

async def work(what, ctx):
    with (here / "calls").open("a") as file:
        file.write(f"{what} {ctx.key}\\n")
    while not (here / "go").exists():
        await asyncio.sleep(0.01)
    return what

@fleet.agent(skill="thing.think", department="revenue", name="worker", attempts=10)
async def think(wish: str, ctx: Context) -> str:
    return await work("think", ctx)

@fleet.action("thing.do", department="revenue", name="worker")
async def do(wish: str, ctx: Context) -> str:
    return await work("do", ctx)

@fleet.action("thing.once", department="revenue", name="worker", idempotent=True, attempts=10)
async def once(wish: str, ctx: Context) -> str:
    return await work("once", ctx)
"""


def outer(url: str, *acts: str) -> Fleet:
    fleet = Fleet("outer")
    fleet.remote(url, department="revenue", owner="ana@example.com", concurrency=16)
    for act in acts:
        fleet.autonomy(act, level="act")
    return fleet


@pytest.mark.parametrize("how", ["in its place", "beside it"])
async def test_an_upgrade_under_load_loses_nothing_and_does_nothing_twice(tmp_path, how):
    """The action is not idempotent: a call whose outcome nobody knows would be parked, and counted here.

    In its place: a second process listens on the same port until the first is stopped. Beside it: at an address of its own, whose card is
    registered under the same name.
    """
    first, second = Shop("1"), Shop("2")
    tasks: list[str] = []
    old = AsyncExitStack()
    url = await old.enter_async_context(serving(first.fleet(idempotent=False), tmp_path))
    async with old, Workspace(outer(url, "price.change"), Settings("outer", tmp_path / "outer", egress=("127.0.0.1",))) as workspace:
        enough = asyncio.Event()

        async def load() -> None:
            while not enough.is_set():
                id = await workspace.submit("price.change", {"product": str(len(tasks)), "amount": 1})
                tasks.append(id)
                row = await workspace.corridor.result(id)
                assert row["state"] == "completed"

        clients = [asyncio.create_task(load()) for _ in range(12)]
        await counted(tasks, 60)
        place = {"port": int(url.rpartition(":")[2]), "takeover": True} if how == "in its place" else {}
        async with serving(second.fleet(idempotent=False), tmp_path, **place) as again:
            assert (again == url) == (how == "in its place")
            [remote] = workspace.fleet.remotes if workspace.fleet else []
            endpoint = replace(remote.endpoint, url=again, options={**remote.endpoint.options, "interface": {}})
            registered = await workspace.register(endpoint, department="revenue", owner="ana@example.com", by="fleet")
            await counted(tasks, len(tasks) + 30)
            await old.aclose()
            await counted(tasks, len(tasks) + 60)
            enough.set()
            await asyncio.gather(*clients)
            await workspace.quiet()
            states = {row["state"]: row["n"] for row in await workspace.journal.select("SELECT state, COUNT(*) AS n FROM task GROUP BY state")}
            versions = {version["version"]: version["state"] for version in (await workspace.card("pricing"))["versions"]}
    assert states == {"completed": len(tasks)}
    assert Counter(first.effects + second.effects) == Counter(tasks), "each effect once"
    assert min(len(first.effects), len(second.effects)) > 20
    assert versions[registered["version"]] == "live"
    assert {state for version, state in versions.items() if version != registered["version"]} <= {"draining", "retired"}


async def counted(tasks: list[str], number: int) -> None:
    async with asyncio.timeout(60):
        while len(tasks) < number:
            await asyncio.sleep(0.005)


class Process:
    """`tutti serve-agent` as a process of its own."""

    def __init__(self, folder: Path, port: int) -> None:
        command = [str(Path(sys.executable).parent / "tutti"), "serve-agent", "killed_agent.py:fleet", "--port", str(port), "-o", "ndjson"]
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "SHOP": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        assert self.process.stdout is not None
        self.url: str = json.loads(self.process.stdout.readline())["url"]

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


async def test_a_service_killed_in_the_middle_of_a_run(tmp_path, kept_port):
    """Advice and an idempotent action are done by the next process under the same key; the other action waits for a person."""
    (tmp_path / "killed_agent.py").write_text(AGENT)
    first = await asyncio.to_thread(Process, tmp_path, kept_port)
    try:
        async with Workspace(outer(first.url, "thing.do", "thing.once"), Settings("outer", tmp_path / "outer")) as workspace:
            ids = {what: await workspace.submit(f"thing.{what}", "x") for what in ("think", "do", "once")}
            async with asyncio.timeout(60):
                while len(_calls(tmp_path)) < 3:
                    await asyncio.sleep(0.01)
            first.kill()
            (tmp_path / "go").touch()
            second = await asyncio.to_thread(Process, tmp_path, kept_port)
            try:
                await workspace.quiet()
                views = {what: await workspace.task(id) for what, id in ids.items()}
            finally:
                second.kill()
    finally:
        first.kill()
    assert (views["do"]["state"], views["do"]["stage"]) == ("input-required", "parked")
    assert _calls(tmp_path).count(("do", ids["do"])) == 1, "an action whose outcome nobody knows is not called again"
    assert [views[what]["state"] for what in ("think", "once")] == ["completed", "completed"]
    assert {key for what, key in _calls(tmp_path) if what == "once"} == {ids["once"]}


def _calls(folder: Path) -> list[tuple[str, str]]:
    path = folder / "calls"
    return [tuple(line.split()) for line in path.read_text().splitlines()] if path.exists() else []  # type: ignore[misc]
