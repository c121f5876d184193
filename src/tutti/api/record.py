"""Routes of the record: why, what led to what, what is achieved, and proofs of all of it."""

from __future__ import annotations

import os
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime

from tutti import __version__
from tutti.api import rights
from tutti.api.describing import CHANGING, READING, StrictRoute, problems, reply
from tutti.api.guard import caller_of, require
from tutti.app import Workspace
from tutti.clock import from_datetime
from tutti.model.answers.conflicts import ConflictSeen
from tutti.model.answers.health import Health
from tutti.model.answers.record import Consistency, Fact, Head, Inclusion, Leaves, SignedHead
from tutti.model.answers.timeline import Lineage
from tutti.model.answers.why import Replay, Why

Count = Annotated[int, Query(ge=1, lt=2**63)]


def why_routes(workspace: Workspace) -> APIRouter:
    """Why things went as they did, and what led to what."""
    api = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["record"])

    async def decided(request: Request, id: str) -> str:
        """The task that an id speaks of, itself or by its approval, where the caller may read its decisions."""
        if id.startswith("a-"):
            _, row = await rights.on_approval(workspace, request, id)
            id = row["id"]
        await rights.on_task(workspace, request, id, "decisions:read")
        return id

    @api.get("/why/{id}", response_model=Why | Lineage | ConflictSeen, responses=problems(*READING, 404))
    async def why(request: Request, id: str) -> Response:
        """Why a task (or an approval's task) went as it did, from the record alone; of a signal its lineage, of a conflict both sides and who decided."""
        if id.startswith("s-"):
            return reply(await rights.lineage(workspace, request, id))
        if id.startswith("c-"):
            return reply(await rights.conflict(workspace, request, id))
        task = await decided(request, id)
        return reply(await rights.told(workspace, request, await workspace.why(task)))

    @api.post("/why/{id}/replay", response_model=Replay, responses=problems(*CHANGING, 404))
    async def replay(request: Request, id: str) -> Response:
        """Decide a task (or an approval's task) again with today's policy, standings and agents: a dry run, which changes and keeps nothing."""
        task = await decided(request, id)
        return reply(await workspace.replay(task))

    @api.get("/lineage/{id}", response_model=Lineage, responses=problems(*READING, 404))
    async def lineage(request: Request, id: str) -> Response:
        """What a signal or a task led to, as far as the caller may see it; `hidden` counts the branches that are left out of a node."""
        return reply(await rights.lineage(workspace, request, id))

    return api


def record_routes(workspace: Workspace) -> APIRouter:
    """Reading what happened."""
    api = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["record"])

    @api.get("/measures", response_model=dict[str, Any], responses=problems(*READING))
    async def measures(request: Request) -> Response:
        """What the fleet achieves: autonomy, latency between agents, quality, shares of the work."""
        require(request, "measures:read")
        return reply(await workspace.measures())

    @api.get("/journal/head", response_model=Head, responses=problems(*READING))
    async def head(request: Request) -> Response:
        """Where the journal stands."""
        require(request, "journal:read")
        return reply(await workspace.head())

    @api.get("/journal/heads", response_model=list[SignedHead], responses=problems(*READING))
    async def heads(
        request: Request,
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        """Signed heads, in order; with `before` newest first. Keep one, and nothing before it can be changed unseen."""
        require(request, "journal:read")
        return reply(await workspace.heads(after=after, before=before, limit=limit))

    @api.get("/journal/facts", response_model=list[Fact], responses=problems(*READING))
    async def facts(
        request: Request,
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
        before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
        about: Annotated[str, Query(max_length=200)] = "",
        kind: Annotated[str, Query(max_length=80)] = "",
        kinds: Annotated[str, Query(max_length=400)] = "",
        by: Annotated[str, Query(max_length=200)] = "",
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        """Facts in order; with `before` those before it, newest first. They hold no payloads and no subject's name.

        `kinds` are beginnings with commas between them (`task.,run.started`), `by` is a name or a beginning that ends with a slash (`person/`). Where
        200,000 facts were looked through and the page is not full, the `Link` header names the rest of it (`rel="next"`).
        """
        require(request, "journal:read")
        start, end = (None if moment is None else from_datetime(moment) for moment in (since, until))
        beginnings = [part for part in kinds.split(",") if part]
        found, next_ = await workspace.facts_page(
            after=after, before=before, about=about, kind=kind, kinds=beginnings, by=by, since=start, until=end, limit=limit
        )
        headers = {}
        if next_ is not None:
            rest = request.url.include_query_params(**{"after" if before is None else "before": next_})
            headers["link"] = f'<{rest.path}?{rest.query}>; rel="next"'
        return reply(found, headers=headers)

    @api.get("/health", response_model=Health, responses=problems(*READING))
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


def proof_routes(workspace: Workspace) -> APIRouter:
    """What it takes to check the record elsewhere."""
    api = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["record"])

    @api.get("/journal/leaves", response_model=Leaves, responses=problems(*READING))
    async def leaves(request: Request, after: Annotated[int, Query(ge=0, lt=2**63)] = 0, limit: Annotated[int, Query(ge=1, le=5000)] = 1000) -> Response:
        """The exact texts that were sealed, with their hashes, and the newest signed head: a browser recomputes leaves, root and signature. Source: RFC 6962."""
        require(request, "journal:read")
        return reply(await workspace.leaves(after=after, limit=limit))

    @api.get("/journal/proofs/inclusion", response_model=Inclusion, responses=problems(*READING))
    async def inclusion(request: Request, seq: Count, size: Annotated[int | None, Query(ge=1, lt=2**63)] = None) -> Response:
        """A proof that fact `seq` is among the first `size` (all there are, when not said). Source: RFC 6962."""
        require(request, "journal:read")
        return reply(await workspace.prove_inclusion(seq, workspace.journal.head.seq if size is None else size))

    @api.get("/journal/proofs/consistency", response_model=Consistency, responses=problems(*READING))
    async def consistency(request: Request, first: Count, second: Annotated[int | None, Query(ge=1, lt=2**63)] = None) -> Response:
        """A proof that the journal of `second` facts only added to the one of `first`. Source: RFC 6962."""
        require(request, "journal:read")
        return reply(await workspace.prove_consistency(first, workspace.journal.head.seq if second is None else second))

    return api
