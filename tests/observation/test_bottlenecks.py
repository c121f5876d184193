"""Bottlenecks: hand-computed waits on both databases; time lost is never more than there was."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from view_site import SECOND, Memory, history, task

from tutti.observation import bottlenecks


def facts(about: str, *steps: tuple[int, str]) -> list[dict[str, Any]]:
    return [{"at": at * SECOND, "kind": kind, "about": about} for at, kind in steps]


def stored_facts(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row | {"seq": seq, "by": "x", "data": "{}", "leaf": b""} for seq, row in enumerate(sorted(rows, key=lambda row: row["at"]), 1)]


ROWS = [
    task("t-plain", from_at=10 * SECOND, started_at=13 * SECOND, finished_at=20 * SECOND, agent="ben", from_agent="anna"),
    task("t-early", from_at=0, started_at=4 * SECOND, finished_at=6 * SECOND, agent="ben", from_agent="anna"),
    task("t-open", from_at=90 * SECOND, started_at=None, finished_at=None, agent=None, skill="ticket.triage", from_agent="signal"),
    task("t-approved", waited=1, started_at=40 * SECOND, finished_at=45 * SECOND, agent="pay", from_agent="person/ana"),
    task("t-retried", waited=1, started_at=30 * SECOND, finished_at=50 * SECOND, agent="call", from_agent="anna"),
    task("t-asking", waited=1, state="input-required", stage="asking", started_at=60 * SECOND, finished_at=None, agent="ask", from_agent="anna"),
    task("t-joined", waited=1, started_at=30 * SECOND, finished_at=31 * SECOND, agent="ben", from_agent="carl"),
    task("t-leased", waited=1, started_at=55 * SECOND, finished_at=56 * SECOND, agent="pay", from_agent="anna"),
]
FACTS = [
    *facts("t-approved", (20, "task.submitted"), (20, "task.gated"), (40, "task.gated"), (40, "run.started"), (45, "run.finished"), (45, "task.completed")),
    *facts("t-retried", (30, "task.submitted"), (30, "task.gated"), (30, "run.started"), (32, "run.finished"), (38, "run.started"), (50, "run.finished"), (50, "task.completed")),
    *facts("t-asking", (60, "task.submitted"), (60, "run.started"), (70, "task.asked")),
    *facts("t-joined", (12, "task.submitted"), (12, "intent.declared"), (29, "task.joined"), (30, "run.started"), (31, "run.finished"), (31, "task.completed")),
    *facts("t-leased", (50, "task.submitted"), (50, "task.queued"), (53, "task.queued"), (55, "task.gated"), (55, "run.started"), (56, "run.finished"), (56, "task.completed")),
]  # fmt: skip


async def test_by_hand(stored):
    stored.put("task", ROWS)
    fake = [row | ({"leaf": b""}) for row in stored_facts(FACTS)]
    stored.put("fact", fake)
    told = await bottlenecks(stored.select, since=5 * SECOND, now=100 * SECOND, departments=None, sole={"ticket.triage": "triage"})
    found = {
        (one["from"], one["to"], one["cause"]): (one["tasks"], one["open"], one["lost_ms"] / 1000, one["p50_ms"] / 1000, one["p95_ms"] / 1000) for one in told
    }
    assert found == {
        ("ask", "person", "question"): (1, 1, 30, 30, 30),
        ("pay", "person", "person"): (1, 0, 20, 20, 20),
        ("carl", "ben", "join"): (1, 0, 17, 17, 17),
        ("signal", "triage", "queue"): (1, 1, 10, 10, 10),
        ("call", "call", "retry"): (1, 0, 6, 6, 6),
        ("anna", "pay", "lease"): (1, 0, 5, 3, 3),
        ("anna", "ben", "queue"): (1, 0, 3, 3, 3),
        ("carl", "ben", "queue"): (1, 0, 1, 1, 1),
    }  # fmt: skip
    assert [one["lost_ms"] for one in told] == sorted((one["lost_ms"] for one in told), reverse=True)
    assert told[0]["lost_per_hour_ms"] == pytest.approx(30_000 * 3600 / 95, abs=0.01)
    clipped = await bottlenecks(stored.select, since=25 * SECOND, now=100 * SECOND, departments=["a"], sole={})
    by = {(one["from"], one["to"], one["cause"]): one for one in clipped}
    assert (by["pay", "person", "person"]["lost_ms"], by["pay", "person", "person"]["p50_ms"]) == (15_000, 20_000), (
        "only the part that lies in the window is lost in it"
    )
    assert ("anna", "ben", "queue") not in by
    assert ("signal", "ticket.triage", "queue") in by
    assert await bottlenecks(stored.select, since=5 * SECOND, now=100 * SECOND, departments=["b"], sole={}) == []


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), tasks=st.integers(1, 80), cuts=st.lists(st.integers(0, 80 * SECOND), min_size=2, max_size=2, unique=True))
async def test_no_more_is_lost_than_there_was(seed, tasks, cuts):
    since, now = sorted(cuts)
    view, rows = Memory(), [row for row in history(seed, tasks, 60) if row["submitted_at"] <= now]
    view.put("task", rows)
    told = await bottlenecks(view.select, since=since, now=now, departments=None, sole={}, limit=1000)
    for one in told:
        assert 0 < one["lost_ms"] * 1000 <= one["tasks"] * (now - since)
        assert one["p50_ms"] <= one["p95_ms"]
    ends = lambda row: now if row["started_at"] is None else row["started_at"]  # noqa: E731
    waits = [row for row in rows if row["started_at"] is not None or (row["open"] and row["stage"] == "ready")]
    wanted = sum(max(min(ends(row), now) - max(row["from_at"], since), 0) for row in waits)
    assert sum(one["lost_ms"] for one in told) * 1000 == pytest.approx(wanted)
