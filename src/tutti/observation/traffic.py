"""What moves between agents, people and the outside: every hop of a time, and their sums by edge.

A hop is from the end of one's work to the start of the next one's; a person's begins when they are asked and ends with their answer.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from tutti.clock import to_text
from tutti.observation.windows import FROM, PERSON, SIGNAL, Part, Select, at_quantile, moved, within

ELSEWHERE = "elsewhere"  # stands for agents that the caller may not see
_QUANTILES = f"COUNT(*) AS n, {at_quantile(0.5)} AS p50, {at_quantile(0.95)} AS p95"


class Traffic(NamedTuple):
    """Edges and hops as JSON data; `works` has what each agent did as (tasks, p95 of their time in ms), `called` the skills that signals led to."""

    edges: list[dict[str, Any]]
    hops: list[dict[str, Any]]
    truncated: bool
    works: dict[str, tuple[int, float]]
    called: set[str]


async def traffic(select: Select, *, since: int, until: int, limit: int, departments: Collection[str] | None, hidden: Collection[str] = ()) -> Traffic:
    """Hops that ended in a time, the newest `limit` of them in the order in which they began; edges are over all of them. `hidden` agents have no names."""
    hops = _hops(since, until, departments, hidden)
    edges = await select(
        f"WITH {hops.sql} SELECT a, b, {_QUANTILES} FROM (SELECT a, b, ended - at AS took, ROW_NUMBER() OVER (PARTITION BY a, b ORDER BY ended - at) AS place, "
        "COUNT(*) OVER (PARTITION BY a, b) AS n FROM hop) AS placed GROUP BY a, b ORDER BY n DESC, a, b",
        hops.params,
    )
    newest = await select(f"WITH {hops.sql} SELECT a, b, at, ended, task, skill FROM hop ORDER BY ended DESC, task LIMIT ?", (*hops.params, limit + 1))
    came = moved("skill", since, departments, "started_at >= ? AND started_at < ? AND from_agent = ?", (since, until, SIGNAL))
    called = await select(f"SELECT DISTINCT skill FROM ({came.sql}) AS came", came.params)
    whose = within(departments)
    works = await select(
        f"SELECT agent, {_QUANTILES} FROM (SELECT agent, finished_at - started_at AS took, ROW_NUMBER() OVER (PARTITION BY agent ORDER BY finished_at - started_at) AS place, "
        f"COUNT(*) OVER (PARTITION BY agent) AS n FROM task WHERE finished_at >= ? AND finished_at < ? AND started_at IS NOT NULL AND {whose.sql}) AS placed GROUP BY agent",
        (since, until, *whose.params),
    )
    told = [
        {"at": to_text(row["at"]), "took_ms": (row["ended"] - row["at"]) / 1000, "from": row["a"], "to": row["b"], "task": row["task"], "skill": row["skill"]}
        for row in sorted(newest[:limit], key=lambda row: (row["at"], row["ended"]))
    ]
    return Traffic(
        [{"from": row["a"], "to": row["b"], "count": row["n"], "p50_ms": row["p50"] / 1000, "p95_ms": row["p95"] / 1000} for row in edges],
        told,
        len(newest) > limit,
        {row["agent"]: (row["n"], row["p95"] / 1000) for row in works},
        {row["skill"] for row in called},
    )


def _hops(since: int, until: int, departments: Collection[str] | None, hidden: Collection[str]) -> Part:
    """SQL that makes `hop`: from `a` to `b`, from the instant `at` until it `ended`, for a task of a skill."""
    started = moved(
        f"{FROM} AS a, agent AS b, from_at AS at, started_at AS ended, id AS task, skill", since, departments,
        "started_at >= ? AND started_at < ? AND agent IS NOT NULL", (since, until),
    )  # fmt: skip
    asked = moved("id, skill", since, departments, "approval IS NOT NULL")
    names = tuple(sorted(hidden))
    shown = f"CASE WHEN a IN ({', '.join('?' * len(names))}) THEN '{ELSEWHERE}' ELSE a END" if names else "a"
    return Part(
        f"asked AS ({asked.sql}), every AS ({started.sql} UNION ALL "
        f"SELECT approval.agent, '{PERSON}', asked_at, answered_at, asked.id, asked.skill FROM asked JOIN approval ON approval.task = asked.id "
        f"WHERE answered_at >= ? AND answered_at < ?), hop AS (SELECT {shown} AS a, b, at, ended, task, skill FROM every)",
        (*asked.params, *started.params, since, until, *names),
    )
