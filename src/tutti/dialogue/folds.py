"""Dialogue's facts as rows."""

from __future__ import annotations

from collections.abc import Iterable

from tutti.model.dialogue import MESSAGE, PUSHES
from tutti.model.fact import Fact
from tutti.model.view import Change, Fold, Put, Set


def _received(fact: Fact) -> Iterable[Change]:
    data = fact.data
    name = f"{MESSAGE}/{data['number']}" if data["number"] else MESSAGE
    yield Put("memo", (fact.about, name), {"value": data["message"]})
    if not data["number"]:
        yield Set("task", (fact.about,), {"context": data["context"], "addressed": data.get("agent")})


def _set(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put("push", (fact.about, data["config"]), {"sealed": data["sealed"], "cursor": data["after"], "removed": 0, "failed": None, "open": 1})


def _removed(fact: Fact) -> Iterable[Change]:
    yield Set("push", (fact.about, fact.data["config"]), {"removed": 1, "open": 0})


def _delivered(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Set("push", (fact.about, data["config"]), {"cursor": data["seq"]} | ({"open": 0} if data["done"] else {}))


def _failed(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Set("push", (fact.about, data["config"]), {"failed": data["status"], "open": 0})


TABLES = (PUSHES,)
FOLDS: dict[str, Fold] = {
    "message.received": _received,
    "push.set": _set,
    "push.removed": _removed,
    "push.delivered": _delivered,
    "push.failed": _failed,
}
