"""Signals and plans on both databases; decisions from an instant on."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from view_site import Memory, task

from tutti.observation import decided, playbooks, signals
from tutti.observation.decisions import first_fact


def plan(task: str, name: str, state: str, **values: Any) -> dict[str, Any]:
    return {
        "task": task,
        "name": name,
        "kind": "playbook",
        "state": state,
        "steps": 3,
        "done": 0,
        "made_at": 10,
        "open": int(state == "running"),
        "version": 1,
    } | values


async def test_plans_in_progress_and_those_that_ended(stored):
    stored.put("task", [
        task("t-run", finished_at=None, submitted_at=0, deadline_at=100), task("t-late", finished_at=None, submitted_at=0, deadline_at=91),
        task("t-step", parent="t-run"), task("t-failed-step", parent="t-run", state="failed"), task("t-done", finished_at=50), task("t-old", finished_at=5),
        task("t-bad", finished_at=60, state="failed"), task("t-b", finished_at=None, department="b"),
    ])  # fmt: skip
    stored.put("plan", [plan("t-run", "onboard", "running"), plan("t-late", "onboard", "running", made_at=7, steps=4), plan("t-done", "onboard", "completed"), plan("t-old", "onboard", "completed"),
                        plan("t-bad", "offboard", "failed"), plan("t-b", "", "running", kind="goal")])  # fmt: skip
    told = await playbooks(stored.select, since=40, now=85, departments=None)
    assert [(row["kind"], row["name"], row["open"], row["finished"], row["failed"], row["steps_done"], row["steps_all"], row["at_risk"], row["oldest_at"]) for row in told] == [
        ("playbook", "onboard", 2, 1, 0, 1, 7, 1, 7), ("goal", "", 1, 0, 0, 0, 3, 0, 10), ("playbook", "offboard", 0, 0, 1, 0, 0, 0, None),
    ]  # fmt: skip
    assert [row["kind"] for row in await playbooks(stored.select, since=40, now=85, departments=["b"])] == ["goal"]


async def test_a_signal_counts_the_tasks_it_called_for_and_not_what_they_asked(stored):
    stored.put("signal", [
        {"key": "k1", "id": "s-1", "type": "x", "event": "e", "at": 1, "seq": 1, "department": "a", "by": "crm", "version": 1},
        {"key": "k2", "id": "s-2", "type": "y", "event": "e", "at": 2, "seq": 2, "task": "t-1", "by": "agent/anna", "version": 1},
    ])  # fmt: skip
    stored.put("task", [
        task("t-1", signal="s-1"), task("t-asked", signal="s-1", parent="t-1"), task("t-2", signal="s-2", parent="t-1", department="b"), task("t-3", signal="s-2", parent="t-1"),
    ])  # fmt: skip
    seen = [(row["id"], row["tasks"]) for row in await signals(stored.select, departments=None)]
    assert seen == [("s-2", 2), ("s-1", 1)]
    assert [(row["id"], row["tasks"]) for row in await signals(stored.select, departments=["b"])] == [("s-2", 1)]
    assert [row["id"] for row in await signals(stored.select, departments=["a"], task="t-1")] == ["s-2"]
    assert await signals(stored.select, departments=[]) == []


@given(st.lists(st.integers(0, 30), max_size=40), st.integers(0, 31))
async def test_the_first_fact_at_or_after_an_instant(times, instant):
    view, times = Memory(), sorted(times)
    view.put("fact", [{"seq": n, "at": at, "kind": "x", "about": "t", "data": "{}"} for n, at in enumerate(times, 1)])
    view.db.execute("CREATE TABLE head (seq INTEGER)")
    view.put("head", [{"seq": len(times)}])
    assert await first_fact(view.select, instant) == 1 + sum(at < instant for at in times)


async def test_rules_are_counted_from_an_instant_on_and_no_further_than_the_limit(stored):
    verdicts = ("allow", "ask", "deny", "allow")
    stored.put("fact", [
        {"seq": n, "at": n * 10, "kind": "task.gated", "about": f"t-{n}", "by": "tutti", "data": f'{{"policies": ["r"], "verdict": "{verdict}"}}', "leaf": b""}
        for n, verdict in enumerate(verdicts, 1)
    ])  # fmt: skip
    stored.set_head(4)
    found = await decided(stored.select, since=15, departments=None)
    assert found.rules == {"r": {"allowed": 1, "asked": 1, "denied": 1, "last_at": 40, "last_task": "t-4"}}
    assert (found.decisions, found.since) == (3, 15)
    assert (await decided(stored.select, since=0, departments=None, limit=2)) == (
        {"r": {"allowed": 1, "asked": 0, "denied": 1, "last_at": 40, "last_task": "t-4"}},
        2,
        30,
    )
    assert (await decided(stored.select, since=0, departments=["a"])).decisions == 0
