"""One round of routes among many agents with many judgements behind them: `routing.route` with its draws, agents busy and ill as in life."""

from __future__ import annotations

import random
import time
from typing import Any

import numpy as np

from bench.harness import answer, asked, quantile
from tutti.model.agent import AgentCard, Nature, Skill
from tutti.model.route import Weights
from tutti.routing import Board, Case, route


def measure(request: dict[str, Any]) -> dict[str, Any]:
    agents, judgements = request["agents"], request["judgements"]
    chance = random.Random(request["seed"])
    cards = [
        AgentCard(f"agent{n}", "1", "support", "bench", {"ask": Skill("ask", Nature.ADVICE, {}, {}, cost=chance.random())}, concurrency=8)
        for n in range(agents)
    ]
    board = Board("ask", cards, lambda name, version: None, {})
    standings = {}
    for card in cards:
        good = int(judgements * 1_000_000 * chance.random())
        standings[card.name] = {
            "good": good,
            "bad": judgements * 1_000_000 - good,
            "judged": judgements,
            "ms": judgements * chance.randrange(100),
            "runs": judgements,
        }
    for name, row in standings.items():
        board.learn(name, "1", row)
    for n in range(0, agents, 3):
        board.occupy(f"agent{n}", "1", chance.randrange(9))
    shut = {(f"agent{n}", "1"): "circuit open: 5 failures in a row" for n in range(0, agents, 50)}
    rng, weights = np.random.default_rng(request["seed"]), Weights()
    took, cpu = [], []
    for n in range(request["routes"] + 50):
        started, worked = time.perf_counter(), time.thread_time()
        found = route("ask", "", board, Case({"n": n}), weights=weights, explore=True, rng=rng, shut=shut, permit=lambda index: None)
        took.append(time.perf_counter() - started)
        cpu.append(time.thread_time() - worked)
        if found.chosen is None or len(found.candidates) != min(16, agents):
            raise RuntimeError("the route is not what it should be")
        board.learn(found.chosen.agent, "1", standings[found.chosen.agent])
    del took[:50], cpu[:50]
    return {"n": len(took), "p50_ms": quantile(took, 0.5) * 1e3, "p99_ms": quantile(took, 0.99) * 1e3, "p99_cpu_ms": quantile(cpu, 0.99) * 1e3}


if __name__ == "__main__":
    answer(measure(asked()))
