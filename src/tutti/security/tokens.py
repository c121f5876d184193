"""Tokens: opaque ones for people and services, five-minute signed ones for agents. Nothing in a token's head is believed or fetched.

An agent's token is a JWT of the workspace's token key, for one audience, bound to the agent's own key where it has one. Source: RFC 9068
(typ at+jwt), RFC 8725 (what to refuse), RFC 8693 (act), RFC 7800 (cnf), RFC 9864 (the algorithm's name).
"""

from __future__ import annotations

import base64
import hmac
import json
import re
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Any

from tutti.clock import MICROS
from tutti.errors import Unauthenticated
from tutti.ids import Ids
from tutti.security.keys import SigningKey

LIFE_S = 300  # of an agent's token, and the longest that is accepted
SKEW_S = 30  # by which clocks may differ
TOKEN_TYPE = "at+jwt"
ALGORITHM = "Ed25519"
_ACCEPTED = (ALGORITHM, "EdDSA")  # the name before RFC 9864; the key decides that it is the same thing
_BYTES = 8192  # of a signed token
_LINKS = 8  # of a chain of those who act for one another
_OPAQUE = re.compile(r"tutti_([0-9a-f]{8})_[A-Za-z0-9_-]{43}")
_HEADER = frozenset({"alg", "typ", "kid"})
_WORDS = re.compile(r"[\x20-\x7e]{1,256}")
_HINT = "Get a fresh token; `tutti tokens new` makes one for a person or a service."


@dataclass(frozen=True, slots=True)
class Opaque:
    """A fresh opaque token: `text` is shown once, `digest` is kept."""

    id: str
    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class AgentToken:
    """What a checked agent's token says. `actors` act for `sub`, the one who presents it first."""

    sub: str
    aud: str
    jti: str
    issued_at: int  # seconds
    expires_at: int
    scopes: tuple[str, ...] | None = None
    actors: tuple[str, ...] = ()
    task: str = ""
    key: str = ""  # thumbprint of the key that whoever presents it must prove to have (cnf.jkt)

    @property
    def bearer(self) -> str:
        """Who presents it."""
        return self.actors[0] if self.actors else self.sub


# --- opaque tokens ----------------------------------------------------------------------------------------------


def new_opaque(ids: Ids) -> Opaque:
    """A token of 256 random bits, with a readable beginning by which scanners and people find it."""
    id = ids.bytes(4).hex()
    text = f"tutti_{id}_{b64(ids.bytes(32))}"
    return Opaque(id, text, digest_of(text))


def opaque_id(text: str) -> str | None:
    """The id in an opaque token; None for what is none."""
    match = _OPAQUE.fullmatch(text)
    return match[1] if match else None


def digest_of(text: str) -> str:
    """What is kept of a secret of 256 random bits: its SHA-256, in hex."""
    return sha256(text.encode()).hexdigest()


def same(given: str, kept: str) -> bool:
    """Whether two digests are equal, in a time that tells nothing."""
    return hmac.compare_digest(given.encode(), kept.encode())


# --- signed tokens ----------------------------------------------------------------------------------------------


def issue(key: SigningKey, token: AgentToken, issuer: str) -> str:
    """Sign an agent's token."""
    claims: dict[str, Any] = {"iss": issuer, "sub": token.sub, "aud": token.aud, "exp": token.expires_at, "iat": token.issued_at, "jti": token.jti}
    if token.scopes is not None:
        claims["scope"] = " ".join(token.scopes)
    if token.task:
        claims["task"] = token.task
    if token.key:
        claims["cnf"] = {"jkt": token.key}
    act: dict[str, Any] | None = None
    for actor in reversed(token.actors):
        act = {"sub": actor} if act is None else {"sub": actor, "act": act}
    if act is not None:
        claims["act"] = act
    return sign(key, claims, TOKEN_TYPE)


def verify_token(text: str, public: bytes, *, issuer: str, audience: str, now: int) -> AgentToken:
    """Check an agent's token against one key, one issuer and one audience; `now` in microseconds. Raises: `Unauthenticated`."""
    claims = read(text, public, TOKEN_TYPE)
    if claims.get("iss") != issuer or claims.get("aud") != audience:
        raise _no("it was made by or for somebody else")
    issued_at, expires_at = times(claims, now, LIFE_S)
    words = [claims.get("sub"), claims.get("jti")]
    if not all(isinstance(word, str) and _WORDS.fullmatch(word) for word in words):
        raise _no("sub or jti is missing")
    scope, task, cnf = claims.get("scope"), claims.get("task", ""), claims.get("cnf", {})
    if not (scope is None or isinstance(scope, str)) or not isinstance(task, str) or not isinstance(cnf, dict) or not isinstance(cnf.get("jkt", ""), str):
        raise _no("a claim has the wrong type")
    if set(cnf) - {"jkt"}:
        raise _no("it is bound in a way that is not known here")
    scopes = None if scope is None else tuple(scope.split())
    return AgentToken(claims["sub"], audience, claims["jti"], issued_at, expires_at, scopes, _actors(claims.get("act")), task, cnf.get("jkt", ""))


def _actors(act: Any) -> tuple[str, ...]:
    actors: list[str] = []
    while act is not None:
        if not isinstance(act, dict) or not isinstance(act.get("sub"), str) or not _WORDS.fullmatch(act["sub"]) or len(actors) == _LINKS:
            raise _no("act is malformed")
        actors.append(act["sub"])
        act = act.get("act")
    return tuple(actors)


def sign(key: SigningKey, claims: dict[str, Any], type: str, header: dict[str, Any] | None = None) -> str:
    """A JWT of these claims."""
    from joserfc import jws

    protected = {"alg": ALGORITHM, "typ": type, **(header or {})}
    return jws.serialize_compact(protected, json.dumps(claims, separators=(",", ":")), _private(key.secret), algorithms=[ALGORITHM])


def read(text: str, public: bytes, type: str, *, extra: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The claims of a JWT that this key signed. Its head may hold alg, typ, kid and `extra` only. Raises: `Unauthenticated`."""
    from joserfc import jws
    from joserfc.errors import JoseError

    header, _ = peek(text)
    if header.get("alg") not in _ACCEPTED or str(header.get("typ", "")).lower().removeprefix("application/") != type:
        raise _no("its algorithm or type is not accepted")
    if set(header) - _HEADER - extra:
        raise _no("its head names keys or extensions, which are not looked at")
    head, _, rest = text.partition(".")
    if header["alg"] != ALGORITHM:  # the library knows the old name by a warning; the bytes that are signed stay
        signed, _, signature = text.rpartition(".")
        good = _verify(public, signed.encode(), signature)
    else:
        try:
            jws.deserialize_compact(text, _public(public), algorithms=[ALGORITHM], registry=_registry(extra))
            good = True
        except (JoseError, ValueError):
            good = False
    if not good:
        raise _no("its signature does not hold")
    claims = _object(rest.partition(".")[0])
    if "b64" in header or not head:
        raise _no("its head is malformed")
    return claims


def peek(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Head and claims of a JWT that nobody has checked. Raises: `Unauthenticated` when it is none."""
    parts = text.split(".")
    if len(text) > _BYTES or len(parts) != 3 or not all(parts):
        raise _no("it is malformed")
    return _object(parts[0]), _object(parts[1])


def times(claims: dict[str, Any], now: int, life: int) -> tuple[int, int]:
    """`iat` and `exp` of claims, in seconds, that hold now (microseconds) and are at most `life` seconds apart. Raises: `Unauthenticated`."""
    issued_at, expires_at = claims.get("iat"), claims.get("exp")
    if type(issued_at) is not int or type(expires_at) is not int:
        raise _no("iat or exp is missing")
    seconds = now // MICROS
    if expires_at <= seconds - SKEW_S or issued_at > seconds + SKEW_S:
        raise _no("it is expired, or from the future")
    if not 0 < expires_at - issued_at <= life:
        raise _no(f"it would live longer than {life} seconds")
    if (before := claims.get("nbf")) is not None and (type(before) is not int or before > seconds + SKEW_S):
        raise _no("it does not hold yet")
    return issued_at, expires_at


def thumbprint(public: bytes) -> str:
    """The thumbprint of an Ed25519 public key. Source: RFC 7638."""
    return b64(sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{b64(public)}"}}'.encode()).digest())


def b64(data: bytes) -> str:
    """Base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    """Bytes of base64 for URLs. Raises: `ValueError` for what is not exactly that."""
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if b64(data) != text:
        raise ValueError("not in canonical form")
    return data


def _object(part: str) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs):
            raise ValueError("a name stands twice")
        return made

    try:
        value = json.loads(unb64(part), object_pairs_hook=once)
    except (ValueError, RecursionError):
        raise _no("it is malformed") from None
    if not isinstance(value, dict):
        raise _no("it is malformed")
    return value


def _verify(public: bytes, signed: bytes, signature: str) -> bool:
    from tutti.security.keys import verify

    try:
        return verify(public, signed, unb64(signature))
    except ValueError:
        return False


@lru_cache(maxsize=64)
def _private(secret: bytes) -> Any:
    from joserfc.jwk import OKPKey

    public = SigningKey(secret).public
    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64(public), "d": b64(secret)})


@lru_cache(maxsize=256)
def _public(public: bytes) -> Any:
    from joserfc.jwk import OKPKey

    return OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64(public)})


@lru_cache(maxsize=4)
def _registry(extra: frozenset[str]) -> Any:
    from joserfc.jws import JWSRegistry

    return JWSRegistry(algorithms=[ALGORITHM], strict_check_header=not extra)


def _no(why: str) -> Unauthenticated:
    return Unauthenticated(f"This token is not accepted: {why}.", hint=_HINT)
