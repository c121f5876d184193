"""No reading of a window walks through the whole history: SQLite says how it would go about each query, and none of them scans a large table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tutti import observation

_READINGS = {
    "kpis": lambda select: observation.kpis(select, since=1, split=2, until=3, buckets=2, departments=["a"], targets={}, currency=None),
    "throughput": lambda select: observation.throughput(select, since=1, until=3, buckets=2, departments=None),
    "traffic": lambda select: observation.traffic(select, since=1, until=3, limit=5, departments=None, hidden=["x"]),
    "bottlenecks": lambda select: observation.bottlenecks(select, since=1, now=3, departments=["a"], sole={"job.do": "anna"}),
}


@pytest.mark.parametrize("stored", ["sqlite"], indirect=True)
@pytest.mark.parametrize("reading", _READINGS)
async def test_no_large_table_is_scanned(stored, reading):
    steps: list[str] = []

    async def explained(sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        steps.extend(row["detail"] for row in await stored.select(f"EXPLAIN QUERY PLAN {sql}", params))
        return []

    await _READINGS[reading](explained)
    assert any(step.startswith("SEARCH task USING INDEX") for step in steps)
    assert not [step for step in steps if step.startswith(("SCAN task", "SCAN fact", "SCAN approval"))]
