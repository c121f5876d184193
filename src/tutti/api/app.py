"""The app: one route for each thing the desk does."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable, Coroutine
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Depends, FastAPI, Query, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from tutti import __version__
from tutti.api import problems
from tutti.api.guard import caller_of
from tutti.api.limits import Limits
from tutti.api.waiting import wait
from tutti.app import Workspace
from tutti.errors import Conflict
from tutti.model.task import State

_WAIT_AT_MOST = 300_000  # milliseconds one request may wait


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Task(_Form):
    """A task to take in. `after` maps fields of the input to tasks whose outputs they get."""

    skill: str
    input: Any = None
    subject: str | None = None
    priority: int = Field(0, ge=-1000, le=1000)
    deadline_ms: int | None = Field(None, gt=0, le=366 * 24 * 3600 * 1000)
    after: dict[str, str] = {}


class Cancel(_Form):
    """Why a task is canceled."""

    reason: str = ""


class Answer(_Form):
    """What a running agent asked for."""

    value: Any


class Settle(_Form):
    """What becomes of a parked task: again, happened or drop."""

    how: str
    reason: str = ""


class Rating(_Form):
    """A person's judgement, 0..1."""

    quality: float
    note: str = ""


class Signed(_Form):
    """A person's answer (approve or reject) with the signature of the owner's key over the approval's statement."""

    answer: str
    signature: str
    note: str = ""


class LevelForm(_Form):
    """How far an action goes alone."""

    level: str
    up_to: float | None = Field(None, ge=0)
    reason: str = ""


class Switch(_Form):
    """A kill switch: scope agent, action or workspace, and the name of the agent or action."""

    scope: str
    name: str = ""
    reason: str = ""


class Erasure(_Form):
    """Whom to forget."""

    subject: str = Field(min_length=1)


class Backup(_Form):
    """Where the copy goes: a path on the machine that the workspace runs on."""

    path: str = Field(min_length=1)


class _Strict(Request):
    """Reads JSON as the RFC has it: no NaN, no half characters, nothing that the journal could not keep."""

    async def json(self) -> Any:
        return orjson.loads(await self.body())


class _StrictRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(_Strict(request.scope, request.receive))

        return strict


def _json(value: Any, status: int = 200) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")


def build(workspace: Workspace, *, doors: bool = True) -> FastAPI:
    """The HTTP app of an open workspace.

    Doors of other protocols are mounted into it: `identity.routes(workspace)` gives routes under /v1, `a2a.install(app, workspace)` and
    `mcp.install(app, workspace)` add theirs; not with `doors=False`, for callers in this process. For all of them `app.state` holds
    - `stopping`: the event that ends waiting requests and streams when the process drains (then no new work is taken),
    - `contexts`: functions that give an async context manager each; `running(app)` (and so `serve`) enters them before the first request.
    A route finds its caller with `guard.require`.
    """
    # The framework can export requests and errors by environment variables; what customers send must not leave that way.
    off: dict[str, Any] = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
    quiet: dict[str, Any] = {"telemetry": off} if "telemetry" in inspect.signature(FastAPI).parameters else {}
    app = FastAPI(title="Tutti", version=__version__, docs_url=None, redoc_url=None, openapi_url="/v1/openapi.json", redirect_slashes=False, **quiet)
    app.state.stopping = asyncio.Event()
    app.state.contexts = []
    app.state.ready = False
    app.add_middleware(Limits)
    problems.install(app)
    for routes in (_work(workspace, app.state.stopping), _approvals(workspace), _fleet(workspace), _record(workspace)):
        app.include_router(routes, dependencies=[Depends(caller_of)])
    if doors:
        _open_doors(app, workspace)
    return app


def _open_doors(app: FastAPI, workspace: Workspace) -> None:
    if find_spec("tutti.api.identity"):
        app.include_router(import_module("tutti.api.identity").routes(workspace))
    for name in ("a2a", "mcp"):
        if find_spec(f"tutti.api.{name}") and hasattr(door := import_module(f"tutti.api.{name}"), "install"):
            door.install(app, workspace)


def _work(workspace: Workspace, stopping: asyncio.Event) -> APIRouter:
    api = APIRouter(prefix="/v1", route_class=_StrictRoute, tags=["work"])

    @api.post("/signals", status_code=201)
    async def send(event: Annotated[Any, Body()]) -> Response:
        """Take in a CloudEvent 1.0. 201 when it is durable, 200 when it was known already."""
        sent = await workspace.send(event)
        return _json(sent, 200 if sent["duplicate"] else 201)

    @api.post("/tasks", status_code=201)
    async def submit(task: Task) -> Response:
        """Take in a task. 201 when it is durable."""
        deadline = None if task.deadline_ms is None else timedelta(milliseconds=task.deadline_ms)
        id = await workspace.submit(task.skill, task.input, subject=task.subject, priority=task.priority, deadline=deadline, after=task.after)
        return _json({"task": id}, 201)

    @api.get("/tasks")
    async def tasks(
        state: State | None = None,
        waiting: bool = False,
        skill: str | None = None,
        subject: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    ) -> Response:
        """A page of tasks, newest first; `after` is the `next` of the page before."""
        return _json(await workspace.tasks(state=state, waiting=waiting, skill=skill, subject=subject, limit=limit, after=after))

    @api.get("/tasks/{id}")
    async def task(id: str) -> Response:
        """One task with its input and output."""
        return _json(await workspace.task(id))

    @api.get("/tasks/{id}/wait")
    async def waited(id: str, timeout_ms: Annotated[int, Query(ge=0, le=_WAIT_AT_MOST)] = 30_000) -> Response:
        """The task once it has ended or needs a person, or as it is when the time is over."""
        return _json(await wait(workspace, id, timeout_ms / 1000, stopping))

    @api.post("/tasks/{id}/cancel")
    async def cancel(id: str, form: Annotated[Cancel, Body()] = Cancel()) -> Response:  # noqa: B008  a constant
        """Cancel an open task."""
        return _json(await workspace.cancel(id, reason=form.reason))

    @api.post("/tasks/{id}/answer")
    async def answer(id: str, form: Answer) -> Response:
        """Answer what a running agent asks."""
        return _json(await workspace.answer(id, form.value))

    @api.post("/tasks/{id}/settle")
    async def settle(id: str, form: Settle) -> Response:
        """Decide about a parked task."""
        return _json(await workspace.settle(id, form.how, reason=form.reason))

    @api.post("/tasks/{id}/rating")
    async def rate(id: str, form: Rating) -> Response:
        """Rate a finished task."""
        return _json(await workspace.rate(id, form.quality, note=form.note))

    return api


def _approvals(workspace: Workspace) -> APIRouter:
    api = APIRouter(prefix="/v1/approvals", route_class=_StrictRoute, tags=["approvals"])

    @api.get("")
    async def approvals(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
        """Open approvals, oldest first."""
        return _json(await workspace.approvals(limit=limit))

    @api.get("/{id}")
    async def approval(id: str) -> Response:
        """One approval, by its id or its task's."""
        return _json(await workspace.approval(id))

    @api.post("/{id}/answer")
    async def answer(id: str, form: Signed) -> Response:
        """Take a person's signed answer."""
        return _json(await workspace.answer_approval(id, form.answer, form.signature, note=form.note))

    return api


def _fleet(workspace: Workspace) -> APIRouter:
    api = APIRouter(prefix="/v1", route_class=_StrictRoute, tags=["fleet"])

    @api.get("/agents")
    async def agents() -> Response:
        """Live agents, one item for each skill."""
        return _json(await workspace.agents())

    @api.get("/agents/{name:path}")
    async def card(name: str) -> Response:
        """The cards of all versions of an agent."""
        return _json(await workspace.card(name))

    @api.put("/levels/{skill:path}")
    async def level(skill: str, form: LevelForm) -> Response:
        """Set how far an action goes alone."""
        return _json(await workspace.set_level(skill, form.level, up_to=form.up_to, reason=form.reason))

    @api.post("/kill-switches/throw")
    async def throw(form: Switch) -> Response:
        """Stop an agent, an action or the workspace: no effect starts after the answer."""
        return _json(await workspace.kill(form.scope, form.name, reason=form.reason))

    @api.post("/kill-switches/lift")
    async def lift(form: Switch) -> Response:
        """Let it go on."""
        return _json(await workspace.lift(form.scope, form.name, reason=form.reason))

    return api


def _record(workspace: Workspace) -> APIRouter:
    api = APIRouter(prefix="/v1", route_class=_StrictRoute, tags=["record"])

    @api.get("/why/{id}")
    async def why(id: str) -> Response:
        """Why a task went as it did."""
        return _json(await workspace.why(id))

    @api.get("/lineage/{id}")
    async def lineage(id: str) -> Response:
        """What a signal or a task led to."""
        return _json(await workspace.lineage(id))

    @api.get("/measures")
    async def measures() -> Response:
        """What the fleet achieves."""
        return _json(await workspace.measures())

    @api.get("/journal/head")
    async def head() -> Response:
        """Where the journal stands."""
        return _json(await workspace.head())

    @api.get("/journal/facts")
    async def facts(
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0, about: str | None = None, kind: str | None = None, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> Response:
        """Facts in order."""
        return _json(await workspace.facts(after=after, about=about, kind=kind, limit=limit))

    @api.post("/erasures")
    async def erase(form: Erasure) -> Response:
        """Erase a subject."""
        return _json(await workspace.erase(form.subject))

    @api.post("/backups", status_code=201)
    async def backup(form: Backup) -> Response:
        """Copy the journal to a new file."""
        if await asyncio.to_thread(Path(form.path).exists):
            raise Conflict(f"{form.path} is there already.", hint="Name a new file.")
        return _json(await workspace.backup(form.path), 201)

    @api.get("/health")
    async def health() -> Response:
        """Who answers here."""
        fleet = workspace.fleet
        running = workspace.corridor.traffic.open
        return _json({
            "schema": "tutti.health/1", "workspace": workspace.settings.workspace, "version": __version__, "pid": os.getpid(), "running": running,
            "fleet": fleet.name if fleet else None, "problems": fleet.problems() if fleet else [], "head": await workspace.head(),
        })  # fmt: skip

    return api
