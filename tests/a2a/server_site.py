"""A fleet that is served as A2A on loopback, and raw calls to it. Who calls is told by a header: how tokens are checked is not tested here."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import uvicorn
from pydantic import BaseModel

from tutti import Context, Fleet, Settings, Workspace
from tutti.api import build
from tutti.api.guard import trusted
from tutti.api.server import running
from tutti.model.caller import OWNER, Caller

CALLERS = {
    "owner": OWNER,
    "crm": Caller("service/crm", ("sender",)),
    "erp": Caller("service/erp", ("sender",)),
    "reader": Caller("service/reader", ("viewer",)),
}


class Ticket(BaseModel):
    text: str
    days: int = 0


class Triage(BaseModel):
    label: str
    days: int


class Refund(BaseModel):
    amount: float


@dataclass
class Gate:
    """Lets the slow agent go on."""

    opened: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    kept: list[Any] = field(default_factory=list)


def make_fleet(gate: Gate | None = None) -> Fleet:
    gate = gate or Gate()
    fleet = Fleet("support")

    @fleet.agent(name="parrot", skill="text.echo", department="support", owner="ana@example.com")
    async def echo(text: str) -> str:
        return f"You said: {text}"

    @fleet.agent(name="desk", skill="ticket.triage", department="support", owner="ana@example.com")
    async def triage(ticket: Ticket, ctx: Context) -> Triage:
        gate.kept.append(await ctx.kept("a2a.message"))
        return Triage(label="urgent" if "!" in ticket.text else "normal", days=ticket.days + 1)

    @fleet.agent(name="clerk", skill="ticket.ask", department="support", owner="ana@example.com")
    async def asks(ticket: Ticket, ctx: Context) -> str:
        first = await ctx.input("Which account?")
        second = await ctx.input("Really?")
        return f"told {first} and {second}"

    @fleet.agent(name="porter", skill="door.open", department="support", owner="ana@example.com")
    async def opens(ticket: Ticket, ctx: Context) -> str:
        return f"let in with {await ctx.input('Who are you?', auth=True)}"

    @fleet.agent(name="snail", skill="slow.work", department="support", owner="ana@example.com")
    async def slow(ticket: Ticket, ctx: Context) -> str:
        ctx.progress(0.5, "half way")
        gate.entered.set()
        await gate.opened.wait()
        return "done at last"

    @fleet.agent(name="klutz", skill="work.fail", department="support", owner="ana@example.com", attempts=1)
    async def fails(ticket: Ticket) -> str:
        raise RuntimeError("the plates fell")

    @fleet.action("refund.pay", department="finance", owner="ben@example.com", amount="amount", idempotent=True, says="Pay {amount:.2f} EUR.")
    async def pay(refund: Refund) -> str:
        return f"paid {refund.amount}"

    fleet.autonomy("refund.pay", level="act", up_to=10)
    return fleet


class _Told:
    """Lets callers say who they are."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            caller = CALLERS.get(dict(scope["headers"]).get(b"x-caller", b"").decode())
            if caller is not None:
                trusted(scope, caller)
        await self._app(scope, receive, send)


@dataclass
class Site:
    """A workspace that speaks A2A at `url`."""

    workspace: Workspace
    url: str
    http: aiohttp.ClientSession
    app: Any

    async def rpc(self, method: str, params: dict[str, Any] | None = None, *, who: str = "crm", path: str = "/", **headers: str) -> dict[str, Any]:
        """A JSON-RPC call: the result, or the error."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params or {}}
        version = {} if "/" in method else {"a2a-version": "1.0"}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(self.url + path, json=body, headers={"x-caller": who, **version, **named}) as answer:
            told = orjson.loads(await answer.read())
            assert answer.status == 200, told
            assert told["id"] == 1
        return dict(told)

    async def result(self, method: str, params: dict[str, Any] | None = None, **how: Any) -> Any:
        """The result of a JSON-RPC call that must go well."""
        told = await self.rpc(method, params, **how)
        assert "error" not in told, told
        return told["result"]

    async def error(self, method: str, params: dict[str, Any] | None = None, **how: Any) -> tuple[int, str]:
        """Code and reason of a JSON-RPC call that must be refused."""
        told = await self.rpc(method, params, **how)
        assert "error" in told, told
        return told["error"]["code"], told["error"]["data"][0]["reason"]

    async def send(self, skill: str, value: Any, **how: Any) -> Any:
        """Send a message with data (or a text) and get its task."""
        configuration = how.pop("configuration", {})
        return (await self.result("SendMessage", {"message": message(skill, value), "configuration": configuration}, **how))["task"]

    async def stream(self, method: str, params: dict[str, Any], *, who: str = "crm", path: str = "/") -> AsyncIterator[dict[str, Any]]:
        """The results of a JSON-RPC stream."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.http.post(self.url + path, json=body, headers={"x-caller": who, "a2a-version": "1.0"}) as answer:
            assert answer.content_type == "text/event-stream", await answer.read()
            async for line in answer.content:
                if line.startswith(b"data:"):
                    told = orjson.loads(line[5:])
                    assert "error" not in told, told
                    yield told["result"]


_numbers = count(1)


def message(skill: str, value: Any, *, task: str = "", context: str = "", **metadata: Any) -> dict[str, Any]:
    """A message from a client."""
    part = {"text": value} if isinstance(value, str) else {"data": value}
    made: dict[str, Any] = {"messageId": f"m-{next(_numbers)}", "role": "ROLE_USER", "parts": [part]}
    if skill or metadata:
        made["metadata"] = ({"skill": skill} if skill else {}) | metadata
    if task:
        made["taskId"] = task
    if context:
        made["contextId"] = context
    return made


@asynccontextmanager
async def site(fleet: Fleet, folder: Path, *, signed: bool = True, database: str = "", workspace: str = "support") -> AsyncIterator[Site]:
    """Open the workspace in this folder and serve it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with _served(fleet, listener, Settings(workspace, folder, database, egress=("127.0.0.1",)), signed) as made:
            yield made


@asynccontextmanager
async def _served(fleet: Fleet, listener: socket.socket, settings: Settings, signed: bool) -> AsyncIterator[Site]:
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    async with Workspace(fleet, settings) as opened:
        opened.outside.base_url = url if signed else ""
        app = build(opened)
        server = uvicorn.Server(uvicorn.Config(_Told(app), lifespan="off", log_config=None, access_log=False, ws="none", loop="none"))
        server.capture_signals = nullcontext  # type: ignore[method-assign, assignment]
        async with running(app), aiohttp.ClientSession() as http:
            serving = asyncio.create_task(server.serve([listener]))
            try:
                yield Site(opened, url, http, app)
            finally:
                app.state.stopping.set()
                await http.close()
                server.should_exit = True
                await serving


def states(events: list[dict[str, Any]]) -> list[str]:
    """What a stream told, shortly: states, and `artifact`."""
    told = []
    for event in events:
        if "task" in event:
            told.append("task:" + event["task"]["status"]["state"].removeprefix("TASK_STATE_").lower())
        elif "statusUpdate" in event:
            told.append(event["statusUpdate"]["status"]["state"].removeprefix("TASK_STATE_").lower())
        else:
            told.append("artifact")
    return told


async def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
