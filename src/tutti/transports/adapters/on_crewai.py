"""CrewAI: a crew, or one agent of it, as an agent. It runs in a thread of its own, which cannot be stopped: a task that is canceled or has
timed out lets it run on and does not take its result."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Any

import orjson

from tutti.errors import TuttiError
from tutti.transports.adapters.bring import Brought
from tutti.transports.inprocess import Context, _plain
from tutti.transports.tools import FleetTool, fleet_tools


def check(brought: Brought, where: str) -> None:
    """Nothing can be wrong with it before it is called."""


async def run(brought: Brought, input: Any, ctx: Context) -> Any:
    """What the crew hands in: its typed or JSON result where it has one, else its text. Crews take the input's fields as their inputs."""
    tools = [_tool(tool, asyncio.get_running_loop()) for tool in fleet_tools(ctx, brought.tools)]
    work = brought.object.copy()  # a crew keeps what it is doing in itself: one for each run
    crew = any(kind.__name__ == "Crew" for kind in type(work).__mro__)
    for worker in work.agents if crew else (work,):
        worker.tools = [*(worker.tools or ()), *tools]
    if crew:
        given = brought.to(input) if brought.to is not None else input if isinstance(input, dict) else {"input": _plain(input)}
        result = await work.kickoff_async(inputs=given)
    else:
        result = await work.kickoff_async(brought.message(input))
    if brought.from_ is not None:
        return brought.from_(result)
    typed = getattr(result, "pydantic", None) or getattr(result, "json_dict", None)
    return _plain(typed) if typed is not None else result.raw


def _tool(tool: FleetTool, loop: asyncio.AbstractEventLoop) -> Any:
    from pydantic import ConfigDict, Field, create_model

    needed = set(tool.schema.get("required", ()))
    fields: dict[str, Any] = {}
    for name, schema in tool.schema.get("properties", {}).items():
        extra = {key: value for key, value in schema.items() if not key.startswith("$")} if isinstance(schema, dict) else {}
        fields[name] = (Any, Field(... if name in needed else None, json_schema_extra=extra))
    form = create_model(f"Arguments_{tool.name}", __config__=ConfigDict(extra="allow"), **fields)

    def use(self: Any, **arguments: Any) -> str:
        given = {name: value for name, value in arguments.items() if value is not None or name in needed}
        try:
            output = asyncio.run_coroutine_threadsafe(tool.call(given), loop).result()
        except TuttiError as problem:
            return problem.message  # the model is told, and may ask otherwise
        return output if isinstance(output, str) else orjson.dumps(_plain(output)).decode()

    base = import_module("crewai.tools").BaseTool
    made = type("FleetSkill", (base,), {"_run": use, "__module__": __name__, "__annotations__": {}})
    return made(name=tool.name, description=tool.description or tool.skill, args_schema=form)
