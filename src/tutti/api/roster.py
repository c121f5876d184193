"""Routes of the agents: who is there, who comes, and who goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Query, Request, Response

from tutti.api import forms
from tutti.api.describing import CHANGING, KEYED, READING, StrictRoute, problems, reply
from tutti.api.guard import may, require
from tutti.api.pressure import Pressure
from tutti.api.repetition import Answer, Repetition
from tutti.api.rights import listed, on_agent
from tutti.app import Workspace
from tutti.errors import Conflict, Invalid, Refused
from tutti.model.agent import Endpoint
from tutti.model.answers.agents import Agent, Card, Registered, Standing
from tutti.model.request import Once
from tutti.registry import Condition
from tutti.routing import CONDITION_NAMES
from tutti.transports.http_agents import declared
from tutti.transports.schemas import tame


def agent_routes(workspace: Workspace, pressure: Pressure, repetition: Repetition) -> APIRouter:
    """Agents: list, card, register, upgrade, drain, retire."""
    api = APIRouter(prefix="/v1/agents", route_class=StrictRoute, tags=["agents"])

    @api.get("", response_model=list[Agent], responses=problems(*READING))
    async def agents(request: Request) -> Response:
        """Live agents that the caller may read, one item for each skill."""
        _, departments = listed(request, "agents:read")
        return reply(await workspace.agents(departments=departments))

    @api.get("/standings", response_model=list[Standing], responses=problems(*READING))
    async def standings(
        request: Request, skill: str | None = None, window_ms: Annotated[int, Query(gt=0, le=366 * 24 * 3_600_000)] = 7 * 24 * 3_600_000
    ) -> Response:
        """Versions of agents that the caller may read, by skill, the best first: quality with its interval, and what they achieved in the window."""
        _, departments = listed(request, "agents:read")
        return reply(await workspace.standings(skill=skill, window=timedelta(milliseconds=window_ms), departments=departments))

    @api.post("", status_code=201, response_model=Registered, responses=problems(*CHANGING, 404, 429, 502), openapi_extra=KEYED)
    async def register(request: Request, form: forms.NewAgent) -> Response:
        """Take in an agent outside: it is asked who it is, or described here. Where its name is known and it has changed, this is its next version."""
        caller = require(request, "agents:register", department=form.department)
        endpoint = _endpoint(form)
        if b"secret://" in orjson.dumps(endpoint.options) and not may(caller, "accounts:manage"):
            raise Refused("Only the owner sends secrets to an agent.", hint="Leave secret:// out of the options, or declare the agent in the fleet.")

        async def act(_: Once | None) -> Answer:
            pressure.take(0)
            return 201, await workspace.register(
                endpoint, department=form.department, owner=form.owner or caller.id, name=form.name, concurrency=form.concurrency, by=caller.id
            )

        return await repetition.answer(request, caller, act)

    @api.post("/{name:path}/upgrade", response_model=Registered, responses=problems(*CHANGING, 404, 502), openapi_extra=KEYED)
    async def upgrade(request: Request, name: str) -> Response:
        """Ask an agent outside for its card again: where it has changed, the new version takes over and the old one finishes what it has begun."""
        caller = on_agent(workspace, request, name, "agents:register")

        async def act(_: Once | None) -> Answer:
            card = next((card for card in workspace.house.registry.versions(name) if card.endpoint is not None), None)
            if card is None or card.endpoint is None:
                raise Conflict(f"{name} runs in this process or is gone.", hint="Its new version comes with the next `tutti up`.")
            return 200, await workspace.register(
                card.endpoint, department=card.department, owner=card.owner, name=name, concurrency=card.concurrency, by=card.endpoint.by
            )

        return await repetition.answer(request, caller, act)

    gone: dict[str, Any] = {"response_model": Card, "responses": problems(*CHANGING, 404), "openapi_extra": KEYED}

    async def dismissed(request: Request, name: str, form: forms.Dismiss, dismiss: Callable[..., Awaitable[Any]]) -> Response:
        caller = on_agent(workspace, request, name, "agents:retire")

        async def act(_: Once | None) -> Answer:
            return 200, await dismiss(name, form.version, reason=form.reason, by=caller.id)

        return await repetition.answer(request, caller, act)

    @api.post("/{name:path}/drain", **gone)
    async def drain(request: Request, name: str, form: Annotated[forms.Dismiss, Body()] = forms.Dismiss()) -> Response:  # noqa: B008  a constant
        """Give an agent nothing new; what it has begun it finishes."""
        return await dismissed(request, name, form, workspace.drain)

    @api.post("/{name:path}/retire", **gone)
    async def retire(request: Request, name: str, form: Annotated[forms.Dismiss, Body()] = forms.Dismiss()) -> Response:  # noqa: B008  a constant
        """Take an agent out of the fleet."""
        return await dismissed(request, name, form, workspace.retire)

    @api.get("/{name:path}", response_model=Card, responses=problems(*READING, 404))
    async def card(request: Request, name: str) -> Response:
        """The cards of all versions of an agent."""
        on_agent(workspace, request, name)
        return reply(await workspace.card(name))

    return api


def _endpoint(form: forms.NewAgent) -> Endpoint:
    """Where the agent is, and what its transport is told. Nothing in it is read from this machine. Raises: `Invalid`."""
    said = form.options
    if said.auth and "secret://" not in said.auth:
        raise Invalid("`auth` would put a secret into the record.", hint="Name one: Bearer secret://name.")
    skills = {id: _offer(id, offer) for id, offer in said.skills.items()}
    if not form.url.startswith(("http://", "https://")) and (form.url or said.document is None):
        raise Invalid(f"{form.url!r} is no address.", hint="Give `url` as http:// or https://, or the OpenAPI document itself as `options.document`.")
    if form.transport != "http":
        ours = sorted(said.model_fields_set - {"auth", "skills"})
        if ours:
            raise Invalid(f"`{ours[0]}` is for HTTP, not for {form.transport}.", hint="Leave it out.")
        return Endpoint(form.transport, form.url, ({"skills": skills} if skills else {}) | ({"auth": said.auth} if said.auth else {}))
    if not form.name:
        raise Invalid("An HTTP agent needs a name.", hint="Give `name`.")
    hook = bool(said.skill)
    strange = {"document", "base_url", "only"} if hook else {"input_schema", "output_schema", "reply", "secret"}
    if wrong := sorted(said.model_fields_set & strange):
        raise Invalid(f"`{wrong[0]}` is {'not for webhooks' if hook else 'for webhooks'}.", hint="A webhook is an address with `options.skill`.")
    if said.secret and not said.secret.startswith("secret://"):
        raise Invalid("`secret` would be put into the record.", hint="Name it: secret://name.")
    url, options = declared(
        form.name, None if hook else said.document if said.document is not None else form.url, said.only, said.base_url or (form.url if said.document else ""),
        form.url if hook else "", said.skill, tame(said.input_schema, "input_schema"), tame(said.output_schema, "output_schema"), said.reply, said.secret,
        said.action, said.auth,
    )  # fmt: skip
    return Endpoint("http", url, {**options, "skills": skills})


def _offer(id: str, offer: forms.Offer) -> dict[str, Any]:
    """A skill's options, of which whatever could fail later is tried now. Raises: `Invalid`."""
    if offer.when is not None:
        Condition(offer.when, CONDITION_NAMES, f"{id}: when", "has(case.risk) && case.risk > 0.5")
    values = offer.model_dump(exclude_none=True)
    return values | {name: tame(values[name], f"{id}, {name}") for name in ("input_schema", "output_schema") if name in values}
