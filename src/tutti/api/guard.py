"""The guard: every route says whose request it is and what they want, before it does anything."""

from __future__ import annotations

from typing import Any

from starlette.requests import HTTPConnection

from tutti import access
from tutti.errors import NotFound, Refused, Unauthenticated
from tutti.model.caller import Caller

CALLER = "tutti.caller"  # where admission puts the caller into the ASGI scope
UNTIL = "tutti.until"  # and when what they bring ends, where it does


def caller_of(request: HTTPConnection) -> Caller:
    """Who calls. Raises: `Unauthenticated` when nobody is known to."""
    caller = request.scope.get(CALLER)
    if not isinstance(caller, Caller):
        raise Unauthenticated("This needs a token.", hint="Send it as `Authorization: Bearer …`; `tutti tokens new` makes one.")
    return caller


def require(request: HTTPConnection, action: str, *, id: str = "", department: str = "", owner: str = "", hidden: str = "") -> Caller:
    """The caller, if they may do `action` (`resource:verb`) to this. Raises: `Unauthenticated`, `Refused`.

    `owner` is the id of who brought it in: some may do to their own what they may not do to others'.
    `owner` is the id of who brought the thing in: senders and agents may see and stop what is their own. `hidden` names what a caller without the right must not even learn of ("task", "approval"): then it is `NotFound`, in the very
    words used for what does not exist.
    """
    caller = caller_of(request)
    answer = access.decide(caller, action, access.Resource(action.partition(":")[0], id, department, owner))
    if answer.allowed:
        return caller
    if hidden:
        raise absent(hidden, id)
    raise Refused(answer.reason, hint="Ask the workspace's owner for a role or a token that allows it.")


def may(caller: Caller, action: str, *, id: str = "", department: str = "", owner: str = "") -> bool:
    """Whether a caller may do this."""
    return access.decide(caller, action, access.Resource(action.partition(":")[0], id, department, owner)).allowed


_FINDING = {
    "task": "`tutti tasks` lists tasks, `tutti tasks --waiting` what waits for you.",
    "agent": "`tutti agents` lists them.",
    "conflict": "`tutti conflicts --state all` lists them.",
}


def absent(what: str, id: str) -> NotFound:
    """What is said of a thing that is not there, or not for this caller."""
    return NotFound(f"There is no {what} {id}.", hint=_FINDING.get(what, _FINDING["task"]))


def trusted(scope: dict[str, Any], caller: Caller, until: int | None = None) -> None:
    """Note in a scope who calls, and the instant at which what they bring ends."""
    scope[CALLER], scope[UNTIL] = caller, until
