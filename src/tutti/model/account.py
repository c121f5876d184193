"""Who may come in: accounts, their tokens and sessions, agents' keys. Rows hold digests of what is secret, never the secret."""

from __future__ import annotations

from tutti.model.view import Table

ACCOUNTS = Table(
    "account",
    key=("id",),  # person/ana or service/crm
    columns={"id": "text", "roles": "text", "departments": "text", "password": "text", "state": "text", "since": "int", "by": "text"},
)
TOKENS = Table(
    "token",
    key=("id",),
    columns={
        "id": "text", "holder": "text", "digest": "text", "roles": "text", "departments": "text", "scopes": "text", "label": "text", "issued_at": "int", "expires_at": "int",
    },
    closes=True,
)  # fmt: skip
SESSIONS = Table("session", key=("id",), columns={"id": "text", "account": "text", "expires_at": "int"}, closes=True)  # id: digest of the cookie
ENROLMENTS = Table(
    "enrolment",
    key=("id",),  # digest of the code
    columns={"id": "text", "name": "text", "department": "text", "owner": "text", "expires_at": "int", "by": "text"},
    closes=True,
)
AGENT_KEYS = Table(
    "agent_key",
    key=("name",),
    columns={"name": "text", "key": "text", "department": "text", "url": "text", "since": "int", "not_before": "int", "state": "text"},
)
REVOKED = Table("revoked_token", key=("id",), columns={"id": "text", "until": "int"}, closes=True)  # by jti; agents' tokens only
