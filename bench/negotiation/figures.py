"""The bench `negotiation`: what the mediator reaches at each level, what free bargaining reaches, and what a settlement costs."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import Any

from bench import peers
from bench.harness import Bench, Figure, run_round, scratch
from bench.negotiation.problems import Problem, make, nash, read, sizes_of, worth

DATA = "TUTTI_BENCH_NEGOTIATION_DATA"  # a folder with domains.json and conflicts.json; without one, problems are made from a seed
SEED = 7
NEGMAS = ("boulware", "aspiration", "linear", "conceder", "micro")
NEGMAS_LISTED = 5000  # outcomes above which its negotiators, which sort them all, are not tried
ROUNDS = 100
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
    _negmas(bench, read(Path(folder), "domains") if folder else make("domains", SEED, count), source)
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


def _negmas(bench: Bench, problems: list[Problem], source: str) -> None:
    """negmas' stacked alternating offers beside ours: domains only, since it knows no policy."""
    try:
        python = peers.python_of("negmas")
    except peers.PeerMissing as missing:
        bench.skip("negotiation.domains.negmas", str(missing))
        return
    small = [problem for problem in problems if math.prod(sizes_of(problem)) <= NEGMAS_LISTED]
    for strategy in NEGMAS:
        with scratch() as folder:
            path = folder / "problems.json"
            path.write_text(json.dumps([{"parties": problem["parties"]} for problem in small]), encoding="utf-8")
            found = run_round(peers.script("bargain_negmas"), {"problems": str(path), "strategy": strategy, "rounds": ROUNDS}, python)
        offers = [None if offer is None else tuple(offer) for offer in found["offers"]]
        shares = [share for problem, offer in zip(small, offers, strict=True) if (share := nash(problem, offer)) is not None]
        under = [
            offer is not None and any(worth(party, offer) < party["reservation"] - 1e-6 for party in problem["parties"])
            for problem, offer in zip(small, offers, strict=True)
        ]
        told = {
            "n": len(small),
            "nash": sum(shares) / len(shares),
            "worst": min(shares),
            "agreed": sum(offer is not None for offer in offers) / len(offers),
            "broken": sum(under),
            "cpu_ms": sum(found["cpu"]) / len(small) * 1e3,
            "cpu_max_ms": max(found["cpu"]) * 1e3,
        }
        _report(bench, f"negotiation.domains.negmas_{strategy}", told, f"up to {NEGMAS_LISTED} outcomes; {source}", peers=found["versions"])


def _report(bench: Bench, name: str, found: dict[str, Any], note: str, **more: Any) -> None:
    n = found["n"]
    bench.report(Figure(f"{name}.nash", found["nash"], "", n=n, note=f"worst {found['worst']:.3f}, {found['agreed']:.0%} agreed; {note}", **more))
    bench.report(Figure(f"{name}.broken", found["broken"], "cases", n=n, target="0", holds=found["broken"] == 0))
    bench.report(Figure(f"{name}.cpu", found["cpu_ms"], "ms", n=n, note=f"worst {found['cpu_max_ms']:.0f} ms"))
