"""Routes of the work: signals and tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query, Request, Response
from pydantic import AwareDatetime

from tutti.api import cloudevents, forms
from tutti.api.describing import CHANGING, KEYED, READING, StrictRoute, problems, reply
from tutti.api.guard import caller_of, may, require
from tutti.api.pressure import Pressure
from tutti.api.problems import as_problem, problem
from tutti.api.repetition import Repetition
from tutti.api.rights import listed, on_task, own_only
from tutti.api.waiting import wait
from tutti.app import Workspace
from tutti.clock import from_datetime
from tutti.desk.work import Wanted
from tutti.errors import TuttiError
from tutti.model.agent import Nature
from tutti.model.answers.signals import Batch, Sent
from tutti.model.answers.tasks import Submitted, TaskCounts, Tasks, Waited, WholeTask
from tutti.model.answers.timeline import Timeline
from tutti.model.caller import Caller
from tutti.model.request import Once
from tutti.model.task import State, Status

_WAIT_AT_MOST = 300_000  # milliseconds one request may wait
_AT_A_TIME = 64  # events of a batch that are taken in together
_STATUSES = "^(?:{0})(?:,(?:{0}))*$".format("|".join(Status))
_EVENT = {"type": "object", "description": "A CloudEvent 1.0."}
_SIGNAL_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": _EVENT}, cloudevents.STRUCTURED: {"schema": _EVENT},
            cloudevents.BATCH: {"schema": {"type": "array", "maxItems": cloudevents.MOST, "items": _EVENT}},
        },
    },
    **KEYED,
}  # fmt: skip


def signal_routes(workspace: Workspace, pressure: Pressure, repetition: Repetition) -> APIRouter:
    """Taking in signals."""
    api = APIRouter(prefix="/v1/signals", route_class=StrictRoute, tags=["signals"])

    async def one(event: Any, caller: Caller, once: Once | None) -> tuple[int, Any]:
        def also(bundle: Any, id: str, tasks: list[str]) -> None:
            if once is not None:
                workspace.keep(bundle, once, 201, {"signal": id, "tasks": tasks, "duplicate": False}, event.get("subject"), by=caller.id)

        pressure.take()
        sent = await workspace.send(event, by=caller.id, also=also)
        return 200 if sent["duplicate"] else 201, sent

    async def several(request: Request, events: list[Any], caller: Caller) -> tuple[int, Any]:
        room = asyncio.Semaphore(_AT_A_TIME)

        async def each(event: Any) -> Any:
            async with room:
                try:
                    _may_send(request, event)
                    return (await one(event, caller, None))[1]
                except TuttiError as error:
                    return {"problem": as_problem(error)}

        found = await asyncio.gather(*(each(event) for event in events))
        return 200, {"signals": found, "taken": sum("problem" not in each for each in found)}

    @api.post(
        "",
        status_code=201,
        response_model=Sent,
        responses={200: {"model": Sent | Batch, "description": "Known already; or a batch"}, **problems(*CHANGING, 429)},
        openapi_extra=_SIGNAL_BODY,
    )
    async def send(request: Request) -> Response:
        """Take in a CloudEvent 1.0: as JSON, as a batch, or in `ce-` headers. 201 when it is durable, 200 when it was known already (and for a batch)."""
        caller = caller_of(request)
        try:
            events, batch = await cloudevents.read(request)
        except cloudevents.Unsupported:
            return problem(415, "invalid", "Signals come as JSON, or in ce- headers with JSON or text.", "Set content-type: application/cloudevents+json.")
        if batch:
            return await repetition.answer(request, caller, lambda once: several(request, events, caller))
        _may_send(request, events[0])
        subject = events[0].get("subject") if isinstance(events[0], dict) else None
        return await repetition.answer(
            request, caller, lambda once: one(events[0], caller, once), subject=subject if isinstance(subject, str) else None, keeps=True
        )

    return api


def _may_send(request: Request, event: Any) -> None:
    """Whoever may send for one department only has to name it in the event."""
    department = event.get("department") if isinstance(event, dict) else None
    require(request, "signals:send", department=department if isinstance(department, str) else "")


def _wanted(
    status: Annotated[str | None, Query(pattern=_STATUSES)] = None,
    agent: str | None = None,
    department: str | None = None,
    nature: Nature | None = None,
    retrying: bool = False,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
    q: Annotated[str | None, Query(max_length=200)] = None,
) -> Wanted:
    """Filters of a list of tasks."""
    return Wanted(
        status=None if status is None else status.split(","), agent=agent, department=department, nature=nature, retrying=retrying,
        since=None if since is None else from_datetime(since), until=None if until is None else from_datetime(until), q=q,
    )  # fmt: skip


def _readable(request: Request, mine: bool) -> tuple[str | None, tuple[str, ...] | None]:
    """Whose tasks a list is about, and of which departments: None for all. Raises: `Refused`."""
    caller = caller_of(request)
    if own_only(caller) and mine:
        return caller.id, None
    try:
        _, departments = listed(request, "tasks:read")
    except TuttiError:
        if not own_only(caller):
            raise
        return caller.id, None
    return caller.id if mine else None, departments


def task_routes(workspace: Workspace, pressure: Pressure, repetition: Repetition, stopping: asyncio.Event) -> APIRouter:
    """Submitting tasks, and following them."""
    api = APIRouter(prefix="/v1/tasks", route_class=StrictRoute, tags=["tasks"])

    @api.post("", status_code=201, response_model=Submitted, responses=problems(*CHANGING, 404, 422, 429), openapi_extra=KEYED)
    async def submit(request: Request, task: forms.NewTask) -> Response:
        """Take in a task. 201 when it is durable."""
        card = workspace.house.registry.offer(task.skill)
        caller = require(request, "tasks:submit", department=card.department if card else "")
        for awaited in task.after.values():
            await on_task(workspace, request, awaited)
        deadline = None if task.deadline_ms is None else timedelta(milliseconds=task.deadline_ms)

        async def act(once: Once | None) -> tuple[int, Any]:
            def also(bundle: Any, id: str) -> None:
                if once is not None:
                    workspace.keep(bundle, once, 201, {"task": id}, task.subject, by=caller.id)

            pressure.take()
            id = await workspace.submit(
                task.skill, task.input, subject=task.subject, priority=task.priority, deadline=deadline, after=task.after, by=caller.id, also=also
            )
            return 201, {"task": id}

        return await repetition.answer(request, caller, act, keeps=True)

    @api.get("", response_model=Tasks, responses=problems(*READING))
    async def tasks(
        request: Request,
        wanted: Annotated[Wanted, Depends(_wanted)],
        state: State | None = None,
        waiting: bool = False,
        mine: bool = False,
        skill: str | None = None,
        subject: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
        after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
    ) -> Response:
        """A page of tasks that the caller may read, newest first; `after` is the `next` of the page before, `mine` leaves out what others asked for.

        `status` names any of queued, running, waiting, human, done, failed; `q` is the beginning of an id (8 characters or more), or a part of a skill or subject.
        """
        asked_by, departments = _readable(request, mine)
        found = await workspace.tasks(
            state=state, waiting=waiting, skill=skill, subject=subject, caller=asked_by, departments=departments, limit=limit, after=after, **wanted
        )
        return reply(found)

    @api.get("/counts", response_model=TaskCounts, responses=problems(*READING))
    async def counts(
        request: Request, wanted: Annotated[Wanted, Depends(_wanted)], mine: bool = False, skill: str | None = None, subject: str | None = None
    ) -> Response:
        """How many of the tasks that the caller may read pass the filters, by status; and how many would without one of them."""
        asked_by, departments = _readable(request, mine)
        return reply(await workspace.task_counts(skill=skill, subject=subject, caller=asked_by, departments=departments, **wanted))

    @api.get("/{id}", response_model=WholeTask, responses=problems(*READING, 404))
    async def task(request: Request, id: str) -> Response:
        """One task with its input and output."""
        await on_task(workspace, request, id)
        return reply(await workspace.task(id))

    @api.get("/{id}/wait", response_model=Waited, responses=problems(*READING, 404))
    async def waited(request: Request, id: str, timeout_ms: Annotated[int, Query(ge=0, le=_WAIT_AT_MOST)] = 30_000) -> Response:
        """The task once it has ended or needs a person, or as it is when the time is over."""
        caller, _ = await on_task(workspace, request, id)
        return reply(await wait(workspace, caller, id, timeout_ms / 1000, stopping))

    @api.get("/{id}/timeline", response_model=Timeline, responses=problems(*READING, 404))
    async def timeline(request: Request, id: str) -> Response:
        """When what happened to a task and to all that followed from it, as far as the caller may see it: stretches without gaps, and decisions."""
        caller, _ = await on_task(workspace, request, id, "decisions:read")

        def readable(row: Mapping[str, Any]) -> bool:
            return may(caller, "decisions:read", id=row["id"], department=row["department"], owner=row["caller"] or "")

        found = await workspace.timeline(id, readable=readable)
        return reply({**found, "currency": workspace.fleet.currency if workspace.fleet else None})

    return api


def handling_routes(workspace: Workspace, repetition: Repetition) -> APIRouter:
    """What people do about a task."""
    api = APIRouter(prefix="/v1/tasks", route_class=StrictRoute, tags=["tasks"])

    async def changed(request: Request, id: str, action: str, change: Any) -> Response:
        caller, row = await on_task(workspace, request, id, action)
        subject = await workspace.house.subject(row)

        async def act(_: Once | None) -> tuple[int, Any]:
            return 200, await change(caller.id)

        return await repetition.answer(request, caller, act, subject=subject)

    about_one = {"response_model": WholeTask, "responses": problems(*CHANGING, 404), "openapi_extra": KEYED}

    @api.post("/{id}/cancel", **about_one)  # type: ignore[arg-type]
    async def cancel(request: Request, id: str, form: Annotated[forms.Cancel, Body()] = forms.Cancel()) -> Response:  # noqa: B008  a constant
        """Cancel an open task. What already happened outside stays."""
        return await changed(request, id, "tasks:cancel", lambda by: workspace.cancel(id, reason=form.reason, by=by))

    @api.post("/{id}/answer", **about_one)  # type: ignore[arg-type]
    async def answer(request: Request, id: str, form: forms.Answer) -> Response:
        """Answer what a running agent asks."""
        return await changed(request, id, "tasks:answer", lambda by: workspace.answer(id, form.value, by=by))

    @api.post("/{id}/settle", **about_one)  # type: ignore[arg-type]
    async def settle(request: Request, id: str, form: forms.Settle) -> Response:
        """Decide about a parked task: again, happened or drop."""
        return await changed(request, id, "tasks:settle", lambda by: workspace.settle(id, form.how, reason=form.reason, by=by))

    @api.post("/{id}/rating", **about_one)  # type: ignore[arg-type]
    async def rate(request: Request, id: str, form: forms.Rating) -> Response:
        """Rate a finished task, 0..1; the next route moves."""
        return await changed(request, id, "tasks:rate", lambda by: workspace.rate(id, form.quality, note=form.note, by=by))

    return api
