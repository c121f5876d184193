"""Facts of intents, leases and conflicts as rows."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from tutti.model.conflict import CONFLICTS, INTENTS, LEASES, RESOURCE_CLASSES, RESOURCES
from tutti.model.fact import Fact
from tutti.model.outcome import unsure
from tutti.model.task import Stage, State
from tutti.model.view import Change, Fold, Put, Set

_INTENT = ("resource", "name", "effect", "units", "value", "start_at", "end_at", "lasts")


def _class_set(fact: Fact) -> Iterable[Change]:
    yield Put("resource_class", (fact.about,), {"rule": orjson.dumps(fact.data["rule"], option=orjson.OPT_SORT_KEYS).decode()})


def _declared(fact: Fact) -> Iterable[Change]:
    data = fact.data
    for number, values in enumerate(data["intents"]):
        row = dict(zip(_INTENT, values, strict=True))
        yield Put(
            "intent",
            (fact.about, number),
            {**row, "skill": data["skill"], "alternatives": data.get("alternatives"), "declared_at": fact.at, "unsure": 0, "open": 1},
        )


def _tried(fact: Fact) -> Iterable[Change]:
    """What an attempt leaves open stays open, whatever a later one says of itself."""
    if unsure(fact.data["outcome"], fact.data.get("error", "")):
        yield Set("intent", (fact.about, 0), {"unsure": 1})


def _closed(fact: Fact) -> Iterable[Change]:
    for number in range(fact.data["count"]):
        yield Set("intent", (fact.about, number), {"open": 0})


def _queued(fact: Fact) -> Iterable[Change]:
    values = {
        "state": State.SUBMITTED.value,
        "state_at": fact.at,
        "stage": Stage.QUEUED.value,
        "reason": fact.data["reason"],
        "run_at": fact.data["until"],
        "waited": 1,
    }
    yield Set("task", (fact.about,), values)


def _amended(fact: Fact) -> Iterable[Change]:
    values = {"state": State.SUBMITTED.value, "state_at": fact.at, "stage": Stage.READY.value, "reason": None, "input": fact.data["input"]}
    yield Set("task", (fact.about,), values | {"approval": None, "excluded": None})
    if fact.data.get("work_key"):  # it is other work from now on
        yield Set("task", (fact.about,), {"work_key": None})
        yield Set("work", (fact.data["work_key"],), {"fresh_until": 0})


def _granted(fact: Fact) -> Iterable[Change]:
    data = fact.data
    values = {name: data[name] for name in ("name", "effect", "skill", "units", "start_at", "until_at", "lasts")}
    values |= {"token": fact.seq, "state": "held", "granted_at": fact.at, "open": 1}
    yield Put("lease", (data["resource"], fact.about), values)
    yield Put("resource", (data["resource"],), {"token": fact.seq, "open": 1})


def _acted(fact: Fact) -> Iterable[Change]:
    yield Set("lease", (fact.data["resource"], fact.about), {"state": "acted", "until_at": fact.data["until"]})


def _ended(state: str) -> Fold:
    def fold(fact: Fact) -> Iterable[Change]:
        yield Set("lease", (fact.data["resource"], fact.about), {"state": state, "open": 0})

    return fold


def _idle(fact: Fact) -> Iterable[Change]:
    yield Set("resource", (fact.about,), {"open": 0})


def _found(fact: Fact) -> Iterable[Change]:
    data = fact.data
    names = ("task", "other", "resource", "name", "rule", "effect", "other_effect", "skill", "other_skill")
    values = {"state": "open", "rung": None, "winner": None, "outcome": None, "reason": None, "found_at": fact.at, "resolved_at": None, "open": 1}
    yield Put("conflict", (fact.about,), {**{name: data[name] for name in names}, **values})


def _asked(fact: Fact) -> Iterable[Change]:
    yield Set("conflict", (fact.about,), {"state": "asked", "rung": "authority", "reason": fact.data["reason"]})


def _resolved(fact: Fact) -> Iterable[Change]:
    data = fact.data
    values = {name: data[name] for name in ("rung", "winner", "outcome", "reason")}
    yield Set("conflict", (fact.about,), {**values, "state": "resolved", "resolved_at": fact.at, "open": 0})


TABLES = (RESOURCE_CLASSES, RESOURCES, INTENTS, LEASES, CONFLICTS)
FOLDS: dict[str, Fold] = {
    "resource.set": _class_set,
    "resource.idle": _idle,
    "intent.declared": _declared,
    "intent.closed": _closed,
    "run.finished": _tried,
    "task.queued": _queued,
    "task.amended": _amended,
    "lease.granted": _granted,
    "lease.acted": _acted,
    "lease.released": _ended("released"),
    "lease.expired": _ended("expired"),
    "conflict.found": _found,
    "conflict.asked": _asked,
    "conflict.resolved": _resolved,
}
