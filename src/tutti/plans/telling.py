"""Plans told: how one was made, changed and done, from the record alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tutti.clock import MICROS
from tutti.house import House
from tutti.ids import derived
from tutti.model.fact import Fact

Row = Mapping[str, Any]


async def told(house: House, task: Row, facts: Sequence[Fact]) -> dict[str, Any] | None:
    """How a task's plan was made, changed and done, from the record alone; None where it runs none."""
    mine = [fact for fact in facts if fact.kind in ("plan.made", "plan.changed")]
    if not mine:
        return None
    ended = next((fact for fact in facts if fact.kind == "plan.ended"), None)
    why = None if ended is None else ended.data.get("why")
    kept = await house.journal.payloads([*(fact.data["plan"] for fact in mine), *([why] if why else [])])
    versions = [kept.get(fact.data["plan"]) for fact in mine]
    last = versions[-1]
    return {
        "kind": mine[0].data["kind"],
        "name": mine[0].data.get("name", ""),
        "expected_cost": mine[0].data["cost"] / MICROS,
        "money": None if mine[0].data.get("money") is None else mine[0].data["money"] / MICROS,
        "spent": None if ended is None else ended.data["spent"] / MICROS,
        "state": "running" if ended is None else ended.data["state"],
        "reason": "" if ended is None else ended.data.get("reason", ""),
        "changes": [
            {
                "reason": fact.data["reason"],
                "step": fact.data.get("step", ""),
                "topics": fact.data.get("topics", []),
                "why": "" if version is None else version["why"],
            }
            for fact, version in zip(mine[1:], versions[1:], strict=True)
        ],
        "ruled_out": [] if last is None else [{"skill": skill, "rule": rule} for skill, rule in last["ruled_out"]],
        "instead_of": {} if versions[0] is None else versions[0]["instead_of"],
        "steps": [] if last is None else [await _step_told(house, task["id"], step, ended, kept.get(why or "", {})) for step in last["plan"]["steps"]],
    }


async def _step_told(house: House, task: str, step: Mapping[str, Any], ended: Fact | None, why: Mapping[str, str]) -> dict[str, Any]:
    said = {"name": step["name"], "skill": step.get("skill", ""), "after": step.get("after", []), "when": step.get("when"), "input": step.get("input")}
    said |= {"question": step.get("question"), "wait_ms": step.get("wait_ms"), "task": None, "agent": None, "reason": None}
    if step.get("skill"):
        id = derived("t", task, step["name"], step["skill"])
        row = await house.journal.row("task", (id,))
        if row is not None:
            return said | {"task": id, "agent": row["agent"], "state": row["state"], "reason": row["reason"]}
    over = None if ended is None else ended.data
    state = "waiting" if over is None else "completed" if step["name"] in over["done"] else "skipped" if step["name"] in over["skipped"] else "not begun"
    return said | {"state": state, "reason": why.get(step["name"]) if state == "skipped" else None}
