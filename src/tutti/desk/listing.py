"""Lists of tasks: which ones are wanted, found in memory where they are open, else in the view, newest first, a bounded stretch at a time.

A filter is told twice, as a predicate on a row in memory and as SQL on the view; a test holds the two against each other.
"""

from __future__ import annotations

import heapq
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tutti.errors import Invalid
from tutti.model.task import OPEN_STATUSES, Stage, Status, is_retrying, status_of

Row = Mapping[str, Any]
Select = Callable[..., Awaitable[list[dict[str, Any]]]]
STRETCH = 50_000  # rows that one statement looks at: some 20 ms on a file
STRETCHES = 4  # of them for one page; a page that they do not fill is short and says where to look on
COUNTED = 50_000  # newest rows among which finished tasks are counted
_NAMED = 200  # subjects and tasks that words stand for
_LEAST = 6  # characters of an id from which its beginning names it

_STAGES = {
    Status.QUEUED: "(stage = 'ready' AND attempts = 0)",
    Status.RUNNING: "stage = 'running'",
    Status.WAITING: "(stage IN ('joining', 'coalesced', 'backoff', 'queued', 'approved') OR (stage = 'ready' AND attempts > 0))",
    Status.HUMAN: "stage IN ('approval', 'parked', 'asking')",
    Status.DONE: "state = 'completed'",
    Status.FAILED: "state IN ('failed', 'canceled', 'rejected')",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter: its name, a predicate on a row, and the same as SQL with its parameters."""

    name: str
    holds: Callable[[Row], bool]
    sql: str
    params: tuple[Any, ...] = ()
    indexed: bool = False  # an index of the view finds those that pass


def equals(name: str, column: str, value: Any) -> Filter:
    """That a column holds this."""
    return Filter(name, lambda row: row[column] == value, f"{column} = ?", (value,), column in ("subject", "caller"))


def among(name: str, column: str, values: Collection[str]) -> Filter:
    """That a column holds one of these."""
    found = frozenset(values)
    if not found:
        return Filter(name, lambda row: False, "1 = 0")
    return Filter(name, lambda row: row[column] in found, f"{column} IN ({', '.join('?' * len(found))})", tuple(sorted(found)))


def statuses(names: Iterable[str]) -> frozenset[Status]:
    """Statuses by their names. Raises: `Invalid`."""
    try:
        found = frozenset(Status(name.strip()) for name in names)
    except ValueError:
        raise Invalid(f"{', '.join(names)} holds no status.", hint=f"Statuses are {', '.join(Status)}.") from None
    if not found:
        raise Invalid("No status is named.", hint=f"Statuses are {', '.join(Status)}.")
    return found


def retrying() -> Filter:
    """That an attempt at it has failed and another one waits or runs."""
    return Filter("retrying", is_retrying, "(stage = 'backoff' OR (stage = 'ready' AND attempts > 0) OR (stage = 'running' AND attempts > 1))")


def in_status(found: frozenset[Status]) -> Filter:
    """That a task's status is one of these."""
    return Filter("status", lambda row: status_of(row) in found, "(" + " OR ".join(_STAGES[each] for each in sorted(found)) + ")")


def since(instant: int) -> Filter:
    """That it came in at this instant or later."""
    return Filter("since", lambda row: row["submitted_at"] >= instant, "submitted_at >= ?", (instant,))


def until(instant: int) -> Filter:
    """That it came in before this instant."""
    return Filter("until", lambda row: row["submitted_at"] < instant, "submitted_at < ?", (instant,))


async def words(select: Select, said: str) -> Filter:
    """That it is what words say: the beginning of its id, or a part of its skill's or its subject's name."""
    said = said.strip()
    if said.startswith("t-") and len(said) >= 2 + _LEAST:
        return Filter("q", lambda row: row["id"].startswith(said), "(id >= ? AND id < ?)", (said, said + "\uffff"), True)
    low = said.lower()
    pattern = "%" + low.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    named = await select(f"SELECT id FROM subject WHERE LOWER(name) LIKE ? ESCAPE '\\' LIMIT {_NAMED}", (pattern,))
    subjects = frozenset(row["id"] for row in named)
    sql = "LOWER(skill) LIKE ? ESCAPE '\\'"
    if subjects:
        sql = f"({sql} OR subject IN ({', '.join('?' * len(subjects))}))"
    return Filter("q", lambda row: low in row["skill"].lower() or row["subject"] in subjects, sql, (pattern, *sorted(subjects)))


class Listing:
    """The tasks of one workspace. `hot` are the open ones in memory."""

    def __init__(self, select: Select, hot: Mapping[tuple[str], Row]) -> None:
        self._select = select
        self._hot = hot

    async def page(self, tests: Sequence[Filter], wanted: frozenset[Status] | None, after: int | None, limit: int) -> tuple[list[dict[str, Any]], int | None]:
        """Rows that pass all tests, newest first, and the `after` of the next page. `wanted` says which statuses can pass at all (None: any).

        Where only open tasks are wanted, memory knows them all. Else rows are read newest first, at most `STRETCHES` × `STRETCH` of them a page.
        """
        if wanted is not None and wanted <= OPEN_STATUSES:
            return await self._open(tests, after, limit)
        if any(test.indexed for test in tests):
            rows = await self._rows(tests, "rowid < ?" if after is not None else "", () if after is None else (after,), limit)
            return rows, rows[-1]["rowid"] if len(rows) == limit else None
        floor, roof = await self._ends(tests)
        top = roof if after is None else min(after, roof)
        rows = []
        for _ in range(STRETCHES):
            low = max(top - STRETCH, floor)
            if low < top:
                rows += await self._rows(tests, "rowid < ? AND rowid >= ?", (top, low), limit - len(rows))
            if len(rows) == limit:
                return rows, rows[-1]["rowid"]
            if low <= floor:
                return rows, None
            top = low
        return rows, top

    async def _open(self, tests: Sequence[Filter], after: int | None, limit: int) -> tuple[list[dict[str, Any]], int | None]:
        before = None
        if after is not None:
            found = await self._select("SELECT seq FROM task WHERE rowid <= ? ORDER BY rowid DESC LIMIT 1", (after - 1,))
            before = found[0]["seq"] if found else 0
        rows = [row for row in self._hot.values() if (before is None or row["seq"] <= before) and all(test.holds(row) for test in tests)]
        page = heapq.nlargest(limit, rows, key=lambda row: row["seq"])
        following = None
        if len(rows) > limit:
            following = (await self._select("SELECT rowid FROM task WHERE id = ?", (page[-1]["id"],)))[0]["rowid"]
        return [dict(row) for row in page], following

    async def _rows(self, tests: Sequence[Filter], held: str, params: Sequence[Any], limit: int) -> list[dict[str, Any]]:
        where = " AND ".join([*([held] if held else []), *(test.sql for test in tests)])
        given = [*params, *(value for test in tests for value in test.params)]
        return await self._select(f"SELECT rowid, task.* FROM task{f' WHERE {where}' if where else ''} ORDER BY rowid DESC LIMIT ?", [*given, limit])

    async def _newest(self) -> int:
        return int((await self._select("SELECT COALESCE(MAX(rowid), 0) AS last FROM task"))[0]["last"])

    async def _ends(self, tests: Sequence[Filter]) -> tuple[int, int]:
        """The first row number that can pass `since` and `until`, and the one after the last."""
        at = {test.name: test.params[0] for test in tests if test.name in ("since", "until")}
        end = await self._newest() + 1
        return await self._first(at["since"], end) if "since" in at else 1, await self._first(at["until"], end) if "until" in at else end

    async def _first(self, instant: int, end: int) -> int:
        """The row number from which on tasks came in at an instant or later: rows stand in the order of their coming, so it is found by halving."""
        low, high = 1, end
        while low < high:
            middle = (low + high) // 2
            found = await self._select("SELECT rowid, submitted_at FROM task WHERE rowid >= ? ORDER BY rowid LIMIT 1", (middle,))
            if found and found[0]["submitted_at"] < instant:
                low = found[0]["rowid"] + 1
            else:
                high = middle
        return low

    async def counts(self, tests: Sequence[Filter], always: Sequence[Filter]) -> dict[str, Any]:
        """How many tasks pass, by status, and how many would if one of the tests were dropped; `always` holds in any case.

        Open tasks are counted in memory, all of them. Finished ones are counted among the newest `COUNTED` rows that `since` and `until` leave.
        """
        by_status, without = dict.fromkeys(Status, 0), dict.fromkeys((test.name for test in tests), 0)
        again = 0
        for row in self._hot.values():
            if not all(test.holds(row) for test in always):
                continue
            failed = [test.name for test in tests if not test.holds(row)]
            if not failed:
                by_status[status_of(row)] += 1
                again += is_retrying(row)
            for name in failed if len(failed) == 1 else () if failed else without:
                without[name] += 1
        floor, roof = await self._ends(tests)
        low = max(floor, roof - COUNTED)
        rest = [test for test in tests if test.name not in ("since", "until")]
        flags = "".join(f", CASE WHEN {test.sql} THEN 1 ELSE 0 END AS t{number}" for number, test in enumerate(rest))
        groups = "".join(f", t{number}" for number in range(len(rest)))
        held = " AND ".join(["rowid >= ?", "rowid < ?", "open = 0", *(test.sql for test in always)])
        params = [value for test in rest for value in test.params] + [low, roof] + [value for test in always for value in test.params]
        inner = f"SELECT state{flags} FROM task WHERE {held}"
        for row in await self._select(f"SELECT state{groups}, COUNT(*) AS n FROM ({inner}) AS looked GROUP BY state{groups}", params):
            failed = [test.name for number, test in enumerate(rest) if not row[f"t{number}"]]
            if not failed:
                by_status[Status.DONE if row["state"] == "completed" else Status.FAILED] += row["n"]
            for name in failed if len(failed) == 1 else () if failed else [test.name for test in rest]:
                without[name] += row["n"]
        await self._beyond(tests, always, without, low, roof)
        first = None if low <= 1 else (await self._select("SELECT submitted_at FROM task WHERE rowid >= ? ORDER BY rowid LIMIT 1", (low,)))
        return {
            "by_status": {str(status): number for status, number in by_status.items()}, "retrying": again, "all": sum(by_status.values()),
            "without": without, "from_at": first[0]["submitted_at"] if first else None, "whole": low <= floor,
        }  # fmt: skip

    async def _beyond(self, tests: Sequence[Filter], always: Sequence[Filter], without: dict[str, int], low: int, roof: int) -> None:
        """Add the finished tasks that one end of the time alone keeps out, among as many rows as are counted anyway."""
        for name in sorted({"since", "until"} & set(without)):
            held = [*always, *(test for test in tests if test.name != name)]
            span = (max(roof - COUNTED, 1), roof) if name == "since" else (low, low + COUNTED)
            where = " AND ".join(["rowid >= ?", "rowid < ?", "open = 0", *(test.sql for test in held)])
            values = [value for test in held for value in test.params]
            without[name] += (await self._select(f"SELECT COUNT(*) AS n FROM task WHERE {where}", [*span, *values]))[0]["n"]


def holder(row: Row, awaited: Callable[[str], str | None]) -> str | None:
    """Who has a task now: its agent, "person", or the task or resource that it waits for. `awaited` finds what a joining task waits for."""
    match row["stage"]:
        case Stage.APPROVAL | Stage.PARKED | Stage.ASKING:
            return "person"
        case Stage.COALESCED:
            return str(row["into_task"])
        case Stage.JOINING:
            return awaited(row["id"])
        case Stage.QUEUED:
            return str(row["reason"]) if row["reason"] else None
        case Stage.READY:
            return None
        case _:
            return None if row["agent"] is None else str(row["agent"])
