"""The service's door: A2A 1.0 over JSON-RPC and HTTP+JSON, the signed card, and whether it is alive. Plain ASGI, no framework in the way."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson

from tutti.errors import Invalid, Overloaded, TuttiError
from tutti.intake import too_deep
from tutti.model.task import ENDED_STATES
from tutti.service.offers import card_bytes, digest_of
from tutti.service.work import Task, Work
from tutti.transports.a2a import wire

Json = dict[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Admit = Callable[[str], bool]

_BODY = 1024 * 1024  # bytes
_BODY_S = 10.0  # seconds a body may take
_CHALLENGE = 128  # characters
_PAGE = 100
_STATUS = {
    "TASK_NOT_FOUND": 404,
    "METHOD_NOT_FOUND": 404,
    "INTERNAL_ERROR": 500,
    "UNAVAILABLE": 503,
    "UNAUTHENTICATED": 401,
    "OTHER_PROCESS": 409,
    "CONTENT_TYPE_NOT_SUPPORTED": 415,
}
_GRPC = {409: "ABORTED", 404: "NOT_FOUND", 401: "UNAUTHENTICATED", 500: "INTERNAL", 503: "UNAVAILABLE"}


class Problem(Exception):
    """An A2A error: its reason and words. `nothing` says that certainly nothing was done, `retry` that trying again helps."""

    def __init__(self, reason: str, words: str, *, nothing: bool = True, retry: bool = False) -> None:
        super().__init__(words)
        self.reason = reason
        self.words = words
        self.info = {"nothing": str(nothing).lower(), "retry": str(retry).lower()}

    @property
    def details(self) -> list[Json]:
        """As errors carry it."""
        return [wire.error_info(self.reason, self.info)]


@dataclass(slots=True)
class Door:
    """The ASGI app of one service. `admit` says whether a bearer token is good; without it everybody is let in (loopback)."""

    work: Work
    card: Json
    admit: Admit | None = None
    prove: Callable[[str], str] | None = None  # signs a challenge with the service's key, in hex
    process: str = ""  # what this process is called: keys are known to it alone
    draining: bool = False
    _card: bytes = b""
    _etag: str = ""

    def __post_init__(self) -> None:
        self._card, self._etag = card_bytes(self.card), f'"{digest_of(self.card)}"'

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return None
        method, path = scope["method"], scope["path"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if method in ("GET", "HEAD"):
            if path == wire.WELL_KNOWN:
                return await self._send_card(headers, send)
            if path == "/health":
                return await _reply(send, 503 if self.draining else 200, {"status": "draining" if self.draining else "ok", "open": self.work.open})
        rest = not (path in ("/", "") and method == "POST")
        try:
            if self.admit is not None and not self.admit(headers.get("authorization", "")):
                raise Problem("UNAUTHENTICATED", "This needs a bearer token.")
            if headers.get("tutti-process", self.process) != self.process:
                raise Problem("OTHER_PROCESS", "This is for a process that has gone.")
            if headers.get("a2a-version", "").partition(".")[0] != "1":
                raise Problem("VERSION_NOT_SUPPORTED", "This service speaks A2A 1.0: send `A2A-Version: 1.0`.")
            body = await _body(headers, receive) if method == "POST" else b""
            if rest:
                return await self._rest(method, path, scope, headers, body, send)
            return await self._rpc(headers, body, send)
        except Problem as problem:
            return await _fail(send, problem, rest)
        except _Gone:
            return None

    async def _send_card(self, headers: dict[str, str], send: Send) -> None:
        more = [(b"etag", self._etag.encode()), (b"cache-control", b"public, max-age=60")]
        challenge = headers.get("tutti-challenge", "")
        if challenge and self.prove is not None and len(challenge) <= _CHALLENGE:
            more.append((b"tutti-proof", self.prove(challenge).encode()))
        if headers.get("if-none-match") == self._etag:
            await _write(send, 304, b"", more)
        else:
            await _write(send, 200, self._card, more)

    # --- bindings -----------------------------------------------------------------------------------------------

    async def _rpc(self, headers: dict[str, str], body: bytes, send: Send) -> None:
        id: Any = None
        try:
            request = _parse(body)
            if not isinstance(request, dict) or request.get("jsonrpc") != "2.0" or not isinstance(request.get("method"), str):
                raise Problem("INVALID_REQUEST", "This is no JSON-RPC 2.0 request.")
            id = request.get("id")
            if isinstance(id, bool) or not isinstance(id, str | int | None):
                id = None
                raise Problem("INVALID_REQUEST", "A request's id is a text, a whole number or null.")
            params = request.get("params") or {}
            if not isinstance(params, dict):
                raise Problem("INVALID_PARAMS", "Params are an object.")
            match request["method"]:
                case "SendMessage":
                    result: Json = {"task": await self._send_message(params, headers)}
                case "SendStreamingMessage":
                    task = self._begin(params, headers)
                    return await self._stream(send, task, lambda event: {"jsonrpc": "2.0", "id": id, "result": event})
                case "SubscribeToTask":
                    task = self._subscribed(params.get("id"))
                    return await self._stream(send, task, lambda event: {"jsonrpc": "2.0", "id": id, "result": event})
                case "GetTask":
                    result = self._get(params.get("id"))
                case "ListTasks":
                    result = self._list(params)
                case "CancelTask":
                    result = self._cancel(params.get("id"))
                case "GetExtendedAgentCard":
                    raise Problem("EXTENDED_AGENT_CARD_NOT_CONFIGURED", "There is one card for everybody.")
                case method if method.endswith(("TaskPushNotificationConfig", "TaskPushNotificationConfigs")):
                    raise Problem("PUSH_NOTIFICATION_NOT_SUPPORTED", "This service pushes nothing; follow the task's stream.")
                case method:
                    raise Problem("METHOD_NOT_FOUND", f"There is no method {method[:60]}.")
        except Problem as problem:
            if problem.reason == "UNAVAILABLE":
                raise
            return await _fail(send, problem, False, id)
        return await _reply(send, 200, {"jsonrpc": "2.0", "id": id, "result": result})

    async def _rest(self, method: str, path: str, scope: Message, headers: dict[str, str], body: bytes, send: Send) -> None:
        query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
        head, _, verb = path.rpartition(":")
        id = unquote(head.removeprefix("/tasks/")) if head.startswith("/tasks/") else ""
        match method, path, verb:
            case "POST", "/message:send", _:
                await _reply(send, 200, {"task": await self._send_message(_object(body), headers)}, wire.MEDIA_TYPE)
            case "POST", "/message:stream", _:
                await self._stream(send, self._begin(_object(body), headers), lambda event: event)
            case (("GET" | "POST"), _, "subscribe") if id:
                await self._stream(send, self._subscribed(id), lambda event: event)
            case "POST", _, "cancel" if id:
                await _reply(send, 200, self._cancel(id), wire.MEDIA_TYPE)
            case "GET", "/tasks", _:
                await _reply(send, 200, self._list(query), wire.MEDIA_TYPE)
            case "GET", _, _ if path.startswith("/tasks/") and "/" not in path.removeprefix("/tasks/"):
                await _reply(send, 200, self._get(unquote(path.removeprefix("/tasks/"))), wire.MEDIA_TYPE)
            case "GET", "/extendedAgentCard", _:
                raise Problem("EXTENDED_AGENT_CARD_NOT_CONFIGURED", "There is one card for everybody.")
            case _, _, _ if "/pushNotificationConfigs" in path:
                raise Problem("PUSH_NOTIFICATION_NOT_SUPPORTED", "This service pushes nothing; follow the task's stream.")
            case _:
                raise Problem("METHOD_NOT_FOUND", "There is nothing here.")

    # --- operations ---------------------------------------------------------------------------------------------

    async def _send_message(self, params: Json, headers: dict[str, str]) -> Json:
        task = self._begin(params, headers)
        settings = params.get("configuration")
        if not (isinstance(settings, dict) and settings.get("returnImmediately") is True):
            await self.work.settled(task)
        self._told(task)
        return task.view()

    def _begin(self, params: Json, headers: dict[str, str]) -> Task:
        message = params.get("message")
        if not isinstance(message, dict) or not isinstance(message.get("messageId"), str) or not message["messageId"]:
            raise Problem("INVALID_PARAMS", "A message has a messageId and parts.")
        try:
            value = wire.value_of(message.get("parts"))
        except Invalid:
            raise Problem("INVALID_PARAMS", "A message has parts, each with text, data, raw or url.") from None
        if message.get("taskId"):
            return self._reply_to(message, value)
        context = message.get("contextId")
        if context is not None and not isinstance(context, str):
            raise Problem("INVALID_PARAMS", "A contextId is a text.")
        metadata = {**(_mapping(params.get("metadata"))), **_mapping(message.get("metadata"))}
        offer = self._offer(metadata.get("skill"))
        key = headers.get("idempotency-key", "")[:200]
        digest = sha256(orjson.dumps([offer[0], value], option=orjson.OPT_SORT_KEYS)).digest()
        if self.draining and not self.work.knows(offer[1], key):
            raise Problem("UNAVAILABLE", "This service is stopping.", retry=True)
        try:
            return self.work.begin(offer[1], value, message, context or f"c-{message['messageId']}"[:200], key, digest)
        except Overloaded as error:
            raise Problem("UNAVAILABLE", error.words, retry=True) from None
        except TuttiError as error:
            raise Problem("INVALID_PARAMS", error.words) from None

    def _offer(self, skill: Any) -> tuple[str, Any]:
        offers = self.work.offers
        if skill is None and len(offers) == 1:
            return next(iter(offers.items()))
        if not isinstance(skill, str) or skill not in offers:
            raise Problem("INVALID_PARAMS", f"Name a skill in metadata.skill; there are: {', '.join(offers)}.")
        return skill, offers[skill]

    def _reply_to(self, message: Json, value: Any) -> Task:
        task = self._task(message["taskId"])
        if message.get("contextId") not in (None, "", task.context):
            raise Problem("INVALID_PARAMS", "The task belongs to another context.")
        if task.state in ENDED_STATES:
            raise Problem("UNSUPPORTED_OPERATION", f"The task has ended: {task.state}.")
        if message["messageId"] in task.replies:
            return task  # sent again by a caller who did not hear that it arrived
        try:
            self.work.reply(task, value)
        except Invalid as error:
            raise Problem("UNSUPPORTED_OPERATION", error.message) from None
        task.replies.add(message["messageId"])
        return task

    def _task(self, id: Any) -> Task:
        task = self.work.get(id)
        if task is None:
            raise Problem("TASK_NOT_FOUND", "There is no such task.")
        return task

    def _subscribed(self, id: Any) -> Task:
        task = self._task(id)
        if task.state in ENDED_STATES:
            raise Problem("UNSUPPORTED_OPERATION", f"The task has ended: {task.state}.")
        return task

    def _get(self, id: Any) -> Json:
        task = self._task(id)
        self._told(task)
        return task.view()

    def _cancel(self, id: Any) -> Json:
        task = self._task(id)
        if not self.work.cancel(task):
            raise Problem("TASK_NOT_CANCELABLE", f"The task has ended: {task.state}.")
        self._told(task)
        return task.view()

    def _list(self, params: Json) -> Json:
        try:
            size = min(max(int(params.get("pageSize") or 50), 1), _PAGE)
            start = int(params.get("pageToken") or 0)
        except (TypeError, ValueError):
            raise Problem("INVALID_PARAMS", "pageSize and pageToken are numbers of this list.") from None
        context, state = params.get("contextId"), params.get("status")
        found = [task for task in self.work.tasks() if context in (None, "", task.context) and state in (None, "", task.status.get("state"))]
        page = [task.view(history=False) for task in found[start : start + size]]
        if params.get("includeArtifacts") not in (True, "true"):
            for task in page:
                task.pop("artifacts", None)
        return {"tasks": page, "nextPageToken": str(start + size) if start + size < len(found) else "", "pageSize": size, "totalSize": len(found)}

    def _told(self, task: Task) -> None:
        if task.state in ENDED_STATES and not task.told:
            task.told = True
            self.work.nudge(task)

    async def _stream(self, send: Send, task: Task, wrap: Callable[[Json], Json]) -> None:
        headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        async for event in self._updates(task):
            await send({"type": "http.response.body", "body": b"data: " + orjson.dumps(wrap(event)) + b"\n\n", "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        self._told(task)

    def _updates(self, task: Task) -> AsyncIterator[Json]:
        return self.work.follow(task)


class _Gone(Exception):
    """Whoever asked has gone away."""


async def _body(headers: dict[str, str], receive: Receive) -> bytes:
    """The request's body: of a kind we read, not coded, not too large, in time."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() not in ("application/json", wire.MEDIA_TYPE):
        raise Problem("CONTENT_TYPE_NOT_SUPPORTED", f"Send application/json or {wire.MEDIA_TYPE}.")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem("CONTENT_TYPE_NOT_SUPPORTED", "Send the body as it is, in no coding.")
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > _BODY:
        raise Problem("INVALID_REQUEST", f"A body has at most {_BODY:,} bytes.")
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_BODY_S):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _Gone
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
                if size > _BODY:
                    raise Problem("INVALID_REQUEST", f"A body has at most {_BODY:,} bytes.")
                if not message.get("more_body"):
                    return b"".join(chunks)
    except TimeoutError:
        raise Problem("INVALID_REQUEST", f"The body did not come within {_BODY_S:g} s.") from None


def _parse(body: bytes) -> Any:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Problem("PARSE_ERROR", "The body is not JSON.") from None
    if too_deep(value, 48):  # the envelope, and 32 levels of input
        raise Problem("INVALID_REQUEST", "The body is nested too deeply.")
    return value


def _object(body: bytes) -> Json:
    value = _parse(body)
    if not isinstance(value, dict):
        raise Problem("INVALID_REQUEST", "The body is an object.")
    return value


def _mapping(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


async def _fail(send: Send, problem: Problem, rest: bool, id: Any = None) -> None:
    status = _STATUS.get(problem.reason, 400)
    more = [(b"retry-after", b"1"), (b"connection", b"close")] if status == 503 else [(b"www-authenticate", b"Bearer")] if status == 401 else []
    if rest or status in (401, 409, 503):
        error = {"code": status, "status": _GRPC.get(status, "INVALID_ARGUMENT"), "message": problem.words, "details": problem.details}
        await _write(send, status, orjson.dumps({"error": error}), more)
        return
    error = {"code": wire.CODES.get(problem.reason, -32603), "message": problem.words, "data": problem.details}
    await _write(send, 200, orjson.dumps({"jsonrpc": "2.0", "id": id, "error": error}), more)


async def _reply(send: Send, status: int, value: Json, media: str = "application/json") -> None:
    await _write(send, status, orjson.dumps(value), [], media)


async def _write(send: Send, status: int, body: bytes, more: list[tuple[bytes, bytes]], media: str = "application/json") -> None:
    headers = [(b"content-type", media.encode()), (b"content-length", str(len(body)).encode()), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def bearer(token: str) -> Admit:
    """Let those in who send this token."""
    wanted = f"Bearer {token}".encode()
    return lambda header: hmac.compare_digest(header.encode(), wanted)
