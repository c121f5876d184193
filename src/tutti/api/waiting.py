"""Waiting for a task: until it has ended, needs a person, or the time is over."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from tutti.api.rights import pruned
from tutti.app import Workspace
from tutti.model.caller import Caller
from tutti.model.task import ENDED_STATES, State

_LOOK = 0.5  # seconds between two looks at the tasks that this one waits for; its own changes are seen at once


async def wait(workspace: Workspace, caller: Caller, id: str, seconds: float, stopping: asyncio.Event) -> dict[str, Any]:
    """The task as it is then, `done`, the tasks that need a person (it or what it led to), and whether agents run here at all.

    What the caller may not see is not waited for and not named.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    stop = loop.create_task(stopping.wait())
    try:
        look_at = loop.time() + _LOOK
        while True:
            changed = workspace.corridor.traffic.wait("any")  # before the look, so that no change falls between
            task = await workspace.task(id)
            waits = [id] if task["waiting_for"] == "person" else []
            now = loop.time()
            if not waits and now >= min(look_at, until):
                tree = await pruned(workspace, caller, (await workspace.lineage(id))["tree"])
                waits = _needing_a_person(tree) if tree is not None else []
                look_at = now + _LOOK
            running = workspace.corridor.traffic.open
            done = task["state"] in ENDED_STATES
            if done or waits or now >= until or stopping.is_set() or not running:
                return {"task": task, "done": done, "waits": waits, "running": running}
            await asyncio.wait((changed, stop), timeout=max(min(look_at, until) - now, 0.0), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()


def _needing_a_person(tree: Mapping[str, Any]) -> list[str]:
    found, level = [], [tree]
    while level:
        node = level.pop()
        if node.get("state") == State.INPUT_REQUIRED:
            found.append(node["task"])
        level += node["led_to"]
    return found
