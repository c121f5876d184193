"""Approvals: what a person is asked, and whether an answer holds for exactly what would be done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from tutti.clock import micros
from tutti.gates.decide import Question
from tutti.model.fact import Draft
from tutti.model.verdict import Verdict
from tutti.security import statement, verify_approval

APPROVAL_LASTS = timedelta(hours=24)


def as_request(id: str, task: Mapping[str, Any], verdict: Verdict, question: Question, nonce: str, cause: int | None) -> Draft:
    """The question to a person as a fact: bound to the payload that holds the exact parameters, the agent and the policy."""
    expires_at = question.now + micros(APPROVAL_LASTS)
    if task["deadline_at"] is not None:
        expires_at = min(expires_at, task["deadline_at"])
    data = {
        "task": task["id"],
        "input": task["input"],
        "agent": question.card.name,
        "version": question.card.version,
        "policy": verdict.policy,
        "expires_at": expires_at,
        "reasons": list(verdict.reasons),
        "amount": question.amount,
        "currency": question.currency,
        "nonce": nonce,
        "skill": task["skill"],
        "department": task["department"],
    }
    return Draft("approval.requested", id, "tutti", data, cause)


def check_answer(approval: Mapping[str, Any] | None, task: Mapping[str, Any], card_id: str, now: int) -> str:
    """Why an approval does not hold for this run; empty where it does. Checked again right before the effect."""
    if approval is None or approval["state"] != "approved":
        return "there is no approval"
    if now > approval["expires_at"]:
        return "the approval has expired"
    if approval["task"] != task["id"] or approval["input"] != task["input"]:
        return "the approval is for other parameters"
    if f"{approval['agent']}@{approval['agent_version']}" != card_id:
        return "the approval is for another agent"
    return ""


def signed(workspace: str, approval: Mapping[str, Any], answer: str, to: str = "") -> bytes:
    """The bytes a person signs for an answer to an approval, from its row; a change is signed `to` the digest of the new parameters."""
    return statement(
        workspace=workspace, approval=approval["id"], task=approval["task"], answer=answer, input=approval["input"], agent=approval["agent"],
        version=approval["agent_version"], policy=approval["policy"], expires_at=approval["expires_at"], nonce=approval["nonce"], to=to,
    )  # fmt: skip


def signature_holds(owner: bytes, workspace: str, approval: Mapping[str, Any]) -> bool:
    """Whether the owner's key (its public half) signed a yes to exactly this approval."""
    return verify_approval(owner, signed(workspace, approval, "approve"), approval["signature"])
