"""The cards of the fleet, by skill, and how a declaration differs from what the journal knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

from tutti.errors import Conflict, Invalid, NoRoute
from tutti.model.agent import AgentCard, Endpoint, Nature, Skill
from tutti.model.conflict import Intent
from tutti.model.fact import Draft


class Registry:
    """Cards of live and retired versions. Retired ones finish what they started and get nothing new."""

    def __init__(self) -> None:
        self._cards: dict[tuple[str, str], AgentCard] = {}
        self._live: dict[str, dict[tuple[str, str], AgentCard]] = {}
        self._retired: set[tuple[str, str]] = set()

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

    def outside(self) -> list[AgentCard]:
        """Cards of versions that live outside of this process and may still have work: live and draining ones."""
        return [card for card in self._cards.values() if card.endpoint is not None and (card.name, card.version) not in self._retired]

    def versions(self, name: str) -> list[AgentCard]:
        """Live versions of an agent."""
        return [card for card in self.live() if card.name == name]

    def check_name(self, card: AgentCard) -> None:
        """Refuse a card whose name belongs to another agent: one with another key, or in this process. Raises: `Conflict`."""
        for other in self._cards.values():
            if other.name != card.name or (other.name, other.version) in self._retired:
                continue
            if other.endpoint is None or card.endpoint is None:
                if (other.endpoint is None) != (card.endpoint is None):
                    raise Conflict(f"{card.name} is the name of an agent in this process.", hint="Give the other one another name.")
            elif other.endpoint.key and other.endpoint.key != card.endpoint.key:
                raise Conflict(f"{card.name} is the name of an agent with another key.", hint="Give this one another name, or retire that one's key first.")

    def load(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take in the registry's rows, as a process does that has no code for the agents (an offline command)."""
        for row in rows:
            if row["state"] == "retired":
                self._retired.add((row["name"], row["agent_version"]))
            self.add(card_from_json(row["card"]), live=row["state"] == "live")


def card_to_json(card: AgentCard) -> str:
    """A card as text with sorted keys; its digest is left out (it is the digest of this text)."""
    data = asdict(card)
    del data["digest"]
    if card.endpoint is None:
        del data["endpoint"]
    for skill in data["skills"].values():
        skill["nature"] = str(skill["nature"])
        if skill["alike"] is None:  # as it was before there was one, so that the card's digest stays the same
            del skill["alike"], skill["alike_across"]
        if skill["level"] is None:
            del skill["level"]
        for name in ("intends", "undo"):  # left out where there is none: a card without them keeps its digest
            if not skill[name]:
                del skill[name]
        for intent in skill.get("intends", ()):
            intent["lasts_ms"] = round(intent.pop("lasts") / timedelta(milliseconds=1))
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
        intends = tuple(intent_from_data(intent) for intent in skill.pop("intends", ()))
        skills[name] = Skill(**{**skill, "nature": Nature(skill["nature"]), "intends": intends})
    endpoint = data.pop("endpoint", None)
    return AgentCard(**data, skills=skills, endpoint=Endpoint(**endpoint) if endpoint else None)


def intent_from_data(data: Mapping[str, Any]) -> Intent:
    """An intent as options and cards say it: its fields, with `lasts_ms`. Raises: `Invalid`."""
    known = {field for field in Intent.__dataclass_fields__ if field != "lasts"} | {"lasts_ms"}
    if set(data) - known or "resource" not in data:
        raise Invalid(f"{dict(data)} is no intent.", hint=f"Its fields are {', '.join(sorted(known))}; resource must be there.")
    values = {name: value for name, value in data.items() if name != "lasts_ms"}
    return Intent(**values, lasts=timedelta(milliseconds=data.get("lasts_ms", 0)))


_OFFER = (
    "undo",
    "quality",
    "cost",
    "attempts",
    "when",
    "shares",
    "idempotent",
    "reversible",
    "amount",
    "currency",
    "says",
    "level",
    "description",
    "input_schema",
    "output_schema",
)


def offered(skills: Mapping[str, Skill], offers: Mapping[str, Mapping[str, Any]]) -> dict[str, Skill]:
    """An outside agent's skills as the fleet takes them: all of them, or those that `offers` names, with its options.

    Options: as_ (the fleet's name for it), nature ("advice" or "action"), latency_ms, timeout_ms, fresh_for_ms and any other field of a
    skill. Raises: `Invalid` for a skill that the agent does not have, or an option that is none.
    """
    taken: dict[str, Skill] = {}
    for id in offers or skills:
        if id not in skills:
            raise Invalid(f"The agent has no skill {id}.", hint=f"It has: {', '.join(sorted(skills)) or 'none'}.")
        offer = dict(offers.get(id, {}))
        name = offer.pop("as_", skills[id].name)
        values: dict[str, Any] = {"name": name}
        if "nature" in offer:
            values["nature"] = Nature(offer.pop("nature"))
            values["idempotent"] = values["nature"] is Nature.ADVICE
        for field in ("latency", "timeout", "fresh_for"):
            if f"{field}_ms" in offer:
                values[field] = timedelta(milliseconds=offer.pop(f"{field}_ms"))
        if "intends" in offer:
            values["intends"] = tuple(intent_from_data(intent) for intent in offer.pop("intends"))
        unknown = sorted(set(offer) - set(_OFFER))
        if unknown:
            raise Invalid(f"{id}: {unknown[0]} is no option of a skill.", hint=f"Options are as_, nature, latency_ms, timeout_ms, {', '.join(_OFFER)}.")
        if name in taken:
            raise Invalid(f"Two skills of the agent are called {name}.", hint="Name one otherwise with as_=.")
        taken[name] = replace(skills[id], **values, **offer)
    return taken


def registration(card: AgentCard, by: str) -> Draft:
    """The fact that brings a card in."""
    data = {
        "version": card.version, "digest": card.digest, "department": card.department, "owner": card.owner, "skills": sorted(card.skills),
        "text": card_to_json(card),
    }  # fmt: skip
    return Draft("agent.registered", card.name, by, data)


def changes_of(
    cards: Iterable[AgentCard],
    agents: Mapping[tuple[str, str], Mapping[str, Any]],
    subscriptions: Mapping[str, Mapping[str, Any]],
    known: Mapping[tuple[str], Mapping[str, Any]],
) -> list[Draft]:
    """Drafts that bring the journal's registry to what a fleet declares: new and changed cards, versions that are gone.

    Agents outside of the process are registered when they have been reached, so they are left alone here.
    """
    drafts = []
    declared = {(card.name, card.version): card for card in cards}
    for key, card in declared.items():
        row = agents.get(key)
        if row is None or row["digest"] != card.digest or row["state"] != "live":
            drafts.append(registration(card, "fleet"))
    for (name, version), row in agents.items():
        if (name, version) not in declared and row["state"] == "live" and card_from_json(row["card"]).endpoint is None:
            drafts.append(Draft("agent.retired", name, "fleet", {"version": version, "reason": "no longer declared"}))
    for id, subscription in subscriptions.items():
        row = known.get((id,))
        if row is None or row["state"] != "live":
            drafts.append(Draft("subscription.set", id, "fleet", dict(subscription)))
    for (id,), row in known.items():
        if id not in subscriptions and row["state"] == "live":
            drafts.append(Draft("subscription.removed", id, "fleet", {"reason": "no longer declared"}))
    return drafts
