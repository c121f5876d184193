"""Routes of identity: log-in, accounts, tokens, enrolment of agents, and the key that this workspace's tokens are signed with."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response

from tutti import access
from tutti.accounts import SESSION_LIFE
from tutti.api import identity_forms as forms
from tutti.api.admission import COOKIES, address_of, check_origin, session_cookie, too_often
from tutti.api.describing import CHANGING, READING, StrictRoute, problems, reply
from tutti.api.guard import UNTIL, caller_of, require
from tutti.app import Workspace
from tutti.clock import to_text
from tutti.errors import Conflict, Invalid, Refused, Unauthenticated
from tutti.model.answers.agents import Registered
from tutti.model.caller import EVERY, Caller
from tutti.security import Throttle, check_dpop, oidc, proof_key, tokens

_TRIES = (5, timedelta(minutes=5))  # log-ins of one account from one address
_TRIES_HERE = (20, timedelta(minutes=5))  # log-ins and enrolments from one address
_TRIES_EVERYWHERE = (100, timedelta(hours=1))  # log-ins of one account from all addresses together
_TOO_OFTEN = problems(429)
_OPEN: dict[str, Any] = {"security": []}  # for whom nobody knows yet


class _Tries:
    """How often somebody unknown may try to come in."""

    def __init__(self, workspace: Workspace) -> None:
        self._by_pair, self._by_address, self._by_account = (Throttle(workspace.clock, *limit) for limit in (_TRIES, _TRIES_HERE, _TRIES_EVERYWHERE))

    def take(self, request: Request, account: str = "") -> int:
        """Note a try; the seconds to wait when it is one too many."""
        address = request.client.host if request.client else ""
        return self._by_address.take(address) or (account and (self._by_pair.take(f"{account} {address}") or self._by_account.take(account))) or 0


def routes(workspace: Workspace) -> APIRouter:
    """All routes of identity, under /v1. Log-in, enrolment and agents' tokens are for callers whom nobody knows yet, and throttled.

    Where `oidc.toml` in the workspace's folder names an identity provider, its two routes are there too.
    """
    api = _router()
    tries = _Tries(workspace)
    for part in (_sessions(workspace, tries), _accounts(workspace), _tokens(workspace), _agents(workspace, tries)):
        api.routes.extend(part.routes)
    provider = oidc.read_provider(workspace.settings.home / "oidc.toml")
    if provider is not None:
        from tutti.api.oidc import routes as with_provider

        for group, (roles, _) in provider.groups.items():
            try:
                access.check_roles(roles)
            except Invalid as error:
                raise Invalid(f"The group {group} in oidc.toml: {error.message}", hint=error.hint) from None
        api.routes.extend(with_provider(workspace, provider).routes)
    return api


def make_link(workspace: Workspace, account: str) -> dict[str, Any]:
    """A one-time link to the console for this person. Raises: `Conflict` where this process listens on no address of TCP."""
    base = workspace.outside.base_url
    if not base:
        raise Conflict("This workspace is not served on TCP, so there is no page to open.", hint="Start `tutti up` without --listen off.")
    code, expires_at = workspace.accounts.session_link(account)
    return {"url": f"{base}/console/enter#code={code}", "code": code, "expires_at": to_text(expires_at)}


def _router() -> APIRouter:
    return APIRouter(prefix="/v1", route_class=StrictRoute, tags=["identity"])


def _sessions(workspace: Workspace, tries: _Tries) -> APIRouter:
    api, accounts = _router(), workspace.accounts

    @api.post("/session", status_code=201, response_model=forms.Who, responses=problems(*CHANGING) | _TOO_OFTEN, openapi_extra=_OPEN)
    async def log_in(request: Request, form: Annotated[forms.LogIn, Body()] = forms.LogIn()) -> Response:  # noqa: B008  a constant
        """Open a session for pages of this server: its cookie is good for eight hours. Programs send a token instead."""
        if b"origin" in dict(request.scope["headers"]):
            check_origin(request.scope)  # another site must not have a browser log in as somebody else
        if form.account or form.password or form.code:
            if wait := tries.take(request, form.account):
                return _late(wait)
            cookie, _ = await (accounts.log_in_by_link(form.code) if form.code else accounts.log_in(form.account, form.password))
        else:
            caller = caller_of(request)
            if caller.kind != "person" or not _whole(caller):
                raise Unauthenticated(
                    "A session is for a person with all that is theirs.", hint="Log in with account and password, or with a token that is not narrowed."
                )
            cookie, _ = await accounts.open_session(caller.id)
        held = accounts.session(cookie)
        return _with_cookie(request, reply(_who(workspace, held.caller, held.expires_at), 201), cookie)

    @api.post("/session-links", status_code=201, response_model=forms.SessionLink, responses=problems(*CHANGING))
    async def link(request: Request) -> Response:
        """A link with which the person who asks signs in to the console, in any browser: once, within a quarter of an hour, at this process."""
        caller = caller_of(request)
        if caller.kind != "person" or not _whole(caller):
            raise Refused("A link is for a person with all that is theirs.", hint="Ask with a token that is not narrowed.")
        return reply(make_link(workspace, caller.id), 201, {"cache-control": "no-store"})

    @api.get("/session", response_model=forms.Who, responses=problems(*READING))
    async def who(request: Request) -> Response:
        """Who calls, how far their authority goes and until when."""
        return reply(_who(workspace, caller_of(request), request.scope.get(UNTIL)), headers={"cache-control": "no-store"})

    @api.delete("/session", status_code=204, responses=problems(*CHANGING))
    async def log_out(request: Request) -> Response:
        """End the session that the request's cookie is of."""
        caller_of(request)
        cookie = session_cookie(request.scope)
        if cookie is not None:
            await accounts.log_out(cookie)
        return _with_cookie(request, Response(status_code=204), "")

    return api


def _accounts(workspace: Workspace) -> APIRouter:
    api, accounts = _router(), workspace.accounts

    @api.get("/accounts", response_model=list[forms.Account], responses=problems(*READING))
    async def everybody(request: Request) -> Response:
        """All accounts of people, services and agents."""
        require(request, "accounts:read")
        return reply(accounts.everybody())

    @api.post("/accounts", status_code=201, response_model=forms.Account, responses=problems(*CHANGING))
    async def add(request: Request, form: forms.NewAccount) -> Response:
        """Take in a person or a service."""
        caller = require(request, "accounts:manage")
        return reply(await accounts.add(form.id, form.roles, departments=form.departments, password=form.password, by=caller.id), 201)

    @api.get("/accounts/{id:path}", response_model=forms.Account, responses=problems(*READING, 404))
    async def one(request: Request, id: str) -> Response:
        """One account of a person or a service."""
        require(request, "accounts:read")
        return reply(accounts.account(id))

    @api.patch("/accounts/{id:path}", response_model=forms.Account, responses=problems(*CHANGING, 404))
    async def change(request: Request, id: str, form: forms.ChangedAccount) -> Response:
        """Change roles, departments or the password, from the next request on. A new password ends the account's sessions."""
        caller = require(request, "accounts:manage")
        return reply(await accounts.change(id, roles=form.roles, departments=form.departments, password=form.password, by=caller.id))

    @api.delete("/accounts/{id:path}", response_model=forms.Account, responses=problems(*CHANGING, 404))
    async def remove(request: Request, id: str) -> Response:
        """Shut an account with its tokens and sessions; an agent's key is let go of and the agent retired."""
        caller = require(request, "accounts:manage")
        return reply(await accounts.remove(id, by=caller.id))

    return api


def _tokens(workspace: Workspace) -> APIRouter:
    api, accounts = _router(), workspace.accounts

    @api.get("/tokens", response_model=list[forms.TokenKept], responses=problems(*READING))
    async def issued(request: Request, holder: Annotated[str | None, Query(max_length=80)] = None) -> Response:
        """Tokens that hold, without the tokens themselves."""
        if caller_of(request).id != holder:
            require(request, "accounts:read")
        return reply(accounts.issued(holder))

    @api.post("/tokens", status_code=201, response_model=forms.TokenMade, responses=problems(*CHANGING, 404))
    async def issue(request: Request, form: forms.NewToken) -> Response:
        """Make a token. It is in the answer, and never shown again."""
        caller = caller_of(request)
        if not (_whole(caller) and caller.id == form.holder and caller.kind == "person"):
            require(request, "accounts:manage")
        made = await accounts.issue_token(
            form.holder,
            roles=form.roles,
            departments=form.departments,
            scopes=form.scopes,
            life=timedelta(milliseconds=form.life_ms),
            label=form.label,
            by=caller.id,
        )
        return reply(made, 201, {"cache-control": "no-store"})

    @api.delete("/tokens/{id:path}", response_model=forms.Revoked, responses=problems(*CHANGING, 404))
    async def revoke(request: Request, id: str) -> Response:
        """End a token at once: by its id, an agent's token by its jti, all tokens of an agent by `agent/NAME`."""
        caller = caller_of(request)
        if not (_whole(caller) and id in {token["id"] for token in accounts.issued(caller.id)}):
            require(request, "accounts:manage")
        return reply(await accounts.revoke(id, by=caller.id))

    return api


def _agents(workspace: Workspace, tries: _Tries) -> APIRouter:
    api, accounts = _router(), workspace.accounts

    @api.post("/enrolments", status_code=201, response_model=forms.Enrolment, responses=problems(*CHANGING))
    async def enrol(request: Request, form: forms.NewEnrolment) -> Response:
        """A one-use code with which an agent of this name comes in within a quarter of an hour."""
        caller = require(request, "agents:register", id=form.name, department=form.department)
        made = await accounts.enrol(form.name, department=form.department, owner=form.owner, by=caller.id)
        return reply(made, 201, {"cache-control": "no-store"})

    @api.post("/enrolments/use", status_code=201, response_model=Registered, responses=problems(*CHANGING, 502) | _TOO_OFTEN, openapi_extra=_OPEN)
    async def enrolled(request: Request, form: forms.Enrolled) -> Response:
        """An agent comes in with its code: its name is bound to its key, and it is registered from its card."""
        if wait := tries.take(request):
            return _late(wait)
        return reply(await accounts.enrolled(form.code, name=form.name, url=form.url, key=form.key, proof=form.proof), 201)

    @api.post("/enrolments/again", response_model=Registered, responses=problems(*CHANGING, 502))
    async def again(request: Request, form: forms.Again) -> Response:
        """An enrolled agent has started anew, with its own token: where its card has changed, this is its next version."""
        caller = caller_of(request)
        if caller.kind != "agent" or not _whole(caller):
            raise Refused("This is for enrolled agents, each for itself.", hint="Operators use /v1/agents.")
        return reply(await accounts.came_again(caller.id.removeprefix("agent/"), form.url))

    @api.post("/agent-tokens", status_code=201, response_model=forms.AgentTokenMade, responses=problems(*CHANGING) | _TOO_OFTEN, openapi_extra=_OPEN)
    async def agent_token(request: Request, form: forms.TokenWish) -> Response:
        """A five-minute token for an agent, by an assertion that its key signed. With a `DPoP` header it is bound to that header's key."""
        proofs = request.headers.getlist("dpop")
        key = ""
        if proofs:
            key = proof_key(proofs)
            proof = check_dpop(proofs, "", key, method="POST", url=address_of(request.scope), now=workspace.clock.now())
            accounts.use_once(proof.jti, proof.expires_at)
        made = accounts.agent_token(form.agent, form.assertion, audience=form.audience, subject_token=form.subject_token, key=key)
        return reply(made, 201, {"cache-control": "no-store"})

    @api.get("/keys", response_model=forms.Jwks, responses=problems(421, 500, 503), openapi_extra={"security": []})
    async def keys() -> Response:
        """The public key that agents check this workspace's tokens with. It is no secret."""
        public = workspace.journal.keys.token.public
        jwk = {"kty": "OKP", "crv": "Ed25519", "alg": tokens.ALGORITHM, "use": "sig", "kid": tokens.thumbprint(public), "x": tokens.b64(public)}
        return reply({"issuer": accounts.issuer, "keys": [jwk]})

    return api


def _whole(caller: Caller) -> bool:
    """Whether this is somebody with all that is theirs: a narrowed token must not make a wider one."""
    return not caller.chain and caller.scopes is None


def _who(workspace: Workspace, caller: Caller, until: int | None) -> dict[str, Any]:
    where = {action: access.departments_of(caller, action) for action in access.ACTIONS}
    return {
        "id": caller.id, "roles": list(caller.roles), "departments": list(caller.departments), "scopes": None if caller.scopes is None else list(caller.scopes),
        "acts_for": [link.id for link in caller.chain if link.id != caller.id], "workspace": workspace.settings.workspace,
        "currency": workspace.fleet.currency if workspace.fleet else None, "expires_at": None if until is None else to_text(until),
        "may": {action: [EVERY] if places is None else list(places) for action, places in where.items() if places != ()},
    }  # fmt: skip


def _late(seconds: int) -> Response:
    late: Response = too_often(seconds)
    return late


def _with_cookie(request: Request, response: Response, value: str) -> Response:
    """Set the session's cookie; an empty value takes it away. Over TLS no other host, path or port can set or read it."""
    secure = request.scope.get("scheme") == "https"
    life = int(SESSION_LIFE.total_seconds()) if value else 0
    response.headers["set-cookie"] = (
        f"{COOKIES[0] if secure else COOKIES[1]}={value}; Path=/; Max-Age={life}; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"
    )
    response.headers["cache-control"] = "no-store"
    return response
