"""The caller's trace, through every door on TCP: what a `traceparent` says is the parent of the task's spans."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest
from api_site import Served, make_fleet, serving

from tutti import Settings

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE, PARENT = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
INPUT = {"text": "x", "refund": 5.0}
MESSAGE = {"messageId": "m-1", "role": "ROLE_USER", "parts": [{"data": INPUT}], "metadata": {"skill": "ticket.triage"}}
EVENT = {"specversion": "1.0", "id": "1", "source": "/x", "type": "ticket.opened", "data": INPUT}


def rpc(method: str, params: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def tool(meta: dict[str, Any]) -> dict[str, Any]:
    return rpc("tools/call", {"name": "submit_task", "arguments": {"skill": "ticket.triage", "input": INPUT}, "_meta": meta})


A2A = {"a2a-version": "1.0"}
MCP = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
HEADER = {"traceparent": CALLER}
DOORS = {
    "task": ("/v1/tasks", {"skill": "ticket.triage", "input": INPUT}, HEADER),
    "signal": ("/v1/signals", EVENT, HEADER),
    "a2a": ("/", rpc("SendMessage", {"message": MESSAGE}), A2A | HEADER),
    "a2a at once": ("/", rpc("SendMessage", {"message": MESSAGE, "configuration": {"returnImmediately": True}}), A2A | HEADER),
    "a2a stream": ("/", rpc("SendStreamingMessage", {"message": MESSAGE}), A2A | HEADER),
    "a2a rest": ("/a2a/message:send", {"message": MESSAGE}, A2A | HEADER),
    "mcp header": ("/mcp", tool({}), MCP | HEADER),
    "mcp meta": ("/mcp", tool(HEADER), MCP),
    "mcp meta before header": ("/mcp", tool(HEADER), MCP | {"traceparent": CALLER.replace("0af7", "ffff")}),
}


async def ask(served: Served, path: str, body: dict[str, Any], headers: dict[str, str]) -> None:
    async with aiohttp.ClientSession() as session, session.post(served.url + path, json=body, headers={**served.headers, **headers}) as answer:
        told = await answer.read()
        assert answer.status in (200, 201, 202), told
        assert b'"error"' not in told, told
    await served.workspace.quiet()


@pytest.mark.parametrize("door", DOORS)
async def test_a_callers_trace_goes_on_in_the_task_and_what_follows(spans, tmp_path, door):
    async with serving(make_fleet(), Settings("support", tmp_path / "tutti", listen="127.0.0.1:0")) as served:
        await ask(served, *DOORS[door])
    found = {span.name: span for span in spans.get_finished_spans()}
    assert {"invoke_agent triage", "invoke_agent pay", "execute_tool refund.pay"} <= set(found)
    assert {span.context.trace_id for span in found.values()} == {TRACE}, {name: f"{span.context.trace_id:032x}" for name, span in found.items()}
    (first,) = [span for name, span in found.items() if name.startswith("invoke_workflow")]
    assert first.parent.span_id == PARENT
    assert found["invoke_agent triage"].parent.span_id == first.context.span_id
    assert found["execute_tool refund.pay"].parent.span_id == found["invoke_agent pay"].context.span_id


async def test_callers_traces_are_not_mixed_up_on_one_connection(spans, tmp_path):
    async with serving(make_fleet(), Settings("support", tmp_path / "tutti", listen="127.0.0.1:0")) as served:
        await ask(served, *DOORS["task"])
        await ask(served, "/v1/tasks", {"skill": "ticket.triage", "input": {"text": "y"}}, {})
    first, second = [span for span in spans.get_finished_spans() if span.name == "invoke_workflow ticket.triage"]
    assert (first.context.trace_id, second.parent) == (TRACE, None)
    assert second.context.trace_id != TRACE
