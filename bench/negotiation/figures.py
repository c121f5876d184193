"""The bench `negotiation`: what the mediator reaches at each level, what free bargaining reaches, and what a settlement costs."""

from __future__ import annotations

import os
from typing import Any

from bench.harness import Bench, Figure, run_round

DATA = "TUTTI_BENCH_NEGOTIATION_DATA"  # a folder with domains.json and conflicts.json; without one, problems are made from a seed
SEED = 7
# level, messages, noise, target of the mean Nash share
LEVELS: tuple[tuple[str, int, float, float], ...] = (
    ("full", 1, 0.0, 0.9999),
    ("score", 2, 0.03, 0.995),
    ("rank", 4, 0.0, 0.985),
    ("rank", 6, 0.03, 0.95),
    ("answer", 20, 0.0, 0.85),
)


def negotiation(bench: Bench) -> None:
    """Share of the best Nash product (mean and worst), agreements, rules or fallbacks broken, own CPU a case."""
    folder, count = os.environ.get(DATA, ""), 4 if bench.quick else 30
    base: dict[str, Any] = {"data": folder, "seed": SEED, "count": count}
    source = "problems given" if folder else f"problems made from seed {SEED}"
    for kind in ("domains", "conflicts"):
        for level, messages, noise, target in LEVELS:
            found = run_round(
                "bench.negotiation.round_negotiation", {**base, "way": "mediated", "kind": kind, "level": level, "messages": messages, "noise": noise}
            )
            name = f"negotiation.{kind}.{level}{f'_noise{noise:g}' if noise else ''}"
            _report(bench, name, found, source, target=f">= {target}", holds=found["nash"] >= target)
        for strategy in ("boulware", "aspiration", "conceder", "micro"):
            found = run_round("bench.negotiation.round_negotiation", {**base, "way": "free", "kind": kind, "strategy": strategy})
            _report(bench, f"negotiation.{kind}.free_{strategy}", found, source)
    for name, sizes, limit in (("20x16384", [4] * 7, 50.0), ("20x4^20", [4] * 20, 2000.0)):
        found = run_round("bench.negotiation.round_negotiation", {**base, "way": "settle", "sizes": sizes, "parties": 20, "count": 3 if bench.quick else 10})
        bench.report(
            Figure(
                f"negotiation.settle.{name}.cpu",
                found["cpu_ms"],
                "ms",
                n=found["n"],
                target=f"<= {limit:g} ms",
                holds=found["cpu_max_ms"] <= limit,
                note=f"gap {found['gap']:.2g}",
            )
        )


def _report(bench: Bench, name: str, found: dict[str, Any], note: str, **more: Any) -> None:
    n = found["n"]
    bench.report(Figure(f"{name}.nash", found["nash"], "", n=n, note=f"worst {found['worst']:.3f}, {found['agreed']:.0%} agreed; {note}", **more))
    bench.report(Figure(f"{name}.broken", found["broken"], "cases", n=n, target="0", holds=found["broken"] == 0))
    bench.report(Figure(f"{name}.cpu", found["cpu_ms"], "ms", n=n, note=f"worst {found['cpu_max_ms']:.0f} ms"))
