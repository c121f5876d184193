"""Governing: what waits for a person, how far agents go alone, what stops them, and what people want."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tutti import gates
from tutti.clock import to_text
from tutti.desk.approving import Approving
from tutti.desk.counter import OWNER
from tutti.errors import Invalid, NotFound
from tutti.model.fact import Draft
from tutti.model.money import to_millionths
from tutti.model.task import Stage
from tutti.model.verdict import Level
from tutti.reception import Bundle


class Governing(Approving):
    """Levels, kill switches, goals."""

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
        return {"scope": scope, "name": name, "on": True, "stopped": self.corridor.runs.stop(scope, name)}

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
        return [
            {name: row[name] for name in ("name", "kpi", "target", "note")}
            | {"weights": orjson.loads(row["weights"]), "set_at": to_text(row["at"]), "set_by": row["by"]}
            for row in rows
        ]

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
