"""Conflicts told: both sides for a door, a sentence for `tutti why`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tutti.arbiter.standing import kind_of
from tutti.clock import MICROS, to_text
from tutti.conflicts import Resolution
from tutti.errors import NotFound
from tutti.house import House

Row = Mapping[str, Any]


async def of(house: House, task: str) -> list[dict[str, Any]]:
    """The conflicts of a task, in the order they were found, without the other side's parameters: who may read one may not read both."""
    rows = await house.journal.select("SELECT id FROM conflict WHERE task = ? OR other = ? ORDER BY found_at, id", (task, task))
    found = [await house.journal.row("conflict", (row["id"],)) for row in rows]
    return [_without_others(await view(house, row), task) for row in found if row is not None]


async def view(house: House, row: Row) -> dict[str, Any]:
    """A conflict with both sides, for a door."""
    names = await house.journal.payloads([row["name"]]) if row["name"] else {}
    sides = []
    for task, skill, effect in ((row["task"], row["skill"], row["effect"]), (row["other"], row["other_skill"], row["other_effect"])):
        found = house.journal.hot.table("task").get((task,)) or await house.journal.row("task", (task,))
        lease = next((one for one in house.journal.hot.table("lease").values() if one["task"] == task and one["resource"] == row["resource"]), None)
        sides.append({
            "task": task, "skill": skill, "department": found["department"] if found else None, "effect": effect, "state": found["state"] if found else None, "stage": found["stage"] if found else None, "caller": found["caller"] if found else None,
            "agent": await proposer(house, found) if found else None, "amount": None if found is None or found["amount"] is None else found["amount"] / MICROS,
            "input": await _parameters(house, found), "holds_until": None if lease is None or lease["until_at"] is None else to_text(lease["until_at"]),
            "holds": lease is not None, "wins": None if row["winner"] is None else row["winner"] == task,
        })  # fmt: skip
    return {
        "schema": "tutti.conflict/1", "id": row["id"], "resource": names.get(row["name"], kind_of(row["resource"])), "rule": row["rule"], "state": row["state"],
        "rung": row["rung"], "winner": row["winner"], "outcome": row["outcome"], "reason": row["reason"], "found_at": to_text(row["found_at"]),
        "resolved_at": None if row["resolved_at"] is None else to_text(row["resolved_at"]), "sides": sides,
    }  # fmt: skip


async def _parameters(house: House, task: Row | None) -> Any:
    if task is None:
        return None
    try:
        return await house.input(task)
    except NotFound:  # erased
        return None


async def proposer(house: House, task: Row) -> str:
    """The agent that proposed an action; empty where a person or a signal asked for it."""
    parent = await house.journal.row("task", (task["parent"],)) if task["parent"] else None
    return (parent["agent"] or "") if parent is not None else ""


def _without_others(view: dict[str, Any], task: str) -> dict[str, Any]:
    hidden = {"input": None, "amount": None}
    return {**view, "sides": [side if side["task"] == task else {**side, **hidden} for side in view["sides"]]}


def sentence_of(conflict: Mapping[str, Any], task: str) -> str:
    """A conflict as `view` gives it, told for one of its sides."""
    mine, other = sorted(conflict["sides"], key=lambda side: side["task"] != task)
    met = f"It met {other['skill']} ({other['task']}) on {conflict['resource']}: {mine['effect']} against {other['effect']}"
    if conflict["state"] != "resolved":
        return f"{met}; that is not decided yet{', a person is asked' if conflict['state'] == 'asked' else ''}."
    first = "it goes first" if conflict["winner"] == task else "the other one goes first"
    took = "; it took an alternative that it brought" if conflict["outcome"] == "amended" and conflict["winner"] != task else ""
    return f"{met}; by {conflict['rung']} {first}: {conflict['reason']}{took}."


def words_of(resolution: Resolution) -> str:
    """Why an action is not first, without a name of anything that it touches."""
    first = resolution.behind[0]
    rules = {
        "incompatible": f"{first.mine} must not meet {first.effect} by", "capacity": "there is no more room beside", "exclusive": f"{kind_of(first.resource)} is taken by",
    }  # fmt: skip
    return f"{kind_of(first.resource)}: {rules[first.rule]} {first.skill} ({first.task}); {resolution.reason}"
