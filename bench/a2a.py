"""A2A calls through Tutti (in, routed, gated, durable, out to a remote agent, back) against the same calls made directly."""

from __future__ import annotations

import statistics
from typing import Any

from bench.harness import Bench, run_round

IN_FLIGHT = (1, 16, 64)
ROWS = {  # name → client, kind, agent
    "sdk_direct": ("sdk", "direct", "sdk"),
    "sdk_tutti": ("sdk", "tutti", "sdk"),
    "sdk_bytes": ("sdk", "bytes", "sdk"),  # a hop that passes bytes on
    "sdk_gateway": ("sdk", "sdk", "sdk"),  # a hop made with the SDK
    "own_direct": ("bare", "direct", "own"),
    "own_tutti": ("bare", "tutti", "own"),
    "rest_tutti": ("rest", "tutti", "own"),  # HTTP+JSON in
    "bare": ("bare", "direct", "bare"),
}


def a2a(bench: Bench) -> None:
    """The rows take turns in every round; the ratios are of the same round."""
    seconds = 1.0 if bench.quick else 4.0
    for in_flight in IN_FLIGHT:
        results: dict[str, list[dict[str, Any]]] = {name: [] for name in ROWS}
        for number in range(bench.rounds):
            for name in ROWS if number % 2 == 0 else reversed(ROWS):
                client, kind, agent = ROWS[name]
                request = {"client": client, "kind": kind, "agent": agent, "in_flight": in_flight, "seconds": seconds}
                results[name].append(run_round("bench.round_a2a", request))
        for name, rows in results.items():
            stem = f"a2a.{name}.{in_flight}"
            bench.median(f"{stem}.req_s", rows, "req_s", "req/s")
            bench.median(f"{stem}.p50", rows, "p50_ms", "ms")
            for part in ("client", "agent", "all"):
                bench.median(f"{stem}.cpu_{part}", rows, f"{part}_ms", "ms/call")
            if name.endswith("tutti"):
                share = statistics.median(float(row["tutti_ms"]) for row in rows)
                bench.median(f"{stem}.cpu_tutti", rows, "tutti_ms", "ms/call", target="<= 1 ms", holds=share <= 1.0)
        ratio = statistics.median(over["all_ms"] / under["all_ms"] for over, under in zip(results["sdk_tutti"], results["sdk_direct"], strict=True))
        bench.ratio(f"a2a.tutti_over_direct.{in_flight}.cpu", results["sdk_tutti"], results["sdk_direct"], "all_ms", target="<= 1.25 x", holds=ratio <= 1.25)
