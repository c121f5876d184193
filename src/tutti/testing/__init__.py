"""Testing: a fleet under virtual time. In: a fleet and what is sent to it. Out: what came of it, at once and the same every time.

`SimLoop` and `simulate` run any coroutine from one seed; `agents` has scripted agents, `World` receives effects; the fixture `tutti`
(in `tutti.testing.plugin`, which pytest finds by itself) is for tests of your own fleet. Nothing here is part of a running workspace.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tutti.testing import agents
    from tutti.testing.clocks import ManualClock, SimClock
    from tutti.testing.loop import Hang, SimLoop, simulate
    from tutti.testing.trial import TaskSeen, Trial, Trials
    from tutti.testing.world import Effect, World

__all__ = ["Effect", "Hang", "ManualClock", "SimClock", "SimLoop", "TaskSeen", "Trial", "Trials", "World", "agents", "simulate"]

_HOMES = {  # loaded when used: the plugin in this folder is part of every pytest run on a machine that has Tutti
    "Effect": "world",
    "Hang": "loop",
    "ManualClock": "clocks",
    "SimClock": "clocks",
    "SimLoop": "loop",
    "TaskSeen": "trial",
    "Trial": "trial",
    "Trials": "trial",
    "World": "world",
    "simulate": "loop",
}


def __getattr__(name: str) -> Any:
    if name == "agents":
        return import_module("tutti.testing.agents")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tutti.testing' has no attribute {name!r}")
    return getattr(import_module(f"tutti.testing.{home}"), name)
