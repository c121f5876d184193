"""The cards: of the fleet as one agent, and of each agent. Made from the registry, signed, cached until the registry changes."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from hashlib import sha256
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

from tutti import __version__
from tutti.app import Workspace
from tutti.clock import MICROS
from tutti.errors import NotFound
from tutti.model.agent import AgentCard, Skill
from tutti.security import SigningKey
from tutti.transports.a2a import negotiates, sign, wire

Json = dict[str, Any]
IDEMPOTENCY = "urn:tutti:idempotency"
_JSON, _TEXT = "application/json", "text/plain"
_MOST = 1024  # cards kept at hand


class Served(NamedTuple):
    """A card as it is sent."""

    body: bytes
    etag: str
    modified: str


class Offered(NamedTuple):
    """The skills of an agent, and the department that each belongs to, by name."""

    skills: Mapping[str, Skill]
    departments: Mapping[str, str]


class Cards:
    """The cards of one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._registry: object = None
        self._kept: dict[tuple[str, str, bool], Served] = {}
        self._offered: dict[str, Offered] = {}

    def served(self, agent: str, base: str, *, legacy: bool = False) -> Served:
        """The card of an agent (of the fleet without a name) for clients at this address. Raises: `NotFound`."""
        self._look()
        found = self._kept.get((agent, base, legacy))
        if found is None:
            if len(self._kept) >= _MOST:
                self._kept.clear()
            found = self._kept[agent, base, legacy] = self._make(agent, base, legacy)
        return found

    def _look(self) -> None:
        """Forget what was made from a registry that has changed since."""
        registry = self._workspace.house.registry
        if registry is not self._registry:
            self._registry = registry
            self._kept.clear()
            self._offered.clear()

    def _make(self, agent: str, base: str, legacy: bool) -> Served:
        card = self.card(agent, base)
        etag = f'"{sha256(orjson.dumps(card, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]}"'
        rows = self._workspace.journal.hot.table("agent").values()
        since = max((row["since"] for row in rows if agent in ("", row["name"])), default=0)
        modified = format_datetime(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=since // MICROS), usegmt=True)
        made = _legacy(card, self._url(agent, base)) if legacy else self.signed(card)
        return Served(orjson.dumps(made), etag, modified)

    def signed(self, card: Json) -> Json:
        """The card with the workspace's signature, where it has a fixed address: one that the caller named would be signed for anybody."""
        if not self._workspace.outside.base_url:
            return card
        key = self._workspace.journal.keys.journal
        return sign(card, key, thumbprint(key.public))

    def skills(self, agent: str, departments: Iterable[str] | None = None) -> dict[str, tuple[Skill, AgentCard]]:
        """What an agent (the fleet without a name) offers now, in these departments. Raises: `NotFound` for an agent that is not here."""
        registry = self._workspace.house.registry
        cards = registry.versions(agent) if agent else registry.live()
        if agent and not cards:
            raise NotFound(f"There is no agent {agent}.", hint="The fleet's card at the root lists all skills.")
        named = None if departments is None else set(departments)
        found: dict[str, tuple[Skill, AgentCard]] = {}
        for card in sorted(cards, key=lambda card: (card.name, card.version)):
            if named is None or card.department in named:
                for skill in card.skills.values():
                    found.setdefault(skill.name, (skill, card))
        return found

    def offered(self, agent: str) -> Offered:
        """The same by name, kept until the registry changes. Raises: `NotFound`."""
        self._look()
        found = self._offered.get(agent)
        if found is None:
            skills = self.skills(agent)
            found = Offered({name: skill for name, (skill, _) in skills.items()}, {name: card.department for name, (_, card) in skills.items()})
            self._offered[agent] = found
        return found

    def _url(self, agent: str, base: str) -> str:
        return f"{base}/agents/{quote(agent, safe='/')}" if agent else base

    def card(self, agent: str, base: str, *, departments: Iterable[str] | None = None, extended: bool = False) -> Json:
        """A card, not signed. No text and no list in it is empty, so that every library signs and verifies the same bytes."""
        skills = self.skills(agent, departments)
        workspace = self._workspace
        name = agent or (workspace.fleet.name if workspace.fleet else workspace.settings.workspace)
        url = self._url(agent, base)
        offered = orjson.dumps([[card.id, card.digest, skill.name] for skill, card in skills.values()])
        extensions: list[Json] = [
            {"uri": IDEMPOTENCY, "description": "The same key from the same caller with the same message is one task, however often it is sent."}
        ]
        if agent:
            extensions += negotiates(skill for skill, _ in skills.values())
        if extended and skills:
            described = {skill.name: _described(skill) for skill, _ in skills.values()}
            extensions.append({"uri": wire.SKILL, "description": "Schemas, nature and times of the skills.", "params": {"skills": described}})
        made: Json = {
            "name": name,
            "description": f"{name}, an agent in a fleet that Tutti runs."
            if agent
            else f"The fleet {name}, as one agent: Tutti gives each task to the agent that does it best.",
            "version": f"{__version__}+{sha256(offered).hexdigest()[:12]}",
            "supportedInterfaces": [
                {"url": url if agent else f"{url}/", "protocolBinding": "JSONRPC", "protocolVersion": wire.VERSION},
                {"url": url if agent else f"{url}/a2a", "protocolBinding": "HTTP+JSON", "protocolVersion": wire.VERSION},
            ],
            "capabilities": {"streaming": True, "pushNotifications": True, "extendedAgentCard": True, "extensions": extensions},
            "securitySchemes": {"bearer": {"httpAuthSecurityScheme": {"scheme": "Bearer", "description": "A token that the workspace's owner has made."}}},
            "securityRequirements": [{"schemes": {"bearer": {}}}],
            "defaultInputModes": [_JSON, _TEXT],
            "defaultOutputModes": [_JSON, _TEXT],
            "skills": [_skill(skill, card) for skill, card in skills.values()],
        }
        return made if made["skills"] else {name: value for name, value in made.items() if name != "skills"}


def _skill(skill: Skill, card: AgentCard) -> Json:
    text = skill.output_schema.get("type") == "string"
    tags = [tag for tag in (card.department, skill.nature.value) if tag]
    description = skill.description or f"{skill.name}, {skill.nature.value} of {card.department or 'the fleet'}."
    return {"id": skill.name, "name": skill.name, "description": description, "tags": tags, "outputModes": [_TEXT if text else _JSON]}


def _described(skill: Skill) -> Json:
    ms = timedelta(milliseconds=1)
    told: Json = {"nature": skill.nature.value, "timeout_ms": round(skill.timeout / ms), "latency_ms": round(skill.latency / ms)}
    if skill.is_action:
        told |= {"idempotent": skill.idempotent, "reversible": skill.reversible}
    for name in ("input_schema", "output_schema", "amount", "currency"):
        if value := getattr(skill, name):
            told[name] = value
    return told


def _legacy(card: Json, url: str) -> Json:
    """The card as 0.3 has it."""
    described = [{"inputModes": card["defaultInputModes"], **skill} for skill in card.get("skills", [])]
    return {
        "protocolVersion": "0.3.0",
        "name": card["name"],
        "description": card["description"],
        "version": card["version"],
        "url": f"{url}/",
        "preferredTransport": "JSONRPC",
        "capabilities": {"streaming": True, "pushNotifications": True},
        "supportsAuthenticatedExtendedCard": True,
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        "security": [{"bearer": []}],
        "defaultInputModes": card["defaultInputModes"],
        "defaultOutputModes": card["defaultOutputModes"],
        "skills": described,
    }


# --- keys -----------------------------------------------------------------------------------------------------------


def key_set(keys: Iterable[SigningKey]) -> Json:
    """The public halves of keys as a JWK set. Source: RFC 7517, RFC 8037."""
    return {"keys": [{**_jwk(key.public), "kid": thumbprint(key.public), "use": "sig", "alg": "EdDSA"} for key in keys]}


def _jwk(public: bytes) -> Mapping[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": base64.urlsafe_b64encode(public).rstrip(b"=").decode()}


def thumbprint(public: bytes) -> str:
    """The name of a key. Source: RFC 7638."""
    return base64.urlsafe_b64encode(sha256(orjson.dumps(_jwk(public), option=orjson.OPT_SORT_KEYS)).digest()).rstrip(b"=").decode()
