"""Memory as finished tasks pile up, and the time to verify all their facts. Tasks go the real road: submitted, routed, gated, run and judged.

`seed` says how many are made; memory is looked at on the way. Nothing is written behind the corridor's back.
"""

from __future__ import annotations

import asyncio
import gc
import time
from pathlib import Path
from typing import Any

from bench import work
from bench.harness import answer, asked, rss_mb
from bench.round_durable import Load
from tutti import Settings, Workspace
from tutti.journal import verify


async def measure(request: dict[str, Any]) -> dict[str, Any]:
    settings = Settings("bench", folder=Path(request["folder"]))
    workspace = Workspace(work.fleet(), settings)
    await workspace.open()
    load = Load(workspace, "advice")
    done, memory = 0, []
    for mark in request["marks"]:
        await load.count(200, mark - done)
        done = mark
        load.took.clear()
        gc.collect()
        memory.append(rss_mb())
    seq = workspace.journal.head.seq
    open_rows = len(workspace.journal.hot.table("task"))
    await workspace.close()
    started, cpu = time.perf_counter(), time.process_time()
    report = verify(settings.place)
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    if not report.ok or report.facts < seq:
        raise RuntimeError(f"the journal does not verify: {report}")
    return {"n": done, "memory_mb": memory, "open": open_rows, "facts": seq, "verify_s": seconds, "verify_cpu_s": cpu}


if __name__ == "__main__":
    answer(asyncio.run(measure(asked())))
