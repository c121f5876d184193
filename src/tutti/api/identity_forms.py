"""What the routes of identity are asked and what they answer."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field
from typing_extensions import TypedDict

from tutti.accounts import LONGEST_TOKEN
from tutti.api.forms import Form

_DAY_MS = 24 * 3600 * 1000


class LogIn(Form):
    """A person's account (`person/ana`) and password, or the code of a one-time link. Without them, the token that comes with the request opens the session."""

    account: str = Field(default="", max_length=80)
    password: str = Field(default="", max_length=1024)
    code: str = Field(default="", max_length=100)


class NewAccount(Form):
    """A person (`person/ana`) or a service (`service/crm`). A role holds in all of the departments, or in one: `viewer@finance`."""

    id: str = Field(min_length=1, max_length=80)
    roles: list[str] = Field(max_length=100)
    departments: list[str] = Field(["*"], max_length=1000)
    password: str | None = Field(None, max_length=1024)


class ChangedAccount(Form):
    """What changes of an account; what is left out stays."""

    roles: list[str] | None = Field(None, max_length=100)
    departments: list[str] | None = Field(None, max_length=1000)
    password: str | None = Field(None, max_length=1024)


class NewToken(Form):
    """A token for a person or a service. Roles, departments and scopes (`resource:id:action`) only narrow what the holder may do."""

    holder: str = Field(min_length=1, max_length=80)
    roles: list[str] | None = Field(None, max_length=100)
    departments: list[str] | None = Field(None, max_length=1000)
    scopes: list[str] | None = Field(None, max_length=1000)
    life_ms: int = Field(90 * _DAY_MS, gt=0, le=LONGEST_TOKEN // timedelta(milliseconds=1))
    label: str = Field("", max_length=100)


class NewEnrolment(Form):
    """An agent that may come in, once, with the code that is answered."""

    name: str = Field(min_length=1, max_length=64)
    department: str = Field(min_length=1, max_length=200)
    owner: str = Field("", max_length=400)


class Enrolled(Form):
    """An agent that comes in: its code, the address of its card, its public key and the proof that it has the other half (both in hex)."""

    code: str = Field(max_length=100)
    name: str = Field(max_length=64)
    url: str = Field(max_length=4000)
    key: str = Field(max_length=64)
    proof: str = Field(max_length=128)


class Again(Form):
    """An enrolled agent that has started anew: the address of its card."""

    url: str = Field(max_length=4000)


class TokenWish(Form):
    """An agent's signed assertion, for a five-minute token. `audience` is another agent (`agent/NAME`), or this workspace when it is empty."""

    agent: str = Field(max_length=64)
    assertion: str = Field(max_length=8192)
    audience: str = Field("", max_length=80)
    subject_token: str = Field("", max_length=8192)


class Who(TypedDict):
    """Who calls, and how far their authority goes. `acts_for` are those on whose behalf they act.

    `currency` is what the fleet counts money in. `may` names the departments (`*`: all) for each thing that they may do; what they may do to their own tasks only is not in it.
    """

    id: str
    roles: list[str]
    departments: list[str]
    scopes: list[str] | None
    acts_for: list[str]
    workspace: str
    currency: str | None
    expires_at: str | None
    may: dict[str, list[str]]


class SessionLink(TypedDict):
    """A link that opens one session in a browser, for whoever opens it first."""

    url: str
    code: str
    expires_at: str


class _Account(TypedDict):
    schema: str
    id: str
    roles: list[str]
    departments: list[str]
    state: str
    since: str
    password: bool


class Account(_Account, total=False):
    """An account; of an agent's, the key and the address it enrolled with."""

    key: str
    url: str


class TokenKept(TypedDict):
    """What is kept of a token: all but the token."""

    schema: str
    id: str
    holder: str
    roles: list[str] | None
    departments: list[str] | None
    scopes: list[str] | None
    label: str
    issued_at: str
    expires_at: str


class TokenMade(TokenKept):
    """A new token. It is shown here and never again."""

    token: str


class Revoked(TypedDict):
    """What holds no more."""

    schema: str
    id: str


class Enrolment(TypedDict):
    """A one-use code for an agent."""

    schema: str
    name: str
    department: str
    workspace: str
    code: str
    expires_at: str


class AgentTokenMade(TypedDict):
    """A five-minute token. `token_type` is DPoP when it is bound to the key whose proof came with the request."""

    access_token: str
    token_type: str
    expires_in: int
    jti: str


class Jwks(TypedDict):
    """The public keys that this workspace's tokens are signed with, and whom they name as their issuer. Source: RFC 7517."""

    issuer: str
    keys: list[dict[str, str]]
