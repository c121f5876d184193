"""What a service offers: a function, an object, an LLM agent or a fleet, read into skills that can be called."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any

from tutti.errors import Invalid
from tutti.fleet import Fleet
from tutti.model.agent import Skill
from tutti.transports import Bound, framework_of


@dataclass(frozen=True, slots=True)
class Offer:
    """One skill and what does it."""

    skill: Skill
    bound: Bound


@dataclass(frozen=True, slots=True)
class Offers:
    """A service's name, its version (it changes with the code and the types of what is offered) and its skills by id."""

    name: str
    version: str
    description: str
    skills: dict[str, Offer]
    remarks: tuple[str, ...] = ()  # what holds in a fleet and not in a service, in words


def offers_of(agent: Any, *, name: str = "", skill: str = "", agents: tuple[str, ...] = ()) -> Offers:
    """Read an agent. `skill` names what a function or an LLM agent does; of a fleet only `agents` are offered, or all without one.

    Raises: `Invalid` when it is no agent, or when two agents of a fleet offer the same.
    """
    if isinstance(agent, Fleet):
        return _fleet(agent, name, agents)
    if agents:
        raise Invalid("Only a fleet has agents to choose from.", hint="Leave --agent out.")
    fleet = Fleet("service")
    if framework_of(agent):
        if not skill:
            raise Invalid(f"{type(agent).__name__} does not say what it does.", hint="Name it: --skill noun.verb.")
        fleet.add(agent, skill=skill, department="service", name=name or None)
        [(brought, _)] = fleet.cards
        return _fleet(fleet, brought, ())
    called = name or getattr(agent, "name", "") or getattr(agent, "__name__", "") or type(agent).__name__.lower()
    if inspect.isroutine(agent):
        described: Callable[..., Any] = agent
        fleet.agent(skill=skill or described.__name__.replace("_", "."), department="service", name=called)(described)
    elif any(hasattr(method, "__tutti__") for _, method in inspect.getmembers(agent, callable)):
        fleet.add(agent, department="service", name=called)
    elif callable(agent):
        fleet.agent(skill=skill or called.replace("_", "."), department="service", name=called)(_called(agent))
    else:
        raise Invalid(f"{type(agent).__name__} is no agent.", hint="Name a function, an object with @skill methods, or a Fleet.")
    return _fleet(fleet, called, ())


def _called(agent: Any) -> Callable[..., Any]:
    """An object that is called like a function: its method, so that its types are read."""
    method: Callable[..., Any] = agent.__call__
    return method


def _fleet(fleet: Fleet, name: str, agents: tuple[str, ...]) -> Offers:
    known = {card.name for card in fleet.cards.values()}
    missing = sorted(set(agents) - known)
    if missing:
        raise Invalid(f"The fleet has no agent {missing[0]}.", hint=f"It has: {', '.join(sorted(known)) or 'none in this process'}.")
    skills: dict[str, Offer] = {}
    digests = []
    for card in fleet.cards.values():
        if agents and card.name not in agents:
            continue
        digests.append(card.digest)
        for skill in card.skills.values():
            if skill.name in skills:
                raise Invalid(f"Two agents of the fleet offer {skill.name}.", hint="Serve one of them: --agent NAME.")
            bound = fleet.functions[card.name, card.version, skill.name]
            if bound.tools:
                raise Invalid(
                    f"{card.name} is given {bound.tools[0]} of the fleet as a tool, and a service has no fleet.",
                    hint="Leave it with the control plane, or serve another: --agent NAME.",
                )
            skills[skill.name] = Offer(skill, bound)
    if not skills:
        raise Invalid("There is no skill to offer.", hint="Declare one with @fleet.agent(skill=…).")
    first = next(iter(fleet.cards.values()))
    called = name or (agents[0] if len(agents) == 1 else first.name if len(known) == 1 else fleet.name)
    version = f"1.0.0-{sha256(' '.join(sorted(digests)).encode()).hexdigest()[:8]}"
    described = next((offer.skill.description for offer in skills.values() if offer.skill.description), "")
    return Offers(called, version, described or f"{called}, served by Tutti", skills, _remarks(fleet))


def _remarks(fleet: Fleet) -> tuple[str, ...]:
    """What the fleet declares that is the control plane's to hold, and so does not reach a process that has none."""
    if not fleet.caps:
        return ()
    return (f"caps are not held here ({', '.join(sorted(fleet.caps))}): they are the control plane's. Limit the key at the model's provider.",)


def card_of(offers: Offers, url: str, *, bearer: bool) -> dict[str, Any]:
    """The A2A card of what is offered at `url`, unsigned. Nothing in it is empty but what a schema holds."""
    from tutti.transports.a2a import negotiates, wire

    described = {id: _described(offer.skill) for id, offer in offers.skills.items()}
    extensions = [
        {"uri": wire.SKILL, "description": "Schemas, nature and times of the skills", "params": {"skills": described}},
        {"uri": wire.PROOF, "description": "The header Tutti-Challenge is answered by Tutti-Proof, signed with the card's key"},
        {"uri": wire.IDEMPOTENCY, "description": "One Idempotency-Key, one effect, for as long as the process lives that Tutti-Process names"},
    ]
    extensions += negotiates(offer.skill for offer in offers.skills.values())
    card: dict[str, Any] = {
        "name": offers.name,
        "description": offers.description,
        "version": offers.version,
        "supportedInterfaces": [
            {"url": url, "protocolBinding": "JSONRPC", "protocolVersion": wire.VERSION},
            {"url": url, "protocolBinding": "HTTP+JSON", "protocolVersion": wire.VERSION},
        ],
        "capabilities": {"streaming": True, "extensions": extensions},
        "defaultInputModes": ["application/json", "text/plain"],
        "defaultOutputModes": ["application/json", "text/plain"],
        "skills": [
            {"id": id, "name": id, "description": offer.skill.description or id, "tags": [offer.skill.nature.value]} for id, offer in offers.skills.items()
        ],
    }
    if bearer:
        card["securitySchemes"] = {"bearer": {"httpAuthSecurityScheme": {"scheme": "Bearer"}}}
        card["securityRequirements"] = [{"schemes": {"bearer": {}}}]
    return card


def _described(skill: Skill) -> dict[str, Any]:
    """A skill as the extension has it."""
    said: dict[str, Any] = {"nature": skill.nature.value, "attempts": skill.attempts}
    for field in ("timeout", "latency", "fresh_for"):
        value: timedelta | None = getattr(skill, field)
        if value is not None:
            said[f"{field}_ms"] = round(value / timedelta(milliseconds=1), 3)
    said |= {field: getattr(skill, field) for field in ("input_schema", "output_schema", "cost") if getattr(skill, field)}
    if skill.is_action:
        said |= {"idempotent": skill.idempotent, "reversible": skill.reversible}
        said |= {field: getattr(skill, field) for field in ("amount", "currency", "says") if getattr(skill, field)}
    return said


def digest_of(card: dict[str, Any]) -> str:
    """What stands for a card in an ETag."""
    return sha256(card_bytes(card)).hexdigest()[:32]


def card_bytes(card: dict[str, Any]) -> bytes:
    """A card as it is sent."""
    import orjson

    return orjson.dumps(card)
