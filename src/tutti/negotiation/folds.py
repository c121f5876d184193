"""Negotiation's facts as rows. A negotiation is a task; the row says what is known of it as a negotiation."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from tutti.model.fact import Fact
from tutti.model.negotiation import NEGOTIATIONS
from tutti.model.view import Add, Change, Fold, Put, Set


def _opened(fact: Fact) -> Iterable[Change]:
    data = fact.data
    values = {"department": data["department"], "parties": orjson.dumps(data["parties"]).decode(), "issues": data["issues"], "opening": data["opening"]}
    start = {"rounds": 0, "messages": 0, "missing": 0, "cost": 0, "better": 0}
    yield Put("negotiation", (fact.about,), values | start | {"opened_at": fact.at, "ends_at": data["ends_at"]})


def _answered(fact: Fact) -> Iterable[Change]:
    data = fact.data
    silent = sum(bool(missing) for _, _, _, missing in data["answers"])
    yield Add("negotiation", (fact.about,), {"rounds": 1, "messages": len(data["answers"]), "missing": silent, "cost": data["cost"]})


def _settled(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Set("negotiation", (fact.about,), {"how": data["how"], "record": data["record"], "better": int(data["better"]), "settled_at": fact.at})


def _adopted(fact: Fact) -> Iterable[Change]:
    yield Set("negotiation", (fact.about,), {"adopted_at": fact.at, "adopted": fact.data["task"]})


TABLES = (NEGOTIATIONS,)
FOLDS: dict[str, Fold] = {
    "negotiation.opened": _opened,
    "negotiation.answered": _answered,
    "negotiation.settled": _settled,
    "negotiation.adopted": _adopted,
}
