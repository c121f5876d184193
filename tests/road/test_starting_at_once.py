"""A task starts in the append that takes it in only where it neither waits nor overtakes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tutti import Fleet, Settings, Workspace


class Desk:
    """An agent that holds its tasks until it is let go, and counts how many it has at a time."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.order: list[int] = []
        self.running = self.most = 0

    def fleet(self, concurrency: int) -> Fleet:
        fleet = Fleet("desk")

        @fleet.agent(skill="case.read", department="x", concurrency=concurrency)
        async def read(number: int) -> int:
            self.order.append(number)
            self.running += 1
            self.most = max(self.most, self.running)
            await self.go.wait()
            self.running -= 1
            return number

        return fleet


@pytest.mark.parametrize(("concurrency", "slots"), [(2, 256), (64, 2)], ids=["the agent's places", "the workspace's slots"])
async def test_no_more_start_than_there_are_places(tmp_path: Path, concurrency: int, slots: int) -> None:
    desk = Desk()
    async with Workspace(desk.fleet(concurrency), Settings("desk", tmp_path, slots=slots)) as workspace:
        ids = [await workspace.submit("case.read", number) for number in range(5)]
        stages = [(await workspace.task(id))["stage"] for id in ids]
        assert stages == ["running", "running", "ready", "ready", "ready"]
        desk.go.set()
        assert [await workspace.result(id) for id in ids] == [0, 1, 2, 3, 4]
    assert desk.most == 2


async def test_one_that_starts_at_once_has_two_appends(tmp_path: Path) -> None:
    desk = Desk()
    desk.go.set()
    async with Workspace(desk.fleet(1), Settings("desk", tmp_path)) as workspace:
        id = await workspace.submit("case.read", 1)
        kinds = [fact["kind"] for fact in await workspace.facts(about=id)][:4]
        assert kinds == ["task.submitted", "task.routed", "task.gated", "run.started"]
        assert (await workspace.task(id))["stage"] in ("running", "ended")
        await workspace.result(id)
        facts = await workspace.facts(about=id)
    causes = {fact["kind"]: fact["cause"] for fact in facts}
    assert causes["task.routed"] == facts[0]["seq"]
    assert causes["run.started"] == facts[2]["seq"]
