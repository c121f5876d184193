"""Microsoft agent-framework's A2AAgent against a running fleet, on both bindings. Exit code 0: all as it must be."""

from __future__ import annotations

import asyncio
import os
import warnings

warnings.simplefilter("ignore")

import httpx  # noqa: E402
from a2a.client import A2ACardResolver  # noqa: E402
from agent_framework_a2a import A2AAgent  # noqa: E402

URL, TOKEN = os.environ["INTEROP_URL"], os.environ["INTEROP_TOKEN"]


async def main() -> None:
    """Send and stream."""
    async with httpx.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}, timeout=30) as http:
        card = await A2ACardResolver(http, f"{URL}/agents/parrot").get_agent_card()
        for binding in ("JSONRPC", "HTTP+JSON"):
            agent = A2AAgent(agent_card=card, http_client=http, supported_protocol_bindings=[binding])
            answer = await agent.run("hello")
            assert answer.text == "You said: hello", repr(answer.text)
            streamed = "".join([update.text async for update in agent.run("again", stream=True)])
            assert streamed == "You said: again", repr(streamed)
            print(f"  {binding}: send, stream")


asyncio.run(main())
