"""One round of durable signal intake: 1,000 subscriptions indexed by type, five of them with a condition for each signal, none or one of them met."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from bench import work
from bench.harness import answer, asked
from tutti import Settings, Workspace

TYPES = 200
EACH = 5


async def measure(request: dict[str, Any]) -> dict[str, Any]:
    fleet = work.fleet()
    for number in range(TYPES):
        for place in range(EACH):
            fleet.on(f"kind.{number}", when=f"data.score > {10 + place} && data.region == 'r{place}'", do="ticket.triage")
    workspace = Workspace(fleet, Settings("bench", folder=Path(request["folder"])), run=False)
    await workspace.open()
    if len(workspace.corridor.house.subscriptions) != TYPES * EACH:
        raise RuntimeError("the subscriptions are not there")
    number = 0

    async def client(count: int) -> None:
        nonlocal number
        for _ in range(count):
            number += 1
            data = {"id": f"T{number}", "account": f"A{number % 1000}", "text": "Where is it?", "amount": 5.0, "score": 5, "region": "r1"}
            if request["met"]:
                data["score"] = 100
            event = {
                "specversion": "1.0",
                "id": str(number),
                "source": "/bench",
                "type": f"kind.{number % TYPES}",
                "subject": f"account/{number % 1000}",
                "data": data,
            }
            sent = await workspace.send(event)
            if len(sent["tasks"]) != int(request["met"]):
                raise RuntimeError(f"signal {number} led to {len(sent['tasks'])} tasks")

    clients = request["in_flight"]
    each = request["signals"] // clients
    await asyncio.gather(*(client(each // 10) for _ in range(clients)))
    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(client(each) for _ in range(clients)))
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    n = each * clients
    await workspace.close()
    return {"n": n, "signals_s": n / wall, "cpu_us": cpu / n * 1e6}


if __name__ == "__main__":
    answer(asyncio.run(measure(asked())))
