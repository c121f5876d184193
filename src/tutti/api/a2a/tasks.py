"""Tasks as callers of A2A may know of them, and the contexts they stand in."""

from __future__ import annotations

from a2a.utils.errors import TaskNotFoundError

from tutti import intake
from tutti.api.a2a.call import LONGEST, Context, Row, agent_of, caller_of, permit
from tutti.api.a2a.telling import context_of
from tutti.app import Workspace
from tutti.model.caller import Caller
from tutti.model.dialogue import MESSAGE


class Tasks:
    """Looking up tasks of one workspace for its callers."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def open(self, id: str) -> Row | None:
        """A task that has not ended, from memory; None where it has."""
        row: Row | None = self._workspace.journal.hot.table("task").get((id,))
        return row

    async def row(self, id: str) -> Row:
        """A task, whoever asks. Raises: `TaskNotFoundError`."""
        row = await self._workspace.journal.row("task", (id,))
        if row is None:
            raise TaskNotFoundError(f"There is no task {id}.")
        return row

    async def seen(self, id: str, context: Context) -> Row:
        """A task that this caller may know of, at this address. What is not theirs is not there."""
        if len(id) > LONGEST or "\0" in id:
            raise TaskNotFoundError("There is no such task.")
        row = await self.row(id)
        permit(caller_of(context), "tasks:read", row, hidden=True)
        if agent_of(context) not in ("", row["addressed"]):
            raise TaskNotFoundError(f"There is no task {id}.")
        return row

    async def context(self, row: Row) -> str:
        """The context that a task stands in, by the name that its client gave it."""
        journal = self._workspace.journal
        memo = await journal.row("memo", (row["id"], MESSAGE)) if row["context"] else None
        return context_of(row, await journal.payload(memo["value"]) if memo else None)

    def digest(self, caller: Caller, context: str) -> str:
        """What stands for a context in facts: its name is the client's, and may be anybody's."""
        return intake.work_key(self._workspace.journal.keys.subject, "context", caller.id, context)
