"""Traffic: every hop of a time, edges that are their sums, and no name that the caller may not see."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from view_site import SECOND, Memory, history, task

from tutti.clock import to_text
from tutti.observation import Place, newest, nodes, traffic


def approvals(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For every fifth task that an agent was chosen for, one that a person answered, and for every tenth one that is open."""
    found = []
    for n, row in enumerate(rows):
        if n % 5 == 0 and row["agent"]:
            row["approval"] = f"a-{n}"
            found.append({"id": f"a-{n}", "task": row["id"], "agent": row["agent"], "asked_at": row["submitted_at"], "answered_at": None if n % 10 else row["started_at"], "state": "used", "open": 0, "version": 1})  # fmt: skip
    return found


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), tasks=st.integers(0, 100), cuts=st.lists(st.integers(0, 80 * SECOND), min_size=2, max_size=2, unique=True), limit=st.integers(1, 60),
       departments=st.sampled_from([None, ["a"], []]), hidden=st.sampled_from([(), ("anna",), ("anna", "ben")]))  # fmt: skip
async def test_edges_are_the_sums_of_all_hops(seed, tasks, cuts, limit, departments, hidden):
    since, until = sorted(cuts)
    rows, view = history(seed, tasks, 60), Memory()
    asked = approvals(rows)
    view.put("task", rows)
    view.put("approval", asked)
    told = await traffic(view.select, since=since, until=until, limit=limit, departments=departments, hidden=hidden)
    mine = [row for row in rows if departments is None or row["department"] in departments]
    name = lambda who: "elsewhere" if who in hidden else "person" if who.startswith("person/") else who  # noqa: E731
    wanted = Counter((name(row["from_agent"]), row["agent"]) for row in mine if row["started_at"] is not None and since <= row["started_at"] < until)
    ids = {row["id"] for row in mine}
    wanted += Counter(
        (name(one["agent"]), "person") for one in asked if one["task"] in ids and one["answered_at"] is not None and since <= one["answered_at"] < until
    )
    assert {(edge["from"], edge["to"]): edge["count"] for edge in told.edges} == wanted
    assert len(told.hops) == min(limit, sum(wanted.values()))
    assert told.truncated == (sum(wanted.values()) > limit)
    assert [hop["at"] for hop in told.hops] == sorted(hop["at"] for hop in told.hops)
    assert all(edge["p50_ms"] <= edge["p95_ms"] for edge in told.edges)
    done = Counter(row["agent"] for row in mine if row["finished_at"] is not None and since <= row["finished_at"] < until)
    assert {agent: count for agent, (count, _) in told.works.items()} == done


async def test_by_hand_on_both_databases(stored):
    stored.put("task", [
        task("t-1", started_at=2_000, finished_at=10_000, skill="ticket.triage"),
        task("t-2", from_agent="person/ana", from_at=40_000, submitted_at=10_000, started_at=41_000, finished_at=60_000, agent="pay", approval="a-1"),
        task("t-3", from_agent="anna", from_at=10_000, submitted_at=10_000, agent="ben", started_at=90_000, finished_at=None, department="b"),
    ])  # fmt: skip
    stored.put("approval", [{"id": "a-1", "task": "t-2", "agent": "pay", "asked_at": 12_000, "answered_at": 40_000, "state": "used", "open": 0, "version": 3}])
    told = await traffic(stored.select, since=0, until=100_000, limit=10, departments=None)
    assert [(hop["from"], hop["to"], hop["took_ms"], hop["at"]) for hop in told.hops] == [
        ("signal", "anna", 2.0, to_text(0)), ("anna", "ben", 80.0, to_text(10_000)), ("pay", "person", 28.0, to_text(12_000)), ("person", "pay", 1.0, to_text(40_000)),
    ]  # fmt: skip
    assert told.called == {"ticket.triage"}
    assert (told.works["anna"], told.works["pay"]) == ((1, 8.0), (1, 19.0))
    later = await traffic(stored.select, since=40_000, until=90_000, limit=10, departments=["a"])
    assert [(hop["from"], hop["to"]) for hop in later.hops] == [("pay", "person"), ("person", "pay")]


def test_an_agent_is_its_latest_live_version_and_what_it_has_to_do():
    rows = [
        {"name": "anna", "agent_version": "1", "state": "live", "since": 5, "department": "a"},
        {"name": "anna", "agent_version": "2", "state": "retired", "since": 9, "department": "a"},
        {"name": "ben", "agent_version": "1", "state": "draining", "since": 1, "department": "b"},
    ]
    chosen = newest(rows)
    assert {name: row["agent_version"] for name, row in chosen.items()} == {"anna": "1", "ben": "1"}
    stages = ("running", "parked", "asking", "backoff", "queued")
    tasks = [{"agent": "anna", "stage": stage, "skill": "x"} for stage in stages] + [
        {"agent": None, "stage": "ready", "skill": skill} for skill in ("x", "x", "y")
    ]
    anna, ben, person, signal = nodes(
        [Place(chosen["anna"], "ok", {"x"}, 8), Place(chosen["ben"], None, (), None)], {"signal", "person"}, tasks, {"anna": (3, 7.5)}
    )
    assert {name: anna[name] for name in ("open", "running", "needs_person", "waiting", "tasks", "p95_ms")} == {"open": 5, "running": 1, "needs_person": 2, "waiting": 4, "tasks": 3, "p95_ms": 7.5}  # fmt: skip
    assert (ben["state"], ben["waiting"], ben["tasks"], ben["p95_ms"], ben["health"]) == ("draining", 0, 0, None, None)
    assert (person["kind"], person["open"], signal["kind"], signal["open"]) == ("person", 2, "outside", None)
