"""What a person is asked, and what it rests on."""

from __future__ import annotations

from typing import Any, NotRequired

from typing_extensions import TypedDict

from tutti.model.answers.conflicts import ConflictSeen


class Evidence(TypedDict):
    """What a task gave that an action was proposed on. `output` is the beginning of its JSON where it is long (`cut`)."""

    task: str
    skill: str
    agent: str | None
    output: Any
    cut: bool


class Precedent(TypedDict):
    """How the last approvals of a skill were answered, 40 at most."""

    approved: int
    rejected: int
    changed: int
    of: int
    skill: str


class Approval(TypedDict):
    """What a person is asked: `input` are the exact parameters, `digest` what is signed.

    `state` is open, approved, used (the task has started), rejected, changed (asked anew with other parameters) or expired; `effects` says what a yes leads
    to, `undo` names the skill that undoes it; `asked_by` is the agent that proposed it, or who asked for it.
    """

    schema: str
    id: str
    task: str
    skill: str
    state: str
    question: str
    input: Any
    agent: str
    version: str
    policy: str
    nonce: str
    digest: str
    reversible: bool
    reasons: list[str]
    asked_at: str
    expires_at: str
    expires_at_us: int
    answered_by: str | None
    workspace: str
    department: str
    subject: str | None
    amount: float | None
    currency: str | None
    asked_by: str | None
    parent: str | None
    handed_to: str | None
    answered_at: str | None
    answer: str | None
    note: str | None
    undo: str | None
    on_expiry: str
    effects: list[str]
    evidence: list[Evidence]
    precedent: Precedent
    may_answer: bool
    conflicts: NotRequired[list[ConflictSeen]]  # with one approval, where it is an open one that collides with others
