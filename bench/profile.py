"""Where a durable governed task spends its CPU: `python -m bench.profile [advice|action] [IN_FLIGHT]`.

The journal's writer runs on the loop here, so that one profile sees all; cProfile makes small functions look dearer than they are.
"""

from __future__ import annotations

import asyncio
import cProfile
import pstats
import sys
import time

from bench import work
from bench.harness import scratch
from bench.round_durable import Load
from tutti import Settings, Workspace
from tutti.app import journal_for

TASKS = 3000


async def profile(kind: str, in_flight: int, order: str) -> None:
    """Print the functions that cost most, with and without what they call."""
    with scratch() as folder:
        settings = Settings("bench", folder=folder)
        async with Workspace(work.fleet(), settings, journal=journal_for(settings, threaded=False)) as workspace:
            load = Load(workspace, kind)
            await load.count(in_flight, TASKS)
            cpu = time.process_time()
            await load.count(in_flight, TASKS)
            print(f"{(time.process_time() - cpu) / TASKS * 1e6:.0f} us CPU a task on one thread, without the profiler")
            profiler = cProfile.Profile(time.process_time)
            profiler.enable()
            await load.count(in_flight, TASKS)
            profiler.disable()
    pstats.Stats(profiler).sort_stats(order).print_stats(60)


if __name__ == "__main__":
    arguments = dict(enumerate(sys.argv[1:]))
    asyncio.run(profile(arguments.get(0, "advice"), int(arguments.get(1, 100)), arguments.get(2, "tottime")))
