"""Rules: what is in force (policy, levels, budgets, caps, subscriptions, switches), and what the policy decided lately."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from typing import Any

import orjson

from tutti import gates, observation
from tutti.clock import MICROS, micros, to_text
from tutti.desk.counter import Counter, Row
from tutti.errors import Invalid
from tutti.model.verdict import Level

_NEVER = {"allowed": 0, "asked": 0, "denied": 0, "last_at": None, "last_task": None}


class Rules(Counter):
    """Reading what is in force."""

    async def policies(self, *, window: timedelta = timedelta(days=1), departments: Collection[str] | None = None) -> dict[str, Any]:
        """The policy with its versions and rules, how often each rule decided something in the last `window`, and levels, budgets and caps.

        Decisions are counted from `since` on, which is later than the window begins where there were more than can be counted. Raises: `Invalid`.
        """
        house = self.corridor.house
        now = house.clock.now()
        if not timedelta() < window <= timedelta(days=3660):
            raise Invalid("There is no such time to look back over.", hint="Say up to ten years.")
        rows = sorted(self._journal.hot.table("policy").values(), key=lambda row: row["current"], reverse=True)
        current = rows[0] if rows else None
        found = await observation.decided(self._journal.survey, since=max(now - micros(window), 0), departments=departments)
        rules = [] if current is None else [rule._asdict() | _told(found.rules.get(rule.id, _NEVER)) for rule in gates.rules_of(current["text"])]
        return {
            "schema": "tutti.policies/1", "current": current["digest"] if current else None, "text": current["text"] if current else "", "rules": rules,
            "versions": [{"digest": row["digest"], "published_at": to_text(row["at"]), "current": row is current} for row in rows],
            "since": to_text(found.since), "decisions": found.decisions,
            "budgets": self._budgets(departments, now), "levels": self._levels(departments), "caps": await self._caps(departments, now),
        }  # fmt: skip

    def subscriptions(self, *, departments: Collection[str] | None = None) -> list[dict[str, Any]]:
        """What is done about which signals: subscriptions to skills of these departments."""
        rows = [row for row in self._journal.hot.table("subscription").values() if row["state"] == "live" and self._is_of(row["skill"], departments)]
        names = ("id", "type", "condition", "skill", "priority", "deadline_ms")
        return [
            {name: row[name] for name in names} | {"gather": [{"field": field, "skill": skill} for field, skill in orjson.loads(row["gather"])]}
            for row in sorted(rows, key=lambda row: (row["type"], row["skill"], row["id"]))
        ]

    def switches(self) -> list[dict[str, Any]]:
        """Kill switches that are on, the oldest first."""
        rows = [row for row in self._journal.hot.table("kill").values() if row["on"] and row["scope"] != "any"]
        return [
            {"scope": row["scope"], "name": row["name"], "on": True, "reason": row["reason"], "by": row["by"], "at": to_text(row["at"])}
            for row in sorted(rows, key=lambda row: row["at"])
        ]

    def _budgets(self, departments: Collection[str] | None, now: int) -> list[dict[str, Any]]:
        """Budgets with what is taken from them in the period that runs."""
        told = []
        for (name,), row in sorted(self._journal.hot.table("budget").items()):
            if self._is_of(row["action"], departments):
                spent = self._journal.hot.table("spending").get((name, gates.period_of(row["per"], now)), {"money": 0, "count": 0})
                limits = {"action": row["action"], "money": _money(row["money"]), "count": row["count"], "per": row["per"], "currency": row["currency"]}
                told.append({"name": name, **limits, "spent": _money(spent["money"]), "used": spent["count"]})
        return told

    def _levels(self, departments: Collection[str] | None) -> list[dict[str, Any]]:
        """How far each action goes alone; `by` and `since` are null where nobody has set it."""
        cells = self._journal.hot.table("autonomy")
        actions = {skill.name: card.department for card in self.corridor.house.registry.live() for skill in card.skills.values() if skill.is_action}
        told = []
        for skill, department in sorted(actions.items()):
            if departments is None or department in departments:
                cell = cells.get((skill,)) or {"level": Level.APPROVE.value, "up_to": None, "reason": None, "by": None, "since": None}
                since = None if cell["since"] is None else to_text(cell["since"])
                said = {"level": cell["level"], "up_to": _money(cell["up_to"]), "reason": cell["reason"], "by": cell["by"], "since": since}
                told.append({"skill": skill, "department": department, **said})
        return told

    async def _caps(self, departments: Collection[str] | None, now: int) -> list[dict[str, Any]]:
        """Caps on calls to models, with what is taken in the period that runs; null for a cap that holds for each task by itself."""
        told = []
        for (name,), row in sorted(self._journal.hot.table("cap").items()):
            if row["state"] != "live" or (departments is not None and row["department"] not in departments):
                continue
            used: Mapping[str, Any] | None = None
            if not row["per_task"]:
                used = await self._journal.row("capped", (name, "", gates.period_of(row["per"], now))) or {"money": 0, "tokens": 0, "calls": 0}
            told.append({
                "name": name, "agent": row["agent"], "department": row["department"], "per_task": bool(row["per_task"]), "money": _money(row["money"]),
                "tokens": row["tokens"], "calls": row["calls"], "per": row["per"], "spent_money": _money(used["money"]) if used else None,
                "used_tokens": used["tokens"] if used else None, "used_calls": used["calls"] if used else None,
            })  # fmt: skip
        return told


def _told(counts: Row) -> dict[str, Any]:
    return {**counts, "last_at": None if counts["last_at"] is None else to_text(counts["last_at"])}


def _money(millionths: int | None) -> float | None:
    return None if millionths is None else millionths / MICROS
