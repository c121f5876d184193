"""Routes of the overview: the fleet in numbers, what waits for somebody, what moves between agents."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from tutti import access
from tutti.api.describing import READING, StrictRoute, problems, reply
from tutti.api.guard import caller_of, require
from tutti.api.rights import listed
from tutti.app import Workspace
from tutti.clock import from_datetime
from tutti.desk import Seen
from tutti.errors import Invalid
from tutti.model import pages

_Instant = Annotated[datetime | None, Query(description="ISO 8601 with its time zone")]
_LONGEST_MS = 366 * 24 * 3_600_000
_Name = Annotated[str | None, Query(min_length=1, max_length=500)]
_Buckets = Annotated[int, Query(ge=1, le=1000)]


def watching_routes(workspace: Workspace) -> APIRouter:
    """Reading what happens."""
    api = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["overview"])

    @api.get("/kpis", response_model=pages.Kpis, responses=problems(*READING))
    async def kpis(request: Request, from_at: _Instant = None, split_at: _Instant = None, until_at: _Instant = None, buckets: _Buckets = 60) -> Response:
        """Latency between agents, quality, autonomy, cost and resolution time before and after an instant, with intervals; without instants, of the last hour."""
        _, departments = listed(request, "measures:read")
        since, split, until = map(_micros, (from_at, split_at, until_at))
        return reply(await workspace.kpis(since=since, split=split, until=until, buckets=buckets, departments=departments))

    @api.get("/throughput", response_model=pages.Throughput, responses=problems(*READING))
    async def throughput(request: Request, from_at: _Instant = None, until_at: _Instant = None, buckets: _Buckets = 40) -> Response:
        """How many tasks came in, and ended without a person, with one, or not completed, over the time; without instants, of the last hour."""
        _, departments = listed(request, "measures:read")
        return reply(await workspace.throughput(since=_micros(from_at), until=_micros(until_at), buckets=buckets, departments=departments))

    @api.get("/attention", response_model=list[pages.Waiting], responses=problems(*READING))
    async def attention(request: Request, limit: Annotated[int, Query(ge=1, le=1000)] = 200) -> Response:
        """What waits for a person, the longest wait first: approvals, questions, parked tasks, conflicts, agents that get no work, kill switches."""
        caller = caller_of(request)
        seen = Seen(*(access.departments_of(caller, action) for action in ("tasks:read", "approvals:read", "agents:read")))
        if all(departments == () for departments in seen):
            require(request, "tasks:read")
        return reply(await workspace.attention(seen, limit=limit))

    @api.get("/traffic", response_model=pages.Traffic, responses=problems(*READING))
    async def traffic(request: Request, from_at: _Instant = None, until_at: _Instant = None, limit: Annotated[int, Query(ge=1, le=20_000)] = 5000) -> Response:
        """Who works with whom: agents, people and the outside, what moved between them over the time, and the newest hops; without instants, of the last hour."""
        return reply(await workspace.traffic(_seen(request), since=_micros(from_at), until=_micros(until_at), limit=limit))

    @api.get("/bottlenecks", response_model=pages.Bottlenecks, responses=problems(*READING))
    async def bottlenecks(request: Request, window_ms: Annotated[int, Query(ge=1000, le=_LONGEST_MS)] = 3_600_000) -> Response:
        """Where tasks waited and did not work, by who waited for whom and why; the most lost time first."""
        _, departments = listed(request, "measures:read")
        return reply(await workspace.bottlenecks(window=timedelta(milliseconds=window_ms), departments=departments))

    @api.get("/playbooks", response_model=list[pages.Playing], responses=problems(*READING))
    async def playbooks(request: Request) -> Response:
        """Playbooks and plans: those that run, with their steps, and those that ended within a day."""
        _, departments = listed(request, "tasks:read")
        return reply(await workspace.playbooks(departments=departments))

    @api.get("/signals", response_model=pages.Signals, responses=problems(*READING))
    async def signals(
        request: Request,
        type: _Name = None,
        subject: _Name = None,
        task: _Name = None,
        after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    ) -> Response:
        """A page of signals that the caller may see, or whose tasks they may see, newest first; `after` is the `next` of the page before."""
        _, departments = listed(request, "tasks:read")
        return reply(await workspace.signals(type=type, subject=subject, task=task, departments=departments, after=after, limit=limit))

    @api.get("/signals/{id}", response_model=pages.Signal, responses=problems(*READING, 404))
    async def signal(request: Request, id: str) -> Response:
        """One signal; `/v1/lineage/ID` has what it led to."""
        _, departments = listed(request, "tasks:read")
        return reply(await workspace.signal(id, departments=departments))

    @api.get("/policies", response_model=pages.InForce, responses=problems(*READING))
    async def policies(request: Request, window_ms: Annotated[int, Query(ge=1000, le=_LONGEST_MS)] = 24 * 3_600_000) -> Response:
        """The policy in force with its versions, how often each rule decided something lately, and levels, budgets and caps."""
        _, departments = listed(request, "decisions:read")
        return reply(await workspace.policies(window=timedelta(milliseconds=window_ms), departments=departments))

    @api.get("/subscriptions", response_model=list[pages.Subscribed], responses=problems(*READING))
    async def subscriptions(request: Request) -> Response:
        """What is done about which signals."""
        _, departments = listed(request, "agents:read")
        return reply(workspace.subscriptions(departments=departments))

    return api


def _seen(request: Request) -> Seen:
    """What the caller may see. Raises: `Refused` where it is nothing of the tasks."""
    caller, tasks = listed(request, "tasks:read")
    return Seen(tasks, access.departments_of(caller, "approvals:read"), access.departments_of(caller, "agents:read"))


def _micros(moment: datetime | None) -> int | None:
    """An instant of a query. Raises: `Invalid`."""
    if moment is None:
        return None
    try:
        return max(from_datetime(moment), 0)
    except ValueError as error:
        raise Invalid(f"An instant has no time zone: {error}", hint="Write it as 2026-11-22T10:00:00Z.") from error
