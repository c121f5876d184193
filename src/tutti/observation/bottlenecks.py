"""Where tasks wait and do not work: time lost on the way from one to the next, by cause.

Most tasks wait for nothing but a free agent, and their row says how long. Those that waited for something else are marked (`waited`), and their facts say
for what: between two facts of a task it works, or waits for what the first of them began.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from tutti.observation.windows import FROM, PERSON, Select, at_quantile, moved

HOUR_MS = 3_600_000
# What a task waits for after a fact of this kind, until the next one. What is not here begins work, or ends the task.
_AFTER = {
    "task.submitted": "queue", "task.joined": "queue", "task.resumed": "queue", "task.amended": "queue", "task.gated": "person", "task.parked": "person",
    "task.asked": "question", "task.queued": "lease", "task.coalesced": "join", "run.finished": "retry",
}  # fmt: skip
_OTHERS = ("task.answered", "run.started", "task.completed", "task.failed", "task.canceled", "task.rejected")


async def bottlenecks(
    select: Select, *, since: int, now: int, departments: Collection[str] | None, sole: Mapping[str, str], limit: int = 50
) -> list[dict[str, Any]]:
    """Waits of which some part lies between `since` and `now`, summed by who waits for whom and why; the most lost time first.

    `lost_ms` counts that part only, the quantiles whole waits, those that last still up to now. `sole` are the agents that alone offer a skill: what no agent
    has been chosen for yet waits for them; with several that may take it, for the skill.
    """
    plain = moved(f"id, {FROM} AS a, agent, skill, from_at AS began, started_at AS ended, stage", since, departments, "waited IS NULL AND from_at IS NOT NULL")
    special = moved(f"id, {FROM} AS a, agent, skill, stage", since, departments, "waited = 1")
    cases = " ".join(f"WHEN '{kind}' THEN '{cause}'" for kind, cause in _AFTER.items())
    name = "id || ''"  # not the bare column: for its order, SQLite would walk through all tasks
    begins, others = (", ".join(f"'{kind}'" for kind in kinds) for kinds in (_AFTER, _OTHERS))
    alone = " ".join("WHEN ? THEN ?" for _ in sole)
    to = f"COALESCE(agent, CASE skill {alone} ELSE skill END)" if sole else "COALESCE(agent, skill)"
    whom = (
        f"CASE WHEN cause IN ('person', 'question', 'retry') THEN {to} ELSE a END AS a, "
        f"CASE WHEN cause IN ('person', 'question') THEN '{PERSON}' ELSE {to} END AS b"
    )
    pairs = tuple(part for pair in sole.items() for part in pair)
    lost = f"CASE WHEN ended < {now:d} THEN ended ELSE {now:d} END - CASE WHEN began > {since:d} THEN began ELSE {since:d} END"
    rows = await select(
        f"WITH plain AS ({plain.sql}), special AS ({special.sql}), "
        f"gap AS (SELECT id, a, agent, skill, stage, kind, at AS began, LEAD(at) OVER (PARTITION BY {name} ORDER BY seq) AS ended, "
        f"LEAD(kind) OVER (PARTITION BY {name} ORDER BY seq) AS next FROM special CROSS JOIN fact WHERE fact.about = special.id AND kind IN ({begins}, {others})), "
        "wait AS ("
        "SELECT id, a, agent, skill, 'queue' AS cause, began, ended FROM plain WHERE ended IS NOT NULL OR stage IN ('ready', 'approved') "
        "UNION ALL SELECT id, a, agent, skill, CASE WHEN next = 'task.joined' OR (next IS NULL AND stage = 'joining') THEN 'join' ELSE "
        f"CASE kind {cases} END END, began, ended FROM gap WHERE kind IN ({begins})), "
        f"lasting AS (SELECT id, {whom}, cause, began, COALESCE(ended, {now:d}) AS ended, CASE WHEN ended IS NULL THEN 1 ELSE 0 END AS open FROM wait), "
        f"lost AS (SELECT id, a, b, cause, open, ended - began AS took, {lost} AS lost FROM lasting WHERE ended > {since:d} AND began < {now:d} AND ended > began) "
        f"SELECT a, b, cause, COUNT(DISTINCT id) AS tasks, SUM(open) AS open, SUM(lost) AS lost, {at_quantile(0.5)} AS p50, {at_quantile(0.95)} AS p95 FROM ("
        "SELECT id, a, b, cause, open, took, lost, ROW_NUMBER() OVER (PARTITION BY a, b, cause ORDER BY took) AS place, COUNT(*) OVER (PARTITION BY a, b, cause) AS n "
        "FROM lost) AS placed GROUP BY a, b, cause ORDER BY lost DESC, a, b, cause LIMIT ?",
        (*plain.params, *special.params, *pairs, *pairs, limit),
    )
    hours = max((now - since) / 1000, 1) / HOUR_MS
    return [
        {
            "from": row["a"], "to": row["b"], "cause": row["cause"], "tasks": row["tasks"], "open": row["open"], "lost_ms": row["lost"] / 1000,
            "lost_per_hour_ms": round(row["lost"] / 1000 / hours, 3), "p50_ms": row["p50"] / 1000, "p95_ms": row["p95"] / 1000,
        }
        for row in rows
    ]  # fmt: skip
