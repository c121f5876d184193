"""Routes of those who govern: kill switches, levels, goals, priorities, erasures, backups."""

from __future__ import annotations

import asyncio
from pathlib import Path as File
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from tutti.api import forms
from tutti.api.describing import CHANGING, KEYED, READING, StrictRoute, problems, reply
from tutti.api.guard import require
from tutti.api.repetition import Answer, Repetition
from tutti.api.rights import listed
from tutti.app import Workspace
from tutti.errors import Conflict, Refused
from tutti.model.answers.governance import Goal, LevelSet, Switched, Thrown
from tutti.model.answers.priorities import Priorities
from tutti.model.answers.record import BackedUp, Erased
from tutti.model.request import Once


def control_routes(workspace: Workspace, repetition: Repetition) -> APIRouter:
    """What stops agents, and what says how far they go and what for."""
    api = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["control"])

    @api.get("/kill-switches", response_model=list[Thrown], responses=problems(*READING))
    async def switches(request: Request) -> Response:
        """Kill switches that are on, with who threw them and why: the workspace's, and those over agents that the caller may read."""
        _, departments = listed(request, "agents:read")
        on = workspace.switches()
        if departments is not None:
            on = [each for each in on if each["scope"] == "workspace" or _stops(workspace, each["scope"], each["name"]) & set(departments)]
        return reply(on)

    @api.post("/kill-switches/throw", response_model=Switched, responses=problems(*CHANGING), openapi_extra=KEYED)
    async def throw(request: Request, form: forms.Switch) -> Response:
        """Stop an agent, an action or the workspace: no effect starts after the answer."""
        caller = require(request, "switches:throw", department=_department(workspace, form))

        async def act(_: Once | None) -> Answer:
            return 200, await workspace.kill(form.scope, form.name, reason=form.reason, by=caller.id)

        return await repetition.answer(request, caller, act)

    @api.post("/kill-switches/lift", response_model=Switched, responses=problems(*CHANGING, 404), openapi_extra=KEYED)
    async def lift(request: Request, form: forms.Switch) -> Response:
        """Let it go on."""
        caller = require(request, "switches:lift", department=_department(workspace, form))

        async def act(_: Once | None) -> Answer:
            return 200, await workspace.lift(form.scope, form.name, reason=form.reason, by=caller.id)

        return await repetition.answer(request, caller, act)

    @api.put("/levels/{skill:path}", response_model=LevelSet, responses=problems(*CHANGING, 404, 422))
    async def level(request: Request, skill: Annotated[str, Path(max_length=200)], form: forms.LevelForm) -> Response:
        """Set how far an action goes alone, from the next decision on."""
        card = workspace.house.registry.offer(skill)
        caller = require(request, "levels:set", department=card.department if card else "")
        return reply(await workspace.set_level(skill, form.level, up_to=form.up_to, reason=form.reason, by=caller.id))

    @api.post("/priorities", response_model=Priorities, responses=problems(*CHANGING, 404), openapi_extra=KEYED)
    async def prioritise(request: Request, form: forms.Backlog) -> Response:
        """Put waiting tasks into one order out of several departments' ballots: who goes first among equal priority."""
        caller = require(request, "goals:set")

        async def act(_: Once | None) -> Answer:
            pairs = [(first, second) for first, second in form.must_precede]
            ranked = await workspace.prioritise(
                form.tasks, skill=form.skill, ballots=form.ballots, weights=form.weights, must_precede=pairs, most=form.most, by=caller.id
            )
            return 200, ranked

        return await repetition.answer(request, caller, act)

    @api.get("/goals", response_model=list[Goal], responses=problems(*READING))
    async def goals(request: Request) -> Response:
        """What people want."""
        require(request, "goals:read")
        return reply(await workspace.goals())

    @api.put("/goals/{name}", response_model=Goal, responses=problems(*CHANGING))
    async def set_goal(request: Request, name: Annotated[str, Path(min_length=1, max_length=200)], form: forms.GoalForm) -> Response:
        """State what people want; its weights count from the next route on. What the fleet declares is changed in the fleet."""
        caller = require(request, "goals:set")
        if workspace.fleet is not None and name in workspace.fleet.goals:
            raise Conflict(f"The fleet declares the goal {name}.", hint="Change it there, or name another.")
        return reply(await workspace.set_goal(name, kpi=form.kpi, target=form.target, weights=form.weights, note=form.note, by=caller.id))

    return api


def _department(workspace: Workspace, form: forms.Switch) -> str:
    """Whose agents a switch stops; empty where it is more than one department's."""
    departments = _stops(workspace, form.scope, form.name)
    return departments.pop() if len(departments) == 1 else ""


def _stops(workspace: Workspace, scope: str, name: str) -> set[str]:
    """The departments of the live agents that a switch over an agent or an action stops."""
    cards = workspace.house.registry.live()
    return {card.department for card in cards if (card.name == name if scope == "agent" else scope == "action" and name in card.skills)}


def keeping_routes(workspace: Workspace, repetition: Repetition) -> APIRouter:
    """Forgetting subjects, and copies of the whole."""
    api = APIRouter(prefix="/v1", route_class=StrictRoute, tags=["keeping"])

    @api.post("/erasures", response_model=Erased, responses=problems(*CHANGING))
    async def erase(request: Request, form: forms.Erasure) -> Response:
        """Erase a subject. The record still verifies. Repeating it is safe."""
        caller = require(request, "subjects:erase")
        return reply(await workspace.erase(form.subject, by=caller.id))

    @api.post("/backups", status_code=201, response_model=BackedUp, responses=problems(*CHANGING))
    async def backup(request: Request, form: forms.Backup) -> Response:
        """Copy the journal to a new file of this machine; only on the workspace's own socket."""
        require(request, "backups:make")
        if request.client is not None:
            raise Refused("A copy is made on the machine itself.", hint="Run `tutti backup` there.")
        if await asyncio.to_thread(File(form.path).exists):
            raise Conflict(f"{form.path} is there already.", hint="Name a new file.")
        return reply(await workspace.backup(form.path), 201)

    return api
