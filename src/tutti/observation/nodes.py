"""Who takes part in the traffic: agents with what they have to do, people, and the outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple

from tutti.model.task import Stage
from tutti.observation.windows import PERSON

FOR_PEOPLE = (Stage.APPROVAL, Stage.PARKED, Stage.ASKING)  # stages in which a task waits for a person
_Row = Mapping[str, Any]
_KNOWN = ("department", "version", "state", "health", "open", "running", "concurrency", "waiting", "needs_person", "p95_ms", "tasks")


class Place(NamedTuple):
    """An agent's newest version as the registry has it: its row, its health in words, its skills (none where it takes nothing new)."""

    row: _Row
    health: str | None
    skills: Collection[str]
    concurrency: int | None


def newest(rows: Iterable[_Row]) -> dict[str, _Row]:
    """The version of each agent that stands for it: the latest live one, else the latest."""
    found: dict[str, _Row] = {}
    for row in rows:
        known = found.get(row["name"])
        if known is None or (row["state"] == "live", row["since"]) > (known["state"] == "live", known["since"]):
            found[row["name"]] = row
    return found


def nodes(places: Iterable[Place], others: Iterable[str], tasks: Iterable[_Row], works: Mapping[str, tuple[int, float]]) -> list[dict[str, Any]]:
    """All as JSON data: agents first, by name. `tasks` are the open ones, `works` what each agent did as (tasks, p95 of their time in ms).

    A task that no agent has yet waits for each of those who may take it.
    """
    stages: dict[str, Counter[str]] = {}
    unclaimed: Counter[str] = Counter()
    people = 0
    for task in tasks:
        people += task["stage"] in FOR_PEOPLE
        if task["agent"] is not None:
            stages.setdefault(task["agent"], Counter())[task["stage"]] += 1
        elif task["stage"] == Stage.READY:
            unclaimed[task["skill"]] += 1
    found = [_agent(place, stages.get(place.row["name"], Counter()), unclaimed, works) for place in sorted(places, key=lambda place: str(place.row["name"]))]
    for name in sorted(others):
        node = {"name": name, "kind": "outside", **dict.fromkeys(_KNOWN)}
        found.append({**node, "kind": "person", "open": people, "needs_person": people} if name == PERSON else node)
    return found


def _agent(place: Place, stages: Counter[str], unclaimed: Counter[str], works: Mapping[str, tuple[int, float]]) -> dict[str, Any]:
    row, people, running = place.row, sum(stages[stage] for stage in FOR_PEOPLE), stages[Stage.RUNNING]
    done, p95 = works.get(row["name"], (0, None))
    return {
        "name": row["name"], "kind": "agent", "department": row["department"], "version": row["agent_version"], "state": row["state"], "health": place.health,
        "open": stages.total(), "running": running, "concurrency": place.concurrency,
        "waiting": stages.total() - people - running + sum(unclaimed[skill] for skill in place.skills), "needs_person": people, "p95_ms": p95, "tasks": done,
    }  # fmt: skip
