"""Agents' tokens: made by this workspace, for it, for five minutes; whatever else is said in them is refused, and nothing is fetched."""

from __future__ import annotations

import hmac
import json
import socket
from collections.abc import Callable
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutti.clock import MICROS
from tutti.errors import Unauthenticated
from tutti.ids import Ids
from tutti.security import SigningKey, check_dpop, enrolment, make_dpop
from tutti.security.tokens import AgentToken, b64, issue, new_opaque, opaque_id, sign, thumbprint, verify_token
from tutti.testing import ManualClock

KEY, OTHER = SigningKey(b"k" * 32), SigningKey(b"o" * 32)
ISSUER = "tutti/shop"
NOW = 1_750_000_000
CLAIMS: dict[str, Any] = {"iss": ISSUER, "sub": "agent/pricing", "aud": ISSUER, "exp": NOW + 300, "iat": NOW, "jti": "jti-1"}
HEAD: dict[str, Any] = {"alg": "Ed25519", "typ": "at+jwt"}


def check(text: str, *, now: int = NOW, audience: str = ISSUER) -> AgentToken:
    return verify_token(text, KEY.public, issuer=ISSUER, audience=audience, now=now * MICROS)


def made(head: dict[str, Any] | str = HEAD, claims: dict[str, Any] | str = CLAIMS, signer: Callable[[bytes], bytes] = KEY.sign) -> str:
    """A token as an attacker with this signer makes it: any head, any claims."""
    parts = [b64((part if isinstance(part, str) else json.dumps(part)).encode()) for part in (head, claims)]
    signed = ".".join(parts)
    return f"{signed}.{b64(signer(signed.encode()))}"


def by_hmac(key: bytes) -> Callable[[bytes], bytes]:
    return lambda data: hmac.digest(key, data, "sha256")


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in CLAIMS.items() if key != name}


JWK = {"kty": "OKP", "crv": "Ed25519", "x": b64(OTHER.public)}
GOOD = made()
HOSTILE = {
    "none": made(HEAD | {"alg": "none"}, signer=lambda _: b"x"),
    "none, no signature": made(HEAD | {"alg": "none"}).rpartition(".")[0] + ".",
    "None": made(HEAD | {"alg": "None"}),
    "no alg": made({"typ": "at+jwt"}),
    "HMAC with the public key": made(HEAD | {"alg": "HS256"}, signer=by_hmac(KEY.public)),
    "HMAC with the public key in hex": made(HEAD | {"alg": "HS256"}, signer=by_hmac(KEY.public.hex().encode())),
    "HMAC under our algorithm": made(signer=by_hmac(KEY.public)),
    "ES256": made(HEAD | {"alg": "ES256"}),
    "Ed448": made(HEAD | {"alg": "Ed448"}),
    "alg as a list": made(HEAD | {"alg": ["Ed25519"]}),
    "another key": made(signer=OTHER.sign),
    "another key, named in the head": made(HEAD | {"jwk": JWK}, signer=OTHER.sign),
    "our key, jwk in the head": made(HEAD | {"jwk": JWK}),
    "jku": made(HEAD | {"jku": "http://127.0.0.1:{port}/jwks.json"}, signer=OTHER.sign),
    "our key, jku in the head": made(HEAD | {"jku": "http://127.0.0.1:9/jwks.json"}),
    "x5u": made(HEAD | {"x5u": "http://127.0.0.1:9/cert.pem"}),
    "x5c": made(HEAD | {"x5c": ["AAAA"]}),
    "kid is a path": made(HEAD | {"kid": "../../../../dev/null"}, signer=by_hmac(b"")),
    "kid is SQL": made(HEAD | {"kid": "' UNION SELECT 'x'--"}, signer=by_hmac(b"x")),
    "crit": made(HEAD | {"crit": ["exp"], "exp": 1}),
    "crit unknown": made(HEAD | {"crit": ["x-tutti"], "x-tutti": True}),
    "crit empty": made(HEAD | {"crit": []}),
    "b64": made(HEAD | {"b64": False, "crit": ["b64"]}),
    "zip": made(HEAD | {"zip": "DEF"}),
    "typ JWT": made(HEAD | {"typ": "JWT"}),
    "no typ": made({"alg": "Ed25519"}),
    "typ of an assertion": sign(KEY, CLAIMS, "tutti-assertion+jwt"),
    "alg twice": made('{"alg":"none","alg":"Ed25519","typ":"at+jwt"}'),
    "head is a list": made("[]"),
    "aud of another": made(claims=CLAIMS | {"aud": "tutti/other"}),
    "aud a list": made(claims=CLAIMS | {"aud": [ISSUER]}),
    "aud a list of two": made(claims=CLAIMS | {"aud": [ISSUER, "tutti/other"]}),
    "aud an agent": made(claims=CLAIMS | {"aud": "agent/pricing"}),
    "iss of another": made(claims=CLAIMS | {"iss": "tutti/other"}),
    "iss longer": made(claims=CLAIMS | {"iss": ISSUER + "/"}),
    **{f"no {name}": made(claims=without(name)) for name in CLAIMS},
    "expired": made(claims=CLAIMS | {"iat": NOW - 400, "exp": NOW - 100}),
    "from the future": made(claims=CLAIMS | {"iat": NOW + 100, "exp": NOW + 400}),
    "not yet": made(claims=CLAIMS | {"nbf": NOW + 100}),
    "ten years": made(claims=CLAIMS | {"exp": NOW + 10 * 365 * 86400}),
    "ten minutes": made(claims=CLAIMS | {"exp": NOW + 600}),
    "old iat, long life": made(claims=CLAIMS | {"iat": NOW - 3000}),
    "exp before iat": made(claims=CLAIMS | {"iat": NOW + 20, "exp": NOW + 10}),
    "exp a string": made(claims=CLAIMS | {"exp": str(NOW + 300)}),
    "exp a float": made(claims=CLAIMS | {"exp": NOW + 0.5}),
    "exp true": made(claims=CLAIMS | {"exp": True}),
    "exp infinite": made(claims=json.dumps(CLAIMS).replace(str(NOW + 300), "Infinity")),
    "sub twice": made(claims=json.dumps(CLAIMS)[:-1] + ', "sub": "person/owner"}'),
    "exp twice": made(claims=json.dumps(CLAIMS)[:-1] + f', "exp": {NOW + 10}}}'),
    "sub a list": made(claims=CLAIMS | {"sub": ["agent/pricing"]}),
    "sub empty": made(claims=CLAIMS | {"sub": ""}),
    "scope a list": made(claims=CLAIMS | {"scope": ["tasks:*:read"]}),
    "act a string": made(claims=CLAIMS | {"act": "person/owner"}),
    "act without sub": made(claims=CLAIMS | {"act": {"act": {"sub": "agent/x"}}}),
    "act too long": made(claims=CLAIMS | {"act": json.loads('{"sub":"a","act":' * 40 + "{}" + "}" * 40)}),
    "cnf unknown": made(claims=CLAIMS | {"cnf": {"x5t#S256": "x"}}),
    "cnf a string": made(claims=CLAIMS | {"cnf": "x"}),
    "claims a list": made(claims="[]"),
    "claims no JSON": made(claims="{"),
    "deep": made(claims="[" * 3000),
    "four parts": GOOD + ".x",
    "two parts": GOOD.rpartition(".")[0],
    "empty signature": GOOD.rpartition(".")[0] + ".",
    "padded": GOOD + "=",
    "blank before": " " + GOOD,
    "newline": GOOD + "\n",
    "signature in another form": GOOD[:-1] + chr(ord(GOOD[-1]) + 1),
    "too long": made(claims=CLAIMS | {"task": "x" * 9000}),
    "not ASCII": "\xe9.\xe9.\xe9",
    "empty": "",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tokens_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: Any) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    with pytest.raises(Unauthenticated) as refused:
        check(HOSTILE[name])
    assert refused.value.hint
    assert "agent/pricing" not in refused.value.message


def test_good_tokens_are_accepted() -> None:
    assert check(GOOD) == AgentToken("agent/pricing", ISSUER, "jti-1", NOW, NOW + 300)
    assert check(made(HEAD | {"alg": "EdDSA"})).sub == "agent/pricing"  # the name before RFC 9864
    assert check(made(HEAD | {"typ": "application/at+jwt"})).sub == "agent/pricing"
    assert check(GOOD, now=NOW + 329).sub == "agent/pricing"
    assert check(GOOD, now=NOW - 30).sub == "agent/pricing"
    for now in (NOW + 330, NOW - 31):
        with pytest.raises(Unauthenticated):
            check(GOOD, now=now)


def test_what_is_issued_is_what_is_read() -> None:
    token = AgentToken(
        "person/ana",
        "agent/pricing",
        "jti-2",
        NOW,
        NOW + 300,
        ("tasks:*:read", "signals:*:send"),
        ("agent/sales", "agent/desk"),
        "t-1",
        thumbprint(OTHER.public),
    )
    assert check(issue(KEY, token, ISSUER), audience="agent/pricing") == token
    assert token.bearer == "agent/sales"


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 127))
def test_no_changed_character_is_accepted(place: int, shift: int) -> None:
    changed = GOOD[:place] + chr((ord(GOOD[place]) + shift) % 128) + GOOD[place + 1 :]
    with pytest.raises(Unauthenticated):
        check(changed)


def test_opaque_tokens_have_256_bits_and_a_readable_beginning() -> None:
    ids = Ids(ManualClock())
    made = {new_opaque(ids).text for _ in range(100)}
    assert len(made) == 100
    for text in made:
        assert text.startswith("tutti_")
        assert len(text) == len("tutti_") + 8 + 1 + 43
        assert opaque_id(text) == text[6:14]
    assert opaque_id("tutti_0000000g_" + "A" * 43) is None
    assert sha256(text.encode()).hexdigest() not in text


# --- what an agent signs ----------------------------------------------------------------------------------------

URL = "http://127.0.0.1:7777/v1/tasks"


def proof(**more: Any) -> str:
    return make_dpop(**{"key": OTHER, "method": "GET", "url": URL, "now": NOW * MICROS, "ids": Ids(ManualClock()), "token": GOOD} | more)


def test_a_bound_token_needs_a_fresh_proof_for_this_request() -> None:
    key = thumbprint(OTHER.public)
    asked: dict[str, Any] = {"method": "GET", "url": URL, "now": NOW * MICROS}
    assert check_dpop([proof()], GOOD, key, **asked).jti.startswith(key)
    wrong = {
        "no proof": [],
        "two proofs": [proof(), proof()],
        "another key": [proof(key=KEY)],
        "another method": [proof(method="POST")],
        "another address": [proof(url=URL + "/t-1")],
        "another token": [proof(token=GOOD + "x")],
        "no token": [proof(token="")],
        "old": [proof(now=(NOW - 61) * MICROS)],
        "from the future": [proof(now=(NOW + 31) * MICROS)],
        "a token": [GOOD],
        "nothing": ["x"],
        "a private key in it": [sign(OTHER, {"htm": "GET"}, "dpop+jwt", {"jwk": JWK | {"d": b64(OTHER.secret)}})],
        "no id": [sign(OTHER, {"htm": "GET", "htu": URL, "iat": NOW, "ath": b64(sha256(GOOD.encode()).digest())}, "dpop+jwt", {"jwk": JWK})],
    }
    for headers in wrong.values():
        with pytest.raises(Unauthenticated):
            check_dpop(headers, GOOD, key, **asked)


def test_an_assertion_holds_for_one_agent_one_workspace_one_minute() -> None:
    ids = Ids(ManualClock())
    text = enrolment.make_assertion(OTHER, agent="pricing", workspace="shop", now=NOW * MICROS, ids=ids)
    right: dict[str, Any] = {"agent": "pricing", "workspace": "shop", "now": NOW * MICROS}
    assert enrolment.check_assertion(text, OTHER.public, **right).agent == "pricing"
    for wrong in ({"agent": "sales"}, {"workspace": "other"}, {"now": (NOW + 91) * MICROS}, {"now": (NOW - 31) * MICROS}):
        with pytest.raises(Unauthenticated):
            enrolment.check_assertion(text, OTHER.public, **right | wrong)
    for other in (GOOD, sign(OTHER, CLAIMS, "at+jwt")):
        with pytest.raises(Unauthenticated):
            enrolment.check_assertion(other, OTHER.public, **right)
    with pytest.raises(Unauthenticated):
        enrolment.check_assertion(text, KEY.public, **right)
