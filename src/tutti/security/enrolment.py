"""Enrolment: how an agent proves that it has a key, to be taken in once and to get tokens ever after. Both sides use these functions.

The agent makes an Ed25519 key and keeps it. With a one-use code from the operator it sends the public half and a signature over what it asks
for; from then on it signs short assertions, each good for one token. Source: RFC 7523 for the assertions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import orjson

from tutti.clock import MICROS
from tutti.errors import Refused, Unauthenticated
from tutti.ids import Ids
from tutti.security.keys import SigningKey, verify
from tutti.security.tokens import b64, read, sign, thumbprint, times

ASSERTION_LIFE_S = 60
ASSERTION_TYPE = "tutti-assertion+jwt"
_CODE = re.compile(r"enrol_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Assertion:
    """What a checked assertion says: which agent, and the id that is used once."""

    agent: str
    jti: str
    expires_at: int  # seconds


def new_code(ids: Ids) -> str:
    """A one-use code of 256 random bits."""
    return f"enrol_{b64(ids.bytes(32))}"


def is_code(text: str) -> bool:
    """Whether this has the form of a code."""
    return _CODE.fullmatch(text) is not None


def make_proof(key: SigningKey, *, code: str, name: str, workspace: str, url: str) -> str:
    """The agent's signature, in hex, over all that it asks for with its code."""
    return key.sign(_statement(code, name, workspace, url, key.public.hex())).hex()


def check_proof(public: str, proof: str, *, code: str, name: str, workspace: str, url: str) -> bytes:
    """The public key (from hex), when whoever sends it has the private one. Raises: `Refused`."""
    try:
        key, signature = bytes.fromhex(public), bytes.fromhex(proof)
    except ValueError:
        key, signature = b"", b""
    if len(key) != 32 or not verify(key, _statement(code, name, workspace, url, public), signature):
        raise Refused("The proof of the agent's key does not hold.", hint="Sign code, name, workspace, url and key as they are sent.")
    return key


def make_assertion(key: SigningKey, *, agent: str, workspace: str, now: int, ids: Ids) -> str:
    """What an agent (by its name) sends for its next token; `now` in microseconds. Good for one minute and one use."""
    seconds = now // MICROS
    claims = {
        "iss": f"agent/{agent}",
        "sub": f"agent/{agent}",
        "aud": f"tutti/{workspace}",
        "iat": seconds,
        "exp": seconds + ASSERTION_LIFE_S,
        "jti": b64(ids.bytes(16)),
    }
    return sign(key, claims, ASSERTION_TYPE, {"kid": thumbprint(key.public)})


def check_assertion(text: str, public: bytes, *, agent: str, workspace: str, now: int) -> Assertion:
    """Check an assertion against the key that is bound to this agent's name. Its use once is the caller's to hold. Raises: `Unauthenticated`."""
    claims = read(text, public, ASSERTION_TYPE)
    _, expires_at = times(claims, now, ASSERTION_LIFE_S)
    name, jti = f"agent/{agent}", claims.get("jti")
    if (claims.get("iss"), claims.get("sub"), claims.get("aud")) != (name, name, f"tutti/{workspace}") or not isinstance(jti, str) or not 16 <= len(jti) <= 64:
        raise Unauthenticated("This assertion is for something else.", hint="Make it with the agent's name and this workspace's.")
    return Assertion(agent, jti, expires_at)


def _statement(code: str, name: str, workspace: str, url: str, public: str) -> bytes:
    values = {"code": code, "name": name, "workspace": workspace, "url": url, "key": public}
    return b"tutti enrolment 1\n" + orjson.dumps(values, option=orjson.OPT_SORT_KEYS)
