"""The same journey for agents of every framework: a fleet with an order to find and a refund to pay, and an agent given both as tools."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llm_site import Model

from tutti import Context, Fleet, Settings, Workspace


def shop(agent: Any, paid: list[Any], tools: Any = ("order.find", "refund.pay"), **options: Any) -> Fleet:
    """A fleet with the agent under the skill case.answer."""
    fleet = Fleet("shop")
    fleet.add(agent, skill="case.answer", department="support", name="helper", tools=tools, attempts=1, **options)

    @fleet.agent(skill="order.find", department="sales")
    async def find(input: dict[str, Any]) -> dict[str, Any]:
        """Find an order by its number."""
        return {"number": input.get("number"), "total": 40}

    @fleet.action(skill="refund.pay", department="finance", amount="amount")
    async def pay(input: dict[str, Any], ctx: Context) -> str:
        paid.append(input)
        return "paid"

    return fleet


async def journey(build: Callable[[Model], Any], model: Model, folder: Path) -> list[Any]:
    """The agent finds the order, proposes the refund and answers; nobody is paid before a person says yes. Returns what was paid."""
    paid: list[Any] = []
    async with Workspace(shop(build(model), paid), Settings("shop", folder)) as workspace:
        id = await workspace.submit("case.answer", "refund order 7")
        async with asyncio.timeout(60):
            await workspace.quiet()
        task = await workspace.task(id)
        assert (task["state"], task["output"]) == ("completed", "I proposed it"), task
        by_skill = {row["skill"]: row for row in (await workspace.tasks())["tasks"]}
        assert by_skill["order.find"]["parent"] == by_skill["refund.pay"]["parent"] == id
        assert (by_skill["refund.pay"]["stage"], paid) == ("approval", [])
        told = [str(message["content"]) for message in model.requests[-1]["messages"] if message["role"] == "tool"]
        assert "40" in told[0]
        assert "do not say that it has happened" in told[1]
        await workspace.answer_as_owner(by_skill["refund.pay"]["approval"], "approve")
        await workspace.quiet()
    return paid


async def asked(workspace: Workspace, id: str) -> str:
    """What the task asks, once it does."""
    async with asyncio.timeout(30):
        while True:
            task = await workspace.task(id)
            if task["stage"] == "asking":
                return str(task["question"])
            assert task["stage"] != "ended", task
            await asyncio.sleep(0.02)
