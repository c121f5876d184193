"""Restart with many open tasks: from the start of the process to the first tasks done, and to all of them taken up.

With `make`, the tasks are taken in by a workspace in which no agent runs, and the process ends without closing anything, as a crash would.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

from bench.harness import MARK, answer, asked


async def make(request: dict[str, Any]) -> None:
    from bench import work
    from tutti import Settings, Workspace

    workspace = Workspace(work.fleet(), Settings("bench", folder=Path(request["folder"])), run=False)
    await workspace.open()

    async def client(numbers: range) -> None:
        for number in numbers:
            await workspace.submit("ticket.triage", work.request("advice", number))

    await asyncio.gather(*(client(range(start, request["tasks"], 500)) for start in range(500)))
    print(MARK + json.dumps({"n": request["tasks"]}), flush=True)
    os._exit(0)


async def measure(request: dict[str, Any]) -> dict[str, Any]:
    imported = time.perf_counter()
    from bench import work
    from tutti import Settings, Workspace

    started = time.perf_counter()
    workspace = Workspace(work.fleet(), Settings("bench", folder=Path(request["folder"])))
    await workspace.open()
    opened = time.perf_counter() - started
    tasks = workspace.journal.hot.table("task")
    found = len(tasks)
    while len(tasks) > found - 100:
        await workspace.corridor.traffic.wait("any")
    working = time.perf_counter() - started
    await workspace.quiet()
    drained = time.perf_counter() - started
    if found < request["tasks"] or tasks:
        raise RuntimeError(f"{found} open tasks were found and {len(tasks)} are left")
    await workspace.close()
    return {"n": found, "import_s": started - imported, "open_s": opened, "working_s": working, "drained_s": drained}


if __name__ == "__main__":
    request = asked()
    if request["make"]:
        asyncio.run(make(request))
    answer(asyncio.run(measure(request)))
