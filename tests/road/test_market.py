"""The market: waiting tasks are assigned together, to whom each suits; nobody starves, no place is given twice, and the record says what it meant."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from tutti import Fleet

from tutti.model.route import Bid

QUICK = timedelta(seconds=1)


def specialists(seen: list[tuple[str, str]], *, concurrency: int = 1, bids: bool = True) -> Fleet:
    """Two agents: one says that it is good at red, the other at blue; each takes a second for a task."""
    fleet = Fleet("market")
    for colour in ("red", "blue"):

        def bid(input, colour=colour) -> Bid:
            return Bid(0.95 if input["colour"] == colour else 0.15)

        @fleet.agent(skill="paint", department="shop", name=colour, latency=QUICK, concurrency=concurrency, bids=bid if bids else None)
        async def paint(input: dict, colour=colour) -> str:
            seen.append((colour, input["colour"]))
            await asyncio.sleep(1)
            return colour

    fleet.check("paint")(lambda input, output: 1.0 if output == input["colour"] else 0.0)
    return fleet


async def test_under_load_tasks_go_to_whom_they_suit(tutti):
    """Greedy arrival order gives each free place the next task, whatever its colour: about half of them end with the wrong agent."""
    seen: list[tuple[str, str]] = []
    trial = tutti(specialists(seen))
    workspace = await trial._open()
    for n in range(12):  # claims have to come out before they count
        await workspace.submit("paint", {"colour": "red" if n % 2 else "blue", "n": n})
        await workspace.quiet()
    seen.clear()
    for n in range(40):
        await workspace.submit("paint", {"colour": "red" if n % 4 < 2 else "blue", "n": 100 + n})
    await workspace.quiet()
    assert len(seen) == 40
    assert sum(agent == colour for agent, colour in seen) >= 38
    await trial._settle()
    joint = [task for task in trial.tasks("paint") if "together" in (await workspace.why(task.id))["sentence"]]
    assert len(joint) >= 30
