"""Registry facts as rows."""

from __future__ import annotations

from collections.abc import Iterable

from tutti.model.agent import AGENTS
from tutti.model.fact import Fact
from tutti.model.outcome import GOALS
from tutti.model.signal import SUBSCRIPTIONS
from tutti.model.view import Change, Fold, Put, Set


def _registered(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put(
        "agent",
        (fact.about, data["version"]),
        {
            "digest": data["digest"],
            "department": data["department"],
            "owner": data["owner"],
            "card": data["text"],
            "state": "live",
            "since": fact.at,
        },
    )


def _drained(fact: Fact) -> Iterable[Change]:
    yield Set("agent", (fact.about, fact.data["version"]), {"state": "draining", "since": fact.at})


def _retired(fact: Fact) -> Iterable[Change]:
    yield Set("agent", (fact.about, fact.data["version"]), {"state": "retired", "since": fact.at})


def _subscribed(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put(
        "subscription",
        (fact.about,),
        {
            "type": data["type"],
            "skill": data["skill"],
            "condition": data.get("condition"),
            "priority": data["priority"],
            "deadline_ms": data.get("deadline_ms"),
            "gather": data["gather"],
            "state": "live",
        },
    )


def _unsubscribed(fact: Fact) -> Iterable[Change]:
    yield Set("subscription", (fact.about,), {"state": "removed"})


def _goal(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put(
        "goal",
        (fact.about,),
        {"kpi": data["kpi"], "target": data["target"], "weights": data["weights"], "note": data.get("note", ""), "at": fact.at, "by": fact.by},
    )


TABLES = (AGENTS, SUBSCRIPTIONS, GOALS)
FOLDS: dict[str, Fold] = {
    "agent.registered": _registered,
    "agent.drained": _drained,
    "agent.retired": _retired,
    "subscription.set": _subscribed,
    "subscription.removed": _unsubscribed,
    "goal.set": _goal,
}
