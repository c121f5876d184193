"""Search: anything by its id or the beginning of it, a fact by its number, tasks by their trace or subject, agents and skills by a part of their name.

Ids sort as text, so a beginning is a range of keys; subjects are found by their pseudonym, names in memory. No table is walked through.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import orjson

from tutti import mediation
from tutti.clock import to_text
from tutti.desk.counter import Counter, Row
from tutti.journal import span
from tutti.model.task import status_of

_MOST = 50  # rows that are read of each kind, before those are left out that the reader may not see
_ID = re.compile(r"([tasc])-([0-9A-Z]{6,26})")
_NUMBER = re.compile(r"#?\s*([0-9]{1,3}(?:[ ,.'_\u00a0\u2009\u202f][0-9]{3})+|[0-9]{1,18})")
_TRACE = re.compile(r"(?:00-)?([0-9a-f]{8,32})(?:-[0-9a-f]{16}-[0-9a-f]{2})?")


class Need(NamedTuple):
    """What somebody must be allowed to see a thing: an action on an id of a department, brought in by `owner`."""

    action: str
    id: str = ""
    department: str = ""
    owner: str = ""


class Found(NamedTuple):
    """A thing as it is told, and what shows it: any one of the needs."""

    told: dict[str, Any]
    needs: tuple[Need, ...]


def _told(kind: str, id: str, title: str, detail: str = "", state: str | None = None, at: int | None = None) -> dict[str, Any]:
    return {"kind": kind, "id": id, "title": title, "detail": detail, "state": state, "at": None if at is None else to_text(at)}


def _reads(row: Row, action: str = "tasks:read") -> Need:
    return Need(action, row["id"], row["department"] or "", row["caller"] or "")


class Searching(Counter):
    """Finding things by what somebody has in hand."""

    async def search(self, said: str) -> list[Found]:
        """What is meant by these words, the most exact first; whoever shows it must look at the needs."""
        said = said.strip()
        if not said:
            return []
        found = [
            *await self._numbered(said),
            *await self._named(said),
            *await self._traced(said),
            *await self._about(said),
            *self._agents(said),
            *self._skills(said),
        ]
        once: dict[tuple[str, str], Found] = {}
        for each in found:
            once.setdefault((each.told["kind"], each.told["id"]), each)
        return list(once.values())

    async def _numbered(self, said: str) -> list[Found]:
        match = _NUMBER.fullmatch(said)
        if match is None:
            return []
        number = int(re.sub(r"[^0-9]", "", match[1]))
        rows = await self._journal.select("SELECT seq, at, kind, about FROM fact WHERE seq = ?", (number,)) if number < 2**63 else []
        return [Found(_told("fact", str(row["seq"]), row["kind"], f"about {row['about']}", at=row["at"]), (Need("journal:read"),)) for row in rows]

    async def _named(self, said: str) -> list[Found]:
        """By an id, or the beginning of one."""
        letter, dash, rest = said.partition("-")
        match = _ID.fullmatch(f"{letter.lower()}{dash}{rest.upper()}")
        if match is None:
            return []
        ids = span(match[0])
        match match[1]:
            case "t":
                return await self._tasks("SELECT * FROM task WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", ids)
            case "a":
                rows = await self._rows("approval", ids)
                tasks = await self._rows_of("task", [row["task"] for row in rows])
                return [
                    Found(
                        _told("approval", row["id"], row["skill"] or tasks[row["task"]]["skill"], f"for {row['task']}", row["state"], row["asked_at"]),
                        (Need("approvals:read", row["id"], tasks[row["task"]]["department"] or ""),),
                    )
                    for row in rows
                    if row["task"] in tasks
                ]
            case "s":
                return [await self._signal(row) for row in await self._rows("signal", ids)]
            case _:
                return await self._conflicts(await self._rows("conflict", ids))

    async def _traced(self, said: str) -> list[Found]:
        """By a trace, or the beginning of its id: the trace with the task that it began with here, and its tasks."""
        match = _TRACE.fullmatch(said.lower())
        if match is None:
            return []
        rows = await self._journal.select("SELECT * FROM task WHERE trace >= ? AND trace < ? ORDER BY trace, seq LIMIT ?", (*span(f"00-{match[1]}"), _MOST))
        traces: dict[str, list[Row]] = {}
        for row in rows:
            traces.setdefault(row["trace"].split("-")[1], []).append(row)
        found = []
        for trace, tasks in traces.items():
            first = min(tasks, key=lambda row: row["seq"])
            detail = f"began with {first['id']}"
            found.append(Found(_told("trace", trace, first["skill"], detail, status_of(first), first["submitted_at"]), tuple(_reads(row) for row in tasks)))
        return found + [each for tasks in traces.values() for each in await self._told_tasks(tasks)]

    async def _about(self, said: str) -> list[Found]:
        """By the subject's whole name: the tasks about it, newest first."""
        return await self._tasks("SELECT * FROM task WHERE subject = ? ORDER BY rowid DESC LIMIT ?", (self._journal.pseudonym(said),))

    def _agents(self, said: str) -> list[Found]:
        low = said.lower()
        versions: dict[str, list[Row]] = {}
        for row in self._journal.hot.table("agent").values():
            if low in row["name"].lower():
                versions.setdefault(row["name"], []).append(row)
        found = []
        for name, rows in sorted(versions.items(), key=lambda item: _nearness(item[0], low)):
            newest = max(rows, key=lambda row: (row["state"] == "live", row["since"]))
            count = f"{len(rows)} versions" if len(rows) > 1 else newest["agent_version"]
            departments = {row["department"] for row in rows}
            need = Need("agents:read", name, departments.pop() if len(departments) == 1 else "")
            found.append(Found(_told("agent", name, name, f"{newest['department']}, {count}", newest["state"], newest["since"]), (need,)))
        return found

    def _skills(self, said: str) -> list[Found]:
        low, offered = said.lower(), self.corridor.house.registry
        found = []
        for name in sorted((name for name in offered.skills() if low in name.lower()), key=lambda name: _nearness(name, low)):
            cards = offered.offers(name)
            needs = tuple(Need("agents:read", card.name, card.department) for card in cards)
            found.append(Found(_told("skill", name, name, f"offered by {', '.join(sorted({card.name for card in cards}))}"), needs))
        return found

    # --- rows -----------------------------------------------------------------------------------------------------

    async def _rows(self, table: str, ids: tuple[str, str]) -> list[Row]:
        found: list[Row] = await self._journal.select(f"SELECT * FROM {table} WHERE id >= ? AND id < ? ORDER BY id LIMIT ?", (*ids, _MOST))
        return found

    async def _rows_of(self, table: str, ids: Iterable[str]) -> Mapping[str, Row]:
        return {row["id"]: row for row in await self._journal.rows(table, {"id": list(ids)}, limit=_MOST)}

    async def _tasks(self, sql: str, params: tuple[Any, ...]) -> list[Found]:
        return await self._told_tasks(await self._journal.select(sql, (*params, _MOST)))

    async def _told_tasks(self, rows: Iterable[Row]) -> list[Found]:
        found = []
        for row in rows:
            subject = await self._journal.subject_name(row["subject"]) if row["subject"] else None
            if row["skill"] == mediation.MEDIATE and (case := await self._journal.row("negotiation", (row["id"],))) is not None:
                parties = " and ".join(orjson.loads(case["parties"]))
                told = _told("negotiation", row["id"], f"between {parties}", subject or "", case["how"] or "open", row["submitted_at"])
            else:
                told = _told("task", row["id"], row["skill"], subject or row["department"] or "", status_of(row), row["submitted_at"])
            found.append(Found(told, (_reads(row),)))
        return found

    async def _signal(self, row: Row) -> Found:
        """A signal, for whoever may see all of them or something that it led to."""
        tasks = await self._journal.select("SELECT id, department, caller FROM task WHERE signal = ? LIMIT ?", (row["id"], _MOST))
        subject = await self._journal.subject_name(row["subject"]) if row["subject"] else None
        told = _told("signal", row["id"], row["type"], subject or "", "stopped" if row["stopped"] else None, row["at"])
        return Found(told, (Need("decisions:read"), *(_reads(task, "decisions:read") for task in tasks)))

    async def _conflicts(self, rows: list[Row]) -> list[Found]:
        tasks = await self._rows_of("task", {id for row in rows for id in (row["task"], row["other"])})
        names = await self._journal.payloads([row["name"] for row in rows if row["name"]])
        return [
            Found(
                _told(
                    "conflict", row["id"], str(names.get(row["name"], row["rule"])), f"{row['skill']} and {row['other_skill']}", row["state"], row["found_at"]
                ),
                tuple(_reads(tasks[id]) for id in (row["task"], row["other"]) if id in tasks),
            )
            for row in rows
        ]


def _nearness(name: str, low: str) -> tuple[bool, bool, str]:
    """What sorts names by how near they are to what was said: the same, those that begin so, the others."""
    return name.lower() != low, not name.lower().startswith(low), name
