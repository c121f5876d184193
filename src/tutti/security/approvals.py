"""Approvals: a person's signed answer to one question, bound to the exact parameters it was asked about."""

from __future__ import annotations

from typing import Literal

import orjson

from tutti.errors import Invalid
from tutti.security.keys import SigningKey, verify

Answer = Literal["approve", "reject", "change"]


def statement(
    *, workspace: str, approval: str, task: str, answer: str, input: str, agent: str, version: str, policy: str, expires_at: int, nonce: str,
    to: str = "",
) -> bytes:  # fmt: skip
    """What is signed: these ten values in canonical JSON, nothing less; for a change also the digest of the new parameters (`to`).

    `input` is the digest of the exact parameters, `policy` the digest of the policy that asked, `expires_at` the instant
    (microseconds UTC) after which the answer counts no more. A signature for one question is worth nothing for another.
    """
    if answer not in ("approve", "reject", "change") or (answer == "change") != bool(to):
        raise Invalid(f"an approval is answered with approve, reject or a change to other parameters, not {answer}")
    values = {
        "workspace": workspace, "approval": approval, "task": task, "answer": answer, "input": input,
        "agent": agent, "version": version, "policy": policy, "expires_at": expires_at, "nonce": nonce,
    } | ({"to": to} if to else {})  # fmt: skip
    try:
        return b"tutti approval 1\n" + orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
    except TypeError as error:
        raise Invalid(f"this approval cannot be signed: {error}") from None


def sign_approval(key: SigningKey, signed: bytes) -> str:
    """The person's signature under a statement, in hex."""
    return key.sign(signed).hex()


def verify_approval(public: bytes, signed: bytes, signature: str) -> bool:
    """Whether this person signed exactly this statement. Expiry is the gate's to check."""
    try:
        return verify(public, signed, bytes.fromhex(signature))
    except ValueError:
        return False
