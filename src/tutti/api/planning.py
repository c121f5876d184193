"""Routes of plans: a goal becomes a plan, shown before it runs. It runs as a task of the skill `plan.run`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from tutti.api.describing import CHANGING, KEYED, StrictRoute, problems
from tutti.api.forms import Form
from tutti.api.guard import require
from tutti.api.pressure import Pressure
from tutti.api.repetition import Repetition
from tutti.app import Workspace
from tutti.model.answers.plans import Planned
from tutti.model.request import Once


class Wanted(Form):
    """What is wanted: skills, or types by title; the input's type; or a goal in free words."""

    want: list[str] = Field(default=[])
    have: str = ""
    text: str = ""


class NewPlan(Form):
    """A goal, what is given, whom it is about, and what the plan may cost."""

    goal: str | list[str] | Wanted
    input: Any = None
    subject: str | None = Field(None, min_length=1)
    money: float | int | None = Field(None, ge=0)


def plan_routes(workspace: Workspace, pressure: Pressure, repetition: Repetition) -> APIRouter:
    """Planning."""
    api = APIRouter(prefix="/v1/plans", route_class=StrictRoute, tags=["plans"])

    @api.post("", response_model=Planned, responses=problems(*CHANGING, 422, 429, 502), openapi_extra=KEYED)
    async def plan(request: Request, form: NewPlan) -> Response:
        """The plan that reaches a goal, as it would run now; nothing runs. To run it, submit a task of the skill `plan.run` with {"plan", "input"}."""
        caller = require(request, "tasks:submit")
        goal = form.goal.model_dump() if isinstance(form.goal, Wanted) else form.goal

        async def act(_: Once | None) -> tuple[int, Any]:
            pressure.take()
            return 200, await workspace.plan(goal, form.input, subject=form.subject, money=form.money, by=caller.id)

        return await repetition.answer(request, caller, act, subject=form.subject)

    return api
