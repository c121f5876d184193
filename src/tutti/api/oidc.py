"""Log-in by an identity provider: the browser is sent there, comes back with a code, and gets a session."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import timedelta
from typing import Any

import aiohttp
import orjson
from fastapi import APIRouter, Request, Response

from tutti.accounts import SESSION_LIFE
from tutti.api.admission import COOKIES, too_often
from tutti.api.describing import READING, StrictRoute, problems
from tutti.app import Workspace
from tutti.clock import MICROS
from tutti.errors import AgentFailed, Unauthenticated
from tutti.security import Throttle, oidc, read_capped

_COOKIE = "tutti_oidc"
_OPEN_S = 600  # for which somebody may take to log in there
_MOST = 1000  # log-ins under way; the oldest goes first
_ANSWER_BYTES = 256 * 1024
_PATIENCE = aiohttp.ClientTimeout(total=10)
_KEPT_S = 600  # metadata and keys
_TRIES = (20, timedelta(minutes=5))  # log-ins that are begun from one address
_AGAIN_S = 30  # until keys are asked for again because one was not there


class _Line:
    """The line to the provider: its metadata and keys, kept for a while."""

    def __init__(self, workspace: Workspace, provider: oidc.Provider) -> None:
        self.provider = provider
        self._outside = workspace.outside
        self._clock = workspace.clock
        self._kept: dict[str, tuple[int, Any]] = {}

    async def metadata(self) -> dict[str, str]:
        """Where the provider is asked what."""
        return oidc.check_metadata(await self._get(f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration", _KEPT_S), self.provider)

    async def claims(self, code: str, attempt: oidc.Attempt, redirect: str) -> dict[str, Any]:
        """What the provider says of whoever came back with this code."""
        places = await self.metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect,
            "client_id": self.provider.client_id,
            "code_verifier": attempt.verifier,
        }
        if self.provider.client_secret:
            form["client_secret"] = self._outside.secrets.resolve(self.provider.client_secret)
        answer = await self._ask("POST", places["token_endpoint"], form)
        token = answer.get("id_token") if isinstance(answer, dict) else None
        try:
            return self._check(token, await self._get(places["jwks_uri"], _KEPT_S), attempt)
        except Unauthenticated:
            return self._check(token, await self._get(places["jwks_uri"], _AGAIN_S), attempt)  # its keys may have changed

    def _check(self, token: Any, jwks: Any, attempt: oidc.Attempt) -> dict[str, Any]:
        return oidc.check_id_token(token, jwks, self.provider, attempt.nonce, self._clock.now())

    async def _get(self, url: str, young_s: int) -> Any:
        now = self._clock.now()
        at, value = self._kept.get(url, (0, None))
        if value is None or now - at > young_s * MICROS:
            value = await self._ask("GET", url)
            self._kept[url] = (now, value)
        return value

    async def _ask(self, method: str, url: str, form: dict[str, str] | None = None) -> Any:
        try:
            async with self._outside.session.request(method, url, data=form, allow_redirects=False, timeout=_PATIENCE) as response:
                body = await read_capped(response, _ANSWER_BYTES)
                if response.status != 200:
                    raise Unauthenticated(f"The identity provider answers {response.status}.", hint="Start again at /v1/oidc/login.")
                return orjson.loads(body)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise AgentFailed(f"The identity provider does not answer as it should ({type(error).__name__}).", hint="See issuer in oidc.toml.") from None


def routes(workspace: Workspace, provider: oidc.Provider) -> APIRouter:
    """The two routes of a log-in with this provider."""
    api = APIRouter(prefix="/v1/oidc", route_class=StrictRoute, tags=["identity"])
    line = _Line(workspace, provider)
    attempts: OrderedDict[str, tuple[int, oidc.Attempt]] = OrderedDict()
    tries = Throttle(workspace.clock, *_TRIES)
    turn = asyncio.Lock()

    def back(request: Request) -> str:
        return provider.redirect or f"{workspace.outside.base_url or str(request.base_url).rstrip('/')}/v1/oidc/callback"

    @api.get("/login", status_code=303, response_class=Response, responses=problems(*READING, 429, 502), openapi_extra={"security": []})
    async def login(request: Request) -> Response:
        """Send a browser to the identity provider."""
        places = await line.metadata()
        if wait := tries.take(request.client.host if request.client else ""):
            late: Response = too_often(wait)
            return late
        attempt = oidc.Attempt.fresh(workspace.ids)
        attempts[attempt.state] = (workspace.clock.now(), attempt)
        if len(attempts) > _MOST:
            attempts.popitem(last=False)
        secure = "; Secure" if request.url.scheme == "https" else ""
        cookie = f"{_COOKIE}={attempt.state}; Path=/v1/oidc; Max-Age={_OPEN_S}; HttpOnly; SameSite=Lax{secure}"
        place = attempt.address(places["authorization_endpoint"], provider, back(request))
        return Response(status_code=303, headers={"location": place, "set-cookie": cookie, "cache-control": "no-store"})

    @api.get("/callback", status_code=303, response_class=Response, responses=problems(*READING, 502), openapi_extra={"security": []})
    async def callback(request: Request, state: str = "", code: str = "", iss: str = "") -> Response:
        """Take a browser back from the identity provider, and open a session for its person."""
        now = workspace.clock.now()
        at, attempt = attempts.pop(state, (0, None)) if state and request.cookies.get(_COOKIE) == state else (0, None)
        if attempt is None or not code or now - at > _OPEN_S * MICROS or iss not in ("", provider.issuer):
            raise Unauthenticated("This log-in was not begun here, or is over.", hint="Start again at /v1/oidc/login.")
        person = oidc.person_of(await line.claims(code, attempt, back(request)), provider)
        async with turn:
            await workspace.accounts.vouched(person.account, person.roles, departments=person.departments, by=person.bound)
        cookie, _ = await workspace.accounts.open_session(person.account)
        name, secure = (COOKIES[0], "; Secure") if request.url.scheme == "https" else (COOKIES[1], "")
        value = f"{name}={cookie}; Path=/; Max-Age={int(SESSION_LIFE.total_seconds())}; HttpOnly; SameSite=Strict{secure}"
        return Response(status_code=303, headers={"location": "/", "set-cookie": value, "cache-control": "no-store"})

    return api
