"""An echo to call: `python -m bench.a2a_agent sdk|bare` (built with the A2A SDK, or a bare Starlette route); prints its address."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from typing import Any

os.environ["OTEL_INSTRUMENTATION_A2A_SDK_ENABLED"] = "false"

import uvicorn
from starlette.applications import Starlette


def card_of(url: str) -> Any:
    """The card of an agent that says it again, at this address."""
    from a2a.types import AgentCapabilities, AgentCard, AgentInterface, AgentSkill

    return AgentCard(
        name="echo", description="says it again", version="1.0.0", capabilities=AgentCapabilities(streaming=True),
        supported_interfaces=[AgentInterface(url=f"{url}/", protocol_binding="JSONRPC", protocol_version="1.0")], default_input_modes=["text/plain"],
        default_output_modes=["text/plain"], skills=[AgentSkill(id="text.echo", name="echo", description="says it again", tags=["echo"])],
    )  # fmt: skip


def sdk(url: str) -> list[Any]:
    """What the SDK offers for servers, as its documentation has it."""
    from a2a.server.agent_execution import AgentExecutor
    from a2a.server.request_handlers import DefaultRequestHandler
    from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
    from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
    from a2a.types import Part, Task, TaskState, TaskStatus

    class Echo(AgentExecutor):
        async def execute(self, context: Any, queue: Any) -> None:
            task = Task(id=context.task_id, context_id=context.context_id, status=TaskStatus(state=TaskState.TASK_STATE_SUBMITTED))
            await queue.enqueue_event(task)
            updater = TaskUpdater(queue, context.task_id, context.context_id)
            await updater.add_artifact([Part(text=context.get_user_input())])
            await updater.complete()

        async def cancel(self, context: Any, queue: Any) -> None:
            raise NotImplementedError

    card = card_of(url)
    handler = DefaultRequestHandler(agent_executor=Echo(), task_store=InMemoryTaskStore(), agent_card=card)
    return [*create_agent_card_routes(card), *create_jsonrpc_routes(handler, "/")]


def bare(url: str) -> list[Any]:
    """The floor: JSON in, JSON out."""
    import orjson
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    async def echo(request: Request) -> Response:
        orjson.loads(await request.body())
        return Response(orjson.dumps({"jsonrpc": "2.0", "id": "1", "result": {}}), media_type="application/json")

    return [Route("/", echo, methods=["POST"])]


def serve(routes: Callable[[str], list[Any]]) -> None:
    """Serve what `routes` makes for an address, which is printed, until somebody ends the process."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    app = Starlette(routes=routes(url))
    print(url, flush=True)
    config = uvicorn.Config(app, log_level="critical", access_log=False, lifespan="off", ws="none", timeout_keep_alive=75)
    uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    serve({"sdk": sdk, "bare": bare}[sys.argv[1]])
