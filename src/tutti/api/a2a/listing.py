"""A caller's own tasks, a page at a time, newest state first."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import NamedTuple

from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import InvalidParamsError

from tutti import access
from tutti.api.a2a.call import Context, Row, agent_of, caller_of, thing_of
from tutti.api.a2a.tasks import Tasks
from tutti.app import Workspace
from tutti.transports.a2a import wire

_PAGE, _LONGEST_PAGE = 50, 100
_STATES = {pb.TaskState.Value(name): state for state, name in wire.STATES.items()}


class Page(NamedTuple):
    """What was found: at most `size` tasks of `total`, and the token of the next page, if there is one."""

    rows: Sequence[Row]
    size: int
    total: int
    next: str


async def page(workspace: Workspace, tasks: Tasks, params: pb.ListTasksRequest, context: Context) -> Page:
    """The tasks that the caller asked for at this address, as far as they may still read them. Raises: `InvalidParamsError`."""
    caller, agent = caller_of(context), agent_of(context)
    size = params.page_size if params.HasField("page_size") else _PAGE
    if not 1 <= size <= _LONGEST_PAGE:
        raise InvalidParamsError(f"A page has 1 to {_LONGEST_PAGE} tasks.", {"errors": [{"field": "page_size", "message": "out of range"}]})
    where: list[str] = ["caller = ?"]
    values: list[str | int] = [caller.id]
    for held, value in (
        ("context = ?", tasks.digest(caller, params.context_id) if params.context_id else None),
        ("addressed = ?", agent or None),
        ("state = ?", _STATES[params.status].value if params.status else None),
        ("state_at >= ?", params.status_timestamp_after.ToMicroseconds() if params.HasField("status_timestamp_after") else None),
    ):
        if value is not None:
            where.append(held)
            values.append(value)
    journal = workspace.journal
    total = (await journal.select(f"SELECT COUNT(*) AS found FROM task WHERE {' AND '.join(where)}", values))[0]["found"]
    if params.page_token:
        where.append("(state_at, rowid) < (?, ?)")
        values += _cursor(params.page_token)
    sql = f"SELECT rowid, task.* FROM task WHERE {' AND '.join(where)} ORDER BY state_at DESC, rowid DESC LIMIT ?"
    found = await journal.select(sql, [*values, size + 1])
    rows = [row for row in found[:size] if access.decide(caller, "tasks:read", thing_of(row)).allowed]
    return Page(rows, size, total, _token(rows[-1]) if len(found) > size and rows else "")


def _token(row: Row) -> str:
    return base64.urlsafe_b64encode(f"{row['state_at']}.{row['rowid']}".encode()).decode()


def _cursor(token: str) -> list[int]:
    try:
        at, _, rowid = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode().partition(".")
        found = [int(at), int(rowid)]
    except (binascii.Error, ValueError):
        found = [-1]
    if not all(0 <= number < 2**63 for number in found):
        raise InvalidParamsError("page_token is not one that this agent gave.", {"errors": [{"field": "page_token", "message": "unknown"}]})
    return found
