"""Planning's facts as rows."""

from __future__ import annotations

from collections.abc import Iterable

from tutti.model.fact import Fact
from tutti.model.plan import PLANS
from tutti.model.view import Change, Fold, Put, Set


def _made(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put(
        "plan",
        (fact.about,),
        {
            "name": data["name"], "kind": data["kind"], "state": "running", "plan": data["plan"], "steps": len(data["skills"]), "done": 0, "skipped": 0, "replans": 0,
            "cost": data["cost"], "spent": 0, "money": data.get("money"), "made_at": fact.at, "open": 1,
        },
    )  # fmt: skip


def _changed(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Set("plan", (fact.about,), {"plan": data["plan"], "steps": len(data["skills"]), "replans": data["number"], "cost": data["cost"]})


def _ended(fact: Fact) -> Iterable[Change]:
    data = fact.data
    values = {"state": data["state"], "reason": data.get("reason"), "done": len(data["done"]), "skipped": len(data["skipped"]), "spent": data["spent"]}
    yield Set("plan", (fact.about,), {**values, "ended_at": fact.at, "open": 0})


TABLES = (PLANS,)
FOLDS: dict[str, Fold] = {"plan.made": _made, "plan.changed": _changed, "plan.ended": _ended}
