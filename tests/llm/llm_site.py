"""A scripted model: a server over real HTTP that speaks as OpenAI's chat completions do, and answers what the test says."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

from tutti import Fleet, Settings, Workspace

_IDS = itertools.count()  # a call's id is its own
Step = Callable[[dict[str, Any]], Any]  # the request's body → an answer of `says`, `calls` …, or another step's


@dataclass
class Answer:
    """One answer. `usage` None leaves the field out; `body` is sent in the place of a completion; `hang` never answers; `cut` breaks the line in the middle."""

    message: dict[str, Any] = field(default_factory=dict)
    status: int = 200
    usage: tuple[int, int, int] | None = (100, 20, 0)  # in, out, cached
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    hang: bool = False
    cut: bool = False
    finish: str = "stop"


def says(text: str, **more: Any) -> Answer:
    """A text."""
    return Answer({"role": "assistant", "content": text}, **more)


def calls(*tools: tuple[str, Any], **more: Any) -> Answer:
    """Tool calls: (name, arguments); arguments as a text are sent as they are."""
    made = [
        {"id": f"call-{next(_IDS)}", "type": "function", "function": {"name": name, "arguments": given if isinstance(given, str) else json.dumps(given)}}
        for name, given in tools
    ]
    return Answer({"role": "assistant", "content": None, "tool_calls": made}, finish="tool_calls", **more)


def fails(status: int, message: str = "no", **headers: str) -> Answer:
    """An HTTP error."""
    return Answer(status=status, body={"error": {"message": message}}, headers=headers)


class Model:
    """The server's end: the script, and what came in."""

    def __init__(self, *script: Answer | Step) -> None:
        self.script = list(script)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.came = asyncio.Event()
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        self.came.set()
        step = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        answer = step if isinstance(step, Answer) else step(body)
        if answer.hang:
            await asyncio.Event().wait()
        if answer.body is not None:
            return web.json_response(answer.body, status=answer.status, headers=answer.headers)
        whole = {"id": "c-1", "object": "chat.completion", "created": 1, "model": body["model"]}
        counted = None
        if answer.usage is not None:
            read, wrote, cached = answer.usage
            counted = {
                "prompt_tokens": read, "completion_tokens": wrote, "total_tokens": read + wrote, "prompt_tokens_details": {"cached_tokens": cached},
            }  # fmt: skip
        if not body.get("stream"):
            choice = {"index": 0, "message": answer.message, "finish_reason": answer.finish}
            return web.json_response(whole | {"choices": [choice]} | ({"usage": counted} if counted else {}))
        return await self._stream(request, whole | {"object": "chat.completion.chunk"}, answer, counted)

    async def _stream(self, request: web.Request, whole: dict[str, Any], answer: Answer, counted: dict[str, Any] | None) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        text = answer.message.get("content") or ""
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": text[start : start + 8]} for start in range(0, len(text), 8)]
        for number, call in enumerate(answer.message.get("tool_calls") or ()):
            deltas.append({"role": "assistant", "tool_calls": [{"index": number, **call}]})
        for delta in deltas:
            await response.write(_event(whole | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}))
        if answer.cut:
            assert request.transport is not None
            request.transport.abort()
            return response
        await response.write(_event(whole | {"choices": [{"index": 0, "delta": {}, "finish_reason": answer.finish}]}))
        if counted:
            await response.write(_event(whole | {"choices": [], "usage": counted}))
        await response.write(b"data: [DONE]\n\n")
        return response


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


@asynccontextmanager
async def served(*script: Answer | Step) -> AsyncIterator[Model]:
    """A scripted model on a port of its own. Its last step is repeated."""
    model = Model(*script)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", model.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    model.url = f"http://127.0.0.1:{port}/v1"
    try:
        yield model
    finally:
        await runner.cleanup()


@asynccontextmanager
async def opened(fleet: Fleet, folder: Path, **settings: Any) -> AsyncIterator[Workspace]:
    """A workspace in real time."""
    async with Workspace(fleet, Settings(fleet.name, folder, **settings)) as workspace:
        yield workspace


async def ended(workspace: Workspace, skill: str, input: Any) -> dict[str, Any]:
    """A task of this skill as it stands when nothing moves any more."""
    id = await workspace.submit(skill, input)
    async with asyncio.timeout(60):
        await workspace.quiet()
    return await workspace.task(id)
