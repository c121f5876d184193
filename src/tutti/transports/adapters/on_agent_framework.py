"""Microsoft Agent Framework: a run of an agent as a task. Calls of its own that need approval are put to a person."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from tutti.errors import TuttiError
from tutti.transports.adapters.bring import Brought, Questions
from tutti.transports.inprocess import Context, _plain
from tutti.transports.tools import FleetTool, fleet_tools


def check(brought: Brought, where: str) -> None:
    """Nothing can be wrong with it before it is called."""


async def run(brought: Brought, input: Any, ctx: Context) -> Any:
    """The agent's answer: its value where it has one of a declared form, else its text. After a crash the conversation begins anew."""
    library = import_module("agent_framework")
    tools = [_tool(library, tool) for tool in fleet_tools(ctx, brought.tools)]
    questions = Questions(ctx)
    session = brought.object.create_session()
    step: Any = brought.message(input)
    heard = 0
    while True:
        stream = brought.object.run(step, stream=True, session=session, **({"tools": tools} if tools else {}))
        async for update in stream:
            heard += len(update.text or "")
            ctx.progress(0.0, f"{heard} characters so far")
        response = await stream.get_final_response()
        if not response.user_input_requests:
            if brought.from_ is not None:
                return brought.from_(response)
            return _plain(response.value) if response.value is not None else response.text
        replies = []
        for request in response.user_input_requests:
            call = request.function_call
            replies.append(request.to_function_approval_response(await questions.approve(brought.name, call.name, call.arguments)))
        step = library.Message(role="user", contents=replies)


def _tool(library: Any, tool: FleetTool) -> Any:
    async def use(**arguments: Any) -> Any:
        try:
            return _plain(await tool.call(arguments))
        except TuttiError as problem:
            return problem.message  # the model is told, and may ask otherwise

    return library.FunctionTool(name=tool.name, description=tool.description or tool.skill, func=use, input_model=tool.schema)
