"""An agent, its skills and its card."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from tutti.model.conflict import Intent
from tutti.model.view import Table


class Nature(StrEnum):
    """What a skill is: advice has no effect outside; an action has one, and its input is the exact parameters."""

    ADVICE = "advice"
    ACTION = "action"


@dataclass(frozen=True, slots=True)
class Skill:
    """One thing an agent offers. Two agents offer the same skill under the same name; their schemas may differ."""

    name: str
    nature: Nature
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    description: str = ""
    quality: float = 0.5  # claimed, 0..1: the prior of the standing
    cost: float = 0.0  # expected cost of one run, in the fleet's currency
    latency: timedelta = timedelta(milliseconds=50)  # claimed, until measured
    timeout: timedelta = timedelta(seconds=30)  # of one attempt
    attempts: int = 3
    when: str | None = None  # CEL over input, case, subject, priority: eligible only then
    shares: str | None = None  # topic under which the outcome is known of the subject from then on
    fresh_for: timedelta | None = None  # how long a result answers the same question again
    alike: float | None = None  # similarity (0..1) from which the same question may be asked in other words; None: in the same words only
    alike_across: bool = False  # also where it was asked about somebody else
    idempotent: bool = True  # for actions: the agent honours the idempotency key
    reversible: bool = False  # for actions
    amount: str | None = None  # for actions: the input field that holds the amount
    currency: str | None = None
    says: str | None = None  # for actions: the question put to a person, a format string over the input
    level: str | None = None  # of a party to negotiations: how much it says of what it wants
    intends: tuple[Intent, ...] = ()  # for actions: what it touches, as templates over its input
    undo: str | None = None  # for actions: the action that undoes it, with the same input

    @property
    def is_action(self) -> bool:
        return self.nature is Nature.ACTION


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where an agent outside of this process is, and how it is spoken to."""

    transport: str  # a2a, http or mcp
    url: str  # of its card, API or server
    options: dict[str, Any] = field(default_factory=dict)  # what its transport needs besides; secrets by reference only
    key: str = ""  # public half (hex) of the agent's Ed25519 key where it was enrolled: its card must be signed with it
    by: str = "fleet"  # who brought it in: the fleet's declaration, or a caller's id


@dataclass(frozen=True, slots=True)
class AgentCard:
    """What the registry knows of one version of an agent."""

    name: str
    version: str
    department: str
    owner: str
    skills: dict[str, Skill] = field(default_factory=dict)
    concurrency: int = 64  # runs at a time
    digest: str = ""
    endpoint: Endpoint | None = None  # None: its code is in this process

    @property
    def id(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


AGENTS = Table(
    "agent",
    key=("name", "agent_version"),
    columns={"name": "text", "agent_version": "text", "digest": "text", "department": "text", "owner": "text", "card": "text", "state": "text", "since": "int"},
)
