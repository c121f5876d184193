"""A workspace that is served over HTTP in the test's loop, and agents of it that are processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tutti import Fleet, Settings, Workspace
from tutti.api import serve

TUTTI = str(Path(sys.executable).parent / "tutti")
AGENT = """
import os
from pathlib import Path
from tutti import Context, Fleet

fleet = Fleet("pricing")
calls = Path(os.environ.get("CALLS", "calls"))

@fleet.agent(skill="price.quote", department="sales", name="pricing")
async def quote(product: str, ctx: Context) -> str:
    with calls.open("a") as file:
        file.write(f"{os.environ.get('WHO', 'first')} {product}\\n")
    return f"{product} costs VERSION"
"""


@asynccontextmanager
async def served(folder: Path, fleet: Fleet | None = None, *, port: int = 0, **settings: Any) -> AsyncIterator[tuple[Workspace, str]]:
    """A workspace on a port of loopback; agents there may be called. Gives it and its address."""
    made = Settings("shop", folder / "tutti", listen=f"127.0.0.1:{port}", egress=("127.0.0.1",), **settings)
    async with Workspace(fleet or Fleet("shop"), made) as workspace:
        listening: asyncio.Future[Path] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(serve(workspace, ready=listening.set_result))
        await asyncio.wait({task, listening}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        try:
            yield workspace, workspace.outside.base_url
        finally:
            if not task.done():
                os.kill(os.getpid(), signal.SIGTERM)  # as an operator stops it
            await task


class Agent:
    """A running `tutti serve-agent`, and what it said of itself."""

    def __init__(self, process: asyncio.subprocess.Process, said: dict[str, Any]) -> None:
        self.process = process
        self.said = said
        self.url: str = said["url"]

    async def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process.returncode is None:
            self.process.send_signal(number)
            await self.process.wait()


def _write(folder: Path, version: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "pricing_agent.py").write_text(AGENT.replace("VERSION", version))


async def begun(folder: Path, *options: str, version: str = "5", who: str = "first", calls: Path | None = None) -> asyncio.subprocess.Process:
    """`tutti serve-agent` in this folder, started."""
    _write(folder, version)
    environment = {**os.environ, "WHO": who, "CALLS": str(calls or folder / "calls"), "TUTTI_AGENT_TOKEN": ""}
    return await asyncio.create_subprocess_exec(
        TUTTI, "serve-agent", "pricing_agent.py:fleet", "-o", "ndjson", "--grace", "0", *options, cwd=folder,
        env={**environment, "PYTHONDONTWRITEBYTECODE": "1"},  # two versions of the module within one second have the same stamp
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


@asynccontextmanager
async def agent(folder: Path, *options: str, **more: Any) -> AsyncIterator[Agent]:
    """The same, once it serves; ended with the block."""
    process = await begun(folder, *options, **more)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        if not line:
            assert process.stderr is not None
            raise AssertionError((await process.stderr.read()).decode())
        yield Agent(process, json.loads(line))
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def refused(folder: Path, *options: str, **more: Any) -> tuple[int, str]:
    """Exit code and words of one that does not start."""
    process = await begun(folder, *options, **more)
    try:
        async with asyncio.timeout(60):
            _, words = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return process.returncode, words.decode()


async def quoted(workspace: Workspace, product: str) -> dict[str, Any]:
    """A quote's task when it has ended."""
    id = await workspace.submit("price.quote", product)
    async with asyncio.timeout(60):
        await workspace.quiet()
    return await workspace.task(id)
