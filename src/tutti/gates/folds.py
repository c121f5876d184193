"""The gates' facts as rows."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from tutti.gates import caps
from tutti.model.fact import Fact
from tutti.model.task import Stage, State
from tutti.model.verdict import APPROVALS, AUTONOMY, BUDGETS, KILLS, POLICIES, SPENDING
from tutti.model.view import Add, Change, Fold, Put, Set


def _gated(fact: Fact) -> Iterable[Change]:
    data = fact.data
    values = {"amount": data["amount"], "currency": data["currency"]} if "amount" in data else {}
    if data["verdict"] != "allow":
        if values:
            yield Set("task", (fact.about,), values)
        return
    reserves = data.get("reserve") or ()
    values["policy"] = data["policy"]
    if reserves:
        values["reserve"] = orjson.dumps(reserves, option=orjson.OPT_SORT_KEYS).decode()
    yield Set("task", (fact.about,), values)
    if data.get("approval"):
        yield Set("approval", (data["approval"],), {"state": "used", "open": 0})
    for reserve in reserves:
        yield Add("spending", (reserve["budget"], reserve["period"]), {"money": reserve["money"], "count": reserve["count"]})


def _requested(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put(
        "approval",
        (fact.about,),
        {
            "task": data["task"],
            "input": data["input"],
            "agent": data["agent"],
            "agent_version": data["version"],
            "policy": data["policy"],
            "nonce": data["nonce"],
            "state": "open",
            "asked_at": fact.at,
            "expires_at": data["expires_at"],
            "reasons": orjson.dumps(data["reasons"]).decode(),
            "skill": data.get("skill"),
            "department": data.get("department"),
            "amount": data.get("amount"),
            "currency": data.get("currency"),
            "open": 1,
        },
    )
    yield Set(
        "task",
        (data["task"],),
        {
            "state": State.INPUT_REQUIRED.value,
            "state_at": fact.at,
            "stage": Stage.APPROVAL.value,
            "reason": "approval",
            "approval": fact.about,
            "policy": data["policy"],
            "waited": 1,
        },
    )


_ANSWERED = {"approve": "approved", "reject": "rejected", "change": "changed"}


def _answered(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yes = data["answer"] == "approve"
    yield Set(
        "approval",
        (fact.about,),
        {
            "state": _ANSWERED[data["answer"]],
            "answered_at": fact.at,
            "answered_by": fact.by,
            "note": data.get("note"),
            "signature": data["signature"],
            "open": 0 if not yes else 1,
        },
    )
    if yes:
        values = {"state": State.SUBMITTED.value, "state_at": fact.at, "stage": Stage.APPROVED.value, "reason": None, "by_person": 1}
        values |= {"from_agent": fact.by, "from_at": fact.at}
        yield Set("task", (data["task"],), values)
    else:
        yield Set("task", (data["task"],), {"by_person": 1})


def _expired(fact: Fact) -> Iterable[Change]:
    yield Set("approval", (fact.about,), {"state": "expired", "open": 0})


def _handed(fact: Fact) -> Iterable[Change]:
    yield Set("approval", (fact.about,), {"handed_to": fact.data["to"]})


def _level(fact: Fact) -> Iterable[Change]:
    data = fact.data
    values = {"level": data["level"], "up_to": data["up_to"], "reason": data.get("reason", ""), "by": fact.by, "since": fact.at}
    if fact.by == "fleet":
        values["declared"] = f"{data['level']}/{data['up_to']}"
    yield Put("autonomy", (fact.about,), values)


def _budget(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put("budget", (fact.about,), {name: data[name] for name in ("action", "money", "count", "per", "currency")})


def _published(fact: Fact) -> Iterable[Change]:
    yield Put("policy", (fact.data["digest"],), {"text": fact.data["text"], "at": fact.at, "current": fact.seq})


def _thrown(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put("kill", (data["scope"], data["name"]), {"on": 1, "reason": data["reason"], "by": fact.by, "at": fact.at})
    yield Put("kill", ("any", ""), {"on": 0, "reason": "", "by": fact.by, "at": fact.at})  # its version moves with every switch


def _lifted(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put("kill", (data["scope"], data["name"]), {"on": 0, "reason": data["reason"], "by": fact.by, "at": fact.at})
    yield Put("kill", ("any", ""), {"on": 0, "reason": "", "by": fact.by, "at": fact.at})


TABLES = (APPROVALS, BUDGETS, SPENDING, AUTONOMY, POLICIES, KILLS, *caps.TABLES)
FOLDS: dict[str, Fold] = {
    "task.gated": _gated,
    "approval.requested": _requested,
    "approval.answered": _answered,
    "approval.expired": _expired,
    "approval.handed": _handed,
    "autonomy.changed": _level,
    "budget.set": _budget,
    "policy.published": _published,
    "kill.thrown": _thrown,
    "kill.lifted": _lifted,
    **caps.FOLDS,
}
