"""One round of bargaining: one way of asking, over all problems of a kind; or the settlement of known wishes by itself."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import numpy as np
from bench.harness import answer, asked
from bench.negotiation.problems import Problem, Table, broken, make, nash, read, sizes_of, worth
from bench.negotiation.score_adapter import case_of, mediated, utility_of

from tutti.model.negotiation import Belief, Utility
from tutti.negotiation import Space, settle
from tutti.negotiation.alternating import Aspiration, Micro, Mind, Strategy, bargain

STRATEGIES: dict[str, Strategy] = {"boulware": Aspiration(0.2), "aspiration": Aspiration(1.0), "conceder": Aspiration(4.0), "micro": Micro()}
TURNS = 100  # of each party, in free bargaining
LISTED = 20_000  # outcomes above which free bargaining is not tried


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Nash share (mean, worst), agreements, what was broken, own CPU."""
    if request["way"] == "settle":
        return _settled(request)
    folder, kind = request["data"], request["kind"]
    problems = read(Path(folder), kind) if folder else make(kind, request["seed"], request["count"])
    shares, agreed, policy, under, cpu = [], 0, 0, 0, []
    for problem in problems:
        if request["way"] == "free" and math.prod(sizes_of(problem)) > LISTED:
            continue
        table = Table(problem, request.get("level", "full"), request.get("messages", 1), request.get("noise", 0.0))
        began = time.process_time()
        offer = _free(problem, table, request["strategy"]) if request["way"] == "free" else mediated(table)[0].offer
        cpu.append(time.process_time() - began)
        share = nash(problem, offer)
        agreed += offer is not None
        policy += offer is not None and broken(problem, offer) > 0
        under += offer is not None and any(worth(party, offer) < party["reservation"] - 1e-6 for party in problem["parties"])
        if share is not None:
            shares.append(share)
    return {
        "n": len(cpu),
        "nash": float(np.mean(shares)),
        "worst": min(shares),
        "agreed": agreed / len(cpu),
        "broken": policy + under,
        "cpu_ms": float(np.mean(cpu)) * 1e3,
        "cpu_max_ms": max(cpu) * 1e3,
    }


def _free(problem: Problem, table: Table, strategy: str) -> tuple[int, ...] | None:
    """Free bargaining, everybody the same."""
    table.limit = TURNS
    case = case_of(table, turns=TURNS)
    space = Space(case.sizes, case.policy)
    minds = {at: (Mind(space, utility_of(party), np.random.default_rng(at)), STRATEGIES[strategy]) for at, party in enumerate(problem["parties"])}
    return bargain(case, minds)[0].offer


def _settled(request: dict[str, Any]) -> dict[str, Any]:
    """CPU of settling known wishes, after one settlement that is not counted (imports, first allocation)."""
    rng = np.random.default_rng(request["seed"])
    sizes, cpu, gaps = request["sizes"], [], []
    for _ in range(request["count"] + 1):
        models = []
        for _ in range(request["parties"]):
            share = rng.dirichlet(np.full(len(sizes), 2.0))
            contrib = tuple(tuple((share[issue] * rng.random(size)).tolist()) for issue, size in enumerate(sizes))
            pairs = tuple((at, 0, at + 1, 1, float(rng.normal(0, 0.05))) for at in range(len(sizes) - 1))
            models.append(Utility(contrib, pairs, 0.35))
        began = time.process_time()
        found = settle(Space(sizes), [Belief((model,)) for model in models], rng.uniform(0.5, 2, len(models)).tolist())
        cpu.append(time.process_time() - began)
        gaps.append(found.gap)
    return {"n": request["count"], "cpu_ms": float(np.median(cpu[1:])) * 1e3, "cpu_max_ms": max(cpu[1:]) * 1e3, "gap": max(gaps[1:])}


if __name__ == "__main__":
    answer(measure(asked()))
