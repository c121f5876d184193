"""What a caller may do to which task, approval or agent: the guard's questions, asked of the rows they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import HTTPConnection

from tutti import access
from tutti.api.guard import absent, caller_of, may, require
from tutti.app import Workspace
from tutti.errors import NotFound, Refused
from tutti.model.caller import EVERY, OWNER, Caller

Row = Mapping[str, Any]


async def on_task(workspace: Workspace, request: HTTPConnection, id: str, action: str = "tasks:read") -> tuple[Caller, Row]:
    """The caller and the task's row. Raises: `NotFound` where they may not even read it, `Refused` where they may not do `action`."""
    caller = caller_of(request)
    row = await workspace.journal.row("task", (id,))
    if row is None:
        raise absent("task", id)
    place = {"id": id, "department": row["department"], "owner": row["caller"] or ""}
    require(request, "tasks:read", hidden="task", **place)
    if action != "tasks:read":
        require(request, action, **place)
    return caller, row


async def on_approval(workspace: Workspace, request: HTTPConnection, id: str, action: str = "approvals:read") -> tuple[Caller, Row]:
    """The caller and the row of the task that an approval (by its id or its task's) is about. Raises: `NotFound`, `Refused`."""
    caller = caller_of(request)
    what, task = "approval", id
    if id.startswith("t-"):
        what = "task"
    else:
        row = await workspace.journal.row("approval", (id,))
        if row is None:
            raise absent(what, id)
        task = row["task"]
    found = await workspace.journal.row("task", (task,))
    if found is None:
        raise absent(what, id)
    require(request, "approvals:read", id=id, department=found["department"], hidden=what)
    if action != "approvals:read":
        require(request, action, id=id, department=found["department"])
    return caller, found


async def not_their_own(workspace: Workspace, caller: Caller, task: Row) -> None:
    """Raises `Refused` when a caller would approve what they asked for themselves, or what followed from it. The workspace's owner may."""
    if await their_own(workspace, caller, task):
        raise Refused("Nobody approves what they asked for themselves.", hint="Another person with the right to approve must answer.")


async def their_own(workspace: Workspace, caller: Caller, task: Row) -> bool:
    """Whether a caller, who is not the workspace's owner, asked for a task, or for what it followed from."""
    while task["parent"] and (parent := await workspace.journal.row("task", (task["parent"],))) is not None:
        task = parent
    asked_for = task["caller"] == caller.id or any(link.id == task["caller"] for link in caller.chain)
    return asked_for and caller.id != OWNER.id


async def told(workspace: Workspace, request: HTTPConnection, why: dict[str, Any]) -> dict[str, Any]:
    """A decision without the values that other tasks gave it and that the caller may not read."""
    caller = caller_of(request)
    inputs = []
    for input in why["inputs"]:
        row = await workspace.journal.row("task", (input["task"],)) if input["task"] else None
        hidden = row is not None and not may(caller, "tasks:read", id=row["id"], department=row["department"], owner=row["caller"] or "")
        inputs.append({**input, "value": None, "masked": True} if hidden else input)
    return {**why, "inputs": inputs}


async def conflict(workspace: Workspace, request: HTTPConnection, id: str) -> dict[str, Any]:
    """A conflict, for whoever may read one of its sides. Raises: `NotFound`."""
    caller = caller_of(request)
    if await workspace.journal.row("conflict", (id,)) is None:
        raise absent("conflict", id)
    view = await workspace.conflict(id)
    if not any(_reads(caller, side) for side in view["sides"]):
        raise absent("conflict", id)
    return as_seen(caller, view)


def as_seen(caller: Caller, conflict: Mapping[str, Any]) -> dict[str, Any]:
    """A conflict without the parameters of a side that the caller may not read."""
    sides = [side if _reads(caller, side) else {**side, "input": None, "amount": None} for side in conflict["sides"]]
    return {**conflict, "sides": [{name: value for name, value in side.items() if name != "caller"} for side in sides]}


def _reads(caller: Caller, side: Mapping[str, Any]) -> bool:
    return may(caller, "tasks:read", id=side["task"], department=side["department"] or "", owner=side["caller"] or "")


async def lineage(workspace: Workspace, request: HTTPConnection, id: str) -> dict[str, Any]:
    """What a signal or a task led to, as far as the caller may see it: each node says how many branches were left out of it as `hidden`.

    A signal is there for whoever may see something that it led to. Raises: `NotFound`, `Refused`.
    """
    if not id.startswith("s-"):
        await on_task(workspace, request, id, "decisions:read")
    caller = caller_of(request)
    found = await workspace.lineage(id)
    tree = await pruned(workspace, caller, found["tree"])
    if tree is None:
        raise NotFound(f"There is no signal {id}.", hint="`tutti tasks` shows the signals that tasks came from.")
    return {**found, "tree": tree}


async def pruned(workspace: Workspace, caller: Caller, tree: Mapping[str, Any]) -> dict[str, Any] | None:
    """A lineage without what the caller may not see; how many branches were left out stands at their parent as `hidden`. None: nothing of it."""
    if may(caller, "decisions:read"):
        return dict(tree)
    if "task" in tree:
        row = await workspace.journal.row("task", (tree["task"],))
        if row is None or not may(caller, "decisions:read", id=tree["task"], department=row["department"], owner=row["caller"] or ""):
            return None
    branches = [await pruned(workspace, caller, branch) for branch in tree["led_to"]]
    kept = [branch for branch in branches if branch is not None]
    if not kept and "task" not in tree:
        return None
    hidden = len(branches) - len(kept)
    found = {**tree, "led_to": kept} | ({"hidden": hidden} if hidden else {})
    if "undecided" in tree:
        offer = workspace.house.registry.offer
        theirs = [(each, card.department) for each in tree["undecided"] if (card := offer(each["skill"])) is not None]
        found["undecided"] = [each for each, department in theirs if may(caller, "decisions:read", department=department)]
    return found


def on_agent(workspace: Workspace, request: HTTPConnection, name: str, action: str = "agents:read") -> Caller:
    """The caller, if they may do this to an agent. Raises: `NotFound` where they may not even read it, `Refused`."""
    caller_of(request)
    departments = {row["department"] for row in workspace.journal.hot.table("agent").values() if row["name"] == name}
    if not departments:
        raise absent("agent", name)
    department = departments.pop() if len(departments) == 1 else ""
    caller = require(request, "agents:read", id=name, department=department, hidden="agent")
    return caller if action == "agents:read" else require(request, action, id=name, department=department)


def listed(request: HTTPConnection, action: str) -> tuple[Caller, tuple[str, ...] | None]:
    """The caller, and the departments that a list for them is about; None for all. Raises: `Refused` where it is none at all."""
    caller = caller_of(request)
    departments = access.departments_of(caller, action)
    if departments == ():
        require(request, action)
    return caller, departments


def own_only(caller: Caller) -> bool:
    """Whether a caller may read the tasks that they asked for, wherever they work."""
    places = {"", *caller.departments, *(role.partition("@")[2] for role in caller.roles)} - {EVERY}
    return any(may(caller, "tasks:read", department=place, owner=caller.id) for place in places)
