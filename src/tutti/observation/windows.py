"""A part of the history, read without the rest: tasks by when they ended, and SQL for order statistics.

All that happens to a task lies before its end. So whatever happened since an instant, happened to a task that ended since then (an index says which)
or that is open (another one).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Any, NamedTuple

Select = Callable[..., Awaitable[list[dict[str, Any]]]]
MILLION = 1_000_000

ALONE = "by_person = 0"  # no person approved, changed, answered or overrode it
ACTED = "nature = 'action' AND attempts > 0 AND state IN ('completed', 'failed')"  # a finished action
PERSON = "person"
SIGNAL = "signal"
# Where a task came from, as a node: an agent by its name, all people as one, signals from outside as one, callers outside by their ids.
FROM = f"CASE WHEN from_agent IS NULL OR from_agent LIKE 'person/%' THEN '{PERSON}' ELSE from_agent END"
# From the end of an agent's run (or of its words) to the start at the next one; people, outside signals and callers, and the house itself left out.
BETWEEN_AGENTS = "started_at IS NOT NULL AND from_agent NOT IN ('person', 'signal', 'tutti') AND from_agent NOT LIKE '%/%'"


class Part(NamedTuple):
    """SQL with its parameters."""

    sql: str
    params: tuple[Any, ...] = ()


def within(departments: Collection[str] | None, column: str = "department") -> Part:
    """A condition for the tasks of these departments; always true for None."""
    if departments is None:
        return Part("1 = 1")
    names = tuple(sorted(departments))
    return Part(f"{column} IN ({', '.join('?' * len(names))})", names) if names else Part("1 = 0")


def moved(columns: str, since: int, departments: Collection[str] | None, also: str = "1 = 1", params: tuple[Any, ...] = ()) -> Part:
    """The tasks of these departments to which something may have happened since an instant."""
    whose = within(departments)
    held = f"{whose.sql} AND {also}"
    return Part(
        f"SELECT {columns} FROM task WHERE finished_at >= ? AND {held} UNION ALL SELECT {columns} FROM task WHERE open = 1 AND {held}",
        (since, *whose.params, *params, *whose.params, *params),
    )


def at_quantile(q: float, value: str = "took") -> str:
    """SQL for the order statistic at `q` of a group whose rows carry their `place` (from 1) among `n`."""
    return f"MIN(CASE WHEN place > {q} * n THEN {value} END)"


def bounds_of_quantile(q: float, value: str = "took") -> tuple[str, str]:
    """SQL for the order statistics between which the quantile lies with 95 %; empty where there are too few cases for one.

    Source: the binomial interval of Woodruff 1952, the places n·q ± 1.96·√(n·q·(1 − q)).
    """
    far = f"({q} * n - place) * ({q} * n - place)"
    room = f"{1.96**2 * q * (1 - q):.6f} * n"
    low = f"MIN(CASE WHEN {q} * n - place <= 0 OR {far} <= {room} THEN {value} END)"
    high = f"MIN(CASE WHEN place > {q} * n AND {far} >= {room} THEN {value} END)"
    return low, high
