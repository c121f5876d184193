"""A change as the streams tell it, and who may hear of it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

import orjson

from tutti.api.guard import may
from tutti.app import Workspace
from tutti.clock import to_text
from tutti.model.caller import Caller
from tutti.model.fact import Fact

_KNOWN = 50_000  # tasks whose department and asker are kept at hand
_DECIDED = 10_000  # decisions kept at hand, of callers whose scopes name nothing by itself
_STATES = {
    "task.submitted": "submitted", "run.started": "working", "task.answered": "working", "task.asked": "input-required", "task.parked": "input-required",
    "approval.requested": "input-required", "task.completed": "completed", "task.failed": "failed", "task.canceled": "canceled",
    "task.rejected": "rejected", "task.resumed": "submitted",
}  # fmt: skip
_TOLD = {"agent": "agent", "skill": "skill", "department": "department", "from_agent": "from", "attempt": "attempt", "version": "version"}


class Change(NamedTuple):
    """One change, with its JSON."""

    seq: int
    task: str  # empty where it is about none
    kind: str
    body: bytes


def change_of(fact: Fact) -> Change:
    """What the streams tell of a fact: that it happened, to what, by whom; never a payload."""
    kind, data = fact.kind, fact.data
    if kind.startswith(("task.", "run.")):
        task = fact.about
    else:
        named = data.get("task")
        task = named if isinstance(named, str) else ""
    change: dict[str, Any] = {"seq": fact.seq, "at": to_text(fact.at), "kind": kind, "about": fact.about}
    if task:
        change["task"] = task
    state = "auth-required" if kind == "task.asked" and data.get("auth") else _STATES.get(kind)
    if state:
        change["state"] = state
    for field, name in _TOLD.items():
        value = data.get(field)
        if isinstance(value, str | int) and value != "":
            change[name] = value
    return Change(fact.seq, task, kind, orjson.dumps(change))


class Audience:
    """Who may hear of which change."""

    def __init__(self, workspace: Workspace) -> None:
        self._journal = workspace.journal
        self._known: OrderedDict[str, tuple[str, str]] = OrderedDict()  # task → (department, who asked for it)
        self._decided: dict[tuple[Caller, str, bool], bool] = {}

    def follow(self, facts: list[Fact]) -> None:
        """Learn where new tasks belong."""
        for fact in facts:
            if fact.kind == "task.submitted":
                self._learn(fact.about, fact.data["department"], "" if fact.data.get("parent") else fact.by)

    def _learn(self, task: str, department: str, asked_by: str) -> tuple[str, str]:
        known = self._known[task] = (department, asked_by)
        if len(self._known) > _KNOWN:
            self._known.popitem(last=False)
        return known

    async def may_know(self, caller: Caller, change: Change) -> bool:
        """Whether this change may be told to this caller."""
        if hears_all(caller):
            return True
        if not change.task:
            return change.kind.startswith("agent.") and may(caller, "agents:read")
        known = self._known.get(change.task)
        if known is None:
            row = await self._journal.row("task", (change.task,))
            known = self._learn(change.task, row["department"], row["caller"] or "") if row else ("", "")
        department, owner = known
        if caller.scopes is not None or any(link.scopes is not None for link in caller.chain):
            return may(caller, "tasks:read", id=change.task, department=department, owner=owner)  # a scope may name this very task
        key = (caller, department, owner == caller.id)
        decided = self._decided.get(key)
        if decided is None:
            if len(self._decided) >= _DECIDED:
                self._decided.clear()
            decided = self._decided[key] = may(caller, "tasks:read", department=department, owner=owner)
        return decided


def hears_all(caller: Caller) -> bool:
    """Whether a caller hears of everything: who may read the journal reads it there too."""
    return may(caller, "journal:read")


def shut_for(fact: Fact) -> str:
    """Whose streams end with this fact, because what they may do has changed: an account, `*` for everybody's, empty for nobody's."""
    if fact.kind in ("account.changed", "account.removed"):
        return fact.about
    if fact.kind == "session.closed":
        return "" if fact.by == "tutti" else fact.by  # by itself it is over, and its stream has ended at that instant
    if fact.kind == "agent.key_removed":
        return f"agent/{fact.about}"
    return "*" if fact.kind == "token.revoked" else ""


def concerns(account: str, caller: Caller) -> bool:
    """Whether what `shut_for` says is about this caller, or somebody they act for."""
    return account == "*" or any(account == link.id for link in (caller, *caller.chain))
