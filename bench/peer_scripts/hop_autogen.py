"""AutoGen core: one agent calls another and gets its answer (send_message), in one process. Runs in an environment of its own."""

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version

from autogen_core import AgentId, MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler


@dataclass
class Ball:
    n: int


class Player(RoutedAgent):
    @message_handler
    async def on_ball(self, message: Ball, ctx: MessageContext) -> Ball:
        return Ball(message.n + 1)


async def main(request):
    runtime = SingleThreadedAgentRuntime()
    for name in ("a", "b"):
        await Player.register(runtime, name, lambda: Player("player"))
    runtime.start()
    ball = Ball(0)
    for _ in range(request["hops"] // 10):
        ball = await runtime.send_message(ball, AgentId("a", "x"))
    cpu = time.process_time()
    for turn in range(request["hops"]):
        ball = await runtime.send_message(ball, AgentId("ab"[turn % 2], "x"))
    cpu = time.process_time() - cpu
    assert ball.n == request["hops"] + request["hops"] // 10
    # a call and its answer are two deliveries
    print(
        "BENCH-RESULT " + json.dumps({"n": request["hops"], "cpu_us": cpu / request["hops"] * 1e6, "versions": {"autogen-core": version("autogen-core")}}),
        flush=True,
    )
    os._exit(0)


asyncio.run(main(json.loads(sys.argv[1])))
