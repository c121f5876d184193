"""The cards of the fleet, by skill, and how a declaration differs from what the journal knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from tutti.errors import NoRoute
from tutti.model.agent import AgentCard, Nature, Skill
from tutti.model.fact import Draft


class Registry:
    """Cards of live and retired versions. Retired ones finish what they started and get nothing new."""

    def __init__(self) -> None:
        self._cards: dict[tuple[str, str], AgentCard] = {}
        self._live: dict[str, dict[tuple[str, str], AgentCard]] = {}

    def add(self, card: AgentCard, *, live: bool = True) -> None:
        """Take a card in; a card of the same name and version replaces the one before."""
        self._cards[card.name, card.version] = card
        for skill in card.skills:
            offers = self._live.setdefault(skill, {})
            offers.pop((card.name, card.version), None)
            if live:
                offers[card.name, card.version] = card

    def card(self, name: str, version: str) -> AgentCard | None:
        """The card of one version, live or retired."""
        return self._cards.get((name, version))

    def offer(self, skill: str) -> AgentCard | None:
        """The first live card that offers a skill."""
        return next(iter(self._live.get(skill, {}).values()), None)

    def offers(self, skill: str) -> list[AgentCard]:
        """Live cards that offer a skill."""
        return list(self._live.get(skill, {}).values())

    def skill(self, name: str) -> Skill:
        """A skill as its first live agent describes it. Raises `NoRoute` when nobody offers it."""
        card = self.offer(name)
        if card is not None:
            return card.skills[name]
        known = sorted(skill for skill, offers in self._live.items() if offers)
        raise NoRoute(f"No agent offers {name}.", hint=f"Offered are: {', '.join(known) or 'none yet'}. Add an agent with skill={name!r}.", skill=name)

    def skills(self) -> list[str]:
        """Names of all skills that a live agent offers."""
        return sorted(skill for skill, offers in self._live.items() if offers)

    def live(self) -> list[AgentCard]:
        """All live cards."""
        return list({(c.name, c.version): c for offers in self._live.values() for c in offers.values()}.values())

    def load(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take in the registry's rows, as a process does that has no code for the agents (an offline command)."""
        for row in rows:
            self.add(card_from_json(row["card"]), live=row["state"] == "live")


def card_to_json(card: AgentCard) -> str:
    """A card as text with sorted keys; its digest is left out (it is the digest of this text)."""
    data = asdict(card)
    del data["digest"]
    for skill in data["skills"].values():
        skill["nature"] = str(skill["nature"])
        for name in ("latency", "timeout", "fresh_for"):
            value = skill.pop(name)
            skill[f"{name}_ms"] = None if value is None else round(value / timedelta(milliseconds=1))
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def card_from_json(text: str) -> AgentCard:
    """The inverse of `card_to_json`."""
    data = json.loads(text)
    skills = {}
    for name, skill in data.pop("skills").items():
        for field in ("latency", "timeout", "fresh_for"):
            value = skill.pop(f"{field}_ms")
            skill[field] = None if value is None else timedelta(milliseconds=value)
        skills[name] = Skill(**{**skill, "nature": Nature(skill["nature"])})
    return AgentCard(**data, skills=skills)


def changes_of(
    cards: Iterable[AgentCard],
    agents: Mapping[tuple[str, str], Mapping[str, Any]],
    subscriptions: Mapping[str, Mapping[str, Any]],
    known: Mapping[tuple[str], Mapping[str, Any]],
) -> list[Draft]:
    """Drafts that bring the journal's registry to what a fleet declares: new and changed cards, versions that are gone."""
    drafts = []
    declared = {(card.name, card.version): card for card in cards}
    for key, card in declared.items():
        row = agents.get(key)
        if row is None or row["digest"] != card.digest or row["state"] != "live":
            text = card_to_json(card)
            data = {
                "version": card.version,
                "digest": card.digest,
                "department": card.department,
                "owner": card.owner,
                "skills": sorted(card.skills),
                "text": text,
            }
            drafts.append(Draft("agent.registered", card.name, "fleet", data))
    for (name, version), row in agents.items():
        if (name, version) not in declared and row["state"] == "live":
            drafts.append(Draft("agent.retired", name, "fleet", {"version": version, "reason": "no longer declared"}))
    for id, subscription in subscriptions.items():
        row = known.get((id,))
        if row is None or row["state"] != "live":
            drafts.append(Draft("subscription.set", id, "fleet", dict(subscription)))
    for (id,), row in known.items():
        if id not in subscriptions and row["state"] == "live":
            drafts.append(Draft("subscription.removed", id, "fleet", {"reason": "no longer declared"}))
    return drafts
