"""Log-in by an identity provider on loopback: code flow with PKCE, state and nonce; every wrong answer opens no session."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from access_site import Door, make_fleet
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import OKPKey, RSAKey

from tutti import Settings, Workspace
from tutti.errors import Invalid
from tutti.security import oidc
from tutti.security.tokens import b64

GROUPS = '[groups]\nsupport = { roles = ["viewer", "approver"], departments = ["support"] }\nboard = { roles = ["viewer"] }\n'


class Provider:
    """An identity provider that answers what it is told to."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
        self.issuer = ""
        self.claims: dict[str, Any] = {}
        self.header: dict[str, Any] = {"alg": "RS256", "kid": "one"}
        self.signer: Any = self.key
        self.told: dict[str, Any] = {}
        self.challenge = ""
        self.nonce = ""
        self.forms: list[dict[str, Any]] = []
        self.raw = ""

    async def metadata(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
            }
            | self.told
        )

    async def jwks(self, _: web.Request) -> web.Response:
        return web.json_response({"keys": [self.key.as_dict(private=False)]})

    async def token(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        self.forms.append(form)
        if b64(sha256(str(form["code_verifier"]).encode()).digest()) != self.challenge:
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "s-1",
            "aud": "tutti",
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce,
            "groups": ["support"],
            "name": "ana",
        } | self.claims
        claims = {name: value for name, value in claims.items() if value is not None}
        text = self.raw or jwt.encode(self.header, claims, self.signer, algorithms=[self.header["alg"]])
        return web.json_response({"id_token": text, "access_token": "x", "token_type": "Bearer"})


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    app = web.Application()
    app.add_routes([web.get("/.well-known/openid-configuration", provider.metadata), web.get("/jwks", provider.jwks), web.post("/token", provider.token)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield provider
    await runner.cleanup()


@pytest.fixture
async def door(provider: Provider, tmp_path: Path) -> AsyncIterator[Door]:
    settings = Settings("shop", tmp_path / "tutti", grace=timedelta(0), egress=(urlsplit(provider.issuer).netloc,))
    settings.secrets.mkdir(parents=True)
    (settings.secrets / "idp").write_text("the-client-secret")
    (settings.secrets / "idp").chmod(0o600)
    (settings.home / "oidc.toml").write_text(
        f'issuer = "{provider.issuer}"\nclient_id = "tutti"\nclient_secret = "secret://idp"\nname_claim = "name"\n{GROUPS}'
    )
    async with Workspace(make_fleet(), settings) as workspace:
        yield Door(workspace)


async def begun(door: Door, provider: Provider) -> tuple[str, str]:
    """The state and the cookie of a log-in that has begun."""
    sent = await door("GET", "/v1/oidc/login")
    assert sent.status == 303, sent
    place = urlsplit(sent.headers["location"])
    asked = {name: values[0] for name, values in parse_qs(place.query).items()}
    assert (asked["response_type"], asked["code_challenge_method"], asked["redirect_uri"]) == ("code", "S256", "http://127.0.0.1:7777/v1/oidc/callback")
    provider.challenge, provider.nonce = asked["code_challenge"], asked["nonce"]
    return asked["state"], sent.headers["set-cookie"].partition(";")[0]


async def logged_in(door: Door, provider: Provider) -> Any:
    state, cookie = await begun(door, provider)
    return await door("GET", f"/v1/oidc/callback?code=c&state={state}", headers={"cookie": cookie})


async def test_a_person_comes_in_with_the_roles_of_their_groups(door: Door, provider: Provider) -> None:
    back = await logged_in(door, provider)
    assert (back.status, back.headers["location"]) == (303, "/")
    has = {"cookie": back.headers["set-cookie"].partition(";")[0]}
    assert {"HttpOnly", "SameSite=Strict"} <= set(back.headers["set-cookie"].split("; "))
    who = (await door("GET", "/v1/session", headers=has)).body
    assert (who["id"], who["roles"]) == ("person/ana", ["approver@support", "viewer@support"])
    assert provider.forms[0]["client_secret"] == "the-client-secret"
    assert "the-client-secret" not in str(await door.workspace.facts(limit=1000))
    provider.claims = {"groups": ["board", "unknown"]}
    again = await logged_in(door, provider)
    assert (await door("GET", "/v1/session", headers={"cookie": again.headers["set-cookie"].partition(";")[0]})).body["roles"] == ["viewer"]


NOW = int(time.time())
WRONG: dict[str, dict[str, Any]] = {
    "nonce of another": {"nonce": "x"},
    "no nonce": {"nonce": None},
    "aud of another": {"aud": "other"},
    "aud of several": {"aud": ["tutti", "other"]},
    "azp of another": {"azp": "other"},
    "another issuer": {"iss": "https://evil.example"},
    "expired": {"iat": NOW - 1000, "exp": NOW - 100},
    "from the future": {"iat": NOW + 86_400, "exp": NOW + 90_000},  # later than any run of the tests takes
    "no sub": {"sub": None},
    "no exp": {"exp": None},
}


@pytest.mark.parametrize("name", WRONG)
async def test_an_id_token_that_says_something_else_opens_no_session(name: str, door: Door, provider: Provider) -> None:
    provider.claims = WRONG[name]
    back = await logged_in(door, provider)
    assert (back.status, "set-cookie" in back.headers) == (401, False)
    assert door.workspace.accounts.everybody() == []


@pytest.mark.parametrize("how", ["unsigned", "another key", "shared key", "unknown kid", "jku"])
async def test_an_id_token_that_is_not_signed_by_the_issuer_opens_no_session(how: str, door: Door, provider: Provider) -> None:
    state, cookie = await begun(door, provider)
    match how:
        case "unsigned":
            now = int(time.time())
            claims = f'{{"iss":"{provider.issuer}","sub":"s","aud":"tutti","iat":{now},"exp":{now + 300},"nonce":"{provider.nonce}","groups":["support"]}}'
            provider.raw = ".".join(b64(part) for part in (b'{"alg":"none","kid":"one"}', claims.encode(), b"x"))
        case "another key":
            provider.signer = RSAKey.generate_key(2048)
        case "shared key":
            from joserfc.jwk import OctKey

            provider.header, provider.signer = {"alg": "HS256", "kid": "one"}, OctKey.import_key("the-client-secret-the-client-secret")
        case "unknown kid":
            provider.header, provider.signer = {"alg": "Ed25519", "kid": "two"}, OKPKey.generate_key("Ed25519")
        case "jku":
            provider.header = {"alg": "RS256", "kid": "one", "jku": f"{provider.issuer}/jwks"}
    back = await door("GET", f"/v1/oidc/callback?code=c&state={state}", headers={"cookie": cookie})
    assert (back.status, "set-cookie" in back.headers) == (401, False)


async def test_a_state_is_for_one_browser_and_one_time(door: Door, provider: Provider) -> None:
    state, cookie = await begun(door, provider)
    other, _ = await begun(door, provider)
    for path, has in (
        (f"/v1/oidc/callback?code=c&state={state}", {}),
        (f"/v1/oidc/callback?code=c&state={other}", {"cookie": cookie}),
        ("/v1/oidc/callback?code=c&state=x", {"cookie": "tutti_oidc=x"}),
        ("/v1/oidc/callback?code=c", {"cookie": cookie}),
    ):
        assert (await door("GET", path, headers=has)).status == 401
    assert provider.forms == [], "the provider is not even asked"
    assert (await logged_in(door, provider)).status == 303
    assert (await door("GET", f"/v1/oidc/callback?code=c&state={state}&iss=https://evil.example", headers={"cookie": cookie})).status == 401


async def test_a_verifier_goes_with_its_challenge(door: Door, provider: Provider) -> None:
    state, cookie = await begun(door, provider)
    provider.challenge = "of another log-in"
    assert (await door("GET", f"/v1/oidc/callback?code=c&state={state}", headers={"cookie": cookie})).status == 401


async def test_metadata_of_another_issuer_is_refused(door: Door, provider: Provider) -> None:
    provider.told = {"issuer": "https://evil.example"}
    assert (await door("GET", "/v1/oidc/login")).status == 403


async def test_a_token_endpoint_inside_the_network_is_not_called(door: Door, provider: Provider) -> None:
    provider.told = {"token_endpoint": "http://169.254.169.254/token"}
    assert (await logged_in(door, provider)).status == 403


async def test_names_do_not_change_hands(door: Door, provider: Provider) -> None:
    accounts = door.workspace.accounts
    await accounts.add("person/bob", ["owner"], password="four words are enough")
    provider.claims = {"name": "bob"}
    assert (await logged_in(door, provider)).status == 403, "a local account is not the provider's to give"
    provider.claims = {}
    assert (await logged_in(door, provider)).status == 303
    provider.claims = {"sub": "s-2"}
    assert (await logged_in(door, provider)).status == 403, "another subject with the same name"
    await accounts.remove("person/ana")
    provider.claims = {}
    assert (await logged_in(door, provider)).status == 403, "who was removed stays out"
    provider.claims = {"sub": "s-3", "name": "../owner", "groups": ["support"]}
    assert (await logged_in(door, provider)).status == 303
    assert not [account for account in accounts.everybody() if ".." in account["id"]]


@pytest.mark.parametrize("groups", [[], ["unknown"], "support", None])
async def test_who_is_in_no_known_group_stays_out(groups: Any, door: Door, provider: Provider) -> None:
    provider.claims = {"groups": groups}
    assert (await logged_in(door, provider)).status == 403


@pytest.mark.parametrize(
    "text",
    [
        "issuer = 1",
        'issuer = "x"',
        'issuer = "x"\nclient_id = "y"\nclient_secret = "plain"',
        "[",
        'issuer="x"\nclient_id="y"\nking="z"',
        'issuer="x"\nclient_id="y"\n[groups]\na="b"',
        'issuer="x"\nclient_id="y"\n[groups]\na={roles=["viewer"], departments="support"}',
        'issuer="x"\nclient_id="y"\n[groups]\na={roles=[1]}',
    ],
)
def test_a_description_that_is_not_understood_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "oidc.toml").write_text(text)
    with pytest.raises(Invalid):
        oidc.read_provider(tmp_path / "oidc.toml")


async def test_a_group_with_a_role_that_there_is_not_is_refused_at_the_start(provider: Provider, tmp_path: Path) -> None:
    settings = Settings("shop", tmp_path / "tutti", grace=timedelta(0))
    settings.home.mkdir(parents=True)
    (settings.home / "oidc.toml").write_text(f'issuer = "{provider.issuer}"\nclient_id = "tutti"\n[groups]\nsupport = {{ roles = ["king"] }}\n')
    async with Workspace(make_fleet(), settings) as workspace:
        with pytest.raises(Invalid, match=r"group support.*'king' is no role"):
            Door(workspace)
