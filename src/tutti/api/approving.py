"""Routes of approvals: what waits for a person's yes, and their answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response

from tutti.api import forms
from tutti.api.describing import CHANGING, KEYED, READING, StrictRoute, problems, reply
from tutti.api.guard import may
from tutti.api.repetition import Answer, Repetition
from tutti.api.rights import listed, not_their_own, on_approval, their_own
from tutti.app import Workspace
from tutti.model.answers.approvals import Approval
from tutti.model.caller import Caller
from tutti.model.request import Once

Row = Mapping[str, Any]


def approval_routes(workspace: Workspace, repetition: Repetition) -> APIRouter:
    """What waits for a person's yes or no."""
    api = APIRouter(prefix="/v1/approvals", route_class=StrictRoute, tags=["approvals"])

    async def seen(caller: Caller, view: dict[str, Any]) -> dict[str, Any]:
        """An approval as a caller sees it: whether they may answer it, and no evidence out of tasks that they may not read."""
        task = await workspace.journal.row("task", (view["task"],))
        allowed = task is not None and view["state"] == "open" and may(caller, "approvals:answer", id=view["id"], department=view["department"])
        evidence = [each for each in view["evidence"] if readable(caller, await workspace.journal.row("task", (each["task"],)))]
        return {**view, "evidence": evidence, "may_answer": bool(allowed and task is not None and not await their_own(workspace, caller, task))}

    def readable(caller: Caller, row: Row | None) -> bool:
        return row is not None and may(caller, "tasks:read", id=row["id"], department=row["department"], owner=row["caller"] or "")

    @api.get("", response_model=list[Approval], responses=problems(*READING, 404))
    async def approvals(
        request: Request,
        state: Literal["open", "answered", "expired", "all"] = "open",
        after: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        """Approvals that the caller may read: open ones oldest first, others newest first. `after` is the id of the last one of the page before."""
        caller, departments = listed(request, "approvals:read")
        if after is not None:
            await on_approval(workspace, request, after)
        return reply([await seen(caller, view) for view in await workspace.approvals(state=state, departments=departments, limit=limit, after=after)])

    @api.get("/{id}", response_model=Approval, responses=problems(*READING, 404))
    async def approval(request: Request, id: str) -> Response:
        """One approval, by its id or its task's."""
        caller, _ = await on_approval(workspace, request, id)
        return reply(await seen(caller, await workspace.approval(id)))

    @api.post("/{id}/answer", response_model=Approval, responses=problems(*CHANGING, 404), openapi_extra=KEYED)
    async def answer(request: Request, id: str, form: forms.Signed) -> Response:
        """Take a person's answer, signed by them, or by the workspace for who asks here. Nobody approves what they asked for themselves."""
        caller, task = await on_approval(workspace, request, id, "approvals:answer")
        await not_their_own(workspace, caller, task)

        async def act(_: Once | None) -> Answer:
            if form.signature is None:
                return 200, await seen(caller, await workspace.answer_as_owner(id, form.answer, note=form.note, by=caller.id))
            return 200, await seen(caller, await workspace.answer_approval(id, form.answer, form.signature, note=form.note, by=caller.id))

        return await repetition.answer(request, caller, act, subject=await workspace.house.subject(task))

    @api.post("/{id}/change", response_model=Approval, responses=problems(*CHANGING, 404), openapi_extra=KEYED)
    async def change(request: Request, id: str, form: forms.Changed) -> Response:
        """Give the action other parameters: it is decided anew with them. The answer is the new approval where the gates ask again, else the old one."""
        caller, task = await on_approval(workspace, request, id, "approvals:answer")
        await not_their_own(workspace, caller, task)

        async def act(_: Once | None) -> Answer:
            return 200, await seen(caller, await workspace.change_approval(id, form.input, note=form.note, by=caller.id))

        return await repetition.answer(request, caller, act, subject=await workspace.house.subject(task))

    @api.post("/{id}/hand-over", response_model=Approval, responses=problems(*CHANGING, 404), openapi_extra=KEYED)
    async def hand_over(request: Request, id: str, form: forms.HandOver) -> Response:
        """Leave it to somebody who may answer it, or to a department. It lets nobody do more than they may anyway."""
        caller, task = await on_approval(workspace, request, id, "approvals:answer")

        async def act(_: Once | None) -> Answer:
            return 200, await seen(caller, await workspace.hand_over(id, form.to, note=form.note, by=caller.id))

        return await repetition.answer(request, caller, act, subject=await workspace.house.subject(task))

    return api
