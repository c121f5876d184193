"""pydantic-ai: an agent's run as a task. Its calls that wait for approval, and its external calls, are put to a person."""

from __future__ import annotations

from collections.abc import AsyncIterable
from importlib import import_module
from typing import Any

from tutti.errors import Invalid, TuttiError
from tutti.transports.adapters.bring import Brought, Questions
from tutti.transports.inprocess import Context
from tutti.transports.tools import FleetTool, fleet_tools

_CONVERSATION = "conversation"


def check(brought: Brought, where: str) -> None:
    """Nothing can be wrong with it before it is called."""


async def run(brought: Brought, input: Any, ctx: Context) -> Any:
    """The agent's output for one task. A conversation that waited for a person is kept, and goes on where it stood."""
    library = import_module("pydantic_ai")
    messages = import_module("pydantic_ai.messages").ModelMessagesTypeAdapter
    questions = Questions(ctx)
    toolsets = [library.FunctionToolset([_tool(library, tool) for tool in fleet_tools(ctx, brought.tools)])] if brought.tools else None
    heard = 0

    async def listen(_: Any, events: AsyncIterable[Any]) -> None:
        nonlocal heard
        async for event in events:
            said = getattr(getattr(event, "delta", None), "content_delta", None) or getattr(getattr(event, "part", None), "content", None)
            if isinstance(said, str):
                heard += len(said)
                ctx.progress(0.0, f"{heard} characters so far")

    kept = await ctx.kept(_CONVERSATION)
    while True:
        if kept is None:
            prompt, history, results = brought.message(input), None, None
        else:
            prompt, history, results = None, messages.validate_python(kept["messages"]), library.DeferredToolResults()
            for call in kept["approvals"]:
                allowed = await questions.approve(brought.name, call["tool"], call["arguments"])
                results.approvals[call["id"]] = allowed or library.ToolDenied("A person said no.")
            for call in kept["calls"]:
                results.calls[call["id"]] = await questions.ask(f"{brought.name} asks for {call['tool']} with {call['arguments']}")
        result = await brought.object.run(
            prompt, message_history=history, deferred_tool_results=results, toolsets=toolsets, event_stream_handler=listen, infer_name=False
        )
        if not isinstance(result.output, library.DeferredToolRequests):
            return brought.from_(result) if brought.from_ is not None else result.output
        kept = {
            "messages": messages.dump_python(result.all_messages(), mode="json"),
            "approvals": [_call(call) for call in result.output.approvals],
            "calls": [_call(call) for call in result.output.calls],
        }
        await ctx.keep(_CONVERSATION, kept)


def _call(part: Any) -> dict[str, Any]:
    return {"id": part.tool_call_id, "tool": part.tool_name, "arguments": part.args_as_json_str()}


def _tool(library: Any, tool: FleetTool) -> Any:
    failed = import_module("pydantic_ai.exceptions").ToolFailed

    async def use(**arguments: Any) -> Any:
        try:
            return await tool.call(arguments)
        except Invalid as problem:
            raise library.ModelRetry(problem.message) from None
        except TuttiError as problem:
            raise failed(problem.message) from None

    return library.Tool.from_schema(use, tool.name, tool.description or tool.skill, tool.schema)
