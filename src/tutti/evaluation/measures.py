"""What the fleet achieves: sums over the view's rows. Definitions: DESIGN section 3 (autonomy ratio, inter-agent latency, resolution quality)."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Any

Select = Callable[..., Awaitable[list[dict[str, Any]]]]
_MILLION = 1_000_000
_WINDOWS = 4  # parts of the run over which shares are shown


async def measures(select: Select) -> dict[str, Any]:
    """All measures as JSON data. `select` runs read-only SQL on the view. Latencies in milliseconds, shares and ratios 0..1."""
    states = {row["state"]: row["n"] for row in await select("SELECT state, COUNT(*) AS n FROM task GROUP BY state ORDER BY state")}
    parked = await select("SELECT reason, COUNT(*) AS n FROM task WHERE stage = 'parked' GROUP BY reason ORDER BY n DESC LIMIT 20")
    coalesced = await select("SELECT COUNT(*) AS n FROM task WHERE into_task IS NOT NULL")
    waiting = await select("SELECT COUNT(*) AS n FROM approval WHERE state = 'open'")
    span = (await select("SELECT COUNT(*) AS n, MIN(submitted_at) AS first, MAX(finished_at) AS last FROM task WHERE finished_at IS NOT NULL"))[0]
    seconds = (span["last"] - span["first"]) / _MILLION if span["n"] else 0.0
    return {
        "schema": "tutti.measures/1",
        "tasks": {"all": sum(states.values()), "by_state": states, "parked": [{"reason": row["reason"], "tasks": row["n"]} for row in parked]},
        "autonomy_ratio": await _autonomy(select),
        "latency_ms": await _latency(select),
        "resolution_quality": await _quality(select),
        "coalesced": coalesced[0]["n"],
        "approvals_waiting": waiting[0]["n"],
        "shares": await _shares(select),
        "tasks_per_second": round(span["n"] / seconds, 1) if seconds > 0 else None,
    }


async def _autonomy(select: Select) -> dict[str, Any]:
    """Finished actions that no person approved, changed, answered or overrode ÷ all finished actions, with both counts."""
    row = (
        await select("SELECT COUNT(*) AS n, SUM(by_person) AS person FROM task WHERE nature = 'action' AND attempts > 0 AND state IN ('completed', 'failed')")
    )[0]
    alone = row["n"] - (row["person"] or 0)
    return {"ratio": round(alone / row["n"], 4) if row["n"] else None, "alone": alone, "finished": row["n"]}


async def _latency(select: Select) -> list[dict[str, Any]]:
    """Per pair A → B, from A's end to the start at B that it caused; people are nodes too."""
    rows = await select("SELECT from_agent AS a, agent AS b, started_at - from_at AS took FROM task WHERE started_at IS NOT NULL AND from_at IS NOT NULL")
    rows += await select("SELECT agent AS a, 'person' AS b, answered_at - asked_at AS took FROM approval WHERE answered_at IS NOT NULL")
    pairs: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        pairs.setdefault((row["a"] or "person", row["b"]), []).append(row["took"])
    found = []
    for (a, b), took in sorted(pairs.items(), key=lambda pair: -len(pair[1])):
        took.sort()
        found.append({"from": a, "to": b, "tasks": len(took), "p50": round(_quantile(took, 0.5) / 1000, 2), "p95": round(_quantile(took, 0.95) / 1000, 2)})
    return found


def _quantile(ordered: list[int], q: float) -> float:
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


async def _quality(select: Select) -> dict[str, Any]:
    """Mean judgement of completed tasks with its 95 % interval (normal approximation), and the share judged; by skill too."""
    rows = await select(
        "SELECT skill, COUNT(*) AS done, COUNT(quality) AS judged, SUM(quality) AS total, SUM(quality / 1000 * (quality / 1000)) AS squares "
        "FROM task WHERE state = 'completed' GROUP BY skill ORDER BY skill"
    )
    summed = {name: sum(int(row[name] or 0) for row in rows) for name in ("done", "judged", "total", "squares")}
    return {**_mean(summed), "by_skill": {row["skill"]: _mean(row) for row in rows if row["judged"]}}


def _mean(row: dict[str, Any]) -> dict[str, Any]:
    judged = int(row["judged"])
    if not judged:
        return {"mean": None, "low": None, "high": None, "judged": 0, "share_judged": 0.0}
    mean = int(row["total"]) / judged / _MILLION
    variance = max(int(row["squares"]) / judged / _MILLION - mean * mean, 0.0)
    half = 1.96 * math.sqrt(variance / judged)
    low, high = max(mean - half, 0.0), min(mean + half, 1.0)
    return {"mean": round(mean, 4), "low": round(low, 4), "high": round(high, 4), "judged": judged, "share_judged": round(judged / max(int(row["done"]), 1), 4)}


async def _shares(select: Select) -> dict[str, list[dict[str, Any]]]:
    """For each skill that several agents did: each agent's share of the work in equal parts of the run, first to last."""
    rows = await select(
        f"SELECT skill, agent, part, COUNT(*) AS n, AVG(quality) AS quality FROM (SELECT skill, agent, quality, NTILE({_WINDOWS}) OVER (PARTITION BY skill ORDER BY seq) AS part "
        "FROM task WHERE agent IS NOT NULL AND attempts > 0) AS numbered GROUP BY skill, agent, part"
    )
    totals: dict[tuple[str, int], int] = {}
    counts: dict[str, dict[str, dict[int, int]]] = {}
    judged: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for row in rows:
        totals[row["skill"], row["part"]] = totals.get((row["skill"], row["part"]), 0) + row["n"]
        counts.setdefault(row["skill"], {}).setdefault(row["agent"], {})[row["part"]] = row["n"]
        if row["quality"] is not None:
            judged.setdefault((row["skill"], row["agent"]), []).append((row["n"], float(row["quality"])))
    found: dict[str, list[dict[str, Any]]] = {}
    for skill, agents in sorted(counts.items()):
        if len(agents) < 2:
            continue
        for agent, parts in sorted(agents.items()):
            marks = judged.get((skill, agent), [])
            weight = sum(n for n, _ in marks)
            quality = round(sum(n * q for n, q in marks) / weight / _MILLION, 4) if weight else None
            shares = [round(parts.get(part, 0) / totals[skill, part], 4) for part in range(1, _WINDOWS + 1) if (skill, part) in totals]
            found.setdefault(skill, []).append({"agent": agent, "tasks": sum(parts.values()), "quality": quality, "shares": shares})
    return found
