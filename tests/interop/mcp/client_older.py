"""The official client of the 1.x line: handshake, list, submit, watch. Arguments: address, token. Runs in an environment of its own."""

import asyncio
import json
import sys

from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client


async def main(url: str, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with streamablehttp_client(url, headers=headers) as (read, write, _), ClientSession(read, write) as session:
        begun = await session.initialize()
        assert begun.protocolVersion == "2025-11-25", begun.protocolVersion
        tools = {tool.name: tool for tool in (await session.list_tools()).tools}
        assert "submit_task" in tools
        agents = (await session.call_tool("list_agents", {})).structuredContent["agents"]
        assert agents
        wrong = await session.call_tool("get_task", {"task": "t-nothing"})
        assert wrong.isError
        head = json.loads((await session.read_resource("tutti://journal/head")).contents[0].text)
        assert head["seq"] > 0
        assert (await session.get_prompt("find_stuck_case", {"subject": "account/7"})).messages
    print(f"mcp 1.x: {len(tools)} tools, revision {begun.protocolVersion}")


asyncio.run(main(sys.argv[1], sys.argv[2]))
