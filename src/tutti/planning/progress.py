"""How far a plan is: which steps can begin now, with which input, and which are skipped and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tutti.errors import Invalid
from tutti.model.plan import Plan, Reference, Step, filled, leads, references
from tutti.planning.checks import condition
from tutti.registry import prepared


@dataclass(slots=True)
class Progress:
    """What the steps have come to so far. `skipped` holds reasons; a step in neither has not ended."""

    outputs: dict[str, Any] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def ended(self, name: str) -> bool:
        """Whether a step has ended, one way or the other."""
        return name in self.outputs or name in self.skipped


def begin(plan: Plan, progress: Progress, under_way: Collection[str], input: Any, notes: Mapping[str, Any]) -> list[tuple[Step, Any]]:
    """The steps that can begin now, each with its input (or its question). What is to be skipped is put into `progress`.

    Raises: `Invalid` where one that is not optional takes a value that is not there: nobody should act on nothing in its place.
    """
    found: dict[str, tuple[Step, Any]] = {}
    moved = True
    while moved:
        moved = False
        values = _values(plan, progress, input, notes)
        for step in plan.steps:
            if step.name in found or step.name in under_way or progress.ended(step.name) or not _due(step, progress):
                continue
            why = _skip(step, progress, values)
            if not why and (absent := _absent(step, values)):
                why = f"it takes {absent}, which is not there"
                if not step.optional:
                    raise Invalid(
                        f"Step {step.name} takes {absent}, which is not there.", hint=f"Where it may be absent, write {replace(absent, optional=True)}."
                    )
            if why:
                progress.skipped[step.name] = why
                moved = True  # others may wait for it
                break
            found[step.name] = (step, filled(step.template, values))
    return list(found.values())


def result(plan: Plan, progress: Progress, input: Any, notes: Mapping[str, Any]) -> Any:
    """What a plan that has ended gives."""
    if plan.returns is None:
        return {step.name: progress.outputs[step.name] for step in plan.steps if step.name in progress.outputs}
    return filled(plan.returns, _values(plan, progress, input, notes))


def stale(plan: Plan, progress: Progress, under_way: Collection[str], topics: Collection[str], actions: Collection[str]) -> set[str]:
    """The steps that took a note which has changed, and those that took their outputs. What an action did stays done."""
    found: set[str] = set()
    moved = True
    while moved:
        moved = False
        for step in plan.steps:
            if step.name in found or step.skill in actions or not step.skill or not (step.name in progress.outputs or step.name in under_way):
                continue
            for taken in references(step.template):
                if (taken.root == "notes" and (not taken.path or taken.path[0] in topics)) or taken.step in found:
                    found.add(step.name)
                    moved = True
    return found


def _values(plan: Plan, progress: Progress, input: Any, notes: Mapping[str, Any]) -> dict[str, Any]:
    return {"input": input, "steps": {step.name: progress.outputs.get(step.name) for step in plan.steps}, "notes": dict(notes)}


def _due(step: Step, progress: Progress) -> bool:
    taken = [name for name in step.awaits if name not in step.after]
    if step.join == "any" and any(name in progress.outputs for name in step.after):
        return all(map(progress.ended, taken))
    return all(map(progress.ended, step.awaits))


def _absent(step: Step, values: Mapping[str, Any]) -> Reference | None:
    """The first value that a step takes and that is not there."""
    return next((taken for taken in references(step.template) if not taken.optional and not leads(values, taken)), None)


def _skip(step: Step, progress: Progress, values: dict[str, Any]) -> str:
    """Why a step that is due is not done; empty where it is."""
    for taken in references(step.template):
        if taken.step in progress.skipped and not taken.optional:
            return f"it takes what {taken.step} gives, which was skipped"
    if step.join == "any" and not any(name in progress.outputs for name in step.after):
        return f"none of {', '.join(step.after)} came to anything"
    if step.when is not None and (unmet := condition(step).unmet(prepared(values))):
        return unmet.words
    return ""
