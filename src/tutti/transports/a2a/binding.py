"""The two bindings, JSON-RPC and HTTP+JSON: an operation as a request, and what came back as a response or as words for its failing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from tutti.errors import AgentFailed
from tutti.transports import calls
from tutti.transports.a2a import wire
from tutti.transports.outside import Outside

Json = dict[str, Any]
_TURNED_AWAY = frozenset(
    ("PARSE_ERROR", "INVALID_REQUEST", "METHOD_NOT_FOUND", "INVALID_PARAMS", "TASK_NOT_FOUND", "TASK_NOT_CANCELABLE", "PUSH_NOTIFICATION_NOT_SUPPORTED",
     "UNSUPPORTED_OPERATION", "CONTENT_TYPE_NOT_SUPPORTED", "EXTENSION_SUPPORT_REQUIRED", "VERSION_NOT_SUPPORTED")
)  # fmt: skip
_PATHS: dict[str, tuple[str, str]] = {  # of HTTP+JSON
    "SendMessage": ("POST", "/message:send"),
    "SendStreamingMessage": ("POST", "/message:stream"),
    "GetTask": ("GET", "/tasks/{id}"),
    "CancelTask": ("POST", "/tasks/{id}:cancel"),
    "SubscribeToTask": ("POST", "/tasks/{id}:subscribe"),
}


class Declined(AgentFailed):
    """The agent turned an operation away; `reason` is A2A's name for why."""

    def __init__(self, message: str, reason: str, *, retry: bool = False) -> None:
        super().__init__(message, retry=retry, busy=reason == "UNAVAILABLE")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Binding:
    """How one agent is spoken to."""

    outside: Outside
    url: str
    rest: bool
    legacy: bool
    tenant: str
    auth: str  # the header's value, with references to secrets
    link: calls.Link = calls.PLAIN
    audience: str = ""  # the enrolled agent that a token is made for with each call, where it is one
    caller: str = ""  # on whose behalf

    async def call(self, operation: str, params: Json, headers: Mapping[str, str] | None = None, *, total: float | None = None) -> Json:
        """One operation and its response, in the words of 1.0. Raises: `Declined`, `AgentFailed`, `OutcomeUnknown`, `Invalid`."""
        method, url, body = self._request(operation, params)
        answer = await calls.ask(self.outside, method, url, headers=self._headers(headers), body=body, total=total, link=self.link)
        return self._response(answer, operation)

    @asynccontextmanager
    async def open(self, operation: str, params: Json, headers: Mapping[str, str] | None = None) -> AsyncIterator[AsyncIterator[Json]]:
        """An operation whose responses come one by one."""
        method, url, body = self._request(operation, params)
        sent = {**self._headers(headers), "Accept": "text/event-stream"}
        async with calls.stream(self.outside, method, url, headers=sent, body=body, link=self.link) as (answer, events):
            yield self._one(self._response(answer, operation)) if events is None else self._each(events)

    async def _one(self, response: Json) -> AsyncIterator[Json]:
        yield response

    async def _each(self, events: AsyncIterator[bytes]) -> AsyncIterator[Json]:
        async for data in events:
            try:
                payload = orjson.loads(data)
            except orjson.JSONDecodeError:
                raise wire.wrong("an event of the stream is not JSON") from None
            yield self._result(payload)

    def _request(self, operation: str, params: Json) -> tuple[str, str, bytes | None]:
        if self.rest:
            method, path = _PATHS[operation]
            base = self.url.rstrip("/") + (f"/{quote(self.tenant, safe='')}" if self.tenant else "")
            url = base + path.format(id=quote(str(params.get("id", "")), safe=""))
            if operation == "SubscribeToTask":
                return method, url, b"{}"
            return method, url, None if method == "GET" else orjson.dumps(params)
        if self.tenant:
            params = {**params, "tenant": self.tenant}
        name = operation
        if self.legacy:
            name = wire.METHODS[operation]
            if "message" in params:
                params = {**params, "message": wire.to_legacy_message(params["message"])}
                settings = dict(params.get("configuration") or {})
                if "returnImmediately" in settings:
                    settings["blocking"] = not settings.pop("returnImmediately")
                push = settings.pop("taskPushNotificationConfig", None)
                if push:
                    settings["pushNotificationConfig"] = push
                params["configuration"] = settings
        return "POST", self.url, orjson.dumps({"jsonrpc": "2.0", "id": "1", "method": name, "params": params})

    def _headers(self, more: Mapping[str, str] | None) -> dict[str, str]:
        media = wire.MEDIA_TYPE if self.rest else "application/json"
        headers = {"Content-Type": media, "Accept": "application/json", "A2A-Version": wire.LEGACY if self.legacy else wire.VERSION}
        if self.rest:
            headers["Accept"] = f"{wire.MEDIA_TYPE}, application/json"
        if self.auth:
            headers["Authorization"] = self.outside.secrets.resolve(self.auth)
        elif self.audience and self.outside.token_for is not None:
            headers["Authorization"] = f"Bearer {self.outside.token_for(self.audience, self.caller)}"
        return headers | dict(more or {})

    def _response(self, answer: calls.Answer, operation: str) -> Json:
        if answer.status != 200:
            raise self._declined(answer)
        response = self._result(answer.json())
        if operation in ("GetTask", "CancelTask") and "task" not in response:
            return {"task": response}
        return response

    def _declined(self, answer: calls.Answer) -> Exception:
        """What an answer that is no success means; HTTP+JSON and some JSON-RPC servers put the error into its body."""
        try:
            error = orjson.loads(answer.body)["error"]
        except (orjson.JSONDecodeError, KeyError, TypeError, IndexError):
            return calls.turned_away(answer)
        if not isinstance(error, dict) or answer.status in (401, 403, 429):
            return calls.turned_away(answer)
        return self._failure(error, answer)

    def _failure(self, error: Json, answer: calls.Answer | None = None) -> Exception:
        words = str(error.get("message") or "no reason given")[:500]
        details = error.get("details") or error.get("data")
        reason = wire.REASONS.get(error.get("code"), "") if isinstance(error.get("code"), int) else ""  # type: ignore[arg-type]
        metadata: Json = {}
        for detail in details if isinstance(details, list) else []:
            if isinstance(detail, dict) and isinstance(detail.get("reason"), str):
                reason = detail["reason"]
                metadata = detail["metadata"] if isinstance(detail.get("metadata"), dict) else {}
        if reason in _TURNED_AWAY or metadata.get("nothing") == "true":
            return Declined(f"The agent turned it away: {words} ({reason}).", reason, retry=metadata.get("retry") == "true")
        if answer is not None:
            return calls.turned_away(answer, words)
        return calls.OutcomeUnknown(f"The agent failed: {words}{f' ({reason})' if reason else ''}.")

    def _result(self, payload: object) -> Json:
        if not isinstance(payload, dict):
            raise wire.wrong("an answer is an object")
        if self.rest:
            if isinstance(payload.get("error"), dict):
                raise self._failure(payload["error"])
            return payload
        if isinstance(payload.get("error"), dict):
            raise self._failure(payload["error"])
        if payload.get("id") not in ("1", 1):
            raise wire.wrong("it answers another request")
        result = payload.get("result")
        if not isinstance(result, dict):
            raise wire.wrong("it has neither result nor error")
        return wire.from_legacy(result) if self.legacy else result
