"""Where A2A is spoken: the fleet at the root, each agent under /agents/<name>, both bindings, and 0.3 beside 1.0.

Nothing of the SDK is loaded before somebody speaks A2A (or the process has begun to serve).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Send

from tutti.api import problems
from tutti.api.guard import caller_of
from tutti.api.limits import BODY
from tutti.app import Workspace
from tutti.errors import TuttiError

if TYPE_CHECKING:
    from tutti.api.a2a.service import Service

_CARD = "/.well-known/agent-card.json"
_LEGACY_CARD = "/.well-known/agent.json"  # where clients before 0.3 looked
_KEYS = "/.well-known/jwks.json"
_AGENT = "/agents/{agent:path}"
_FLEET = "/a2a"
_MEDIA_TYPES = ("application/json", "application/a2a+json")
REFUSAL = "tutti.a2a.refusal"  # what A2A leaves to HTTP: put into the scope by the handler
_Endpoint = Callable[[Request], Awaitable[Response]]
_SEND = ("POST", "/message:send")
# The HTTP+JSON binding: method, path, the dispatcher's operation. Source: A2A specification 1.0.1, section 11.3.
_REST = (
    (*_SEND, "on_message_send"),
    ("POST", "/message:stream", "on_message_send_stream"),
    ("GET", "/tasks", "list_tasks"),
    ("POST", "/tasks/{id}:cancel", "on_cancel_task"),
    ("GET", "/tasks/{id}:subscribe", "on_subscribe_to_task"),
    ("POST", "/tasks/{id}:subscribe", "on_subscribe_to_task"),
    ("GET", "/tasks/{id}", "on_get_task"),
    ("POST", "/tasks/{id}/pushNotificationConfigs", "set_push_notification"),
    ("GET", "/tasks/{id}/pushNotificationConfigs", "list_push_notifications"),
    ("GET", "/tasks/{id}/pushNotificationConfigs/{push_id}", "get_push_notification"),
    ("DELETE", "/tasks/{id}/pushNotificationConfigs/{push_id}", "delete_push_notification"),
    ("GET", "/extendedAgentCard", "handle_authenticated_agent_card"),
)


def install(app: FastAPI, workspace: Workspace) -> None:
    """Mount the door. Webhooks are told while the app runs (`app.state.contexts`)."""
    os.environ.setdefault("OTEL_INSTRUMENTATION_A2A_SDK_ENABLED", "false")  # read when the SDK is loaded: 42 wrapped calls for each message
    door = _Door(app, workspace)
    app.state.contexts.append(door.running)

    def add(method: str, path: str, endpoint: _Endpoint) -> None:
        app.router.routes.append(Route(path, endpoint, methods=[method], include_in_schema=False))

    add("GET", _KEYS, door.keys)
    for prefix in ("", _AGENT):
        add("GET", f"{prefix}{_CARD}", door.card)
        add("GET", f"{prefix}{_LEGACY_CARD}", door.legacy_card)
    for prefix in (_FLEET, _AGENT):
        for method, path in _legacy_rest():  # first: an agent's name may have slashes, so that /agents/x/v1/… is also a path of x/v1
            add(method, f"{prefix}{path}", door.legacy_rest(path, method))
        for method, path, operation in _REST:
            add(method, f"{prefix}{path}", door.send if (method, path) == _SEND else door.rest(operation))
    for path in (f"{_AGENT}/", _AGENT):
        add("POST", path, door.rpc)
    for path in ("/", _FLEET, f"{_FLEET}/"):
        add("POST", path, door.rpc)
    straight = dict.fromkeys(("/", _FLEET, f"{_FLEET}/"), door.rpc) | {_FLEET + _SEND[1]: door.send}
    app.state.straight.append(lambda behind: _Straight(behind, straight))


def _legacy_rest() -> list[tuple[str, str]]:
    """The paths of the 0.3 HTTP+JSON binding."""
    task = "/v1/tasks/{id}"
    return [
        ("POST", "/v1/message:send"), ("POST", "/v1/message:stream"), ("POST", f"{task}:cancel"), ("GET", f"{task}:subscribe"), ("POST", f"{task}:subscribe"),
        ("GET", task), ("GET", f"{task}/pushNotificationConfigs/{{push_id}}"), ("POST", f"{task}/pushNotificationConfigs"),
        ("GET", f"{task}/pushNotificationConfigs"), ("GET", "/v1/card"),
    ]  # fmt: skip


class _Straight:
    """ASGI middleware: calls to the fleet do not walk along all routes, nor through what FastAPI does for its own: a tenth of a call."""

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, _Endpoint]) -> None:
        self._app = app
        self._endpoints = {path: (Route(path, endpoint, methods=["POST"]), endpoint) for path, endpoint in endpoints.items()}

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        found = self._endpoints.get(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            return await self._app(scope, receive, send)
        scope["route"], endpoint = found
        scope["path_params"] = {}
        request = Request(scope, receive, send)
        try:
            answer = await endpoint(request)
        except TuttiError as error:
            answer = problems.of(error)
        except Exception as error:
            answer = problems.defect(request, error)
        return await answer(scope, receive, send)


class _Door:
    """The endpoints. The service behind them is made when it is needed first."""

    def __init__(self, app: FastAPI, workspace: Workspace) -> None:
        self._app = app
        self._workspace = workspace
        self._made: Service | None = None

    @property
    def _service(self) -> Service:
        if self._made is None:
            from tutti.api.a2a.service import Service

            self._made = Service(self._workspace, self._app.state.stopping, self._app.state.pressure.take)
        return self._made

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell webhooks while the app runs."""
        service = self._service
        service.start()
        try:
            yield
        finally:
            await service.close()

    # --- cards --------------------------------------------------------------------------------------------------

    async def card(self, request: Request) -> Response:
        """The public card."""
        return self._card(request, legacy=False)

    async def legacy_card(self, request: Request) -> Response:
        """The public card as 0.3 has it."""
        return self._card(request, legacy=True)

    def _card(self, request: Request, *, legacy: bool) -> Response:
        card = self._service.cards.served(_agent(request), self._base(request), legacy=legacy)
        headers = {"etag": card.etag, "last-modified": card.modified, "cache-control": "public, max-age=60", "vary": "host"}
        asked = request.headers.get("if-none-match")
        known = {tag.strip().removeprefix("W/") for tag in asked.split(",")} if asked else set()
        fresh = card.etag in known or "*" in known if asked else request.headers.get("if-modified-since") == card.modified
        return Response(None, 304, headers) if fresh else Response(card.body, 200, headers, "application/json")

    async def keys(self, request: Request) -> Response:
        """The keys that cards, webhooks' calls and agents' tokens are signed with."""
        return Response(self._service.keys(), 200, {"cache-control": "public, max-age=300"}, "application/json")

    def _base(self, request: Request) -> str:
        """Where this process is reached: as the operator says, else as the caller reached it."""
        return self._workspace.outside.base_url.rstrip("/") or str(request.base_url).rstrip("/")

    # --- calls --------------------------------------------------------------------------------------------------

    async def rpc(self, request: Request) -> Response:
        """JSON-RPC, 1.0 and 0.3."""
        self._enter(request)
        service = self._service
        if not _readable(request):
            return JSONResponse(service.rpc_refusal())
        without_id = _without_id(request.scope[BODY])
        if without_id is None:
            return _left_to_http(request, await service.rpc(request))
        answer = _left_to_http(request, await service.rpc(_with_body(request, orjson.dumps({**without_id, "id": 0}))))
        if not isinstance(answer, JSONResponse):
            return answer
        return JSONResponse({**orjson.loads(bytes(answer.body)), "id": None}, answer.status_code)

    def rest(self, operation: str) -> _Endpoint:
        """An operation of the HTTP+JSON binding."""

        async def answer(request: Request) -> Response:
            return await self._rest(request, getattr(self._service.dispatcher, operation))

        return answer

    async def send(self, request: Request) -> Response:
        """HTTP+JSON's `message:send`."""
        return await self._rest(request, self._service.send)

    async def _rest(self, request: Request, operation: _Endpoint) -> Response:
        self._enter(request)
        if request.method == "POST" and int(request.headers.get("content-length") or 0) and not _readable(request):
            return self._service.rest_refusal()
        return _left_to_http(request, await operation(request))

    def legacy_rest(self, path: str, method: str) -> _Endpoint:
        """An operation of the 0.3 HTTP+JSON binding."""

        async def answer(request: Request) -> Response:
            self._enter(request)
            return _left_to_http(request, await self._service.legacy[path, method](request))

        return answer

    def _enter(self, request: Request) -> None:
        """Nobody goes on without a name. What the handler needs to know stands in the scope."""
        request.scope["tutti.a2a"] = {"caller": caller_of(request), "agent": _agent(request), "base": self._base(request), "scope": request.scope}


def _agent(request: Request) -> str:
    return str(request.path_params.get("agent", "")).strip("/")


def _readable(request: Request) -> bool:
    named = request.headers.get("content-type", _MEDIA_TYPES[0])
    return named.partition(";")[0].strip().lower() in _MEDIA_TYPES


def _left_to_http(request: Request, answer: Response) -> Response:
    refusal = request.scope.get(REFUSAL)
    return answer if refusal is None else problems.of(refusal)


def _without_id(body: bytes) -> dict[str, Any] | None:
    """A call of the 0.3 wire whose id is null, which the SDK refuses and old clients send."""
    if b"null" not in body:
        return None
    try:
        call = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    old = isinstance(call, dict) and isinstance(call.get("method"), str) and "/" in call["method"]
    return call if old and "id" in call and call["id"] is None else None


def _with_body(request: Request, body: bytes) -> Request:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request({**request.scope, BODY: body}, receive)
