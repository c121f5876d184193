"""What the gates decided lately, by the rules of the policy that determined it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

import orjson

from tutti.observation.windows import Select, within

_COUNTED = {"allow": "allowed", "ask": "asked", "deny": "denied"}


class Decided(NamedTuple):
    """How often each rule determined a decision, as {rule: {allowed, asked, denied, last_at, last_task}}; of so many decisions, the oldest at `since`."""

    rules: dict[str, dict[str, Any]]
    decisions: int
    since: int


async def decided(select: Select, *, since: int, departments: Collection[str] | None, limit: int = 10_000) -> Decided:
    """The newest decisions since an instant, `limit` at most."""
    first = await first_fact(select, since)
    whose = within(departments, "task.department")
    theirs = "1 = 1" if departments is None else f"EXISTS (SELECT 1 FROM task WHERE task.id = fact.about AND {whose.sql})"
    rows = await select(
        f"SELECT seq, at, about, data FROM fact WHERE seq >= ? AND kind = 'task.gated' AND {theirs} ORDER BY seq DESC LIMIT ?", (first, *whose.params, limit)
    )
    rules: dict[str, dict[str, Any]] = {}
    for row in rows:
        data = orjson.loads(row["data"])
        for rule in data.get("policies", ()):
            counts = rules.setdefault(rule, {**dict.fromkeys(_COUNTED.values(), 0), "last_at": row["at"], "last_task": row["about"]})
            counts[_COUNTED[data["verdict"]]] += 1
    return Decided(rules, len(rows), rows[-1]["at"] if len(rows) == limit else since)


async def first_fact(select: Select, instant: int) -> int:
    """The `seq` of the first fact at or after an instant, found by halving: a fact's time is never before that of an earlier one."""
    low, high = 1, (await select("SELECT seq FROM head"))[0]["seq"] + 1
    while low < high:
        middle = (low + high) // 2
        found = await select("SELECT at FROM fact WHERE seq >= ? ORDER BY seq LIMIT 1", (middle,))
        if found and found[0]["at"] < instant:
            low = middle + 1
        else:
            high = middle
    return low
