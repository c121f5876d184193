"""DPoP: whoever presents a bound token proves to have its key, for this request and once. Source: RFC 9449."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tutti.clock import MICROS
from tutti.errors import Unauthenticated
from tutti.ids import Ids
from tutti.security.keys import SigningKey
from tutti.security.tokens import SKEW_S, b64, peek, read, same, sign, thumbprint, unb64

_TYPE = "dpop+jwt"
_HINT = "Send one fresh `DPoP` header with each request, signed by the key that the token is bound to."
_WINDOW_S = 60  # in which a proof is fresh


@dataclass(frozen=True, slots=True)
class Proof:
    """A checked proof: its id is used once, until it is not fresh any more."""

    jti: str
    expires_at: int  # seconds


def make_dpop(key: SigningKey, *, method: str, url: str, now: int, ids: Ids, token: str = "") -> str:
    """The `DPoP` header for one request; `url` without its query, `now` in microseconds."""
    claims: dict[str, Any] = {"htm": method, "htu": url, "iat": now // MICROS, "jti": b64(ids.bytes(16))}
    if token:
        claims["ath"] = b64(sha256(token.encode()).digest())
    return sign(key, claims, _TYPE, {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64(key.public)}})


def proof_key(headers: Sequence[str]) -> str:
    """The thumbprint of the key that a proof names, not yet checked. Raises: `Unauthenticated`."""
    return thumbprint(_named(headers))


def check_dpop(headers: Sequence[str], token: str, key: str, *, method: str, url: str, now: int) -> Proof:
    """Check the proof that came with a token bound to the key with this thumbprint (without one: with the request for it). Raises: `Unauthenticated`."""
    public = _named(headers)
    if not same(thumbprint(public), key):
        raise Unauthenticated("The proof is by another key than the token's.", hint=_HINT)
    claims = read(headers[0], public, _TYPE, extra=frozenset({"jwk"}))
    issued_at, jti = claims.get("iat"), claims.get("jti")
    if type(issued_at) is not int or not -_WINDOW_S <= issued_at - now // MICROS <= SKEW_S:
        raise Unauthenticated("The proof is not fresh.", hint=_HINT)
    if not isinstance(jti, str) or not 16 <= len(jti) <= 64:
        raise Unauthenticated("The proof has no id.", hint=_HINT)
    ath = b64(sha256(token.encode()).digest()) if token else None
    if (claims.get("htm"), claims.get("htu"), claims.get("ath")) != (method, url, ath):
        raise Unauthenticated("The proof is for another request.", hint=_HINT)
    return Proof(f"{key} {jti}", issued_at + _WINDOW_S)


def _named(headers: Sequence[str]) -> bytes:
    if len(headers) != 1:
        raise Unauthenticated("This token is bound to a key, and no proof of the key comes with it.", hint=_HINT)
    jwk = peek(headers[0])[0].get("jwk")
    try:
        if not isinstance(jwk, dict) or set(jwk) != {"kty", "crv", "x"} or (jwk["kty"], jwk["crv"]) != ("OKP", "Ed25519"):
            raise ValueError
        public = unb64(jwk["x"])
        if len(public) != 32:
            raise ValueError
    except (ValueError, TypeError, AttributeError):
        raise Unauthenticated("The proof names no Ed25519 key.", hint=_HINT) from None
    return public
