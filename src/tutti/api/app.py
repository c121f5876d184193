"""The app: all routes of the HTTP API, and the doors of other protocols beside them."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from tutti import __version__
from tutti.api import identity, problems
from tutti.api.approving import approval_routes
from tutti.api.conflicting import conflict_routes
from tutti.api.describing import describe
from tutti.api.events import Events, event_routes
from tutti.api.governing import control_routes, keeping_routes
from tutti.api.limits import Limits
from tutti.api.metrics import Counted, Counts, Metrics
from tutti.api.negotiating import negotiation_routes
from tutti.api.operating import operating_routes
from tutti.api.planning import plan_routes
from tutti.api.pressure import Pressure
from tutti.api.record import proof_routes, record_routes, why_routes
from tutti.api.repetition import Repetition
from tutti.api.roster import agent_routes
from tutti.api.searching import search_routes
from tutti.api.traced import Traced
from tutti.api.watching import watching_routes
from tutti.api.work import handling_routes, signal_routes, task_routes
from tutti.app import Workspace


class _Api(FastAPI):
    """The framework's app. What every request passes, and what goes straight to its door, stands before it: its own layers are a tenth of a call."""

    before: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        await (self.before or self.framework)(scope, receive, send)

    async def framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request by the framework's own routes."""
        await super().__call__(scope, receive, send)


def build(workspace: Workspace, *, doors: bool = True) -> FastAPI:
    """The HTTP app of an open workspace.

    Doors of other protocols are mounted into it: `callbacks.routes(workspace)` gives routes under /v1, `a2a.install(app, workspace)` and
    `mcp.install(app, workspace)` add theirs; not with `doors=False`, for callers in this process. For all of them `app.state` holds
    - `stopping`: the event that ends waiting requests and streams when the process drains,
    - `pressure`: `pressure.take()` before work is taken in raises `Overloaded` when the queue is full or the process drains,
    - `straight`: functions that put something before the framework, given what is behind it,
    - `contexts`: functions that give an async context manager each; `running(app)` (and so `serve`) enters them before the first request.
    A route finds its caller with `guard.require`.
    """
    # The framework can export requests and errors by environment variables; what customers send must not leave that way.
    off: dict[str, Any] = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
    quiet: dict[str, Any] = {"telemetry": off} if "telemetry" in inspect.signature(FastAPI).parameters else {}
    app = _Api(title="Tutti", version=__version__, docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json", redirect_slashes=False, **quiet)
    stopping = app.state.stopping = asyncio.Event()
    pressure = app.state.pressure = Pressure(workspace, stopping)
    events = app.state.events = Events(workspace, stopping)
    app.state.contexts, app.state.straight = [], []
    counts, repetition = Counts(), Repetition(workspace)
    problems.install(app)
    for routes in (
        signal_routes(workspace, pressure, repetition), task_routes(workspace, pressure, repetition, stopping), handling_routes(workspace, repetition),
        negotiation_routes(workspace, pressure, repetition), plan_routes(workspace, pressure, repetition), approval_routes(workspace, repetition), conflict_routes(workspace, repetition),
        agent_routes(workspace, pressure, repetition), control_routes(workspace, repetition), keeping_routes(workspace, repetition), why_routes(workspace), record_routes(workspace), proof_routes(workspace), search_routes(workspace), watching_routes(workspace),
        event_routes(events), operating_routes(workspace, Metrics(workspace, counts, events), stopping), identity.routes(workspace),
    ):  # fmt: skip
        app.routes.extend(routes.routes)  # as they are: to include a router makes each of its routes a second time, and another step for each request
    if doors:
        _open_doors(app, workspace)
    describe(app)
    inner: ASGIApp = app.framework
    for put in app.state.straight:
        inner = put(inner)
    app.before = Counted(Traced(Limits(inner)), counts)
    return app


def _open_doors(app: FastAPI, workspace: Workspace) -> None:
    """Those of other protocols, whose libraries take long to load: only for a process that serves."""
    from tutti.api import a2a, callbacks, console, mcp

    console.install(app)
    app.routes.extend(callbacks.routes(workspace).routes)
    a2a.install(app, workspace)
    mcp.install(app, workspace)
