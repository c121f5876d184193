"""Joint assignment and joint priorities, for a scorer that hands over one problem at a time."""

from __future__ import annotations

from typing import Any

import numpy as np

from tutti.execution import rank
from tutti.routing import assign as best_assignment


def assign(instance: dict[str, Any]) -> dict[int, int]:
    """The agent of each task, by quality, cost and latency in the problem's weights."""
    weights = instance["weights"]
    quality, cost, latency = (np.array(instance[name], dtype=float) for name in ("quality", "cost", "latency"))
    worth = weights["quality"] * quality - weights["cost"] * cost - weights["latency"] * latency
    able = np.array(instance["eligible"], dtype=bool) & (latency <= np.array(instance["deadline"])[:, None])
    found = best_assignment(worth, able, instance["capacity"], costs=cost, budget=instance["budget"])
    return {task: agents[0] for task, agents in enumerate(found.choice) if agents}


def prioritise(instance: dict[str, Any]) -> list[int]:
    """The order that departs least from what the voters said, as far as the precedences allow."""
    ballots = {f"v{number:03d}": ballot for number, ballot in enumerate(instance["rankings"])}
    weights = {f"v{number:03d}": weight for number, weight in enumerate(instance["weights"])}
    found = rank(range(instance["items"]), ballots, weights=weights, must_precede=[tuple(pair) for pair in instance["must_precede"]], most=1.0)
    return list(found.order)
