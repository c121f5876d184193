"""One round of the durable governed task: K clients, each submitting one task after another and waiting for its judged result."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from bench import work
from bench.harness import answer, asked, quantile, sqlite_bytes, tree_cpu
from tutti import Settings, Workspace
from tutti.app import collect_seldom


class Load:
    """A closed loop of clients against a workspace."""

    def __init__(self, workspace: Workspace, kind: str) -> None:
        self._workspace = workspace
        self._kind = kind
        self._number = 0
        self.took: list[float] = []

    async def run(self, in_flight: int, seconds: float) -> None:
        """Keep `in_flight` tasks going for a time."""
        end = time.perf_counter() + seconds
        await asyncio.gather(*(self._client(end) for _ in range(in_flight)))

    async def count(self, in_flight: int, tasks: int) -> None:
        """Do this many tasks."""
        left = iter(range(tasks))

        async def client() -> None:
            for _ in left:
                await self._one()

        await asyncio.gather(*(client() for _ in range(in_flight)))

    async def _client(self, end: float) -> None:
        while time.perf_counter() < end:
            await self._one()

    async def _one(self) -> None:
        self._number += 1
        request = work.request(self._kind, self._number)
        started = time.perf_counter()
        id = await self._workspace.submit(work.SKILLS[self._kind], request)
        # completion and judgement are facts of one append, so a result that is there has been judged durably
        output = await self._workspace.result(id)
        self.took.append(time.perf_counter() - started)
        if output is None:
            raise RuntimeError(f"{id} has no output")


async def measure(request: dict[str, Any]) -> dict[str, Any]:
    folder = Path(request["folder"])
    settings = Settings("bench", folder=folder, database=request.get("database", ""))
    server = int(request.get("server", 0))
    workspace = Workspace(work.fleet(), settings)
    await workspace.open()
    collect_seldom()  # as `tutti up` does
    load = Load(workspace, request["kind"])
    await load.run(request["in_flight"], request["seconds"] / 4)
    load.took.clear()
    store = None if settings.database else Path(settings.place)
    size = sqlite_bytes(store) if store else 0
    served, cpu, wall = tree_cpu(server), time.process_time(), time.perf_counter()
    await load.run(request["in_flight"], request["seconds"])
    cpu, wall, served = time.process_time() - cpu, time.perf_counter() - wall, tree_cpu(server) - served
    n = len(load.took)
    grown = (sqlite_bytes(store) - size) / n if store else 0
    judged = (await workspace.journal.select("SELECT COUNT(*) AS n FROM task WHERE quality IS NOT NULL"))[0]["n"]
    if judged < n:
        raise RuntimeError(f"{n} tasks ended and only {judged} are judged")
    await workspace.close()
    return {
        "n": n, "tasks_s": n / wall, "p50_ms": quantile(load.took, 0.5) * 1e3, "p99_ms": quantile(load.took, 0.99) * 1e3, "cpu_ms": cpu / n * 1e3,
        "server_cpu_ms": served / n * 1e3, "bytes": grown,
    }  # fmt: skip


if __name__ == "__main__":
    answer(asyncio.run(measure(asked())))
