"""What of a lineage a caller may see, and whether an answer to an approval can be theirs; all else `rights` says for every door."""

from __future__ import annotations

from typing import Any

from tutti.api.guard import may
from tutti.app import Workspace
from tutti.errors import Refused
from tutti.model.caller import Caller


async def pruned(workspace: Workspace, caller: Caller, tree: dict[str, Any]) -> dict[str, Any] | None:
    """A lineage without what the caller may not see; how many branches were left out stands at their parent as `hidden`. None: nothing of it."""
    if may(caller, "decisions:read"):
        return tree
    if "task" in tree:
        row = await workspace.journal.row("task", (tree["task"],))
        if row is None or not may(caller, "decisions:read", id=tree["task"], department=row["department"], owner=row["caller"] or ""):
            return None
    branches = [await pruned(workspace, caller, branch) for branch in tree["led_to"]]
    kept = [branch for branch in branches if branch is not None]
    if not kept and "task" not in tree:
        return None  # a signal is seen by those who see what it led to
    hidden = len(branches) - len(kept)
    return {**tree, "led_to": kept} | ({"hidden": hidden} if hidden else {})


def by_a_person(caller: Caller) -> None:
    """Raises `Refused` for a caller that is a program, or acts through one: an approval is a person's own answer."""
    if any(link.kind != "person" for link in (caller, *caller.chain)):
        raise Refused(f"{caller.id} is no person.", hint="An approval is answered by a person, with a token of their own.")
