"""Where agents outside report: pushed updates of A2A tasks, and signed answers of agents over HTTP. The address of each is a secret by itself."""

from __future__ import annotations

import hmac
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from tutti.api.describing import CHANGING, problems
from tutti.app import Workspace
from tutti.errors import Conflict, Invalid, NotFound
from tutti.model.fact import Draft
from tutti.reception import Bundle
from tutti.transports.a2a import PUSH_PATH, pushes
from tutti.transports.http import ANSWER, CALL, CALLBACK_PATH, check_signature

_SAID = problems(*CHANGING, 404)
_OPEN: dict[str, Any] = {"security": []}  # the address is the secret


def routes(workspace: Workspace) -> APIRouter:
    """The routes; none of them asks for a caller, for each call's address holds a token that only the agent was given."""
    router = APIRouter(tags=["callbacks"])

    @router.post(PUSH_PATH + "{token}", status_code=204, responses=_SAID, openapi_extra=_OPEN, summary="An A2A agent says that a task has moved")
    async def pushed(token: str) -> Response:
        """The task is looked at; what the push itself says is not read."""
        if not pushes(workspace.outside).wake(token):
            raise NotFound("There is no such callback.")
        return Response(status_code=204)

    @router.post(
        CALLBACK_PATH + "{task}/{token}", status_code=204, responses=_SAID, openapi_extra=_OPEN, summary="An agent over HTTP brings its answer, signed"
    )
    async def answered(task: str, token: str, request: Request) -> Response:
        """The answer is durable when this returns. It is taken once; for a task that is over, or a token that is not its, there is nothing here."""
        await _take(workspace, task, token, request.headers.get("Tutti-Signature", ""), await request.body())
        return Response(status_code=204)

    return router


async def _take(workspace: Workspace, task: str, token: str, signature: str, body: bytes) -> None:
    house = workspace.corridor.house
    row = house.journal.hot.table("task").get((task,))
    call: Any = await house.memo(task, CALL) if row is not None else None
    wanted = call.get("token") if isinstance(call, dict) else None
    if row is None or not isinstance(wanted, str) or not hmac.compare_digest(wanted.encode(), token.encode()):
        raise NotFound("There is no such callback.")
    card = house.registry.card(*str(call["agent"]).rsplit("@", 1))
    if card is None or card.endpoint is None:
        raise NotFound("There is no such callback.")
    check_signature(signature, body, house.outside.secrets.resolve(card.endpoint.options["secret"]), house.clock.now())
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Invalid("The callback's body is not JSON.") from None
    name = f"{ANSWER}/{token[:16]}"
    bundle = Bundle(expect={("memo", (task, name)): 0})
    payload = house.journal.seal(answer, await house.subject(row))
    bundle.payloads.append(payload)
    bundle.add(Draft("run.noted", task, f"agent/{card.name}", {"name": name, "value": payload.id}, row["seq"]))
    try:
        await workspace.corridor.record(bundle)
    except Conflict:
        raise Conflict("This callback has brought its answer already.") from None
    waiting = house.outside.shared.get("http.waiting", {}).get(task)
    if waiting is not None:
        waiting.set()
