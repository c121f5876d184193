"""Circuits: which agents got no work when a task ran out of time that waited for one."""

from __future__ import annotations

from collections.abc import Sequence

from tutti.model.fact import Fact
from tutti.model.task import Stage

_TO_READY = ("task.submitted", "task.joined", "task.amended", "task.resumed")


def waited(facts: Sequence[Fact], failed: Fact | None, health: Sequence[Fact]) -> list[str]:
    """Of a task that ran out of time while it waited for an agent: whose circuits were open then, a sentence for each.

    `facts` are the task's own and its approvals', `health` holds what became of the circuits of its skill's agents; both in order.
    """
    if failed is None or failed.data["error"] != "deadline_passed":
        return []
    moved = [fact for fact in facts if fact.seq < failed.seq and fact.kind.startswith(("task.", "run.", "approval."))]
    if not moved or not _waits(moved[-1]):
        return []
    last = {(fact.about, fact.data["version"]): fact for fact in health if fact.seq < failed.seq}
    return sorted(
        f"It waited while the circuit of {name} {version} was open: {fact.data['failures']} failures in a row."
        for (name, version), fact in last.items()
        if fact.kind == "agent.tripped" and failed.at < fact.data["until"]
    )


def _waits(fact: Fact) -> bool:
    """Whether a task stands to be routed after this fact of it."""
    if fact.kind == "run.finished":
        return bool(fact.data["next"] == "fallback")
    return fact.kind in _TO_READY and fact.data.get("stage", Stage.READY) == Stage.READY
