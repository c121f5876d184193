"""Lanes: sessions with MCP servers, kept open between calls. A lane carries one call at a time, so that what a server asks or tells on it belongs to that call."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import mcp.shared._otel as sdk_telemetry
import mcp_types as types
from mcp import Client
from mcp.client.session import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from opentelemetry.trace import NoOpTracer

from tutti import __version__
from tutti.errors import AgentFailed, TuttiError
from tutti.model.agent import Endpoint
from tutti.security import transport
from tutti.transports.outside import Outside

log = logging.getLogger("tutti.transports.mcp")
sdk_telemetry._tracer = NoOpTracer()  # the SDK has no switch for its spans; Tutti makes its own
logging.getLogger("mcp").setLevel(logging.ERROR)  # it logs tracebacks of what servers do wrong; what a call came to is told by its outcome
logging.getLogger("mcp.client").setLevel(logging.CRITICAL)

CERTAIN = frozenset({400, 401, 403, 404, 405, 406, 409, 413, 415, 422, 429})  # statuses that turn a request away before it is done
_CONNECT_S = 10.0
_CLOSE_S = 1.0  # for saying goodbye to a server; then the connection is dropped
_BREAK_S = 0.2  # for a broken session to come to its end
_IDLE = 8  # lanes kept for a server between calls
_SHARED = "mcp"
Elicited = Callable[[types.ElicitRequestParams], Any]


class _Auth(httpx2.Auth):
    """The header's value, read at each request: a secret that is changed counts at once."""

    def __init__(self, outside: Outside, value: str) -> None:
        self._outside = outside
        self._value = value

    def auth_flow(self, request: httpx2.Request) -> Any:
        request.headers["authorization"] = self._outside.secrets.resolve(self._value)
        yield request


class Lane:
    """One session. The SDK's task group is entered and left by one task of its own, which lives as long as the session."""

    def __init__(self, endpoint: Endpoint, outside: Outside, *, listening: bool = False) -> None:
        self._endpoint = endpoint
        self._outside = outside
        self._end = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._broke: BaseException | None = None
        self._listening = listening
        self.client: Any = None
        self.status = 0  # of the last answer over HTTP
        self.elicited: Elicited | None = None  # answers what the server asks during the call under way

    @property
    def alive(self) -> bool:
        """Whether it can carry a call."""
        return self._task is not None and not self._task.done() and not self._end.is_set()

    @property
    def modern(self) -> bool:
        """Whether the server speaks the revision without sessions."""
        return self.client.protocol_version in MODERN_PROTOCOL_VERSIONS

    async def open(self) -> None:
        """Connect and agree on a revision. Raises: `AgentFailed` (nothing happened), `Refused` (egress), `NotFound` (a secret)."""
        self._outside.egress.check(self._endpoint.url)
        ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(ready), name="mcp lane")
        try:
            self.client = await ready
        except BaseException:
            await self.close()
            raise

    async def _hold(self, ready: asyncio.Future[Any]) -> None:
        auth = self._endpoint.options.get("auth") or ""
        try:
            async with (
                httpx2.AsyncClient(
                    transport=transport(self._outside.egress), auth=_Auth(self._outside, auth) if auth else None,
                    timeout=httpx2.Timeout(_CONNECT_S, read=None), event_hooks={"response": [self._answered]}, trust_env=False,
                ) as http,
                Client(
                    streamable_http_client(self._endpoint.url, http_client=http), elicitation_callback=self._asked, message_handler=self._heard, cache=None,
                    client_info=types.Implementation(name="tutti", version=__version__),
                ) as client,
            ):  # fmt: skip
                ready.set_result(client)
                await self._listen(client)
        except asyncio.CancelledError:
            if not ready.done():
                ready.cancel()
            raise
        except BaseException as error:
            self._broke = _first(error)
            if not ready.done():
                ready.set_exception(self._refusal(self._broke))

    async def _listen(self, client: Client) -> None:
        """Stay until the lane is closed. On the newer wire, changes of the list of tools are told on a stream that has to be asked for."""
        tools = client.server_capabilities.tools
        if not self._listening or client.protocol_version not in MODERN_PROTOCOL_VERSIONS or tools is None or not tools.list_changed:
            await self._end.wait()
            return
        ended = asyncio.create_task(self._end.wait())
        changes = asyncio.create_task(self._changes(client))
        try:
            await ended
        finally:
            for task in (ended, changes):
                task.cancel()
            await asyncio.wait((ended, changes))

    async def _changes(self, client: Client) -> None:
        with contextlib.suppress(Exception):  # a stream that ends is no fault: the list is asked for now and then anyway
            async with client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self._outside.news.set()

    async def close(self) -> None:
        """Say goodbye, shortly. Twice is fine."""
        self._end.set()
        task, self._task = self._task, None
        if task is None:
            return
        await asyncio.wait((task,), timeout=_CLOSE_S)
        if not task.done():
            task.cancel()
            await asyncio.wait((task,))
        if not task.cancelled():
            task.exception()

    async def why_broken(self) -> BaseException | None:
        """What broke the session, once it has ended; None while it lives."""
        if self._task is not None:
            await asyncio.wait((self._task,), timeout=_BREAK_S)
        return self._broke

    def _refusal(self, error: BaseException) -> Exception:
        if isinstance(error, TuttiError):
            return error
        if self.status in (401, 403):
            return AgentFailed(f"The MCP server answers {self.status}.", hint="See the agent's `auth`, and the secret that it names.", retry=False)
        said = f"{type(error).__name__}{f', HTTP {self.status}' if self.status else ''}"
        return AgentFailed(f"The MCP server is not reached ({said}).", hint="See whether it runs, and whether its address is right.", retry=True)

    async def _answered(self, response: httpx2.Response) -> None:
        if response.request.method == "POST":
            self.status = response.status_code

    async def _asked(self, context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult | types.ErrorData:
        if self.elicited is None:
            return types.ErrorData(code=types.INVALID_REQUEST, message="No call is under way.")
        answer: types.ElicitResult = await self.elicited(params)
        return answer

    async def _heard(self, message: Any) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            self._outside.news.set()


def _first(error: BaseException) -> BaseException:
    """The cause inside nested groups: an error of ours before others."""
    if isinstance(error, BaseExceptionGroup):
        found = [_first(each) for each in error.exceptions]
        return next((each for each in found if isinstance(each, TuttiError)), found[0])
    return error


class Lanes:
    """All lanes of a workspace, by server."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._idle: dict[tuple[str, str], list[Lane]] = {}
        self._steady: dict[tuple[str, str], Lane] = {}
        self._closed = False

    async def steady(self, endpoint: Endpoint) -> Lane:
        """The lane on which a server is asked for its tools, and tells that they have changed."""
        key = _key(endpoint)
        lane = self._steady.get(key)
        if lane is None or not lane.alive:
            lane = Lane(endpoint, self._outside, listening=True)
            await lane.open()
            self._steady[key] = lane
        return lane

    async def forget(self, endpoint: Endpoint) -> None:
        """Close the steady lane: something went wrong on it."""
        lane = self._steady.pop(_key(endpoint), None)
        if lane is not None:
            await lane.close()

    @asynccontextmanager
    async def one(self, endpoint: Endpoint) -> AsyncIterator[Lane]:
        """A lane for one call. After an error it is not used again."""
        idle = self._idle.setdefault(_key(endpoint), [])
        lane = None
        while lane is None and idle:
            lane = idle.pop()
            if not lane.alive:
                lane = None
        if lane is None:
            lane = Lane(endpoint, self._outside)
            await lane.open()
        try:
            yield lane
        except BaseException:
            closing = asyncio.ensure_future(lane.close())
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(closing)
            raise
        lane.elicited = None
        if lane.alive and len(idle) < _IDLE and not self._closed:
            idle.append(lane)
        else:
            await lane.close()

    async def close(self) -> None:
        """Close all that are open."""
        self._closed = True
        lanes = [lane for idle in self._idle.values() for lane in idle] + list(self._steady.values())
        self._idle.clear()
        self._steady.clear()
        await asyncio.gather(*(lane.close() for lane in lanes))


def _key(endpoint: Endpoint) -> tuple[str, str]:
    return endpoint.url, endpoint.options.get("auth") or ""


def lanes_of(outside: Outside) -> Lanes:
    """The lanes of a workspace; they close with its connections."""
    found: Lanes | None = outside.shared.get(_SHARED)
    if found is None:
        found = outside.shared[_SHARED] = Lanes(outside)
    return found
