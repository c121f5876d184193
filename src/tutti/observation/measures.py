"""What the fleet achieves: sums over the view's rows. Definitions: DESIGN section 3 (autonomy ratio, inter-agent latency, resolution quality)."""

from __future__ import annotations

from typing import Any

from tutti.observation.intervals import mean_of_shares
from tutti.observation.windows import ACTED, MILLION, Select

_EARLY = 50  # tasks of a skill that count as its beginning
_WINDOWS = 4  # equal parts of the rest over which shares are shown


async def measures(select: Select) -> dict[str, Any]:
    """All measures as JSON data. `select` runs read-only SQL on the view. Latencies in milliseconds, shares and ratios 0..1."""
    states = {row["state"]: row["n"] for row in await select("SELECT state, COUNT(*) AS n FROM task GROUP BY state ORDER BY state")}
    parked = await select("SELECT reason, COUNT(*) AS n FROM task WHERE stage = 'parked' GROUP BY reason ORDER BY n DESC LIMIT 20")
    coalesced = await select("SELECT COUNT(*) AS n FROM task WHERE into_task IS NOT NULL")
    waiting = await select("SELECT COUNT(*) AS n FROM approval WHERE state = 'open'")
    span = (await select("SELECT COUNT(*) AS n, MIN(submitted_at) AS first, MAX(finished_at) AS last FROM task WHERE finished_at IS NOT NULL"))[0]
    seconds = (span["last"] - span["first"]) / MILLION if span["n"] else 0.0
    return {
        "schema": "tutti.measures/1",
        "tasks": {"all": sum(states.values()), "by_state": states, "parked": [{"reason": row["reason"], "tasks": row["n"]} for row in parked]},
        "autonomy_ratio": await _autonomy(select),
        "latency_ms": await _latency(select),
        "resolution_quality": await _quality(select),
        "coalesced": coalesced[0]["n"],
        "approvals_waiting": waiting[0]["n"],
        "shares": await _shares(select),
        "usage": await _usage(select),
        "tasks_per_second": round(span["n"] / seconds, 1) if seconds > 0 else None,
    }


async def _usage(select: Select) -> dict[str, list[dict[str, Any]]]:
    """What calls to models took, by agent, department and model: calls, tokens, and cost in the fleet's currency.

    `unsettled` is what calls hold whose end nobody saw, or has seen yet; `unpriced` counts calls to models whose price nobody said.
    """
    rows = await select(
        "SELECT scope, name, SUM(calls) AS calls, SUM(input_tokens) AS input_tokens, SUM(output_tokens) AS output_tokens, SUM(cached) AS cached, "
        "SUM(cost) AS cost, SUM(reserved) AS reserved, SUM(unpriced) AS unpriced FROM usage GROUP BY scope, name ORDER BY scope, name"
    )
    found: dict[str, list[dict[str, Any]]] = {"agent": [], "department": [], "model": []}
    for row in rows:
        counts = {name: int(row[name] or 0) for name in ("calls", "input_tokens", "output_tokens", "cached", "unpriced")}
        money = {"cost": int(row["cost"] or 0) / MILLION, "unsettled": int(row["reserved"] or 0) / MILLION}
        found[row["scope"]].append({"name": row["name"], **counts, **money})
    return found


async def _autonomy(select: Select) -> dict[str, Any]:
    """Finished actions that no person approved, changed, answered or overrode ÷ all finished actions, with both counts."""
    row = (await select(f"SELECT COUNT(*) AS n, SUM(by_person) AS person FROM task WHERE {ACTED}"))[0]
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
    """Mean judgement of completed tasks with its 95 % interval, and the share judged; by skill too."""
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
    found = mean_of_shares(judged, int(row["total"]) / MILLION, int(row["squares"]) / MILLION)
    bounds = {name: round(float(value or 0.0), 4) for name, value in zip(("mean", "low", "high"), found, strict=True)}
    return {**bounds, "judged": judged, "share_judged": round(judged / max(int(row["done"]), 1), 4)}


async def _shares(select: Select) -> dict[str, list[dict[str, Any]]]:
    """Who did the work, where several agents share a skill (and class of tasks): each one's share of the first tasks and then of equal parts of the rest.

    The first entry of `shares` is over the first 50 tasks, before much was learned; the others are quarters of what came after, in order. `standing` is the
    agent's mean judgement, drawn towards 0.5 by two judgements so that one lucky task does not make a best agent.
    """
    rows = await select(
        f"SELECT skill, class, agent, part, COUNT(*) AS n, COUNT(quality) AS judged, SUM(quality) AS total FROM ("
        f"SELECT skill, class, agent, quality, CASE WHEN place <= {_EARLY} THEN 0 ELSE 1 + (place - {_EARLY} - 1) * {_WINDOWS} / (many - {_EARLY}) END AS part FROM ("
        "SELECT skill, class, agent, quality, ROW_NUMBER() OVER (PARTITION BY skill, class ORDER BY seq) AS place, COUNT(*) OVER (PARTITION BY skill, class) AS many "
        "FROM task WHERE agent IS NOT NULL AND attempts > 0) AS placed) AS numbered GROUP BY skill, class, agent, part"
    )
    totals: dict[tuple[str, int], int] = {}
    agents: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        name = f"{row['skill']} ({row['class']})" if row["class"] else row["skill"]
        totals[name, row["part"]] = totals.get((name, row["part"]), 0) + row["n"]
        agents.setdefault(name, {}).setdefault(row["agent"], []).append(row)
    found: dict[str, list[dict[str, Any]]] = {}
    for name, by_agent in sorted(agents.items()):
        if len(by_agent) < 2:
            continue
        for agent, parts in sorted(by_agent.items()):
            counts = {part["part"]: part["n"] for part in parts}
            judged, total = sum(part["judged"] for part in parts), sum(int(part["total"] or 0) for part in parts) / MILLION
            shares = [round(counts.get(part, 0) / totals[name, part], 4) for part in range(_WINDOWS + 1) if (name, part) in totals]
            entry = {"agent": agent, "tasks": sum(counts.values()), "judged": judged, "quality": round(total / judged, 4) if judged else None}
            found.setdefault(name, []).append(entry | {"standing": round((total + 1) / (judged + 2), 4), "shares": shares})
    return found
