"""Routes of the record: why, what led to what, what is achieved, and proofs of all of it."""

from __future__ import annotations

import os
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from tutti import __version__
from tutti.api import rights
from tutti.api.describing import READING, StrictRoute, problems, reply
from tutti.api.guard import caller_of, require
from tutti.app import Workspace
from tutti.model import answers

Count = Annotated[int, Query(ge=1, lt=2**63)]


def record_routes(workspace: Workspace) -> APIRouter:
    """Reading what happened."""
    api = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["record"])

    @api.get("/why/{id}", response_model=dict[str, Any], responses=problems(*READING, 404))
    async def why(request: Request, id: str) -> Response:
        """Why a task (or an approval's task) went as it did, from the record alone; of a signal, its lineage."""
        if id.startswith("s-"):
            return reply(await rights.lineage(workspace, request, id))
        task = id
        if id.startswith("a-"):
            _, row = await rights.on_approval(workspace, request, id)
            task = row["id"]
        await rights.on_task(workspace, request, task, "decisions:read")
        return reply(await workspace.why(task))

    @api.get("/lineage/{id}", response_model=dict[str, Any], responses=problems(*READING, 404))
    async def lineage(request: Request, id: str) -> Response:
        """What a signal or a task led to, as far as the caller may see it; `hidden` counts the branches that are left out of a node."""
        return reply(await rights.lineage(workspace, request, id))

    @api.get("/measures", response_model=dict[str, Any], responses=problems(*READING))
    async def measures(request: Request) -> Response:
        """What the fleet achieves: autonomy, latency between agents, quality, shares of the work."""
        require(request, "measures:read")
        return reply(await workspace.measures())

    @api.get("/journal/head", response_model=answers.Head, responses=problems(*READING))
    async def head(request: Request) -> Response:
        """Where the journal stands."""
        require(request, "journal:read")
        return reply(await workspace.head())

    @api.get("/journal/heads", response_model=list[answers.SignedHead], responses=problems(*READING))
    async def heads(request: Request, after: Annotated[int, Query(ge=0, lt=2**63)] = 0, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> Response:
        """Signed heads, in order. Keep one, and nothing before it can be changed unseen."""
        require(request, "journal:read")
        return reply(await workspace.heads(after=after, limit=limit))

    @api.get("/journal/facts", response_model=list[answers.Fact], responses=problems(*READING))
    async def facts(
        request: Request,
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        about: str | None = None,
        kind: str | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        """Facts in order. They hold no payloads and no subject's name."""
        require(request, "journal:read")
        return reply(await workspace.facts(after=after, about=about, kind=kind, limit=limit))

    @api.get("/journal/proofs/inclusion", response_model=answers.Inclusion, responses=problems(*READING))
    async def inclusion(request: Request, seq: Count, size: Annotated[int | None, Query(ge=1, lt=2**63)] = None) -> Response:
        """A proof that fact `seq` is among the first `size` (all there are, when not said). Source: RFC 6962."""
        require(request, "journal:read")
        return reply(await workspace.prove_inclusion(seq, workspace.journal.head.seq if size is None else size))

    @api.get("/journal/proofs/consistency", response_model=answers.Consistency, responses=problems(*READING))
    async def consistency(request: Request, first: Count, second: Annotated[int | None, Query(ge=1, lt=2**63)] = None) -> Response:
        """A proof that the journal of `second` facts only added to the one of `first`. Source: RFC 6962."""
        require(request, "journal:read")
        return reply(await workspace.prove_consistency(first, workspace.journal.head.seq if second is None else second))

    @api.get("/health", response_model=answers.Health, responses=problems(*READING))
    async def health(request: Request) -> Response:
        """Who answers here, for whoever has a token; `/health` is for everybody."""
        caller_of(request)
        fleet = workspace.fleet
        running = workspace.corridor.traffic.open
        return reply({
            "schema": "tutti.health/1", "workspace": workspace.settings.workspace, "version": __version__, "pid": os.getpid(), "running": running,
            "fleet": fleet.name if fleet else None, "problems": fleet.problems() if fleet else [], "head": await workspace.head(),
        })  # fmt: skip

    return api
