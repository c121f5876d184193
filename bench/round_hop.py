"""One round of hops between two agents in this process, nothing durable: through execution and transport, or through bare asyncio mailboxes."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from pydantic import BaseModel

from bench.harness import answer, asked
from tutti import execution, transports
from tutti.clock import SystemClock


class Ball(BaseModel):
    n: int


async def player(ball: Ball, ctx: transports.Context) -> Ball:
    return Ball(n=ball.n + 1)


async def through_tutti(hops: int) -> int:
    """Typed input and output, a timeout, a context: what every run of an agent goes through."""
    clock = SystemClock()
    bounds = [transports.bind(player, where="a"), transports.bind(player, where="b")]
    value: Any = {"n": 0}
    for turn in range(hops):
        context = transports.Context("t", "ball.play", "t", 1, None, None)
        outcome = await execution.run(lambda _, c=context, v=value, b=bounds[turn % 2]: transports.call(b, v, c, lambda mode: None), timeout=30.0, clock=clock)
        value = outcome.output
    return int(value["n"])


async def through_mailboxes(hops: int) -> int:
    """A call and its answer through two queues and a task: the floor."""
    inbox: asyncio.Queue[int] = asyncio.Queue()
    outbox: asyncio.Queue[int] = asyncio.Queue()

    async def play() -> None:
        while True:
            outbox.put_nowait(await inbox.get() + 1)

    task = asyncio.create_task(play())
    n = 0
    for _ in range(hops):
        inbox.put_nowait(n)
        n = await outbox.get()
    task.cancel()
    return n


async def measure(request: dict[str, Any]) -> dict[str, Any]:
    hop = through_tutti if request["way"] == "tutti" else through_mailboxes
    await hop(request["hops"] // 10)
    cpu = time.process_time()
    made = await hop(request["hops"])
    cpu = time.process_time() - cpu
    if made != request["hops"]:
        raise RuntimeError(f"{made} hops were made, not {request['hops']}")
    return {"n": made, "cpu_us": cpu / made * 1e6}


if __name__ == "__main__":
    answer(asyncio.run(measure(asked())))
