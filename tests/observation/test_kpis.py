"""KPIs before and after an instant: equal to what plain Python makes of the same rows, on both databases."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from view_site import SECOND, Memory, history, task

from tutti.observation import kpis, throughput


def by_hand(rows: list[dict[str, Any]], since: int, until: int, departments: list[str] | None) -> dict[str, tuple[Any, int, int]]:
    """Value, n and of of each KPI, from the definitions in words."""
    mine = [row for row in rows if departments is None or row["department"] in departments]
    ended = [row for row in mine if row["finished_at"] is not None and since <= row["finished_at"] < until]
    actions = [row for row in ended if row["nature"] == "action" and row["state"] in ("completed", "failed") and row["attempts"]]
    alone = [row for row in actions if not row["by_person"]]
    done = [row for row in ended if row["state"] == "completed"]
    judged = [row["quality"] / 1e6 for row in done if row["quality"] is not None]
    took = sorted(
        row["started_at"] - row["from_at"]
        for row in mine
        if row["started_at"] is not None and since <= row["started_at"] < until and row["from_agent"] in ("anna", "ben", "carl")
    )
    children: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        children.setdefault(row["parent"], []).append(row)

    def tree(row: dict[str, Any]) -> list[dict[str, Any]]:
        return [row] + [each for child in children.get(row["id"], ()) for each in tree(child)]

    resolved = []
    for root in mine:
        whole = tree(root) if root["parent"] is None else []
        if whole and not any(row["open"] for row in whole) and since <= max(row["finished_at"] for row in whole) < until:
            resolved.append((max(row["finished_at"] for row in whole) - root["submitted_at"], sum(row["cost"] for row in whole)))
    times, costs = sorted(time for time, _ in resolved), [cost / 1e6 for _, cost in resolved]
    p95 = lambda ordered: ordered[math.floor(0.95 * len(ordered))] / 1000 if ordered else None  # noqa: E731
    return {
        "latency": (p95(took), len(took), len(took)),
        "quality": (sum(judged) / len(judged) if judged else None, len(judged), len(done)),
        "autonomy": (len(alone) / len(actions) if actions else None, len(alone), len(actions)),
        "cost": (sum(costs) / len(costs) if costs else None, len(costs), len(costs)),
        "resolution_time": (p95(times), len(times), len(times)),
    }


def check(told: dict[str, Any], rows: list[dict[str, Any]], since: int, split: int, until: int, departments: list[str] | None) -> None:
    before, after = by_hand(rows, since, split, departments), by_hand(rows, split, until, departments)
    assert [kpi["name"] for kpi in told["kpis"]] == list(after)
    for kpi in told["kpis"]:
        for side, (value, n, of) in ((kpi, after[kpi["name"]]), (kpi["before"], before[kpi["name"]])):
            assert (side["n"], side["of"]) == (n, of), kpi["name"]
            assert side["value"] == (None if value is None else pytest.approx(value, abs=2e-3)), kpi["name"]
            for low, high in ((side["low"], side["value"]), (side["value"], side["high"])):
                assert low is None or high is None or low <= high + 1e-9
        counted = {"quality": "n", "autonomy": "of"}.get(kpi["name"], "n")
        assert sum(point["n"] for point in kpi["series"]) == (after[kpi["name"]][1] if counted == "n" else kpi["n"])
        assert all((point["value"] is None) <= (point["n"] == 0) for point in kpi["series"])


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10**6), tasks=st.integers(0, 120), cuts=st.lists(st.integers(0, 80 * SECOND), min_size=3, max_size=3, unique=True), buckets=st.integers(1, 30),
       departments=st.sampled_from([None, ["a"], ["a", "b"], []]))  # fmt: skip
async def test_what_it_tells_is_what_the_definitions_say(seed, tasks, cuts, buckets, departments):
    since, split, until = sorted(cuts)
    view, rows = Memory(), history(seed, tasks, 60)
    view.put("task", rows)
    told = await kpis(view.select, since=since, split=split, until=until, buckets=buckets, departments=departments, targets={"latency": 800.0}, currency="EUR")
    check(told, rows, since, split, until, departments)
    assert [kpi["target"] for kpi in told["kpis"]] == [800.0, None, None, None, None]
    flow = await throughput(view.select, since=since, until=until, buckets=buckets, departments=departments)
    mine = [row for row in rows if departments is None or row["department"] in departments]
    sums = {name: sum(part[name] for part in flow["buckets"]) for name in ("alone", "person", "failed", "submitted")}
    ended = [row for row in mine if row["finished_at"] is not None and since <= row["finished_at"] < until]
    assert sums["submitted"] == sum(since <= row["submitted_at"] < until for row in mine)
    assert sums["failed"] == sum(row["state"] != "completed" for row in ended)
    assert sums["alone"] + sums["person"] + sums["failed"] == len(ended)
    assert len(flow["buckets"]) <= buckets


async def test_both_databases_tell_the_same(stored):
    rows, view = history(3, 300, 60), Memory()
    stored.put("task", rows)
    view.put("task", rows)
    cut = (10 * SECOND, 30 * SECOND, 55 * SECOND)
    told = await kpis(stored.select, since=cut[0], split=cut[1], until=cut[2], buckets=10, departments=["a", "b"], targets={}, currency=None)
    check(told, rows, *cut, ["a", "b"])
    assert told == await kpis(view.select, since=cut[0], split=cut[1], until=cut[2], buckets=10, departments=None, targets={}, currency=None)
    flow = await throughput(stored.select, since=cut[0], until=cut[2], buckets=10, departments=None)
    assert flow == await throughput(view.select, since=cut[0], until=cut[2], buckets=10, departments=None)


async def test_a_small_company_by_hand():
    view = Memory()
    view.put("task", [
        task("t-1", submitted_at=10, started_at=20, finished_at=100_000, quality=800_000, cost=1_000_000),
        task("t-2", parent="t-1", from_agent="anna", from_at=100_000, submitted_at=100_000, started_at=140_000, finished_at=300_000, agent="ben", nature="action", by_person=1, cost=500_000),
        task("t-3", parent="t-1", from_agent="anna", from_at=100_000, submitted_at=100_000, started_at=160_000, finished_at=200_000, agent="ben", nature="action", quality=400_000),
    ])  # fmt: skip
    told = await kpis(view.select, since=0, split=50_000, until=400_000, buckets=7, departments=None, targets={}, currency="EUR")
    latency, quality, autonomy, cost, time = told["kpis"]
    assert (latency["p50"], latency["value"], latency["n"], latency["high"]) == (60.0, 60.0, 2, None)
    assert (quality["value"], quality["n"], quality["of"]) == (0.6, 2, 3)
    assert (autonomy["value"], autonomy["n"], autonomy["of"], autonomy["before"]["value"], autonomy["difference"]) == (0.5, 1, 2, None, None)
    assert (cost["value"], cost["n"], time["value"]) == (1.5, 1, 299.99)
    assert [point["n"] for point in time["series"]] == [0, 0, 0, 0, 0, 1, 0]
