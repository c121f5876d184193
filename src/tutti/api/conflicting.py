"""Routes of conflicts: what collides, who went first and why, a person's decision between two, and undoing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tutti.api import forms, rights
from tutti.api.describing import CHANGING, KEYED, READING, StrictRoute, problems, reply
from tutti.api.guard import require
from tutti.api.repetition import Answer, Repetition
from tutti.app import Workspace
from tutti.model.answers.conflicts import Conflicts, ConflictSeen
from tutti.model.answers.tasks import Submitted
from tutti.model.request import Once


def conflict_routes(workspace: Workspace, repetition: Repetition) -> APIRouter:
    """Conflicts, for whoever may read one of their sides; of the other side they see no parameters then."""
    api = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["conflicts"])

    @api.get("/conflicts", response_model=Conflicts, responses=problems(*READING, 404))
    async def conflicts(
        request: Request, state: str | None = None, task: str | None = None, limit: Annotated[int, Query(ge=1, le=200)] = 50, after: int | None = None
    ) -> Response:
        """A page of conflicts, newest first: those not resolved yet, or of a state (open, asked, resolved, all), or of a task."""
        caller, departments = rights.listed(request, "tasks:read")
        if task is not None:
            await rights.on_task(workspace, request, task)
        page = await workspace.conflicts(state=state, task=task, departments=departments, limit=limit, after=after)
        return reply({**page, "conflicts": [rights.as_seen(caller, view) for view in page["conflicts"]]})

    @api.get("/conflicts/{id}", response_model=ConflictSeen, responses=problems(*READING, 404))
    async def conflict(request: Request, id: str) -> Response:
        """One conflict with both sides."""
        return reply(await rights.conflict(workspace, request, id))

    @api.post("/conflicts/{id}/settle", response_model=ConflictSeen, responses=problems(*CHANGING, 404), openapi_extra=KEYED)
    async def settle(request: Request, id: str, form: forms.Winner) -> Response:
        """Decide which task goes first. Who decides may settle the tasks of both sides."""
        for side in (await workspace.conflict(id))["sides"]:
            caller, _ = await rights.on_task(workspace, request, side["task"], "tasks:settle")

        async def act(_: Once | None) -> Answer:
            return 200, await workspace.settle_conflict(id, form.winner, by=caller.id)

        return await repetition.answer(request, caller, act)

    @api.post("/tasks/{id}/undo", status_code=201, response_model=Submitted, responses=problems(*CHANGING, 404), openapi_extra=KEYED)
    async def undo(request: Request, id: str) -> Response:
        """Propose the action that undoes a completed one; it goes through the gates. Repeating it gives the same task."""
        _, row = await rights.on_task(workspace, request, id)
        inverse = workspace.house.registry.skill(row["skill"]).undo
        card = workspace.house.registry.offer(inverse) if inverse else None
        caller = require(request, "tasks:submit", department=card.department if card else "")

        async def act(_: Once | None) -> Answer:
            return 201, {"task": await workspace.undo(id, by=caller.id)}

        return await repetition.answer(request, caller, act)

    return api
