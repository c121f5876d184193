"""What actions mean to touch, said in the append that takes one in or gives it other parameters: before any of them has acted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tutti import conflicts
from tutti.arbiter.ends import Ends
from tutti.arbiter.standing import RUNNING, Standing, pair
from tutti.clock import MICROS, micros
from tutti.conflicts import Wanted
from tutti.errors import Invalid
from tutti.house import House
from tutti.model.agent import Skill
from tutti.model.fact import Draft
from tutti.reception import Bundle, Origin


class Intents:
    """Adds to appends what an action means to touch, and whom it meets there; it records nothing of its own."""

    def __init__(self, house: House, standing: Standing, ends: Ends) -> None:
        self._house = house
        self._open = standing
        self._ends = ends

    def declare(self, bundle: Bundle, id: str, skill: Skill, input: Any, subject: str | None, alternatives: Sequence[Any], origin: Origin) -> None:
        """Say in the append that takes an action in what it means to touch, and whom it meets there: before any of them has acted."""
        try:
            wants = conflicts.wanted(skill, input)
        except Invalid:  # what it lacks another task may bring; before it runs it is asked again
            return
        sealed = self._sealed(bundle, alternatives, subject)
        before = [draft for draft in bundle.drafts if draft.kind == "intent.declared"]
        drawn = self.add(bundle, id, skill, wants, subject, sealed, -1)
        self._foresee(bundle, id, skill, drawn, before, origin)

    def declare_anew(self, bundle: Bundle, id: str, skill: Skill, input: Any, subject: str | None, alternatives: Sequence[Any], why: str) -> None:
        """Say, in the append whose last draft gave a waiting action other parameters, what it means to touch now. It leaves its conflicts.

        Raises: `Invalid` where the parameters do not say what it would touch.
        """
        if not skill.intends:
            return
        place, wants = len(bundle.drafts) - 1, conflicts.wanted(skill, input)
        self._ends.leave(bundle, id, place, why)
        sealed = self._sealed(bundle, alternatives, subject)
        if count := len(self._open.rows(id)):
            bundle.add(Draft("intent.closed", id, "tutti", {"count": count}, -1))
        self.add(bundle, id, skill, wants, subject, sealed, -1)

    def add(self, bundle: Bundle, id: str, skill: Skill, wants: Sequence[Wanted], subject: str | None, alternatives: str | None, cause: int) -> Draft:
        """Say what an action means to touch; `alternatives` is the payload of what else it brought."""
        rows = []
        for want in wants:
            payload = self._house.journal.seal(want.resource, subject)
            bundle.payloads.append(payload)
            value = None if want.value is None else round(want.value * MICROS)
            rows.append([self._open.key(want.resource), payload.id, want.effect, want.units, value, want.start, want.end, want.lasts])
        data: dict[str, Any] = {"skill": skill.name, "intents": rows}
        if alternatives:
            data["alternatives"] = alternatives
        draft = Draft("intent.declared", id, "tutti", data, cause)
        bundle.add(draft)
        return draft

    def _sealed(self, bundle: Bundle, alternatives: Sequence[Any], subject: str | None) -> str | None:
        if not alternatives:
            return None
        payload = self._house.journal.seal(list(alternatives), subject)
        bundle.payloads.append(payload)
        return payload.id

    def _foresee(self, bundle: Bundle, id: str, skill: Skill, drawn: Draft, before: Sequence[Draft], origin: Origin) -> None:
        now, found = self._house.clock.now(), dict[str, tuple[str, str, str, str, str]]()
        own = {origin.parent, *self._open.ancestors(origin.parent)} | {id}
        for resource, name, effect, units, _, start, end, lasts in drawn.data["intents"]:
            need = Wanted(resource, effect, units, None, start, end, lasts).need(now, micros(skill.timeout))
            for task, other_skill, other in self._open.around(resource, now):
                if task not in own and (rule := conflicts.collide(need, other, self._open.rules)):
                    found.setdefault(task, (rule, name, effect, other.effect, other_skill))
            for draft in before:
                for there, _, other_effect, other_units, _, starts, ends, stays in draft.data["intents"]:
                    other = Wanted(there, other_effect, other_units, None, starts, ends, stays).need(now, RUNNING)
                    if draft.about not in own and (rule := conflicts.collide(need, other, self._open.rules)):
                        found.setdefault(draft.about, (rule, name, effect, other_effect, draft.data["skill"]))
        for task, (rule, name, effect, other_effect, other_skill) in found.items():
            resource = drawn.data["intents"][0][0]
            data = {"task": id, "other": task, "resource": resource, "name": name, "rule": rule, "effect": effect, "other_effect": other_effect}
            bundle.add(Draft("conflict.found", pair(id, task), "tutti", data | {"skill": skill.name, "other_skill": other_skill}, -1))
