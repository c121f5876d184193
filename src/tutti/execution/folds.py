"""Execution's facts as rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tutti.model.fact import Fact
from tutti.model.task import ANSWERS, MEMOS, Stage, State
from tutti.model.view import Add, Change, Fold, Put, Set

# As texts, once: reading the value of an enum's member runs Python, and these folds run twice a task.
_WORKING, _RUNNING, _ENDED = State.WORKING.value, Stage.RUNNING.value, Stage.ENDED.value


def _started(fact: Fact) -> Iterable[Change]:
    data = fact.data
    values = {
        "state": _WORKING,
        "state_at": fact.at,
        "stage": _RUNNING,
        "reason": None,
        "attempts": data["attempt"],
        "agent": data["agent"],
        "agent_version": data["version"],
    }
    if data["attempt"] == 1:
        values["started_at"] = fact.at
    yield Set("task", (fact.about,), values)


def _finished(fact: Fact) -> Iterable[Change]:
    data = fact.data
    values = {"cost": data.get("cost", 0), "effect": data.get("effect", 0)}
    match data["next"]:
        case "retry":
            values |= {"stage": Stage.BACKOFF.value, "run_at": data["run_at"], "waited": 1}
        case "fallback":
            values |= {
                "stage": Stage.READY.value,
                "excluded": data.get("excluded"),
                "state": State.SUBMITTED.value,
                "state_at": fact.at,
                "reserve": None,
                "waited": 1,
            }
    yield Set("task", (fact.about,), values)
    for budget, period, money, count in data.get("release", ()):
        yield Add("spending", (budget, period), {"money": -money, "count": -count})


def _ended(state: State) -> Fold:
    name = state.value

    def fold(fact: Fact) -> Iterable[Change]:
        data = fact.data
        values: dict[str, Any] = {"state": name, "state_at": fact.at, "stage": _ENDED, "finished_at": fact.at, "open": 0}
        values["reason"] = data.get("error") or data.get("reason")
        if data.get("output"):
            values["output"] = data["output"]
        if data.get("detail"):
            values["detail"] = data["detail"]
        yield Set("task", (fact.about,), values)
        if data.get("work_key"):
            yield Set("work", (data["work_key"],), {"task": fact.about, "fresh_until": data["fresh_until"]})

    return fold


def _parked(fact: Fact) -> Iterable[Change]:
    values = {"state": State.INPUT_REQUIRED.value, "state_at": fact.at, "stage": Stage.PARKED.value, "reason": fact.data["reason"], "waited": 1}
    if fact.data.get("detail"):
        values["detail"] = fact.data["detail"]
    yield Set("task", (fact.about,), values)


def _resumed(fact: Fact) -> Iterable[Change]:
    values: dict[str, Any] = {"state": State.SUBMITTED.value, "state_at": fact.at, "stage": fact.data["stage"], "reason": None, "into_task": None}
    if fact.by.startswith("person/"):
        values["by_person"] = 1
    yield Set("task", (fact.about,), values)


def _asked(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put("answer", (fact.about, data["number"]), {"question": data["question"]})
    state = State.AUTH_REQUIRED if data.get("auth") else State.INPUT_REQUIRED
    values = {"state": state.value, "state_at": fact.at, "stage": Stage.ASKING.value, "reason": "question", "question": data["question"], "waited": 1}
    yield Set("task", (fact.about,), values)


def _answered(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put("answer", (fact.about, data["number"]), {"answer": data["answer"]})
    values: dict[str, Any] = {"state": State.WORKING.value, "state_at": fact.at, "stage": Stage.RUNNING.value, "reason": None, "question": None}
    if fact.by.startswith("person/"):
        values["by_person"] = 1
    yield Set("task", (fact.about,), values)


def _noted(fact: Fact) -> Iterable[Change]:
    yield Put("memo", (fact.about, fact.data["name"]), {"value": fact.data["value"]})


def _ranked(fact: Fact) -> Iterable[Change]:
    for place, task in enumerate(fact.data["tasks"]):
        yield Set("task", (task,), {"rank": place, "ranking": fact.about})


TABLES = (ANSWERS, MEMOS)
FOLDS: dict[str, Fold] = {
    "run.started": _started,
    "run.finished": _finished,
    "run.noted": _noted,
    "task.completed": _ended(State.COMPLETED),
    "task.failed": _ended(State.FAILED),
    "task.canceled": _ended(State.CANCELED),
    "task.rejected": _ended(State.REJECTED),
    "task.parked": _parked,
    "task.resumed": _resumed,
    "task.asked": _asked,
    "task.answered": _answered,
    "backlog.ranked": _ranked,
}
