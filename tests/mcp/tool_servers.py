"""MCP servers for the tests of the client: one that is well made, with the SDK, and raw ones that misbehave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ToolsListChanged
from mcp_site import listening

TEXT = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"], "additionalProperties": False}
MONEY = {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]}
PAID = {"type": "object", "properties": {"paid": {"type": "number"}}, "required": ["paid"]}


def tool(name: str, schema: dict[str, Any], *, reads: bool = False, repeats: bool = False, gives: dict[str, Any] | None = None) -> types.Tool:
    hints = types.ToolAnnotations(read_only_hint=reads, idempotent_hint=repeats)
    return types.Tool(name=name, description=f"does {name}", input_schema=schema, output_schema=gives, annotations=hints)


def said(text: str, **more: Any) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], **more)


def _form(message: str, field: str) -> types.ElicitRequest:
    schema = {"type": "object", "properties": {field: {"type": "string"}}}
    return types.ElicitRequest(params=types.ElicitRequestFormParams(message=message, requested_schema=schema))


class Crm:
    """A server with tools of every kind; `calls` are the calls it got, `headers` those of the last one."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.headers: dict[str, str] = {}
        self.meta: dict[str, Any] = {}
        self.begun = asyncio.Event()
        self.hold = asyncio.Event()
        self.tools = [
            tool("look", TEXT, reads=True), tool("pay", MONEY, gives=PAID), tool("mark", TEXT, repeats=True), tool("fail", TEXT, reads=True), tool("ask", TEXT),
            tool("slow", TEXT), tool("twice", TEXT), tool("lie", TEXT, reads=True, gives=PAID), tool("dream", TEXT, reads=True),
        ]  # fmt: skip
        self.bus = InMemorySubscriptionBus()
        self.sessions: list[Any] = []  # of the older wire, that have asked for the list

    async def list_tools(self, context: Any, params: Any) -> types.ListToolsResult:
        if context.protocol_version != "2026-07-28":
            self.sessions.append(context.session)
        return types.ListToolsResult(tools=self.tools)

    async def call_tool(self, context: Any, params: types.CallToolRequestParams) -> Any:
        arguments = params.arguments or {}
        self.calls.append((params.name, arguments))
        self.headers = dict(context.request.headers)
        self.meta = dict(context.meta or {})
        self.begun.set()
        match params.name:
            case "look":
                await context.session.report_progress(1.0, 2.0, "half way")
                return said(f"seen {arguments['text']}")
            case "pay":
                return said("", structured_content={"paid": arguments["amount"]})
            case "fail":
                return said("no such customer", is_error=True)
            case "lie":
                return types.CallToolResult(content=[], structured_content={"paid": "much"})
            case "slow":
                await self.hold.wait()
            case "ask":
                return await self.ask(context, params)
            case "twice":
                return self.twice(params)
            case "dream":
                message = types.SamplingMessage(role="user", content=types.TextContent(type="text", text="think"))
                asked = types.CreateMessageRequest(params=types.CreateMessageRequestParams(messages=[message], max_tokens=5))
                if context.protocol_version == "2026-07-28":
                    return types.InputRequiredResult(input_requests={"m": asked})
                return said(str(await context.session.create_message([message], max_tokens=5)))
        return said(f"{params.name} done")

    async def ask(self, context: Any, params: types.CallToolRequestParams) -> Any:
        form = types.ElicitRequestFormParams(message="Which account?", requested_schema={"type": "object", "properties": {"account": {"type": "string"}}})
        if context.protocol_version != "2026-07-28":
            got = await context.session.elicit_form(form.message, form.requested_schema, related_request_id=context.request_id)
            return said(f"{got.action} {got.content}")
        answers = params.input_responses
        if not answers:
            return types.InputRequiredResult(input_requests={"q": types.ElicitRequest(params=form)}, request_state="page-2")
        assert params.request_state == "page-2"
        return said(f"{answers['q'].action} {answers['q'].content}")

    def twice(self, params: types.CallToolRequestParams) -> Any:
        """Asks on two rounds (the newer wire only); what was answered first stands in the state."""
        answers = params.input_responses
        if not answers:
            return types.InputRequiredResult(input_requests={"q": _form("Which account?", "account")}, request_state="account")
        if params.request_state == "account":
            return types.InputRequiredResult(input_requests={"q": _form("Which bank?", "bank")}, request_state=answers["q"].content["account"])
        return said(f"{params.request_state} at {answers['q'].content['bank']}")

    async def change(self, *tools: types.Tool) -> None:
        """Offer other tools, and say so to who listens, on either wire."""
        self.tools = list(tools)
        await self.bus.publish(ToolsListChanged())
        for session in self.sessions:
            await session.send_tool_list_changed()

    @asynccontextmanager
    async def serve(self, *, legacy: bool = False) -> AsyncIterator[str]:
        server: Server[Any] = Server(
            "crm", version="1.0", on_list_tools=self.list_tools, on_call_tool=self.call_tool, on_subscriptions_listen=ListenHandler(self.bus)
        )
        manager = StreamableHTTPSessionManager(server)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            if legacy:
                version = dict(scope["headers"]).get(b"mcp-protocol-version", b"")
                if version == b"2026-07-28":
                    await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"text/plain")]})
                    await send({"type": "http.response.body", "body": b"unknown revision"})
                    return
            await manager.handle_request(scope, receive, send)

        async with manager.run(), listening(app) as origin:
            yield f"{origin}/mcp"


Answer = Callable[[dict[str, Any]], Awaitable[tuple[int, bytes]]]


@asynccontextmanager
async def raw(answer: Answer) -> AsyncIterator[str]:
    """A server that speaks the older wire by hand: handshake and list are right, a call gets what `answer` gives (status, body)."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        asked = json.loads(body) if body else {}
        status, payload = await _reply(asked, answer)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
        for start in range(0, max(len(payload), 1), 65536):
            await send({"type": "http.response.body", "body": payload[start : start + 65536], "more_body": start + 65536 < len(payload)})

    async with listening(app) as origin:
        yield f"{origin}/mcp"


async def _reply(asked: dict[str, Any], answer: Answer) -> tuple[int, bytes]:
    tools = [{"name": "do", "inputSchema": {"type": "object"}}, {"name": "see", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": True}}]
    match asked.get("method"):
        case "initialize":
            info = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "raw", "version": "1"}}
            return 200, json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": info}).encode()
        case "tools/list":
            return 200, json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": {"tools": tools}}).encode()
        case "tools/call":
            return await answer(asked)
        case "server/discover":
            return 200, json.dumps({"jsonrpc": "2.0", "id": asked["id"], "error": {"code": -32601, "message": "unknown"}}).encode()
    return 202, b""
