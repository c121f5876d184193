"""How tasks are told: the state in a person's words, what it waits for, what it led to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from tutti.cli import exits
from tutti.cli.screen import Screen, ago, brief
from tutti.cli.wire import Api
from tutti.clock import MICROS, SystemClock, from_datetime

Task = Mapping[str, Any]
_STAGES = {"joining": "waiting", "coalesced": "waiting", "backoff": "retrying", "ready": "queued", "approved": "queued"}
_CONFLICT = re.compile(r"conflict (c-\w+):")  # how the reason begins where a person decides who goes first
_STATES = {"input-required": "needs a human", "working": "running", "submitted": "queued"}


def state(task: Task) -> str:
    """queued, waiting, retrying, running, needs a human; or how it ended."""
    return _STAGES.get(task["stage"]) or _STATES.get(task["state"]) or str(task["state"])


def stands(task: Task) -> str:
    """The same as the end of a sentence about it: is running, needs a human."""
    said = state(task)
    return said if said == _STATES["input-required"] else f"is {said}"


def agent(task: Task) -> str:
    """The agent that has it, with its version."""
    return f"{task['agent']} {task['version']}" if task["agent"] else ""


def seconds(moment: str) -> float:
    """An instant in seconds since 1970."""
    return from_datetime(datetime.fromisoformat(moment.replace("Z", "+00:00"))) / MICROS


def age(moment: str | None) -> str:
    """How long ago an instant was."""
    if not moment:
        return ""
    return ago((SystemClock().now() - from_datetime(datetime.fromisoformat(moment.replace("Z", "+00:00")))) / MICROS)


def amount(record: Mapping[str, Any]) -> str | None:
    """An amount with its currency."""
    return None if record["amount"] is None else f"{record['amount']:.2f} {record['currency'] or ''}".strip()


def need(task: Task, reasons: Mapping[str, str] | None = None) -> str:
    """What a task waits for: of a person the reason why."""
    if task["waiting_for"] != "person":
        return task["waiting_for"] or ""
    if task["stage"] == "asking":
        return "you: an answer"
    why = (reasons or {}).get(task["id"]) or task["reason"] or ""
    return f"you: {why}"


def why_asked(api: Api, task: Task) -> str:
    """Why a task needs a person, in words."""
    if task["stage"] == "approval":
        return "; ".join(api.get("/v1/approvals/{}", task["approval"])["reasons"])
    return str(task["question"] if task["stage"] == "asking" else task["reason"])


def what_to_do(task: Task) -> str:
    """The command for a task that needs a person."""
    match task["stage"]:
        case "approval":
            return f"tutti approve {task['id']}"
        case "asking":
            return f"tutti tasks answer {task['id']} '\"…\"'"
        case "parked" if found := _CONFLICT.match(task["reason"] or ""):
            return f"tutti conflicts show {found[1]}"
        case _:
            return f"tutti tasks settle {task['id']} again|happened|drop"


def ended(screen: Screen, task: Task) -> int:
    """Tell how a task ended; gives the exit code."""
    detail = f": {brief(task['detail'])}" if task["detail"] else ""
    match task["state"]:
        case "completed":
            return exits.OK
        case "rejected":
            screen.warn(f"{task['id']} was rejected: {task['reason']}{detail}")
            return exits.NO_ACCESS
        case "failed" if task["reason"] == "deadline_passed":
            screen.warn(f"{task['id']} failed: its deadline is over")
            return exits.TIMEOUT
        case other:
            screen.warn(f"{task['id']} {'was ' if other == 'canceled' else ''}{other}: {task['reason']}{detail}")
            return exits.FAILED
