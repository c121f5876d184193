"""The roster: who is there, who comes, and who goes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import orjson

from tutti import observation
from tutti.clock import MICROS, micros, to_text
from tutti.desk.counter import OWNER, Counter, Row
from tutti.errors import Conflict, Invalid, NotFound
from tutti.feedback import interval
from tutti.model.agent import AgentCard, Endpoint, Skill
from tutti.model.fact import Draft
from tutti.model.verdict import Level
from tutti.reception import Bundle
from tutti.registry import card_to_json, offered, registration
from tutti.transports import discover

_TREND = 20  # parts of a window for which quality is told


def _ranked(views: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Standings by skill, the best first, each with those it cannot be told apart from."""
    for view in views:
        view["tie_with"] = [
            other["name"] if other["name"] != view["name"] else f"{other['name']} {other['version']}"
            for other in views
            if other is not view and other["skill"] == view["skill"] and other["low"] <= view["high"] and view["low"] <= other["high"]
        ]
    return sorted(views, key=lambda view: (view["skill"], -view["quality"], view["name"], view["version"]))


class Roster(Counter):
    """Agents."""

    async def agents(self, *, departments: Collection[str] | None = None) -> list[dict[str, Any]]:
        """Live agents (of these departments) with what is believed of them at each skill, as mean and 95 % interval."""
        house, standings = self.corridor.house, self._journal.hot.table("standing")
        shut = house.breakers.shut(house.clock.now())
        sums: dict[tuple[str, str, str], list[int]] = {}
        for row in standings.values():
            total = sums.setdefault((row["skill"], row["agent"], row["agent_version"]), [0, 0, 0, 0, 0])
            for place, name in enumerate(("good", "bad", "judged", "ms", "runs")):
                total[place] += row[name]
        found = []
        for card in sorted(house.registry.live(), key=lambda card: (card.department, card.name, card.version)):
            if departments is not None and card.department not in departments:
                continue
            for skill in card.skills.values():
                good, bad, judged, ms, runs = sums.get((skill.name, card.name, card.version), [0, 0, 0, 0, 0])
                mean, low, high = interval(good / MICROS, bad / MICROS)
                cell = self._journal.hot.table("autonomy").get((skill.name,))
                found.append({
                    "schema": "tutti.agent/1", "name": card.name, "version": card.version, "department": card.department, "owner": card.owner, "skill": skill.name,
                    "nature": skill.nature.value, "quality": round(mean, 4), "low": round(low, 4), "high": round(high, 4), "judged": judged,
                    "mean_ms": round(ms / runs, 2) if runs else None, "running": house.running.get((card.name, card.version), 0), "concurrency": card.concurrency,
                    "level": (cell["level"] if cell else Level.APPROVE.value) if skill.is_action else None,
                    "up_to": cell["up_to"] / MICROS if cell and cell["up_to"] is not None else None, "health": shut.get((card.name, card.version), "ok"),
                })  # fmt: skip
        return found

    async def standings(
        self, *, skill: str | None = None, window: timedelta = timedelta(days=7), departments: Collection[str] | None = None
    ) -> list[dict[str, Any]]:
        """Each version of an agent (of these departments) at each skill (or this one): what is believed of it, and what it has achieved in the window.

        Best first within a skill; `tie_with` names those whose 95 % interval overlaps. Retired versions are there while the window knows work of them.
        """
        house, now = self.corridor.house, self.corridor.house.clock.now()
        since = now - micros(window)
        done = await observation.achieved(self._journal.survey, since=since, until=now + 1, parts=_TREND, skill=skill)
        by_skill: dict[str, int] = {}
        for (name, _, _), found in done.items():
            by_skill[name] = by_skill.get(name, 0) + found.tasks
        sums: dict[tuple[str, str, str], list[int]] = {}
        for row in self._journal.hot.table("standing").values():
            total = sums.setdefault((row["skill"], row["agent"], row["agent_version"]), [0, 0, 0])
            for place, column in enumerate(("good", "bad", "judged")):
                total[place] += row[column]
        shut = house.breakers.shut(now)
        views = []
        for row in self._journal.hot.table("agent").values():
            card = house.registry.card(row["name"], row["agent_version"])
            if card is None or (departments is not None and card.department not in departments):
                continue
            for offer in card.skills.values():
                key = (offer.name, card.name, card.version)
                if skill in (None, offer.name) and (row["state"] != "retired" or key in done):
                    view = self._standing(row, card, offer, sums.get(key, [0, 0, 0]), done.get(key), by_skill.get(offer.name, 0))
                    trend = done[key].trend if key in done else []
                    view["trend"] = [
                        {"at": to_text(since + part * micros(window) // _TREND), "quality": round(mean / MICROS, 4), "n": n} for part, mean, n in trend
                    ]
                    view["health"] = shut.get((card.name, card.version), "ok")
                    views.append(view)
        return _ranked(views)

    def _standing(self, row: Row, card: AgentCard, offer: Skill, sums: list[int], done: observation.Achieved | None, of: int) -> dict[str, Any]:
        good, bad, judged = sums
        mean, low, high = interval(good / MICROS, bad / MICROS)
        cell = self._journal.hot.table("autonomy").get((offer.name,)) if offer.is_action else None
        level = None if not offer.is_action else cell["level"] if cell else Level.APPROVE.value
        return {
            "schema": "tutti.standing/1", "name": card.name, "version": card.version, "department": card.department, "owner": card.owner, "skill": offer.name,
            "nature": offer.nature.value, "state": row["state"], "since": to_text(row["since"]), "quality": round(mean, 4), "low": round(low, 4), "high": round(high, 4),
            "judged": judged, "p50_ms": None if done is None or done.p50 is None else done.p50 / 1000, "p95_ms": None if done is None or done.p95 is None else done.p95 / 1000,
            "cost": None if done is None or done.cost is None else round(done.cost / MICROS, 6), "tasks": done.tasks if done else 0, "alone": done.alone if done else 0,
            "actions": done.actions if done else 0, "failed": done.failed if done else 0, "share": round(done.tasks / of, 4) if done and of else 0.0, "level": level,
            "up_to": cell["up_to"] / MICROS if cell and cell["up_to"] is not None else None,
            "running": self.corridor.house.running.get((card.name, card.version), 0), "concurrency": card.concurrency,
        }  # fmt: skip

    async def card(self, name: str) -> dict[str, Any]:
        """The cards of all versions of an agent, retired ones too."""
        rows = await self._journal.rows("agent", {"name": name})
        if not rows:
            raise NotFound(f"There is no agent {name}.", hint="`tutti agents` lists them.")
        return {
            "name": name,
            "versions": [{"state": row["state"], "since": to_text(row["since"]), "digest": row["digest"], **orjson.loads(row["card"])} for row in rows],
        }

    async def register(
        self,
        endpoint: Endpoint,
        *,
        department: str,
        owner: str = "",
        name: str = "",
        concurrency: int = 16,
        by: str = OWNER,
        after: str = "",
    ) -> dict[str, Any]:
        """Take an agent outside into the fleet, or its new version when its card has changed: then the old one gets nothing new and finishes.

        `after` is the version that is looked at again: where somebody takes it out meanwhile, it stays out.
        Raises: `Conflict` when the name belongs to another agent, `AgentFailed` when it does not answer, `Invalid`, `Refused` (egress).
        """
        house = self.corridor.house
        if name:  # an MCP server's tools are called after it
            endpoint = replace(endpoint, options={**endpoint.options, "name": name})
        found = await discover(endpoint, house.outside)
        endpoint = replace(endpoint, options={**endpoint.options, **found.options}, by=by)
        skills = offered(found.skills, endpoint.options.get("skills") or {})
        for skill in skills.values():
            rivals = [card.skills[skill.name] for card in house.registry.offers(skill.name)]
            if rivals and rivals[0].nature is not skill.nature:
                raise Invalid(f"{skill.name} is {rivals[0].nature} in this fleet, and {skill.nature} of {found.name}.", hint="Name it otherwise with as_=.")
        card = AgentCard(name or found.name, "", department, owner, skills, concurrency, endpoint=endpoint)
        digest = sha256((card_to_json(card) + found.fingerprint).encode()).hexdigest()[:16]
        card = replace(card, version=f"{found.version}+{digest[:8]}", digest=digest)
        house.registry.check_name(card)
        pinned = self._journal.hot.table("agent_key").get((card.name,))
        if pinned is not None and pinned["state"] == "active" and pinned["key"] != endpoint.key:
            raise Conflict(
                f"{card.name} is bound to another key.", hint=f"Give it another name, or let go of the key: `tutti accounts remove agent/{card.name}`."
            )
        agents = self._journal.hot.table("agent")
        row = agents.get((card.name, card.version))
        new = row is None or row["state"] != "live"
        before = agents.get((card.name, after)) if after else None
        if after and (before is None or before["state"] != "live"):
            raise Conflict(f"{card.name} {after} was taken out meanwhile.")
        if new:
            bundle = Bundle(expect={("agent", (card.name, card.version)): row["version"] if row else 0})
            if before is not None:
                bundle.expect["agent", (card.name, after)] = before["version"]
            bundle.add(registration(card, by))
            for old in house.registry.versions(card.name):
                if old.version != card.version:
                    bundle.add(Draft("agent.drained", card.name, by, {"version": old.version, "reason": f"{card.version} took its place"}))
            await self.corridor.record(bundle)
        return {"schema": "tutti.registered/1", "name": card.name, "version": card.version, "digest": digest, "skills": sorted(skills), "new": new}

    async def drain(self, name: str, version: str = "", *, reason: str = "", by: str = OWNER) -> dict[str, Any]:
        """Give an agent's version (all of them without one) nothing new; what it has begun it finishes."""
        return await self._dismiss("agent.drained", name, version, reason or "drained", by, ("live",))

    async def retire(self, name: str, version: str = "", *, reason: str = "", by: str = OWNER) -> dict[str, Any]:
        """Take an agent's version (all of them without one) out of the fleet."""
        return await self._dismiss("agent.retired", name, version, reason or "retired", by, ("live", "draining"))

    async def _dismiss(self, kind: str, name: str, version: str, reason: str, by: str, states: tuple[str, ...]) -> dict[str, Any]:
        rows = [row for row in self._journal.hot.table("agent").values() if row["name"] == name and version in ("", row["agent_version"])]
        if not rows:
            raise NotFound(f"There is no agent {name}{' ' + version if version else ''}.", hint="`tutti agents` lists them.")
        rows = [row for row in rows if row["state"] in states]
        if not rows:
            raise Conflict(f"{name} takes nothing new already.", hint="`tutti agents show NAME` shows its versions.")
        bundle = Bundle(expect={("agent", (name, row["agent_version"])): row["version"] for row in rows})
        for row in rows:
            bundle.add(Draft(kind, name, by, {"version": row["agent_version"], "reason": reason}))
        await self.corridor.record(bundle)
        return await self.card(name)
