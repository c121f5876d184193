"""Log-in by somebody else's identity provider: what is asked, and what its answer must be. Source: OpenID Connect Core 1.0, RFC 7636 (PKCE).

Nothing here reaches the network; `api.oidc` asks, through the egress rule.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tutti.clock import MICROS
from tutti.errors import Invalid, Refused, Unauthenticated
from tutti.ids import Ids
from tutti.security.tokens import SKEW_S, b64, peek, same

ALGORITHMS = ("RS256", "PS256", "ES256", "Ed25519")  # of id tokens; nothing with a shared key
_LIFE_S = 3600  # the oldest id token that is taken for a log-in
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
_KEYS = {"issuer": str, "client_id": str, "client_secret": str, "redirect": str, "scope": str, "group_claim": str, "name_claim": str, "groups": dict}
_AGAIN = "Start again at /v1/oidc/login."


@dataclass(frozen=True, slots=True)
class Provider:
    """Who vouches for people here, and what their groups may do: group → (roles, departments)."""

    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)  # as secret://name
    redirect: str = ""  # the callback's address; empty: where this process is reached
    scope: str = "openid profile email groups"
    group_claim: str = "groups"
    name_claim: str = "sub"
    groups: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Attempt:
    """A log-in under way: what the provider must give back, and what only this browser and this process know."""

    state: str
    nonce: str
    verifier: str

    @classmethod
    def fresh(cls, ids: Ids) -> Attempt:
        """An attempt that nobody can guess."""
        return cls(b64(ids.bytes(32)), b64(ids.bytes(32)), b64(ids.bytes(32)))

    def address(self, endpoint: str, provider: Provider, redirect: str) -> str:
        """Where the browser is sent."""
        asked = {
            "response_type": "code", "client_id": provider.client_id, "redirect_uri": redirect, "scope": provider.scope, "state": self.state, "nonce": self.nonce,
            "code_challenge": b64(sha256(self.verifier.encode()).digest()), "code_challenge_method": "S256",
        }  # fmt: skip
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}"


@dataclass(frozen=True, slots=True)
class Person:
    """Whom the provider vouches for: `account` is `person/NAME`, `bound` stands for issuer and subject, so that a name never changes hands."""

    account: str
    bound: str
    roles: tuple[str, ...]
    departments: tuple[str, ...]


def read_provider(path: Path) -> Provider | None:
    """The provider that `oidc.toml` in the workspace's folder describes; None without the file. Raises: `Invalid`."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{path} is no TOML: {error}.") from None
    wrong = [name for name, value in data.items() if name not in _KEYS or not isinstance(value, _KEYS[name])]
    if wrong or not data.get("issuer") or not data.get("client_id"):
        raise Invalid(f"{path} says {', '.join(wrong) or 'too little'}.", hint=f"It holds issuer, client_id and [groups]; known are {', '.join(_KEYS)}.")
    if data.get("client_secret", "secret://").partition("://")[0] != "secret":
        raise Invalid(f"client_secret in {path} stands there in the clear.", hint="Write secret://NAME and put the value into the secrets folder.")
    groups = {}
    for name, grant in data.pop("groups", {}).items():
        if (
            not isinstance(grant, dict)
            or set(grant) - {"roles", "departments"}
            or not all(map(_are_names, (grant.get("roles"), grant.get("departments", ["*"]))))
        ):
            raise Invalid(f"The group {name} in {path} is not understood.", hint='Write: support = { roles = ["viewer"], departments = ["support"] }')
        groups[name] = (tuple(grant["roles"]), tuple(grant.get("departments", ["*"])))
    return Provider(**data, groups=groups)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)


def check_metadata(metadata: Any, provider: Provider) -> dict[str, str]:
    """The addresses of a provider's metadata. Raises: `Refused` when it speaks for another issuer or leaves one out."""
    names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    if not isinstance(metadata, dict) or metadata.get("issuer") != provider.issuer or not all(isinstance(metadata.get(name), str) for name in names):
        raise Refused("The identity provider's metadata is not this issuer's.", hint="See issuer in oidc.toml.")
    return {name: metadata[name] for name in names}


def check_id_token(text: Any, jwks: Any, provider: Provider, nonce: str, now: int) -> dict[str, Any]:
    """The claims of an id token that this provider signed, for this client and this attempt; `now` in microseconds. Raises: `Unauthenticated`."""
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    header, claims = peek(text if isinstance(text, str) else "")
    keys = [key for key in (jwks.get("keys") if isinstance(jwks, dict) else None) or [] if isinstance(key, dict) and key.get("use", "sig") == "sig"]
    named = [key for key in keys if key.get("kid") == header.get("kid")]
    if header.get("alg") not in ALGORITHMS or set(header) - {"alg", "typ", "kid"} or len(named) != 1:
        raise _no("it is not signed in a way and by a key that are accepted")
    try:
        jws.deserialize_compact(str(text), import_key(named[0]), algorithms=[header["alg"]])
    except (JoseError, ValueError, KeyError, TypeError):
        raise _no("its signature does not hold") from None
    audience = claims.get("aud")
    if (
        claims.get("iss") != provider.issuer
        or audience not in (provider.client_id, [provider.client_id])
        or claims.get("azp", provider.client_id) != provider.client_id
    ):
        raise _no("it was made by or for somebody else")
    issued_at, expires_at, seconds = claims.get("iat"), claims.get("exp"), now // MICROS
    if type(issued_at) is not int or type(expires_at) is not int or expires_at <= seconds - SKEW_S or not -_LIFE_S <= issued_at - seconds <= SKEW_S:
        raise _no("it is expired, or from another time")
    if not isinstance(claims.get("nonce"), str) or not same(claims["nonce"], nonce):
        raise _no("it is for another log-in")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise _no("it names nobody")
    return claims


def person_of(claims: Mapping[str, Any], provider: Provider) -> Person:
    """Who logs in, and what their groups give them. Raises: `Refused` when no group of theirs is known here."""
    said = claims.get(provider.group_claim)
    grants = [provider.groups[name] for name in (said if isinstance(said, list) else []) if isinstance(name, str) and name in provider.groups]
    if not grants:
        raise Refused("None of your groups may come in here.", hint="The operator maps groups to roles in oidc.toml.")
    # a role of one group holds in that group's departments only
    roles = {role if "*" in departments or "@" in role else f"{role}@{name}" for given, departments in grants for role in given for name in departments}
    bound = "oidc/" + sha256(f"{provider.issuer}\n{claims['sub']}".encode()).hexdigest()[:24]
    name = claims.get(provider.name_claim)
    if not isinstance(name, str) or not _NAME.fullmatch(name) or (provider.name_claim == "email" and claims.get("email_verified") is not True):
        name = bound.replace("/", "-")
    return Person(f"person/{name}", bound, tuple(sorted(roles)), ("*",))


def _no(why: str) -> Unauthenticated:
    return Unauthenticated(f"The identity provider's answer is not accepted: {why}.", hint=_AGAIN)
