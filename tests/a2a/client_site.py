"""What the client's tests share: a workspace that calls one agent outside, and scripted servers that answer as they like."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from tutti import Fleet, Settings, Workspace
from tutti.transports.a2a import wire

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def calling(url: str, folder: Path, *, act: tuple[str, ...] = (), egress: tuple[str, ...] = (), **remote: Any) -> AsyncIterator[Workspace]:
    """A workspace whose fleet is the one agent at this address."""
    fleet = Fleet("outer")
    fleet.remote(url, department="revenue", owner="ana@example.com", **remote)
    for action in act:
        fleet.autonomy(action, level="act")
    async with Workspace(fleet, Settings("outer", folder / "outer", egress=egress)) as workspace:
        yield workspace


async def done(workspace: Workspace, skill: str, input: Any) -> dict[str, Any]:
    """A task's view when nothing moves any more."""
    id = await workspace.submit(skill, input)
    await workspace.quiet()
    return await workspace.task(id)


async def eventually(check: Callable[[], Any], seconds: float = 30) -> None:
    """Wait until something holds; polled, because it happens in another process or in the network."""
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.005)


class Scripted:
    """An A2A server over JSON-RPC that answers what the test says: `answers` by method, each a result, or a function of (params, request)."""

    def __init__(self, **answers: Any) -> None:
        self.answers = answers
        self.calls: list[tuple[str, dict[str, Any], dict[str, str]]] = []
        self.card: dict[str, Any] = {}
        self.url = ""
        self.seen: list[str] = []
        self.etag = ""

    async def _card(self, request: web.Request) -> web.Response:
        self.seen.append(request.headers.get("If-None-Match", ""))
        if self.etag and self.seen[-1] == self.etag:
            return web.Response(status=304)
        return web.Response(body=orjson.dumps(self.card), content_type="application/json", headers={"ETag": self.etag} if self.etag else {})

    async def _rpc(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        method, params = body["method"], body["params"]
        self.calls.append((method, params, dict(request.headers)))
        answer = self.answers.get(method)
        if callable(answer):
            answer = answer(params, request)
        if isinstance(answer, Awaitable):
            answer = await answer
        if isinstance(answer, web.StreamResponse):
            return answer
        if isinstance(answer, list):
            return await self._stream(request, body["id"], answer)
        if answer is None:
            return web.json_response({"jsonrpc": "2.0", "id": body["id"], "error": {"code": -32601, "message": "no such method"}})
        return web.json_response({"jsonrpc": "2.0", "id": body["id"], "result": answer})

    async def _stream(self, request: web.Request, id: Any, events: list[Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for event in events:
            data = event if isinstance(event, bytes) else b"data: " + orjson.dumps({"jsonrpc": "2.0", "id": id, "result": event}) + b"\n\n"
            await response.write(data)
        return response

    @asynccontextmanager
    async def up(self, *, streaming: bool = False, skills: dict[str, Any] | None = None) -> AsyncIterator[str]:
        """Serve; gives the address."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get(wire.WELL_KNOWN, self._card)
        app.router.add_post("/", self._rpc)
        runner = web.AppRunner(app, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        self.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
        self.card = self.card or card_of(self.url, streaming=streaming, skills=skills)
        try:
            yield self.url
        finally:
            await runner.cleanup()

    def methods(self) -> list[str]:
        return [method for method, _, _ in self.calls]


def card_of(url: str, *, streaming: bool = False, skills: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    """A 1.0 card with one skill, or with those described as in the extension."""
    card: dict[str, Any] = {
        "name": "scripted",
        "description": "says what it is told to",
        "version": "1.0.0",
        "supportedInterfaces": [{"url": url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
        "capabilities": {"streaming": streaming},
        "defaultInputModes": ["text/plain"],
        "defaultOutputModes": ["text/plain"],
        "skills": [{"id": id, "name": id, "description": "does", "tags": ["x"]} for id in skills or {"thing.do": {}}],
    }
    if skills:
        card["capabilities"]["extensions"] = [{"uri": wire.SKILL, "params": {"skills": skills}}]
    return {**card, **more}


def task(
    state: str, *, id: str = "r-1", said: str = "", output: Any = None, artifacts: list[Any] | None = None, message: str = "m-1", **more: Any
) -> dict[str, Any]:
    """A remote task in a state."""
    status: dict[str, Any] = {"state": f"TASK_STATE_{state}"}
    if said:
        status["message"] = {"messageId": message, "role": "ROLE_AGENT", "parts": [{"text": said}]}
    made = {"id": id, "contextId": "c-1", "status": status, **more}
    if output is not None:
        made["artifacts"] = [{"artifactId": "a", "parts": wire.parts_of(output)}]
    if artifacts is not None:
        made["artifacts"] = artifacts
    return made


def update(state: str, *, id: str = "r-1", said: str = "") -> dict[str, Any]:
    """A status update of the stream."""
    return {"statusUpdate": {"taskId": id, "contextId": "c-1", "status": task(state, said=said)["status"]}}
