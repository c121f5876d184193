"""What requests hold: a form for each body, strict, so that a misspelt field is told and nothing is guessed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_YEAR_MS = 366 * 24 * 3600 * 1000
_MONTH_MS = 30 * 24 * 3600 * 1000
_NAME = r"^[^\s@]+$"  # of an agent or a skill


class Form(BaseModel):
    """A body in which every field is known and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NewTask(Form):
    """A task to take in. `after` maps fields of the input to tasks whose outputs they get."""

    skill: str
    input: Any = None
    subject: str | None = Field(None, min_length=1)
    priority: int = Field(0, ge=-1000, le=1000)
    deadline_ms: int | None = Field(None, gt=0, le=_YEAR_MS)
    after: dict[str, str] = {}


class NewNegotiation(Form):
    """A negotiation to open. `parties` are agents with their weights (null: as the goals say); rules hold forbid, cost with limit, or when (CEL)."""

    issues: dict[str, list[Any]]
    parties: dict[str, Any] | list[str]
    policy: list[dict[str, Any]] = []
    approval: list[dict[str, Any]] = []
    fallback: dict[str, Any] | None = None
    deadline_ms: int = Field(60_000, gt=0, le=_MONTH_MS)
    messages: int = Field(6, ge=1, le=100)
    turns: int = Field(20, ge=0, le=200)
    money: float | None = Field(None, ge=0)
    about: Any = None
    protocol: Literal["mediated", "alternating"] = "mediated"
    subject: str | None = Field(None, min_length=1)
    priority: int = Field(0, ge=-1000, le=1000)


class TakeOver(Form):
    """How a person ends a negotiation: one value for each issue, or null for the fallback."""

    outcome: dict[str, Any] | None
    note: str = Field("", max_length=4000)


class Cancel(Form):
    """Why a task is canceled."""

    reason: str = ""


class Answer(Form):
    """What a running agent asked for."""

    value: Any


class Settle(Form):
    """What becomes of a parked task: again, happened or drop."""

    how: str
    reason: str = ""


class Rating(Form):
    """A person's judgement, 0..1."""

    quality: float
    note: str = ""


class Signed(Form):
    """A person's answer. `signature` is the owner's key over the approval's statement; without one, the workspace signs for who asks here."""

    answer: Literal["approve", "reject"]
    signature: str | None = None
    note: str = ""


class Changed(Form):
    """Other parameters for an action that waits for a person's yes: all of them, as they are to be."""

    input: Any
    note: str = Field("", max_length=4000)


class HandOver(Form):
    """Who is meant to answer: a person's account (person/ben) or a department."""

    to: str = Field(min_length=1, max_length=200)
    note: str = Field("", max_length=4000)


class Offer(Form):
    """How the fleet takes one skill of an agent, where it says otherwise than the agent. `as_` is the fleet's name for it."""

    as_: str | None = Field(None, max_length=200, pattern=_NAME)
    nature: Literal["advice", "action"] | None = None
    description: str | None = Field(None, max_length=2000)
    quality: float | None = Field(None, ge=0, le=1)
    cost: float | None = Field(None, ge=0, le=1e6)
    latency_ms: int | None = Field(None, gt=0, le=_MONTH_MS)
    timeout_ms: int | None = Field(None, gt=0, le=_MONTH_MS)
    fresh_for_ms: int | None = Field(None, gt=0, le=_YEAR_MS)
    attempts: int | None = Field(None, ge=1, le=20)
    when: str | None = Field(None, min_length=1, max_length=2000)
    shares: str | None = Field(None, min_length=1, max_length=200)
    idempotent: bool | None = None
    reversible: bool | None = None
    amount: str | None = Field(None, min_length=1, max_length=200)
    currency: str | None = Field(None, max_length=10)
    says: str | None = Field(None, max_length=1000)
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None


class AgentOptions(Form):
    """How an agent is called. `auth` is a header's value with `secret://name` in it, `skills` says more of single skills (by its id).

    For HTTP: `document` is the OpenAPI document itself, instead of its address; `base_url` says where the API is, when the document does not;
    `only` names operations (all without), `action` says whether they have effects. With `skill` the address is a webhook, which is POSTed the
    input of this skill (`input_schema`, `output_schema`), and answers as `reply` says: in the response, where the response says that it will
    be, or by a callback that it signs with `secret` (secret://name).
    """

    auth: str = Field("", max_length=1000)
    skills: dict[str, Offer] = {}
    document: dict[str, Any] | None = None
    base_url: str = Field("", max_length=4000)
    only: list[str] = []
    action: bool | None = None
    skill: str = Field("", max_length=200, pattern=rf"^$|{_NAME}")
    input_schema: dict[str, Any] = {}
    output_schema: dict[str, Any] = {}
    reply: Literal["response", "polling", "callback"] = "response"
    secret: str = Field("", max_length=200)


class NewAgent(Form):
    """An agent to take in: the address of its A2A card, of an MCP server, of an OpenAPI document or of a webhook. HTTP agents need a name."""

    transport: Literal["a2a", "mcp", "http"]
    url: str = Field("", max_length=4000)
    department: str = Field(min_length=1, max_length=200)
    name: str = Field("", max_length=200, pattern=rf"^$|{_NAME}")
    owner: str = Field("", max_length=400)
    concurrency: int = Field(16, ge=1, le=100_000)
    options: AgentOptions = Field(default_factory=lambda: AgentOptions.model_validate({}))


class Dismiss(Form):
    """Which version (all of them without one), and why."""

    version: str = ""
    reason: str = ""


class LevelForm(Form):
    """How far an action goes alone: approve or act, up to an amount."""

    level: str
    up_to: float | None = Field(None, ge=0, le=1e12)
    reason: str = ""


class Switch(Form):
    """A kill switch: scope agent, action or workspace, and the name of the agent or action."""

    scope: str
    name: str = ""
    reason: str = ""


class Winner(Form):
    """Which task goes first in a conflict."""

    winner: str = Field(min_length=1)


class GoalForm(Form):
    """What people want. `weights` (quality, latency, cost, load) say how much each counts in every route's score."""

    kpi: str = ""
    target: float | None = Field(None, ge=-1e12, le=1e12)
    weights: dict[str, float] = {}
    note: str = ""


class Backlog(Form):
    """Departments' ballots over waiting tasks (these, or all of a skill), the most urgent first. `most` is one department's largest share of the weight."""

    tasks: list[str] | None = Field(None, min_length=1, max_length=200)
    skill: str | None = Field(None, min_length=1, max_length=200)
    ballots: dict[str, list[str]] = Field(min_length=1, max_length=100)
    weights: dict[str, float] = {}
    must_precede: list[Annotated[list[str], Field(min_length=2, max_length=2)]] = Field([], max_length=10_000)
    most: float = Field(0.5, gt=0, le=1)


class Erasure(Form):
    """Whom to forget."""

    subject: str = Field(min_length=1)


class Backup(Form):
    """Where the copy goes: a path on the machine that the workspace runs on."""

    path: str = Field(min_length=1)
