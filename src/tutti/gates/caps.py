"""Caps: which of them a call to a model falls under, what it takes from each, and what is given back when its true use is known.

A call reserves the most it can use before it is made, in an append that the journal refuses where a cap would be exceeded. A call whose
end nobody saw (the process went away, the line broke) keeps what it reserved: it may have been paid for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tutti.clock import MICROS
from tutti.gates.decide import period_of
from tutti.model.fact import Draft, Fact
from tutti.model.usage import CAPPED, CAPS, USAGE, Cap, Claim, Spent
from tutti.model.view import Add, AtMost, Change, Fold, Put, Set

Row = Mapping[str, Any]
_NAMES = ("agent", "department", "per_task", "money", "tokens", "calls", "per")
_SCOPES = ("agent", "department", "model")
_SPOKEN = {"hour": "this hour", "day": "today", "month": "this month", "ever": "in all"}


def claims(caps: Iterable[Row], agent: str, department: str, root: str, most: Spent, now: int) -> tuple[list[Claim], list[AtMost], str]:
    """What a call that uses at most `most` takes from each cap it falls under, the limits that must hold, and why it cannot be counted
    (empty where it can). `root` is the first task of the chain."""
    found: list[Claim] = []
    limits: list[AtMost] = []
    for cap in caps:
        if cap["state"] != "live" or cap["agent"] not in ("", agent) or cap["department"] not in ("", department):
            continue
        if cap["money"] is not None and most.cost is None:
            return [], [], f"cap {cap['name']} counts money, and nobody said what this model costs"
        claim = Claim(cap["name"], root if cap["per_task"] else "", period_of(cap["per"], now), most.cost or 0, most.tokens)
        found.append(claim)
        key = (claim.cap, claim.scope, claim.period)
        limits += [AtMost("capped", key, column, cap[column]) for column in ("money", "tokens", "calls") if cap[column] is not None]
    return found, limits, ""


def over(cap: Row, column: str, value: int) -> str:
    """That a cap is reached, in words, with its name first."""
    limit, whose = cap[column], "for one task and all that follows it" if cap["per_task"] else _SPOKEN[cap["per"]]
    amount = (lambda number: f"{number / MICROS:.2f}") if column == "money" else str
    what = {"money": "", "tokens": " tokens", "calls": " calls"}[column]
    return f"cap {cap['name']} is reached: it allows {amount(limit)}{what} {whose}, and the next call might bring it to {amount(value)}"


def reserved(task: str, by: str, about: dict[str, Any], most: Spent, taken: Iterable[Claim], cause: int | None) -> Draft:
    """The fact that reserves a call. `about` says agent, version, department, model, number and day."""
    data = {**about, "cost": most.cost, "tokens": most.tokens, "caps": _as_data(taken)}
    return Draft("model.reserved", task, by, data, cause)


def called(task: str, by: str, about: dict[str, Any], spent: Spent, most: Spent, taken: Iterable[Claim], cause: int | None, error: str = "") -> Draft:
    """The fact that a call has returned, with what it took and what of its reservation that leaves. `error`: nothing was paid."""
    taken = list(taken)
    data = {
        **about, "input_tokens": spent.input_tokens, "output_tokens": spent.output_tokens, "cached": spent.cached, "cost": spent.cost,
        "reserved": (most.cost or 0) if taken else 0,
        "release": [[c.cap, c.scope, c.period, c.money - (spent.cost or 0), c.tokens - spent.tokens] for c in taken],
    }  # fmt: skip
    if error:
        data["error"] = error
    return Draft("model.called", task, by, data, cause)


def cap_changes(declared: Iterable[Cap], known: Mapping[tuple[str], Row]) -> list[Draft]:
    """Drafts that bring the journal's caps to what a fleet declares."""
    drafts = []
    names = set()
    for cap in declared:
        names.add(cap.name)
        data = {**{name: getattr(cap, name) for name in _NAMES}, "per_task": int(cap.per_task)}
        row = known.get((cap.name,))
        if row is None or row["state"] != "live" or any(row[name] != value for name, value in data.items()):
            drafts.append(Draft("cap.set", cap.name, "fleet", data))
    for (name,), row in known.items():
        if name not in names and row["state"] == "live" and row["by"] == "fleet":
            drafts.append(Draft("cap.removed", name, "fleet", {"reason": "no longer declared"}))
    return drafts


def _as_data(taken: Iterable[Claim]) -> list[list[Any]]:
    return [[claim.cap, claim.scope, claim.period, claim.money, claim.tokens] for claim in taken]


def _set(fact: Fact) -> Iterable[Change]:
    yield Put("cap", (fact.about,), {**{name: fact.data[name] for name in _NAMES}, "state": "live", "by": fact.by})


def _removed(fact: Fact) -> Iterable[Change]:
    yield Set("cap", (fact.about,), {"state": "removed"})


def _reserved(fact: Fact) -> Iterable[Change]:
    data = fact.data
    for cap, scope, period, money, tokens in data["caps"]:
        yield Add("capped", (cap, scope, period), {"money": money, "tokens": tokens, "calls": 1})
    if data["cost"]:
        for scope in _SCOPES:
            yield Add("usage", (scope, data[scope], data["day"]), {"reserved": data["cost"]})


def _called(fact: Fact) -> Iterable[Change]:
    data = fact.data
    for cap, scope, period, money, tokens in data["release"]:
        yield Add("capped", (cap, scope, period), {"money": -money, "tokens": -tokens})
    took = {
        "calls": 1, "input_tokens": data["input_tokens"], "output_tokens": data["output_tokens"], "cached": data["cached"], "cost": data["cost"] or 0,
        "reserved": -data["reserved"], "unpriced": int(data["cost"] is None),
    }  # fmt: skip
    for scope in _SCOPES:
        yield Add("usage", (scope, data[scope], data["day"]), took)


TABLES = (CAPS, CAPPED, USAGE)
FOLDS: dict[str, Fold] = {"cap.set": _set, "cap.removed": _removed, "model.reserved": _reserved, "model.called": _called}
