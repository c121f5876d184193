"""What each version of an agent has achieved at a skill in a window of time: counts, times, cost, and how its quality went."""

from __future__ import annotations

from typing import NamedTuple

from tutti.observation.windows import ACTED, ALONE, Select, at_quantile

Key = tuple[str, str, str]  # skill, agent, version


class Achieved(NamedTuple):
    """Finished tasks of one version at one skill. Times are microseconds, cost millionths; `trend` holds (part, mean quality in millionths, judged)."""

    tasks: int
    failed: int
    actions: int
    alone: int
    cost: float | None
    p50: int | None
    p95: int | None
    trend: list[tuple[int, float, int]]


async def achieved(select: Select, *, since: int, until: int, parts: int, skill: str | None = None) -> dict[Key, Achieved]:
    """By skill, agent and version, out of the tasks that ended from `since` on and before `until`; the window is cut into `parts` for the trend."""
    width = max((until - since) // parts, 1)
    held, params = "finished_at >= ? AND finished_at < ? AND agent IS NOT NULL AND started_at IS NOT NULL", (since, until, *(() if skill is None else (skill,)))
    if skill is not None:
        held += " AND skill = ?"
    group = "skill, agent, agent_version"
    ended = (
        f"SELECT {group}, finished_at - started_at AS took, cost, CASE WHEN state = 'completed' THEN 0 ELSE 1 END AS failed, "
        f"CASE WHEN {ACTED} THEN 1 ELSE 0 END AS acted, CASE WHEN {ACTED} AND {ALONE} THEN 1 ELSE 0 END AS alone FROM task WHERE {held}"
    )
    placed = (
        f"SELECT ended.*, ROW_NUMBER() OVER (PARTITION BY {group} ORDER BY took) AS place, COUNT(*) OVER (PARTITION BY {group}) AS n FROM ({ended}) AS ended"
    )
    rows = await select(
        f"SELECT {group}, MAX(n) AS tasks, SUM(failed) AS failed, SUM(acted) AS actions, SUM(alone) AS alone, SUM(cost) AS cost, "
        f"{at_quantile(0.5)} AS p50, {at_quantile(0.95)} AS p95 FROM ({placed}) AS placed GROUP BY {group}",
        params,
    )
    trends: dict[Key, list[tuple[int, float, int]]] = {}
    judged = await select(
        f"SELECT {group}, part, SUM(quality) AS total, COUNT(quality) AS n FROM "
        f"(SELECT {group}, quality, (finished_at - ?) / {width} AS part FROM task WHERE {held} AND quality IS NOT NULL) AS judged GROUP BY {group}, part ORDER BY part",
        (since, *params),
    )
    for row in judged:
        key = (row["skill"], row["agent"], row["agent_version"])
        trends.setdefault(key, []).append((min(int(row["part"]), parts - 1), int(row["total"]) / row["n"], row["n"]))
    return {
        (row["skill"], row["agent"], row["agent_version"]): Achieved(
            row["tasks"], int(row["failed"]), int(row["actions"]), int(row["alone"]), None if row["cost"] is None else int(row["cost"]) / row["tasks"],
            row["p50"], row["p95"], trends.get((row["skill"], row["agent"], row["agent_version"]), []),
        )
        for row in rows
    }  # fmt: skip
