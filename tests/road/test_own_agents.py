"""The house's own agents: there when they are needed, invisible before."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tutti import Context, Fleet, app
from tutti.errors import Invalid
from tutti.house import Own, own
from tutti.orchestrator import Orchestrator


def counter(corridor: Orchestrator) -> Own:
    async def count(input: dict[str, Any], ctx: Context) -> int:
        """Count what is there."""
        return len(input)

    return own("counter", {"house.count": count}, timeout=timedelta(seconds=5))


@pytest.fixture(autouse=True)
def with_a_counter(monkeypatch):
    monkeypatch.setattr(app, "_OWN", (counter,))


def empty(name: str = "here") -> Fleet:
    fleet = Fleet("own")

    @fleet.agent(skill="house.visit", department="d", name=name)
    async def visit(input: dict[str, Any], ctx: Context) -> Any:
        return await ctx.ask("house.count", input)

    return fleet


async def test_nobody_sees_one_that_nobody_needs(tutti):
    run = await tutti(empty()).advance(timedelta())
    assert [agent["name"] for agent in await run.workspace.agents()] == ["here"]


async def test_it_is_registered_once_when_a_person_or_an_agent_first_needs_it(tutti):
    run = await tutti(empty()).submit("house.visit", {"a": 1, "b": 2})
    assert run.task("house.visit").output == 2
    await run.submit("house.count", {"a": 1})
    assert run.task("house.count").output == 1
    registered = [fact for fact in await run.facts("agent.registered") if fact["about"] == "counter"]
    assert [fact["data"]["department"] for fact in registered] == ["tutti"]


async def test_a_restart_does_not_retire_it(tutti):
    run = await tutti(empty()).submit("house.count", {})
    await run.restart()
    assert "counter" in [agent["name"] for agent in await run.workspace.agents()]
    assert len([fact for fact in await run.facts("agent.registered") if fact["about"] == "counter"]) == 1
    await run.submit("house.count", {"a": 1})
    assert run.task("house.count").output == 1


async def test_its_name_is_its_own(tutti):
    with pytest.raises(Invalid, match="counter is an agent of Tutti itself"):
        await tutti(empty("counter")).advance(timedelta())
