"""What can be read by address: agents' cards, tasks, decisions, and where the journal stands."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from tutti.api import rights
from tutti.api.guard import may, require
from tutti.api.mcp.tools import Use, explained, task_of
from tutti.errors import NotFound

SCHEME = "tutti://"
HEAD = "tutti://journal/head"
TEMPLATES = (
    ("tutti://agents/{name}", "agent card", "The cards of all versions of an agent: skills with their schemas, owner, limits."),
    ("tutti://tasks/{id}", "task", "A task with its input and output."),
    ("tutti://decisions/{task}", "decision", "Why a task went as it did."),
)


async def listed(use: Use) -> list[tuple[str, str, str]]:
    """Address, name and description of what the caller can read without knowing an id."""
    found = [(HEAD, "journal head", "How many facts the journal has, and the root they hash to.")] if may(use.caller, "journal:read") else []
    names = {each["name"]: each for each in await use.workspace.agents() if may(use.caller, "agents:read", id=each["name"], department=each["department"])}
    return found + [(f"tutti://agents/{name}", name, f"The card of {name} ({each['department']}).") for name, each in sorted(names.items())]


async def read(use: Use, uri: str) -> dict[str, Any]:
    """What stands at an address. Raises: `NotFound`, `Refused`."""
    kind, _, id = uri.removeprefix(SCHEME).partition("/")
    id = unquote(id)
    if uri == HEAD:
        require(use.request, "journal:read")
        return await use.workspace.head()
    if uri.startswith(SCHEME) and id:
        if kind == "agents":
            rights.on_agent(use.workspace, use.request, id)
            return await use.workspace.card(id)
        if kind == "tasks":
            return await task_of(use, id)
        if kind == "decisions":
            return await explained(use, id)
    raise NotFound(f"There is nothing at {uri[:200]}.", hint="resources/list and resources/templates/list say what there is.")
