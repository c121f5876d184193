"""What the demo counts as waiting for a person: also what waits for a task that does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tutti import Fleet, Settings, Workspace
from tutti.errors import AgentFailed
from tutti.fleets.lifecycle import demo, sample


def fleet() -> Fleet:
    fleet = Fleet("shop")

    @fleet.agent(skill="part.make", department="x", attempts=1)
    async def part(data: dict[str, Any]) -> str:
        raise AgentFailed("no", retry=False)

    @fleet.agent(skill="whole.make", department="x")
    async def whole(data: dict[str, Any]) -> str:
        return "done"

    fleet.on("order.came", do="whole.make", gather={"part": "part.make"})
    return fleet


async def test_a_join_waits_where_what_it_gathers_waits(tmp_path: Path) -> None:
    async with Workspace(fleet(), Settings("shop", tmp_path)) as workspace:
        await workspace.kill("agent", "part")
        sent = await workspace.send({"specversion": "1.0", "id": "1", "source": "/t", "type": "order.came", "data": {}})
        await workspace.quiet()
        stages = sorted([(await workspace.task(id))["stage"] for id in sent["tasks"]])
        told = await demo._all_ended_or_wait(workspace, sample(7, tickets=1, accounts=1), {})
        assert (told["ok"], told["found"]) == (True, "0 ended, 2 wait, 0 neither"), stages
        (parked,) = (await workspace.tasks(waiting=True))["tasks"]
        await workspace.cancel(parked["id"])
        await workspace.quiet()
        assert (await demo._all_ended_or_wait(workspace, sample(7, tickets=1, accounts=1), {}))["found"] == "2 ended, 0 wait, 0 neither"
