"""OpenAI Agents SDK: a run of an agent as a task. Tools of its own that need approval are put to a person; its tracing is off."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import orjson

from tutti.errors import TuttiError
from tutti.transports.adapters.bring import Brought, Questions
from tutti.transports.inprocess import Context, _plain
from tutti.transports.tools import FleetTool, fleet_tools

_STATE = "state"


def check(brought: Brought, where: str) -> None:
    """Nothing can be wrong with it before it is called."""


async def run(brought: Brought, input: Any, ctx: Context) -> Any:
    """The final output of the agent's run. A run that waited for a person is kept, and goes on where it stood."""
    library = import_module("agents")
    agent = brought.object
    if brought.tools:
        agent = agent.clone(tools=[*agent.tools, *(_tool(library, tool) for tool in fleet_tools(ctx, brought.tools))])
    questions = Questions(ctx)
    config = library.RunConfig(tracing_disabled=True)
    kept = await ctx.kept(_STATE)
    step: Any = brought.message(input)
    while True:
        if kept is not None:
            step = await import_module("agents.run_state").RunState.from_json(agent, kept)
            for item in step.get_interruptions():
                if await questions.approve(brought.name, item.tool_name or item.name, item.arguments):
                    step.approve(item)
                else:
                    step.reject(item, rejection_message="A person said no.")
        result = library.Runner.run_streamed(agent, step, run_config=config)
        try:
            heard = 0
            async for event in result.stream_events():
                delta = getattr(getattr(event, "data", None), "delta", None)
                if isinstance(delta, str):
                    heard += len(delta)
                    ctx.progress(0.0, f"{heard} characters so far")
        finally:
            if not result.is_complete:
                result.cancel()
        if not result.interruptions:
            return brought.from_(result) if brought.from_ is not None else _plain(result.final_output)
        kept = result.to_state().to_json()
        await ctx.keep(_STATE, kept)


def _tool(library: Any, tool: FleetTool) -> Any:
    async def use(_: Any, arguments: str) -> str:
        try:
            given = orjson.loads(arguments or "{}")
            output = await tool.call(given if isinstance(given, dict) else {"input": given})
        except orjson.JSONDecodeError:
            return "The arguments are no JSON."
        except TuttiError as problem:
            return problem.message  # the model is told, and may ask otherwise
        return output if isinstance(output, str) else orjson.dumps(_plain(output)).decode()

    return library.FunctionTool(
        name=tool.name, description=tool.description or tool.skill, params_json_schema=tool.schema, on_invoke_tool=use, strict_json_schema=False
    )
