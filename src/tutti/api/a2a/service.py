"""The A2A service of one workspace: the SDK's dispatchers around the handler, and what lives as long as the process serves."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

import a2a.server.routes  # noqa: F401 - before its compat module, which imports it in a circle
import orjson
from a2a.auth.user import User
from a2a.compat.v0_3.rest_adapter import REST03Adapter
from a2a.extensions.common import HTTP_EXTENSION_HEADER, get_requested_extensions
from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.response_helpers import build_error_response
from a2a.server.routes.common import ServerCallContextBuilder
from a2a.server.routes.jsonrpc_dispatcher import JsonRpcDispatcher
from a2a.server.routes.rest_dispatcher import RestDispatcher
from a2a.utils.constants import A2A_JSON_MEDIA_TYPE
from a2a.utils.error_handlers import build_rest_error_payload
from a2a.utils.errors import A2AError, ContentTypeNotSupportedError, VersionNotSupportedError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tutti.api.a2a.cards import Cards, key_set
from tutti.api.a2a.feed import Feed
from tutti.api.a2a.handler import Handler
from tutti.api.a2a.telling import Teller
from tutti.api.a2a.usual import usual, usual_rest
from tutti.api.a2a.webhooks import Webhooks
from tutti.api.limits import BODY
from tutti.app import Workspace
from tutti.transports.a2a import wire

_SPOKEN = re.compile(r"(1\.0|0\.3)(\.\d+)?")
_HEADER = "a2a-version"


class _Known(User):
    """The caller, as the SDK wants to see one."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def is_authenticated(self) -> bool:
        """Always: nobody comes this far without a name."""
        return True

    @property
    def user_name(self) -> str:
        """The caller's id."""
        return self._name


class _Contexts(ServerCallContextBuilder):
    """What the dispatchers and the handler are told of a request. The version is checked here, minor number and all.

    `older`: whether the operation is one that 0.3 has under this name.
    """

    def __init__(self, *, older: bool) -> None:
        self._older = older

    def build(self, request: Request) -> ServerCallContext:
        """Raises: `VersionNotSupportedError`."""
        told: dict[str, Any] = request.scope["tutti.a2a"]
        headers = dict(request.headers)
        version = (headers.get(_HEADER) or request.query_params.get("A2A-Version") or "").strip()
        if version:
            spoken = _SPOKEN.fullmatch(version)
            if spoken is None:
                raise VersionNotSupportedError(f"A2A {version[:20]} is not spoken here. Spoken are 1.0 and 0.3.")
            version = headers[_HEADER] = spoken[1]
        if version != wire.VERSION and not self._older:
            raise VersionNotSupportedError(f"This is an operation of A2A 1.0, and the call is one of {version or '0.3'}. Send the header A2A-Version: 1.0.")
        asked = get_requested_extensions(request.headers.getlist(HTTP_EXTENSION_HEADER))
        return ServerCallContext(user=_Known(told["caller"].id), state={**told, "headers": headers}, requested_extensions=asked)


class _Rpc(JsonRpcDispatcher):
    """The SDK's dispatcher; what is called most is told as JSON at once, not by way of protobuf and back (half of the cost of a call)."""

    def __init__(self, handler: Handler) -> None:
        super().__init__(handler, _Contexts(older=True), enable_v0_3_compat=True)
        self._context_builder = _Contexts(older=False)  # of what its adapter for 0.3, which has the other one, does not take
        self._handler = handler

    async def _handle_send_message(self, request_obj: Any, context: ServerCallContext) -> dict[str, Any]:
        return {"task": await self._handler.sent(request_obj, context)}

    async def _handle_get_task(self, request_obj: Any, context: ServerCallContext) -> dict[str, Any]:
        return await self._handler.got(request_obj, context)


class Service:
    """Everything behind the routes."""

    def __init__(self, workspace: Workspace, stopping: asyncio.Event, take: Callable[[], None]) -> None:
        teller = Teller(workspace)
        self.cards = Cards(workspace)
        self._workspace = workspace
        self._feed = Feed(workspace, stopping)
        self._webhooks = Webhooks(workspace, teller)
        self._handler = handler = Handler(workspace, self.cards, self._feed, teller, self._webhooks, take)
        self.dispatcher = RestDispatcher(handler, _Contexts(older=False))
        self.legacy = REST03Adapter(handler, _Contexts(older=True)).routes()
        self._rpc = _Rpc(handler)

    def start(self) -> None:
        """Begin to tell webhooks."""
        if self._workspace.corridor.traffic.open:  # a process without agents must not tell of what another one does
            self._webhooks.start()

    async def close(self) -> None:
        """Stop telling."""
        await self._webhooks.close()
        await self._feed.close()

    async def rpc(self, request: Request) -> Response:
        """One JSON-RPC call."""
        call = usual(request.scope, request.scope[BODY], request.scope["tutti.a2a"])
        if call is None:
            return await self._rpc.handle_requests(request)
        try:
            told = {"jsonrpc": "2.0", "id": call.id, "result": {"task": await self._handler.said(call)}}
        except A2AError as error:
            told = build_error_response(call.id, error)
        return Response(orjson.dumps(told), 200, media_type="application/json")

    async def send(self, request: Request) -> Response:
        """`message:send` of the HTTP+JSON binding."""
        call = usual_rest(request.scope, request.scope[BODY], request.scope["tutti.a2a"])
        if call is None:
            return await self.dispatcher.on_message_send(request)
        try:
            return Response(orjson.dumps({"task": await self._handler.said(call)}), 200, media_type=A2A_JSON_MEDIA_TYPE)
        except A2AError as error:
            told = build_rest_error_payload(error)
            return JSONResponse(told, told["error"]["code"])

    def keys(self) -> bytes:
        """The public keys, as a JWK set."""
        keys = self._workspace.journal.keys
        return orjson.dumps(key_set([keys.journal, keys.token]))

    def rpc_refusal(self) -> dict[str, Any]:
        """What is answered to a body of another kind than JSON."""
        return build_error_response(None, _unread())

    def rest_refusal(self) -> Response:
        """The same, for the HTTP+JSON binding."""
        told = build_rest_error_payload(_unread())
        return JSONResponse(told, told["error"]["code"])


def _unread() -> ContentTypeNotSupportedError:
    return ContentTypeNotSupportedError("Send application/json or application/a2a+json.")
