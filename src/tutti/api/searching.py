"""The route of the search box: one place for anything that somebody has in hand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tutti.api.describing import READING, StrictRoute, problems, reply
from tutti.api.guard import caller_of, may
from tutti.app import Workspace
from tutti.model import pages


def search_routes(workspace: Workspace) -> APIRouter:
    """Finding things, for whoever may read them."""
    api = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["record"])

    @api.get("/search", response_model=list[pages.Found], responses=problems(*READING))
    async def search(request: Request, q: Annotated[str, Query(max_length=200)], limit: Annotated[int, Query(ge=1, le=50)] = 20) -> Response:
        """What an id (or six characters of one), an audit number, a trace, a subject's name or a part of an agent's or skill's name stands for.

        The most exact first, and only what the caller may read.
        """
        caller = caller_of(request)
        found = await workspace.search(q)
        seen = [each.told for each in found if any(may(caller, need.action, id=need.id, department=need.department, owner=need.owner) for need in each.needs)]
        return reply(seen[:limit])

    return api
