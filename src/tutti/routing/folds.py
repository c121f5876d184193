"""Routing's fact, and the row it folds into."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tutti.model.fact import Draft, Fact
from tutti.model.route import Candidate, Route
from tutti.model.view import Change, Fold, Set
from tutti.routing.bids import CALIBRATIONS, judged


def as_fact(task: str, route: Route, cause: int | None, case: Mapping[str, str]) -> Draft:
    """A route with a choice as the fact that keeps it. `case` maps topics to the payload ids of what was known."""
    chosen = route.chosen
    assert chosen is not None
    weights = route.weights
    data: dict[str, Any] = {
        "skill": route.skill,
        "class": route.task_class,
        "agent": chosen.agent,
        "version": chosen.version,
        "score": chosen.score,
        "propensity": chosen.propensity,
        "explored": route.explored,
        "weights": [weights.quality, weights.latency, weights.cost, weights.load],
        "candidates": [_row(candidate) for candidate in route.candidates],
        "offered": route.offered,
    }
    if route.ruled_out:
        data["ruled_out"] = [[out.agent, out.rule] for out in route.ruled_out]
        data["ruled_out_count"] = route.ruled_out_count
    if case:
        data["case"] = dict(case)
    if route.bids:
        data["bids"] = [list(bid) for bid in route.bids]
    if route.joint is not None:
        data["joint"] = list(route.joint)
    return Draft("task.routed", task, "tutti", data, cause)


def _row(candidate: Candidate) -> list[Any]:
    c = candidate
    p = c.parts
    return [
        c.agent,
        c.version,
        c.quality,
        c.drawn,
        c.judged,
        c.latency_ms,
        c.cost,
        c.load,
        c.score,
        c.propensity,
        p["quality"],
        p["latency"],
        p["cost"],
        p["load"],
    ]


def _routed(fact: Fact) -> Iterable[Change]:
    data = fact.data
    values = {"agent": data["agent"], "agent_version": data["version"], "class": data["class"], "explored": int(data["explored"])}
    for agent, version, claimed, _, claimed_ms, *_ in data.get("bids", ()):
        if (agent, version) == (data["agent"], data["version"]):
            values |= {"claimed": round(claimed * 1_000_000), "claimed_ms": None if claimed_ms is None else max(round(claimed_ms), 1)}
    yield Set("task", (fact.about,), values)


TABLES = (CALIBRATIONS,)
FOLDS: dict[str, Fold] = {"task.routed": _routed, "task.judged": judged}
