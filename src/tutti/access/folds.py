"""Access's facts as rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from tutti.model.account import ACCOUNTS, AGENT_KEYS, ENROLMENTS, REVOKED, SESSIONS, TOKENS
from tutti.model.fact import Fact
from tutti.model.view import Change, Fold, Put, Set


def _text(value: object) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _created(fact: Fact) -> Iterable[Change]:
    data = fact.data
    values = {"roles": _text(data["roles"]), "departments": _text(data["departments"]), "password": data.get("password")}
    yield Put("account", (fact.about,), {**values, "state": "active", "since": fact.at, "by": fact.by})


def _changed(fact: Fact) -> Iterable[Change]:
    data = fact.data
    values: dict[str, Any] = {name: _text(data[name]) for name in ("roles", "departments") if name in data}
    if "password" in data:
        values["password"] = data["password"]
    yield Set("account", (fact.about,), values)


def _removed(fact: Fact) -> Iterable[Change]:
    yield Set("account", (fact.about,), {"state": "removed", "password": None})


def _issued(fact: Fact) -> Iterable[Change]:
    data = fact.data
    values = {name: _text(data.get(name)) for name in ("roles", "departments", "scopes")}
    yield Put(
        "token",
        (fact.about,),
        {
            **values,
            "holder": data["holder"],
            "digest": data["digest"],
            "label": data["label"],
            "issued_at": fact.at,
            "expires_at": data["expires_at"],
            "open": 1,
        },
    )


def _revoked(fact: Fact) -> Iterable[Change]:
    what = fact.data["what"]
    if what == "token":
        yield Set("token", (fact.about,), {"open": 0})
    elif what == "jti":
        yield Put("revoked_token", (fact.about,), {"until": fact.data["until"], "open": 1})
    else:
        yield Set("agent_key", (fact.about,), {"not_before": fact.data["until"]})


def _forgotten(fact: Fact) -> Iterable[Change]:
    yield Set("revoked_token", (fact.about,), {"open": 0})


def _opened(fact: Fact) -> Iterable[Change]:
    yield Put("session", (fact.about,), {"account": fact.data["account"], "expires_at": fact.data["expires_at"], "open": 1})


def _closed(fact: Fact) -> Iterable[Change]:
    yield Set("session", (fact.about,), {"open": 0})


def _enrolling(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put("enrolment", (fact.about,), {name: data[name] for name in ("name", "department", "owner", "expires_at")} | {"by": fact.by, "open": 1})


def _enrolled(fact: Fact) -> Iterable[Change]:
    yield Set("enrolment", (fact.about,), {"open": 0})


def _pinned(fact: Fact) -> Iterable[Change]:
    data = fact.data
    yield Put(
        "agent_key",
        (fact.about,),
        {"key": data["key"], "department": data["department"], "url": data["url"], "since": fact.at, "not_before": fact.at, "state": "active"},
    )


def _unpinned(fact: Fact) -> Iterable[Change]:
    yield Set("agent_key", (fact.about,), {"state": "removed", "not_before": fact.at})


TABLES = (ACCOUNTS, TOKENS, SESSIONS, ENROLMENTS, AGENT_KEYS, REVOKED)
FOLDS: dict[str, Fold] = {
    "account.created": _created,
    "account.changed": _changed,
    "account.removed": _removed,
    "token.issued": _issued,
    "token.revoked": _revoked,
    "token.forgotten": _forgotten,
    "session.opened": _opened,
    "session.closed": _closed,
    "enrolment.issued": _enrolling,
    "enrolment.used": _enrolled,
    "agent.key_pinned": _pinned,
    "agent.key_removed": _unpinned,
}
