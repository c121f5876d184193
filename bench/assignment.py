"""Joint assignment and joint priorities: against the order of arrival, against Borda, and on the road of a fleet with more work than hands."""

from __future__ import annotations

import asyncio
import random
import shutil
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from bench.harness import Bench, answer, asked, quantile, run_round, scratch
from tutti import Bid, Fleet, Settings, Workspace
from tutti.app import journal_for
from tutti.execution import rank
from tutti.ids import Ids
from tutti.routing import assign
from tutti.testing import SimClock, SimLoop

_TASTES = 4  # kinds of tasks on the road; each agent is good at one of them


def assignment(bench: Bench) -> None:
    """Optimal in a few milliseconds; what the order of arrival loses; what the market gains on the road, in virtual time."""
    seeds = 4 if bench.quick else 20
    pure = [run_round("bench.assignment", {"what": "matching", "seeds": seeds, "first": 100 * number}) for number in range(bench.rounds)]
    middle = sorted(float(result["p50_ms"]) for result in pure)[len(pure) // 2]
    bench.median("assignment.150x20.cpu", pure, "p50_ms", "ms", target="<= 5 ms", holds=middle <= 5)
    bench.median("assignment.150x20.arrival", pure, "arrival", "of the optimum")
    bench.median("assignment.150x20.arrival_worst", pure, "arrival_worst", "of the optimum")
    budget = [run_round("bench.assignment", {"what": "budget", "seeds": max(seeds // 4, 2), "first": 100 * number}) for number in range(bench.rounds)]
    worst = max(float(result["gap"]) for result in budget)
    bench.median("assignment.150x20.budget.cpu", budget, "p50_ms", "ms", target="<= 500 ms", holds=max(float(result["p50_ms"]) for result in budget) <= 500)
    bench.median("assignment.150x20.budget.gap", budget, "gap", "", target="<= 0.001", holds=worst <= 1e-3)
    ranked = [run_round("bench.assignment", {"what": "ranking", "seeds": seeds, "first": 100 * number}) for number in range(bench.rounds)]
    bench.median("priorities.15_items.cpu", ranked, "p50_ms", "ms")
    bench.median("priorities.15_items.borda", ranked, "borda", "of the optimum")
    road = {
        way: [run_round("bench.assignment", {"what": "road", "market": way == "market", "seed": number}) for number in range(bench.rounds)]
        for way in ("market", "arrival")
    }
    for way, results in road.items():
        bench.median(f"market.road.{way}.quality", results, "quality", "mean judged")
        bench.median(f"market.road.{way}.waited", results, "waited_p50_s", "virtual s, p50")
        bench.median(f"market.road.{way}.waited_longest", results, "waited_max_s", "virtual s")
        bench.median(f"market.road.{way}.cpu", results, "cpu_ms", "ms/task")


def problem(seed: int, tasks: int, agents: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores, who may, places and costs, at random."""
    rng = np.random.default_rng(seed)
    quality, cost, latency = rng.beta(4, 2, (tasks, agents)), rng.gamma(2, 1.5, (tasks, agents)), rng.gamma(3, 0.6, (tasks, agents))
    able = (rng.random((tasks, agents)) < 0.7) & (latency <= rng.uniform(1.2, 5, tasks)[:, None])
    return 10 * quality - 0.6 * cost - 0.5 * latency, able, rng.integers(1, 2 * tasks // agents + 1, agents), cost


def in_order(scores: np.ndarray, able: np.ndarray, places: np.ndarray) -> float:
    """What assigning each task as it comes, to the best agent that is free, is worth."""
    left, total = places.copy(), 0.0
    for row, may in zip(scores, able, strict=True):
        best = int(np.where(may & (left > 0), row, 0.0).argmax())
        if may[best] and left[best] > 0 and row[best] > 0:
            left[best] -= 1
            total += float(row[best])
    return total


def matching(request: dict[str, Any]) -> dict[str, Any]:
    took, shares = [], []
    assign(*problem(0, 20, 5)[:3])  # the solver is loaded now
    for seed in range(request["first"], request["first"] + request["seeds"]):
        scores, able, places, _ = problem(seed, 150, 20)
        started = time.process_time()
        found = assign(scores, able, places)
        took.append(time.process_time() - started)
        shares.append(in_order(scores, able, places) / found.value)
    return {"n": len(took), "p50_ms": quantile(took, 0.5) * 1e3, "arrival": float(np.mean(shares)), "arrival_worst": min(shares)}


def budget(request: dict[str, Any]) -> dict[str, Any]:
    took, gaps = [], []
    for seed in range(request["first"], request["first"] + request["seeds"]):
        scores, able, places, costs = problem(seed, 150, 20)
        limit = 0.5 * float(np.sort(costs, axis=1)[:, :10].mean() * 150)
        started = time.process_time()
        found = assign(scores, able, places, costs=costs, budget=limit)
        took.append(time.process_time() - started)
        gaps.append(found.gap)
    return {"n": len(took), "p50_ms": quantile(took, 0.5) * 1e3, "gap": max(gaps)}


def ranking(request: dict[str, Any]) -> dict[str, Any]:
    took, shares = [], []
    for seed in range(request["first"], request["first"] + request["seeds"]):
        rng = np.random.default_rng(seed)
        truth = rng.normal(0, 0.3, 15)
        ballots = {f"v{n}": np.argsort(-(truth + rng.normal(0, 1, 15))).tolist() for n in range(9)}
        started = time.process_time()
        found = rank(range(15), ballots)
        took.append(time.process_time() - started)
        points = np.zeros(15)
        for ballot in ballots.values():
            points[ballot] += np.arange(15)
        places = {item: place for place, item in enumerate(np.argsort(points, kind="stable").tolist())}
        cost = sum(places[a] > places[b] for ballot in ballots.values() for at, a in enumerate(ballot) for b in ballot[at + 1 :])
        shares.append(found.cost / cost)
    return {"n": len(took), "p50_ms": quantile(took, 0.5) * 1e3, "borda": float(np.mean(shares))}


def specialists(tastes: int) -> Fleet:
    """Agents that are each good at one kind of task and say so; how well it went is a matter of whom it went to."""
    fleet = Fleet("road")
    for number in range(2 * tastes):
        taste = number % tastes

        def bid(input: dict[str, Any], taste: int = taste) -> Bid:
            return Bid(0.9 if input["kind"] == taste else 0.3, latency=timedelta(seconds=1))

        @fleet.agent(skill="job.do", department="ops", name=f"g{number}", concurrency=1, latency=timedelta(seconds=1), bids=bid)
        async def do(input: dict[str, Any], taste: int = taste) -> float:
            await asyncio.sleep(1)
            return 0.9 if input["kind"] == taste else 0.3

    fleet.check("job.do")(lambda input, output: output)
    return fleet


async def road(request: dict[str, Any], loop: SimLoop, folder: Path) -> dict[str, Any]:
    clock = SimClock(loop)
    ids = Ids(clock, request["seed"])
    settings = Settings("road", folder, grace=timedelta())
    workspace = Workspace(specialists(_TASTES), settings, clock=clock, ids=ids, journal=journal_for(settings, clock=clock, ids=ids, threaded=False))
    await workspace.open()
    if not request["market"]:
        workspace.corridor.traffic.gathers = lambda skill, waiting: False
    chance = random.Random(request["seed"])
    started = time.process_time()
    for n in range(400):  # bursts: at times twice as much as there are hands
        await workspace.submit("job.do", {"kind": chance.randrange(_TASTES), "n": n})
        await asyncio.sleep(0.02 if n % 100 < 60 else 0.3)
    await workspace.quiet()
    cpu = time.process_time() - started
    rows = await workspace.journal.select("SELECT quality, submitted_at, started_at FROM task WHERE skill = 'job.do'")
    await workspace.close()
    quality = [row["quality"] / 1e6 for row in rows[100:]]  # from the hundredth on: by then the claims have come out
    waited = [(row["started_at"] - row["submitted_at"]) / 1e6 for row in rows]
    return {
        "n": len(rows),
        "quality": float(np.mean(quality)),
        "waited_p50_s": quantile(waited, 0.5),
        "waited_max_s": max(waited),
        "cpu_ms": cpu / len(rows) * 1e3,
    }


def measure(request: dict[str, Any]) -> dict[str, Any]:
    if request["what"] != "road":
        return {"matching": matching, "budget": budget, "ranking": ranking}[request["what"]](request)
    with scratch() as folder:
        loop = SimLoop(request["seed"], shuffle=False)
        try:
            return loop.run_until_complete(road(request, loop, Path(folder)))
        finally:
            loop.finish()
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    answer(measure(asked()))
