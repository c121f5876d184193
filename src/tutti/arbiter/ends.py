"""What the end of an action does to what it meant to touch or held: in the same append it lets go, and those go on who stood against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tutti.arbiter.standing import CONTESTED, Standing
from tutti.house import House
from tutti.ids import derived
from tutti.model.fact import Draft
from tutti.model.outcome import Ending, unsure
from tutti.model.task import ENDED_STATES, Stage
from tutti.reception import Bundle

ENDS = frozenset(f"task.{state.value}" for state in ENDED_STATES)
_UNDOES = 20  # tries to undo one task; an inverse that came to nothing so often needs another remedy
_UNDER_WAY = (Stage.RUNNING, Stage.ASKING, Stage.BACKOFF)


class Ends:
    """Adds to appends what follows from an end; it records nothing of its own."""

    def __init__(self, house: House, standing: Standing) -> None:
        self._house = house
        self._open = standing
        hot = house.journal.hot
        self._tasks, self._leases, self._conflicts = hot.table("task"), hot.table("lease"), hot.table("conflict")

    def attend(self, bundle: Bundle) -> None:
        """Add to an append what the end of an action in it does to what the action meant to touch or held."""
        if not self._open.touched:
            return
        for place, draft in enumerate(list(bundle.drafts)):
            if draft.kind == "task.completed":
                self._undone(bundle, draft.about, place)
            if draft.about not in self._open.touched:
                continue
            if draft.kind in ENDS:
                self._ended(bundle, draft, place)
            elif (
                draft.kind == "run.finished"
                and draft.data["next"] in ("retry", "fallback", "park")
                and _nothing_happened(draft.data)
                and not self._open.unsure(draft.about)
            ):
                self._let_go(bundle, draft.about, place, "nothing happened")

    def _ended(self, bundle: Bundle, draft: Draft, place: int) -> None:
        id, now = draft.about, self._house.clock.now()
        task = self._tasks.get((id,))
        stage = task["stage"] if task is not None else Stage.ENDED
        done = draft.kind == "task.completed"
        maybe = draft.kind in ("task.canceled", "task.failed") and (
            self._open.unsure(id) or (stage in _UNDER_WAY and (stage != Stage.RUNNING or draft.kind == "task.canceled"))
        )
        if done or maybe:
            said = {other.data["resource"] for other in bundle.drafts if other.kind == "lease.released" and other.about == id}
            for row in (row for row in self._open.mine(id, now) if row["resource"] not in said):
                until = row["until_at"] if row["until_at"] is not None else now + row["lasts"]
                if until > now:
                    bundle.add(Draft("lease.acted", id, "tutti", {"resource": row["resource"], "until": until}, bundle.since(place)))
                else:
                    bundle.add(Draft("lease.released", id, "tutti", {"resource": row["resource"], "reason": "it is done"}, bundle.since(place)))
        else:
            self._let_go(bundle, id, place, draft.kind.removeprefix("task."))
        count = len(self._open.rows(id))
        if count:
            bundle.add(Draft("intent.closed", id, "tutti", {"count": count}, bundle.since(place)))
        self.leave(bundle, id, place, "the other one has ended")

    def _undone(self, bundle: Bundle, id: str, place: int) -> None:
        """What an inverse undid stands no longer, whether the inverse says itself what it touches or not."""
        task = self._tasks.get((id,))
        if task is not None and task["parent"] in self._open.touched and id in undo_ids(task["parent"], task["skill"]):
            self._let_go(bundle, task["parent"], place, "undone", acted=True)

    def give_up(self, bundle: Bundle, id: str) -> None:
        """Let go of what a task holds, because a person says that nothing came of it."""
        for row in self._open.mine(id, self._house.clock.now()):
            bundle.add(Draft("lease.released", id, "tutti", {"resource": row["resource"], "reason": "a person says that nothing happened"}, row["token"]))

    def _let_go(self, bundle: Bundle, id: str, place: int, reason: str, *, acted: bool = False) -> None:
        for resource in sorted(self._open.touched.get(id, ())):
            row = self._leases.get((resource, id))
            if row is not None and (acted or row["state"] == "held"):
                bundle.add(Draft("lease.released", id, "tutti", {"resource": resource, "reason": reason}, bundle.since(place)))

    def leave(self, bundle: Bundle, id: str, place: int, reason: str) -> None:
        """Take a task out of its open conflicts: the other sides go on, where they were parked for a person to decide."""
        settled = {draft.about for draft in bundle.drafts if draft.kind == "conflict.resolved"}
        for conflict in sorted(self._open.met.get(id, ())):
            row = self._conflicts.get((conflict,))
            if row is None:
                continue
            other = row["other"] if row["task"] == id else row["task"]
            if conflict not in settled:
                data = {"task": row["task"], "other": row["other"], "rung": "ended", "winner": other, "outcome": "goes", "reason": reason}
                bundle.add(Draft("conflict.resolved", conflict, "tutti", data, bundle.since(place)))
            self.resume(bundle, other, place)

    def resume(self, bundle: Bundle, id: str, place: int) -> None:
        """Send a task on that was parked for a person to decide between it and another."""
        task = self._tasks.get((id,))
        if task is None or task["stage"] != Stage.PARKED or not str(task["reason"]).startswith(CONTESTED):
            return
        if any(draft.kind == "task.resumed" and draft.about == id for draft in bundle.drafts):
            return
        bundle.expect["task", (id,)] = task["version"]
        approval = self._house.journal.hot.table("approval").get((task["approval"],))
        stage = Stage.APPROVED if approval is not None and approval["state"] == "approved" else Stage.READY
        data = {"stage": stage.value, "reason": "the conflict it was in is decided"}
        bundle.add(Draft("task.resumed", id, "tutti", data, bundle.since(place)))


def _nothing_happened(data: Mapping[str, Any]) -> bool:
    return data["outcome"] in (Ending.FAILED, Ending.STOPPED) and not unsure(data["outcome"], data.get("error", ""))


def undo_ids(task: str, skill: str) -> list[str]:
    """The ids of the tasks that undo another, in the order in which they are tried: the next one only when the one before came to nothing."""
    return [derived("t", task, "undo", skill, *([str(number)] if number else [])) for number in range(_UNDOES)]
