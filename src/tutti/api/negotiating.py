"""Routes of negotiations: opened, told, and ended by a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from tutti.api import forms
from tutti.api.describing import CHANGING, KEYED, READING, StrictRoute, problems, reply
from tutti.api.guard import require
from tutti.api.pressure import Pressure
from tutti.api.repetition import Repetition
from tutti.api.rights import listed, not_their_own, on_task
from tutti.app import Workspace
from tutti.model.answers.negotiations import Negotiations, Opened, WholeNegotiation
from tutti.model.request import Once


def negotiation_routes(workspace: Workspace, pressure: Pressure, repetition: Repetition) -> APIRouter:
    """Opening negotiations, and how they went."""
    api = APIRouter(prefix="/v1/negotiations", route_class=StrictRoute, tags=["negotiations"])

    @api.post("", status_code=201, response_model=Opened, responses=problems(*CHANGING, 422, 429), openapi_extra=KEYED)
    async def negotiate(request: Request, form: forms.NewNegotiation) -> Response:
        """Open a negotiation. 201 when it is durable; it is a task, and its output what it ends with."""
        caller = require(request, "tasks:submit", department="")
        said = form.model_dump(exclude={"deadline_ms"})

        async def act(once: Once | None) -> tuple[int, Any]:
            def also(bundle: Any, id: str) -> None:
                if once is not None:
                    workspace.keep(bundle, once, 201, {"negotiation": id}, form.subject, by=caller.id)

            pressure.take()
            return 201, {"negotiation": await workspace.negotiate(**said, deadline=timedelta(milliseconds=form.deadline_ms), by=caller.id, also=also)}

        return await repetition.answer(request, caller, act, keeps=True)

    @api.get("", response_model=Negotiations, responses=problems(*READING))
    async def negotiations(
        request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 50, after: Annotated[int | None, Query(ge=0, lt=2**63)] = None
    ) -> Response:
        """A page of negotiations, newest first; `after` is the `next` of the page before."""
        _, departments = listed(request, "tasks:read")
        return reply(await workspace.negotiations(departments=departments, limit=limit, after=after))

    @api.get("/{id}", response_model=WholeNegotiation, responses=problems(*READING, 404))
    async def negotiation(request: Request, id: str) -> Response:
        """One negotiation: what it is about, all that was said, what it ended with and why."""
        await on_task(workspace, request, id, "decisions:read")
        return reply(await workspace.negotiation(id))

    @api.post("/{id}/take-over", response_model=WholeNegotiation, responses=problems(*CHANGING, 404), openapi_extra=KEYED)
    async def take_over(request: Request, id: str, form: forms.TakeOver) -> Response:
        """End a negotiation that goes on: with an outcome that its policy allows, or (null) with the fallback.

        An outcome that needs a person's approval takes the right to approve, and is not for who asked for the negotiation.
        """
        await on_task(workspace, request, id, "decisions:read")
        caller, row = await on_task(workspace, request, id, "tasks:settle")

        async def act(_: Once | None) -> tuple[int, Any]:
            if await workspace.needs_approval(id, form.outcome):
                require(request, "approvals:answer", id=id, department=row["department"])
                await not_their_own(workspace, caller, row)
            return 200, await workspace.take_over(id, form.outcome, note=form.note, by=caller.id)

        return await repetition.answer(request, caller, act, subject=await workspace.house.subject(row))

    return api
