"""Plans told: how one was made, changed and done, from the record alone."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from tutti import planning
from tutti.clock import MICROS
from tutti.errors import Invalid
from tutti.house import House
from tutti.ids import derived
from tutti.model.fact import Fact
from tutti.model.plan import Step, plan_from_json
from tutti.model.task import State

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
    if ended is None:
        stand = await _under_way(house, task, mine[0].data["kind"], last)
    else:
        reasons = kept.get(why or "") or {}
        stand = _Stand(ended.data["done"], {name: reasons.get(name) for name in ended.data["skipped"]}, "not begun")
    return {
        "kind": mine[0].data["kind"],
        "name": mine[0].data.get("name", ""),
        "expected_cost": mine[-1].data["cost"] / MICROS,
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
        "steps": [] if last is None else [await _step_told(house, task["id"], step, stand) for step in last["plan"]["steps"]],
    }


class _Stand(NamedTuple):
    """Which steps have come to something, which were skipped and why, and what is said of the rest."""

    done: Container[str]
    skipped: Mapping[str, str | None]
    rest: str


async def _under_way(house: House, task: Row, kind: str, kept: Mapping[str, Any] | None) -> _Stand:
    """How far a plan is, by what its steps have left in the record, and by the same rules as in the process that runs it."""
    progress = planning.Progress()
    if kept is None:  # erased
        return _Stand((), {}, "waiting")
    plan, begun = plan_from_json(kept["plan"]), set()
    for step in plan.steps:
        has_begun, ended, output = await _left_by(house, task["id"], step)
        if ended:
            progress.outputs[step.name] = output
        elif has_begun:
            begun.add(step.name)
    input = await house.input(task)
    given = input if kind == "playbook" else input.get("input")
    notes = {topic: value for topic, (_, value) in (await house.notes.about(task["subject"])).items()}
    with suppress(Invalid):  # it is about to fail
        planning.begin(plan, progress, begun, given, notes)
    return _Stand(progress.outputs, progress.skipped, "waiting")


async def _left_by(house: House, task: str, step: Step) -> tuple[bool, bool, Any]:
    """Whether a step has begun, whether it came to something, and to what."""
    journal = house.journal
    if step.skill:
        row = await journal.row("task", (derived("t", task, step.name, step.skill),))
        done = row is not None and row["state"] == State.COMPLETED
        return row is not None, done, (await journal.payloads([row["output"]])).get(row["output"]) if row is not None and done else None
    if step.wait_ms is not None:
        until = await house.memo(task, f"wait/{step.name}")
        return until is not None, until is not None and until <= house.clock.now(), None
    number = await house.memo(task, f"question/{step.name}")
    answer = None if number is None else await journal.row("answer", (task, number))
    if answer is None or answer["answer"] is None:
        return number is not None, False, None
    return True, True, (await journal.payloads([answer["answer"]])).get(answer["answer"])


async def _step_told(house: House, task: str, step: Mapping[str, Any], stand: _Stand) -> dict[str, Any]:
    said = {"name": step["name"], "skill": step.get("skill", ""), "after": step.get("after", []), "when": step.get("when"), "input": step.get("input")}
    said |= {"question": step.get("question"), "wait_ms": step.get("wait_ms"), "task": None, "agent": None, "reason": None}
    if step.get("skill"):
        id = derived("t", task, step["name"], step["skill"])
        row = await house.journal.row("task", (id,))
        if row is not None:
            return said | {"task": id, "agent": row["agent"], "state": row["state"], "reason": row["reason"]}
    state = "completed" if step["name"] in stand.done else "skipped" if step["name"] in stand.skipped else stand.rest
    return said | {"state": state, "reason": stand.skipped.get(step["name"])}
