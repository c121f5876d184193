"""What stands between a caller and an agent and does nothing else: `python -m bench.a2a_gateway bytes|sdk AGENT`; prints its address.

`bytes` passes the body on as it came, and the answer back: what any hop in Python costs, with the server and the client that Tutti also uses.
`sdk` is a gateway as the A2A SDK's documentation would have it: its server on one side, its client on the other; nothing is durable.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Any

os.environ["OTEL_INSTRUMENTATION_A2A_SDK_ENABLED"] = "false"

from bench.a2a_agent import card_of, serve


def passing_bytes(url: str, agent: str) -> list[Any]:
    """One route for calls, and the agent's card with this address."""
    import aiohttp
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    made: list[aiohttp.ClientSession] = []

    def session() -> aiohttp.ClientSession:
        if not made:  # belongs to the loop that runs
            made.append(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        return made[0]

    async def call(request: Request) -> Response:
        headers = {"Content-Type": "application/json", "A2A-Version": "1.0"}
        async with session().post(agent, data=await request.body(), headers=headers) as answer:
            return Response(await answer.read(), answer.status, media_type="application/json")

    async def card(request: Request) -> Response:
        async with session().get(agent + request.url.path) as answer:
            told = await answer.text()
        return Response(told.replace(agent.rstrip("/"), url), media_type="application/json")

    return [Route("/", call, methods=["POST"]), Route("/.well-known/agent-card.json", card)]


def through_the_sdk(url: str, agent: str) -> list[Any]:
    """The SDK's handler, whose executor asks the agent by the SDK's client."""
    import httpx
    from a2a.client import ClientConfig, ClientFactory
    from a2a.client.card_resolver import A2ACardResolver
    from a2a.server.agent_execution import AgentExecutor
    from a2a.server.request_handlers import DefaultRequestHandler
    from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
    from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
    from a2a.types import SendMessageRequest, Task, TaskState, TaskStatus

    made: list[Any] = []

    async def client() -> Any:
        if not made:
            http = httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=100, keepalive_expiry=60))
            asked = await A2ACardResolver(http, agent).get_agent_card()
            made.append(ClientFactory(ClientConfig(streaming=False, httpx_client=http)).create(asked))
        return made[0]

    class PassOn(AgentExecutor):
        async def execute(self, context: Any, queue: Any) -> None:
            await queue.enqueue_event(Task(id=context.task_id, context_id=context.context_id, status=TaskStatus(state=TaskState.TASK_STATE_SUBMITTED)))
            updater = TaskUpdater(queue, context.task_id, context.context_id)
            message = type(context.message)()
            message.CopyFrom(context.message)
            message.task_id = message.context_id = ""
            async for response in (await client()).send_message(SendMessageRequest(message=message)):
                await updater.add_artifact(list(response.task.artifacts[0].parts))
            await updater.complete()

        async def cancel(self, context: Any, queue: Any) -> None:
            raise NotImplementedError

    card = card_of(url)
    handler = DefaultRequestHandler(agent_executor=PassOn(), task_store=InMemoryTaskStore(), agent_card=card)
    return [*create_agent_card_routes(card), *create_jsonrpc_routes(handler, "/")]


if __name__ == "__main__":
    kind, agent = sys.argv[1:]
    serve(partial({"bytes": passing_bytes, "sdk": through_the_sdk}[kind], agent=agent))
