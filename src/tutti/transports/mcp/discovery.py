"""What an MCP server offers: its tools as skills. A list that changes is another version of the agent."""

from __future__ import annotations

import asyncio
import logging
import re
from hashlib import sha256
from typing import Any

import mcp_types as types
import orjson
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from tutti.errors import AgentFailed, Invalid
from tutti.model.agent import Endpoint, Nature, Skill
from tutti.transports.mcp.lanes import lanes_of
from tutti.transports.outside import Found, Outside
from tutti.transports.schemas import tame

log = logging.getLogger("tutti.transports.mcp")
_PAGES = 50
_TOOLS = 500
_ANSWER_S = 15.0  # for a server to say what it offers, all pages together
_DESCRIPTION = 2_000  # characters that are kept of what a server says of a tool
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


async def discover(endpoint: Endpoint, outside: Outside) -> Found:
    """Ask a server for its tools. Raises: `AgentFailed` when it does not answer, `Refused` (egress), `Invalid` when it offers nothing that can be called."""
    lanes = lanes_of(outside)
    try:
        async with asyncio.timeout(_ANSWER_S):
            lane = await lanes.steady(endpoint)
            tools = await _listed(lane.client)
    except (MCPError, ValidationError, TimeoutError, RuntimeError) as error:
        await lanes.forget(endpoint)
        raise AgentFailed(f"The MCP server does not say what it offers ({type(error).__name__}).", hint="See whether it runs.", retry=True) from error
    info = lane.client.server_info
    name = _name(str(endpoint.options.get("name") or (info.name if info else "")) or "mcp")
    skills: dict[str, Skill] = {}
    for tool in tools:
        try:
            skills[tool.name] = _skill(name, tool)
        except Invalid as error:
            log.warning("tool %r of %s is left out: %s", tool.name[:100], name, error.message)
    if not skills:
        raise Invalid(f"The MCP server {name} offers no tool that can be called.", hint="See what `tools/list` of it gives.")
    version = _name(info.version)[:40] if info and info.version else "0"
    return Found(name, version, skills, _fingerprint(tools), {"tools_of": name})


async def _listed(client: Any) -> list[types.Tool]:
    tools: list[types.Tool] = []
    cursor: str | None = None
    for _ in range(_PAGES):
        page = await client.session.list_tools(params=types.PaginatedRequestParams(cursor=cursor))
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None or len(tools) >= _TOOLS:
            break
    return sorted(tools[:_TOOLS], key=lambda tool: tool.name)


def _skill(server: str, tool: types.Tool) -> Skill:
    """A tool as a skill: an action that is not idempotent, unless its server says that it only reads, or bears to be repeated."""
    hints = tool.annotations
    reads = bool(hints and hints.read_only_hint)
    name = f"{server}.{tool.name}"
    if not tool.name or " " in tool.name or len(tool.name) > 200:
        raise Invalid(f"{tool.name[:100]!r} is no name of a skill.")
    return Skill(
        name, Nature.ADVICE if reads else Nature.ACTION, tame(tool.input_schema, name), tame(tool.output_schema or {}, name),
        description=(tool.description or tool.title or "")[:_DESCRIPTION], idempotent=reads or bool(hints and hints.idempotent_hint),
    )  # fmt: skip


def _fingerprint(tools: list[types.Tool]) -> str:
    listed = [tool.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"meta", "icons"}) for tool in tools]
    return sha256(orjson.dumps(listed, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _name(text: str) -> str:
    return _NOT_IN_A_NAME.sub("-", text).strip("-")[:80] or "mcp"
