"""What a console costs the server: CPU and memory a client of the stream of changes, at 100 changes a second, over HTTP on loopback.

The changes are made of facts that go to the stream as the journal's do; the clients are another process. The same changes without a client are the ground.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.harness import Bench, answer, asked, run_round, scratch
from bench.work import fleet
from tutti import Settings, Workspace
from tutti.model.fact import Fact

BATCH_MS = 100
_PIECE = 0.02  # seconds between two handfuls of changes
_ROLES = {"viewer": ["viewer"], "department": ["viewer@support"]}


def stream(bench: Bench) -> None:
    """Readers of everything, who share what is made for them, and readers of one department, each for themselves; in batches and one by one."""
    seconds, clients = (3.0, 10) if bench.quick else (10.0, 50)
    for role, batch_ms in (("viewer", BATCH_MS), ("department", BATCH_MS), ("viewer", 0)):
        name = f"stream.{role}.{'batches' if batch_ms else 'single'}"
        results = []
        for _ in range(bench.rounds):
            with scratch() as folder:
                asks = {"folder": str(folder), "role": role, "batch_ms": batch_ms, "seconds": seconds, "clients": clients, "per_second": 100}
                results.append(run_round("bench.stream", asks))
        cpu, memory = (sorted(float(result[key]) for result in results)[len(results) // 2] for key in ("cpu", "mb"))
        limits: list[dict[str, Any]] = [{"target": "<= 1 %", "holds": cpu <= 1.0}, {"target": "<= 0.5 MB", "holds": memory <= 0.5}] if batch_ms else [{}, {}]
        bench.median(f"{name}.cpu", results, "cpu", "% of a core a client", **limits[0])
        bench.median(f"{name}.memory", results, "mb", "MB a client", **limits[1])
        bench.median(f"{name}.bytes", results, "bytes_s", "bytes/s a client")


async def measure(request: dict[str, Any]) -> dict[str, Any]:
    settings = Settings("bench", Path(request["folder"]), listen="127.0.0.1:0")
    async with Workspace(fleet(), settings) as workspace:
        from tutti.api import serve

        ready: asyncio.Future[Path] = asyncio.get_running_loop().create_future()
        serving = asyncio.create_task(serve(workspace, ready=ready.set_result))
        await ready
        tokens = []
        for number in range(request["clients"]):
            await workspace.accounts.add(f"person/p{number}", _ROLES[request["role"]])
            tokens.append((await workspace.accounts.issue_token(f"person/p{number}"))["token"])
        await _changes(workspace, request, 1.0)  # warm
        ground = await _changes(workspace, request, request["seconds"])
        before = _resident()
        port = workspace.outside.base_url.rpartition(":")[2]
        readers = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bench.stream_readers", port, str(request["batch_ms"]), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert readers.stdin is not None
        assert readers.stdout is not None
        readers.stdin.write("\n".join(tokens).encode() + b"\n\n")
        await readers.stdout.readline()  # all have their first bytes
        await _changes(workspace, request, 1.0)
        taken = await _changes(workspace, request, request["seconds"], after=1.0)
        after = _resident()
        await asyncio.sleep(0.5)
        readers.stdin.write(b"\n")
        said = [int(number) for number in (await readers.stdout.readline()).split()]
        least, most, received = said
        wanted = int(request["per_second"] * (request["seconds"] + 1.0))
        if not wanted - 5 <= least <= most <= wanted:  # of the first task the begin is not known, so a department's readers do not hear of it
            raise SystemExit(f"readers got {least} to {most} changes of {wanted}")
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    share = (taken - ground) / request["seconds"] / request["clients"] * 100
    seconds = request["seconds"] + 1.0
    return {"n": request["clients"], "cpu": share, "mb": (after - before) / request["clients"] / 1e6, "bytes_s": received / request["clients"] / seconds}


async def _changes(workspace: Workspace, request: dict[str, Any], seconds: float, after: float = 0.0) -> float:
    """Tell the stream so many changes a second, as if the journal had gone on for `after` seconds; returns the CPU seconds that this process took."""
    first = workspace.journal.head.seq + 1 + int(request["per_second"] * after)
    tell = [listener for listener in workspace.journal.on_facts if "Events" in repr(listener)]
    assert len(tell) == 1
    loop, cpu, start = asyncio.get_running_loop(), time.process_time(), asyncio.get_running_loop().time()
    done = 0
    while done < int(request["per_second"] * seconds):
        due = min(int((loop.time() - start) * request["per_second"]), int(request["per_second"] * seconds))
        if due > done:
            tell[0](list(_facts(first + done, due - done)))
            done = due
        await asyncio.sleep(_PIECE)
    return time.process_time() - cpu


def _facts(first: int, number: int) -> Iterator[Fact]:
    """Facts of tasks' roads, in the order in which they happen."""
    for seq in range(first, first + number):
        task = f"t-01J8Z3{seq // 5:020d}"
        kinds: list[tuple[str, dict[str, Any]]] = [
            ("task.submitted", {"skill": "ticket.triage", "department": "support", "nature": "advice"}),
            ("task.routed", {"skill": "ticket.triage", "agent": "first", "version": "0a1b2c3d"}),
            ("run.started", {"agent": "first", "version": "0a1b2c3d", "attempt": 1}),
            ("task.completed", {}),
            ("task.judged", {"skill": "ticket.triage", "agent": "first", "version": "0a1b2c3d", "quality": 0.9}),
        ]
        kind, data = kinds[seq % 5]
        yield Fact(seq, time.time_ns() // 1000, kind, task, "tutti", None, data)


def _resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


if __name__ == "__main__":
    answer(asyncio.run(measure(asked())))
