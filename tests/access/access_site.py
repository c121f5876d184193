"""What the tests of who may come in share: a fleet, and the API as callers on TCP meet it, without a network between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import unquote

import orjson
from pydantic import BaseModel

from tutti import Fleet, Workspace
from tutti.api import build
from tutti.api.admission import Admission
from tutti.model.caller import OWNER

BASE = "http://127.0.0.1:7777"


class Refund(BaseModel):
    amount: float


def make_fleet(name: str = "shop") -> Fleet:
    fleet = Fleet(name)

    @fleet.agent(skill="ticket.read", department="support", owner="ana@example.com")
    async def reads(text: str) -> str:
        return text.upper()

    @fleet.agent(skill="ledger.read", department="finance", owner="ana@example.com")
    async def ledger(text: str) -> str:
        return text.lower()

    @fleet.action(skill="refund.pay", department="support", owner="ana@example.com", amount="amount", currency="EUR")
    async def pay(refund: Refund) -> str:
        return f"paid {refund.amount:g}"

    return fleet


class Reply(NamedTuple):
    """What came back."""

    status: int
    body: Any
    headers: dict[str, str]


class Door:
    """The app behind admission, as one address meets it."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._app = Admission(build(workspace), workspace)

    async def __call__(
        self, method: str, path: str, body: Any = None, *, token: str = "", headers: dict[str, str] | None = None, address: str = "198.51.100.7", scheme: str = "http"
    ) -> Reply:  # fmt: skip
        raw = b"" if body is None else orjson.dumps(body)
        given = {"host": "127.0.0.1:7777", "content-type": "application/json", "content-length": str(len(raw)), **(headers or {})}
        if token:
            given["authorization"] = f"Bearer {token}"
        place, _, query = path.partition("?")
        scope: dict[str, Any] = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": method, "scheme": scheme, "path": unquote(place),
            "raw_path": place.encode(), "query_string": query.encode(), "root_path": "", "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in given.items()],
            "client": (address, 40000), "server": ("127.0.0.1", 7777),
        }  # fmt: skip
        messages: list[Any] = []
        waiting = [{"type": "http.request", "body": raw, "more_body": False}]

        async def receive() -> Any:
            return waiting.pop() if waiting else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            messages.append(message)

        await self._app(scope, receive, send)
        text = b"".join(message.get("body", b"") for message in messages[1:])
        answered = {k.decode(): v.decode("latin-1") for k, v in messages[0]["headers"]}
        return Reply(messages[0]["status"], orjson.loads(text) if "json" in answered.get("content-type", "") else text, answered)


Token = Callable[..., Awaitable[str]]


async def token_of(workspace: Workspace, id: str, *roles: str, departments: tuple[str, ...] = ("*",), **more: Any) -> str:
    """An account with these roles, and a token of it."""
    if id != OWNER.id:
        await workspace.accounts.add(id, roles, departments=departments)
    return str((await workspace.accounts.issue_token(id, **more))["token"])
