"""Governing: what waits for a person, how far agents go alone, what stops them, and what people want."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import orjson

from tutti import explanation, gates
from tutti.clock import to_text
from tutti.desk.counter import OWNER, Row
from tutti.desk.deciding import Deciding
from tutti.errors import Conflict, Invalid, NotFound, Refused
from tutti.model.fact import Draft
from tutti.model.money import to_millionths
from tutti.model.task import Stage
from tutti.model.verdict import Level
from tutti.reception import Bundle
from tutti.security import sign_approval, verify_approval


class Governing(Deciding):
    """Approvals, levels, kill switches, goals."""

    async def approvals(self, *, departments: Collection[str] | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """Open approvals, oldest first; with `departments`, only of their tasks."""
        tasks = self._journal.hot.table("task")
        rows = [row for row in self._journal.hot.table("approval").values() if row["state"] == "open"]
        if departments is not None:
            rows = [row for row in rows if (task := tasks.get((row["task"],))) is not None and task["department"] in departments]
        return [await self._approval_view(row) for row in sorted(rows, key=lambda row: row["asked_at"])[:limit]]

    async def approval(self, id: str) -> dict[str, Any]:
        """One approval, by its id or by its task's: what will happen, whether it can be undone, why it asks, until when."""
        if id.startswith("t-"):
            row = await self._row("task", id, "task")
            if not row["approval"]:
                raise NotFound(f"{id} asks for no approval.", hint=f"It is {row['state']}: {row['reason'] or row['stage']}.")
            id = row["approval"]
        row = await self._row("approval", id, "approval")
        return await self._approval_view(row) | {"conflicts": (await self.conflicts(task=row["task"]))["conflicts"]}

    async def _approval_view(self, row: Row) -> dict[str, Any]:
        task = await self._row("task", row["task"], "task")
        house = self.corridor.house
        card = house.registry.card(row["agent"], row["agent_version"])
        skill = card.skills.get(task["skill"]) if card else None
        reference, _, part = row["input"].partition("#")
        input = (await self._journal.payloads([reference])).get(reference)
        input = input.get(part) if part and isinstance(input, Mapping) else input
        return {
            "schema": "tutti.approval/1", "id": row["id"], "task": row["task"], "skill": task["skill"], "state": row["state"], "question": explanation.question(skill, task, input),
            "input": input, "agent": row["agent"], "version": row["agent_version"], "policy": row["policy"], "nonce": row["nonce"], "digest": row["input"],
            "reversible": bool(skill and skill.reversible), "reasons": orjson.loads(row["reasons"]), "asked_at": to_text(row["asked_at"]),
            "expires_at": to_text(row["expires_at"]), "expires_at_us": row["expires_at"], "answered_by": row["answered_by"], "workspace": self._journal.workspace,
        }  # fmt: skip

    async def answer_approval(self, id: str, answer: str, signature: str, *, note: str = "", by: str = OWNER) -> dict[str, Any]:
        """Take a person's signed answer (`approve` or `reject`) to an approval. Raises `Refused` when the signature does not hold."""
        row = await self._row("approval", id, "approval")
        if row["state"] != "open":
            said = "approved" if row["state"] == "used" else row["state"]
            raise Conflict(f"{id} was answered already: {said} by {row['answered_by'] or 'nobody'}.", hint=f"`tutti why {row['task']}` says more.")
        house = self.corridor.house
        if house.clock.now() > row["expires_at"]:
            raise Conflict(f"{id} has expired.", hint="Send its task on again with `tutti tasks settle ID again`.")
        if not verify_approval(self._journal.keys.owner.public, gates.signed(self._journal.workspace, row, answer), signature):
            raise Refused("The signature does not hold for this answer.", hint="Answer with the owner's key of this workspace.")
        task = await self._row("task", row["task"], "task")
        if not task["open"] or task["stage"] != Stage.APPROVAL or task["approval"] != id:
            raise Conflict(f"{id} is not asked any more: its task is {task['state']}.", hint=f"`tutti why {row['task']}` says how.")
        bundle = Bundle(expect={("approval", (id,)): row["version"], ("task", (row["task"],)): task["version"]})
        data = {"task": row["task"], "answer": answer, "input": row["input"], "signature": signature, "key": self._journal.keys.owner.public.hex()[:16]}
        if note:
            payload = self._journal.seal(note, await self.corridor.house.subject(task))
            bundle.payloads.append(payload)
            data["note"] = payload.id
        bundle.add(Draft("approval.answered", id, by, data, task["seq"]))
        if answer == "reject":
            bundle.add(Draft("task.rejected", row["task"], by, {"reason": "a person said no"}, -1))
        await self.corridor.record(bundle)
        return await self._approval_view(await self._row("approval", id, "approval"))

    async def answer_as_owner(self, id: str, answer: str, *, note: str = "", by: str = OWNER) -> dict[str, Any]:
        """Sign an answer with the owner's key of this process and give it, for a person that a door knows. `id` is an approval's or its task's."""
        view = await self.approval(id)
        row = await self._row("approval", view["id"], "approval")
        signature = sign_approval(self._journal.keys.owner, gates.signed(self._journal.workspace, row, answer))
        return await self.answer_approval(row["id"], answer, signature, note=note, by=by)

    async def set_level(self, skill: str, level: str, *, up_to: float | None = None, reason: str = "", by: str = OWNER) -> dict[str, Any]:
        """Set how far an action goes alone, from the next decision on."""
        if level not in ("approve", "act"):
            raise Invalid(f"{level!r} is no level.", hint="Levels are approve and act.")
        if not self.corridor.house.registry.skill(skill).is_action:
            raise Invalid(f"{skill} is advice; levels are for actions.")
        cell = self._journal.hot.table("autonomy").get((skill,))
        data = {
            "level": Level[level.upper()].value,
            "up_to": None if up_to is None else to_millionths(up_to, "up_to"),
            "reason": reason,
            "was": cell["level"] if cell else 2,
        }
        bundle = Bundle(expect={("autonomy", (skill,)): cell["version"] if cell else 0})
        bundle.add(Draft("autonomy.changed", skill, by, data))
        await self.corridor.record(bundle)
        return {"skill": skill, "level": level, "up_to": up_to}

    async def kill(self, scope: str, name: str = "", *, reason: str = "", by: str = OWNER) -> dict[str, Any]:
        """Throw a kill switch (scope agent, action or workspace): when this returns, no effect starts any more, and what ran is canceled."""
        self._check_scope(scope, name)
        bundle = Bundle()
        bundle.add(Draft("kill.thrown", f"{scope}/{name}", by, {"scope": scope, "name": name, "reason": reason}))
        await self.corridor.record(bundle)
        return {"scope": scope, "name": name, "on": True, "stopped": self.corridor.stop_running(scope, name)}

    async def lift(self, scope: str, name: str = "", *, reason: str = "", by: str = OWNER) -> dict[str, Any]:
        """Lift a kill switch. Tasks it parked before they began go on."""
        self._check_scope(scope, name)
        row = self._journal.hot.table("kill").get((scope, name))
        if row is None or not row["on"]:
            raise NotFound(f"No kill switch is on for {scope} {name}.".replace(" .", "."))
        bundle = Bundle()
        bundle.add(Draft("kill.lifted", f"{scope}/{name}", by, {"scope": scope, "name": name, "reason": reason}))
        parked = [row for row in self._journal.hot.table("task").values() if row["stage"] == Stage.PARKED and (row["reason"] or "").startswith(gates.STOPPED)]
        for row in parked:
            bundle.expect["task", (row["id"],)] = row["version"]
            bundle.add(Draft("task.resumed", row["id"], "tutti", {"stage": Stage.READY.value, "reason": "the kill switch was lifted"}, -1))
        await self.corridor.record(bundle)
        return {"scope": scope, "name": name, "on": False, "resumed": len(parked)}

    def _check_scope(self, scope: str, name: str) -> None:
        if scope not in ("agent", "action", "workspace") or (scope == "workspace") == bool(name):
            raise Invalid(f"There is no kill switch for {scope} {name}.".replace(" .", "."), hint="Say agent NAME, action SKILL, or workspace.")

    async def goals(self) -> list[dict[str, Any]]:
        """What people want: each goal with its KPI, target, and how much it makes quality, latency, cost and load count."""
        rows = self._journal.hot.table("goal").values()
        return [{name: row[name] for name in ("name", "kpi", "target", "note")} | {"weights": orjson.loads(row["weights"])} for row in rows]

    async def set_goal(
        self, name: str, *, kpi: str = "", target: float | None = None, weights: Mapping[str, float] | None = None, note: str = "", by: str = OWNER
    ) -> dict[str, Any]:
        """State what people want; its weights count from the next route on."""
        if set(weights or {}) - {"quality", "latency", "cost", "load"} or any(not 0 <= value <= 1000 for value in (weights or {}).values()):
            raise Invalid(f"Goal {name}: weights are quality, latency, cost and load, from 0 up.", hint='For example {"quality": 0.8, "cost": 0.2}.')
        row = self._journal.hot.table("goal").get((name,))
        data = {"kpi": kpi, "target": "" if target is None else str(target), "note": note}
        data["weights"] = orjson.dumps({key: float(value) for key, value in (weights or {}).items()}, option=orjson.OPT_SORT_KEYS).decode()
        bundle = Bundle(expect={("goal", (name,)): row["version"] if row else 0})
        bundle.add(Draft("goal.set", name, by, data))
        await self.corridor.record(bundle)
        return next(goal for goal in await self.goals() if goal["name"] == name)
