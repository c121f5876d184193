"""Watching: the fleet in numbers, what waits for somebody, and what moves between agents."""

from __future__ import annotations

import collections
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

import orjson

from tutti import arbiter, explanation, gates, mediation, observation
from tutti.clock import MICROS, micros, to_text
from tutti.desk.counter import Counter, Row
from tutti.errors import Invalid, NotFound
from tutti.model.task import Stage

_HOUR = 3600 * MICROS
_PARTS = 1000  # parts of a time at most


class Seen(NamedTuple):
    """The departments of which somebody may see the tasks, the approvals and the agents; None: all."""

    tasks: Collection[str] | None = None
    approvals: Collection[str] | None = None
    agents: Collection[str] | None = None


EVERYTHING = Seen()


class _Waiting(NamedTuple):
    """Something that waits for a person: what it is, since when, and the rows it is about."""

    since: int
    kind: str
    row: Row
    task: Row | None


class Watching(Counter):
    """Reading what happens, for an overview."""

    async def kpis(
        self, *, since: int | None = None, split: int | None = None, until: int | None = None, buckets: int = 60, departments: Collection[str] | None = None
    ) -> dict[str, Any]:
        """Latency between agents, quality, autonomy, cost and resolution time: from `since` to `split` and from there to `until`, with intervals.

        Instants are microseconds; without them it is the last hour, compared with the hour before it. Raises: `Invalid`.
        """
        until = self._now() if until is None else until
        split = until - _HOUR if split is None else split
        since = split - _HOUR if since is None else since
        _check(since, split, buckets)
        _check(split, until, buckets)
        return await observation.kpis(
            self._journal.survey, since=since, split=split, until=until, buckets=buckets, departments=departments, targets=self._targets(), currency=self._currency()
        )  # fmt: skip

    async def throughput(
        self, *, since: int | None = None, until: int | None = None, buckets: int = 40, departments: Collection[str] | None = None
    ) -> dict[str, Any]:
        """How many tasks came in and ended, in parts of the time (the last hour). Raises: `Invalid`."""
        until = self._now() if until is None else until
        since = until - _HOUR if since is None else since
        _check(since, until, buckets)
        return await observation.throughput(self._journal.survey, since=since, until=until, buckets=buckets, departments=departments)

    async def attention(self, seen: Seen = EVERYTHING, *, limit: int = 200) -> list[dict[str, Any]]:
        """What waits for a person or stands still until somebody does something, the longest wait first: approvals, questions of agents and of
        negotiations, parked tasks, conflicts, agents that get no work, kill switches."""
        found = sorted((*self._for_people(seen), *self._conflicting(seen), *await self._failing(seen), *self._stopped(seen)), key=lambda each: each[:2])
        return [await self._waiting_told(each) for each in found[:limit]]

    def _for_people(self, seen: Seen) -> Iterator[_Waiting]:
        tables = self._journal.hot.table
        for row in tables("approval").values():
            task = tables("task").get((row["task"],))
            if row["state"] == "open" and task is not None and _is_in(task["department"], seen.approvals):
                yield _Waiting(row["asked_at"], "approval", row, task)
        conflicting = {row[side] for row in tables("conflict").values() if row["state"] == "asked" for side in ("task", "other")}
        for task in tables("task").values():
            if not _is_in(task["department"], seen.tasks):
                continue
            if task["stage"] == Stage.ASKING:
                yield _Waiting(task["state_at"], "negotiation" if task["skill"] == mediation.MEDIATE else "question", task, task)
            elif task["stage"] == Stage.PARKED and task["id"] not in conflicting and not (task["reason"] or "").startswith(gates.STOPPED):
                yield _Waiting(task["state_at"], "parked", task, task)

    def _conflicting(self, seen: Seen) -> Iterator[_Waiting]:
        tasks = self._journal.hot.table("task")
        for row in self._journal.hot.table("conflict").values():
            sides = [task for task in (tasks.get((row["task"],)), tasks.get((row["other"],))) if task is not None]
            mine = [task for task in sides if _is_in(task["department"], seen.tasks)]
            if row["state"] == "asked" and mine:
                yield _Waiting(row["found_at"], "conflict", row, mine[0])

    async def _failing(self, seen: Seen) -> list[_Waiting]:
        house = self.corridor.house
        found = []
        for (name, version), why in house.breakers.shut(house.clock.now()).items():
            card = house.registry.card(name, version)
            if card is not None and _is_in(card.department, seen.agents):
                last = await self._journal.select("SELECT MAX(at) AS at FROM fact WHERE about = ? AND kind = 'agent.tripped'", (name,))
                row = {"name": name, "version": version, "department": card.department, "why": why}
                found.append(_Waiting(last[0]["at"] or house.clock.now(), "agent", row, None))
        return found

    def _stopped(self, seen: Seen) -> Iterator[_Waiting]:
        """Switches stop several departments' work: they are for who may see all agents."""
        if seen.agents is None:
            for row in self._journal.hot.table("kill").values():
                if row["on"] and row["scope"] != "any":
                    yield _Waiting(row["at"], "switch", row, None)

    async def _waiting_told(self, each: _Waiting) -> dict[str, Any]:
        """One thing that waits, in words."""
        row, task = each.row, each.task
        told: dict[str, Any] = {"kind": each.kind, "id": row.get("id", ""), "task": None, "title": "", "why": "", "since": to_text(each.since)}
        told |= {"agent": None, "department": None, "amount": None, "currency": None}
        if task is not None:
            amount = None if task["amount"] is None else task["amount"] / MICROS
            told |= {"task": task["id"], "agent": task["agent"], "department": task["department"], "amount": amount, "currency": task["currency"]}
        match each.kind:
            case "approval":
                told |= {"agent": row["agent"], "title": await self._question(row, task or {}), "why": "; ".join(orjson.loads(row["reasons"]))}
            case "question" | "negotiation":
                told |= {"title": await self._text(row["question"]), "why": f"{row['skill']} goes on when somebody has answered"}
            case "parked":
                told |= {"title": f"{row['skill']} is parked", "why": row["reason"] or ""}
            case "conflict":
                view = await arbiter.view(self.corridor.house, row)
                told |= {"title": f"{row['skill']} or {row['other_skill']} on {view['resource']}", "why": row["reason"] or row["rule"]}
            case "agent":
                told |= {
                    "id": row["name"],
                    "title": f"{row['name']} {row['version']} gets no work",
                    "why": row["why"],
                    "agent": row["name"],
                    "department": row["department"],
                }
            case "switch":
                name = f"{row['scope']} {row['name']}".strip()
                waits = sum((one["reason"] or "").startswith(gates.STOPPED) for one in self._journal.hot.table("task").values() if one["stage"] == Stage.PARKED)
                told |= {
                    "id": f"{row['scope']}/{row['name']}",
                    "title": f"The kill switch of {name} is on",
                    "why": f"{row['reason'] or 'no reason given'}; {waits} {_tasks(waits)} until a switch is lifted",
                }
        return told

    async def _question(self, approval: Row, task: Mapping[str, Any]) -> str:
        """What an approval asks, as a sentence."""
        card = self.corridor.house.registry.card(approval["agent"], approval["agent_version"])
        reference, _, part = approval["input"].partition("#")
        input = (await self._journal.payloads([reference])).get(reference)
        return explanation.question(card.skills.get(task["skill"]) if card else None, task, input.get(part) if part and isinstance(input, Mapping) else input)

    async def traffic(
        self,
        seen: Seen = EVERYTHING,
        *,
        since: int | None = None,
        until: int | None = None,
        limit: int = 5000,
    ) -> dict[str, Any]:
        """Agents, people and the outside as nodes, what moved between them in a time (the last hour) as edges and hops, and subscriptions by which
        nothing has come. Raises: `Invalid`."""
        until = self._now() if until is None else until
        since = until - _HOUR if since is None else since
        _check(since, until, 1)
        versions = observation.newest(self._journal.hot.table("agent").values())
        hidden = {name for name, row in versions.items() if not _is_in(row["department"], seen.agents)}
        moved = await observation.traffic(self._journal.survey, since=since, until=until, limit=limit, departments=seen.tasks, hidden=hidden)
        declared = self._declared(moved.called, hidden)
        speaking = {name for edge in (*moved.edges, *declared) for name in (edge["from"], edge["to"])}
        places = [self._place(row) for name, row in versions.items() if name not in hidden and (row["state"] != "retired" or name in speaking)]
        tasks = (task for task in self._journal.hot.table("task").values() if _is_in(task["department"], seen.tasks))
        return {
            "schema": "tutti.traffic/1", "from_at": to_text(since), "until_at": to_text(until),
            "nodes": observation.nodes(places, speaking - set(versions), tasks, moved.works), "edges": moved.edges, "declared": declared, "hops": moved.hops,
            "truncated": moved.truncated,
        }  # fmt: skip

    async def bottlenecks(self, *, window: timedelta = timedelta(hours=1), departments: Collection[str] | None = None, limit: int = 50) -> dict[str, Any]:
        """Where tasks waited and did not work in the last `window`, by who waited for whom and why; the most lost time first. Raises: `Invalid`."""
        now = self._now()
        since = max(now - micros(window), 0)
        _check(since, now, 1)
        house = self.corridor.house
        offers: dict[str, set[str]] = {}
        capacity: dict[str, int] = {}
        for card in house.registry.live():
            capacity[card.name] = capacity.get(card.name, 0) + card.concurrency
            for skill in card.skills:
                offers.setdefault(skill, set()).add(card.name)
        sole = {skill: next(iter(names)) for skill, names in offers.items() if len(names) == 1}
        found = await observation.bottlenecks(self._journal.survey, since=since, now=now, departments=departments, sole=sole, limit=limit)
        running = collections.Counter(task["agent"] for task in self._journal.hot.table("task").values() if task["stage"] == Stage.RUNNING)
        for one in found:
            one["detail"] = _detail(one, running[one["to"]], capacity.get(one["to"]))
        return {"window_ms": micros(window) / 1000, "since": to_text(since), "bottlenecks": found}

    async def signals(
        self,
        *,
        type: str | None = None,
        subject: str | None = None,
        task: str | None = None,
        departments: Collection[str] | None = None,
        after: int | None = None,
        limit: int = 50,
    ) -> dict[str, Any]:
        """A page of signals, newest first; `after` is the `next` of the page before, `task` the one that sent them."""
        limit = max(1, min(limit, 1000))
        pseudonym = None if subject is None else self._journal.pseudonym(subject)
        rows = await observation.signals(self._journal.survey, departments=departments, type=type, subject=pseudonym, task=task, after=after, limit=limit)
        return {"signals": [await self._signal_told(row, departments) for row in rows], "next": rows[-1]["rowid"] if len(rows) == limit else None}

    async def signal(self, id: str, *, departments: Collection[str] | None = None) -> dict[str, Any]:
        """One signal. Raises: `NotFound`."""
        rows = await observation.signals(self._journal.survey, departments=departments, id=id, limit=1)
        if not rows:
            raise NotFound(f"There is no signal {id}.", hint="`tutti tasks` shows the signals that tasks came from.")
        return await self._signal_told(rows[0], departments)

    async def _signal_told(self, row: Row, departments: Collection[str] | None) -> dict[str, Any]:
        told = {name: row[name] for name in ("id", "type", "department", "task", "tasks", "stopped")}
        return told | {
            "subject": await self._journal.subject_name(row["subject"]) if row["subject"] else None,
            "at": to_text(row["at"]),
            "sent_by": row["by"],
            "undecided": self._undecided(row, departments),
        }

    async def playbooks(self, *, departments: Collection[str] | None = None) -> list[dict[str, Any]]:
        """Plans by kind and name: those that run, with their steps, and those that ended within a day."""
        now = self._now()
        rows = await observation.playbooks(self._journal.survey, since=max(now - 24 * _HOUR, 0), now=now, departments=departments)
        return [{**row, "oldest_at": None if row["oldest_at"] is None else to_text(row["oldest_at"])} for row in rows]

    def _declared(self, called: Collection[str], hidden: Collection[str]) -> list[dict[str, Any]]:
        """Subscriptions by which nothing has come."""
        offers = self.corridor.house.registry.offers
        rows = [row for row in self._journal.hot.table("subscription").values() if row["state"] == "live" and row["skill"] not in called]
        found = {(card.name, row["type"]) for row in rows for card in offers(row["skill"]) if card.name not in hidden}
        return [{"from": observation.SIGNAL, "to": name, "signal": type} for name, type in sorted(found)]

    def _place(self, row: Row) -> observation.Place:
        house = self.corridor.house
        card = house.registry.card(row["name"], row["agent_version"])
        if row["state"] != "live":
            return observation.Place(row, None, (), card.concurrency if card else None)
        health = house.breakers.shut(house.clock.now()).get((row["name"], row["agent_version"]), "ok")
        return observation.Place(row, health, card.skills if card else (), card.concurrency if card else None)

    def _now(self) -> int:
        return self.corridor.house.clock.now() + 1  # an end is not part of its time; what is just happening is

    def _targets(self) -> dict[str, float]:
        """The numbers that people have set for KPIs, by the KPI's name."""
        found: dict[str, float] = {}
        for row in self._journal.hot.table("goal").values():
            with suppress(ValueError):
                found[row["kpi"]] = float(row["target"])
        return found

    def _currency(self) -> str | None:
        """What costs are in: the currency that the fleet's actions speak of, where it is one."""
        said = {skill.currency for card in self.corridor.house.registry.live() for skill in card.skills.values() if skill.currency}
        return said.pop() if len(said) == 1 else None


def _is_in(department: str | None, departments: Collection[str] | None) -> bool:
    return departments is None or department in departments


def _check(since: int, until: int, buckets: int) -> None:
    if not 0 <= since < until:
        raise Invalid("The time ends before it begins.", hint="Give instants in order: from_at, split_at, until_at.")
    if not 1 <= buckets <= _PARTS:
        raise Invalid(f"{buckets} parts of a time cannot be shown.", hint=f"Say 1 to {_PARTS}.")


def _detail(wait: Mapping[str, Any], running: int, capacity: int | None) -> str:
    """What is known of a bottleneck now, in words."""
    now = f"{wait['open']} {_tasks(wait['open'])} now" if wait["open"] else "none waits now"
    match wait["cause"]:
        case "queue":
            return now if capacity is None else f"{now}, {running} of {capacity} places taken"
        case "lease":
            return f"{now} for what another action holds"
        case "retry":
            return f"tried again after a failure, {now}"
        case "join":
            return f"{now} for the results of other tasks"
    return f"{now} for an answer"


def _tasks(count: int) -> str:
    return "task waits" if count == 1 else "tasks wait"
