"""Intake's facts as rows."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from tutti.model.fact import Fact
from tutti.model.outcome import WORKS
from tutti.model.request import REQUESTS
from tutti.model.signal import SIGNALS
from tutti.model.task import JOINS, TASKS, Stage, State
from tutti.model.view import Change, Fold, Put, Set

# As texts, once: reading the value of an enum's member runs Python, and these folds run twice a task.
_SUBMITTED, _COALESCED = State.SUBMITTED.value, Stage.COALESCED.value
# What a submission may say, and the column that holds it. A new row is written without the columns that nobody speaks of.
_SAID = {
    "deadline_at": "deadline_at", "subject": "subject", "input": "input", "parent": "parent", "signal": "signal", "key": "work_key", "amount": "amount",
    "currency": "currency", "from_agent": "from_agent", "asker": "asker", "addressed": "addressed", "trace": "trace",
}  # fmt: skip


def _received(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put(
        "signal",
        (data["key"],),
        {
            "id": fact.about,
            "type": data["type"],
            "subject": data.get("subject"),
            "event": data["event"],
            "task": data.get("task"),
            "at": fact.at,
            "seq": fact.seq,
            "stopped": data.get("stopped"),
            "department": data.get("department"),
            "by": fact.by,
            "undecided": orjson.dumps(data["undecided"]).decode() if "undecided" in data else None,
        },
    )


def _submitted(fact: Fact) -> Iterable[Change]:
    data = fact.data
    stage = data["stage"]
    yield Put(
        "task",
        (fact.about,),
        {
            "skill": data["skill"],
            "nature": data["nature"],
            "department": data["department"],
            "priority": data["priority"],
            "hops": data["hops"],
            "state": _SUBMITTED,
            "state_at": fact.at,
            "stage": stage,
            "attempts": 0,
            "by_person": 0,
            "from_at": fact.at,
            "submitted_at": fact.at,
            "seq": fact.seq,
            "open": 1,
        }
        | {column: data[name] for name, column in _SAID.items() if name in data}
        | ({} if data.get("parent") else {"caller": fact.by})  # who asked from outside; what follows has a parent
        | ({"waited": 1} if data.get("joins") else {}),
    )
    for number, (field, awaited) in enumerate(data.get("joins", ())):
        yield Put("joins", (fact.about, number), {"awaits": awaited, "field": field, "open": 1})
    if data.get("key") and stage != _COALESCED:
        yield Put("work", (data["key"],), {"task": fact.about, "fresh_until": None})


def _coalesced(fact: Fact) -> Iterable[Change]:
    yield Set("task", (fact.about,), {"stage": _COALESCED, "into_task": fact.data["into"], "waited": 1})


def _joined(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Set("task", (fact.about,), {"stage": Stage.READY.value, "input": data["input"], "from_agent": data.get("from_agent"), "from_at": fact.at})
    for number in range(data["joins"]):
        yield Set("joins", (fact.about, number), {"open": 0})


def _answered(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put("request", (fact.about,), {"digest": data["digest"], "answer": data["answer"], "status": data["status"], "at": fact.at})


TABLES = (SIGNALS, TASKS, JOINS, WORKS, REQUESTS)
FOLDS: dict[str, Fold] = {
    "signal.received": _received,
    "task.submitted": _submitted,
    "task.coalesced": _coalesced,
    "task.joined": _joined,
    "request.answered": _answered,
}
