"""Timelines: a task's stretches leave no gap, and what several tasks did and waited for adds up to the time they took."""

from __future__ import annotations

import itertools
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from tutti import Context, Fleet
from tutti.explanation import Placed, timeline
from tutti.explanation.timeline import life, parts
from tutti.model.fact import Fact

_NEXT = {  # what may follow a kind of fact, with its data
    "queue": ["approval.requested", "run.started", "task.queued", "task.parked", "task.rejected"],
    "person": ["approval.answered", "task.parked", "task.canceled"],
    "parked": ["task.resumed", "task.canceled"],
    "lease": ["run.started", "task.amended", "task.canceled"],
    "run": ["retry", "fallback", "done", "failed", "task.asked", "parked"],
    "backoff": ["run.started", "task.canceled"],
    "question": ["task.answered", "task.canceled"],
}


@st.composite
def lives(draw: st.DrawFn, id: str = "t-1", start: int = 0) -> list[Fact]:
    facts: list[Fact] = []
    at = start

    def add(kind: str, about: str, **data: Any) -> None:
        facts.append(Fact(len(facts) + 1, at, kind, about, "tutti", None, data))

    add("task.submitted", id, stage="ready")
    state, attempt = "queue", 0
    for _ in range(draw(st.integers(0, 12))):
        at += draw(st.integers(0, 50))
        match kind := draw(st.sampled_from(_NEXT[state])):
            case "approval.requested":
                add(kind, "a-1", task=id, reasons=["why"])
                state = "person"
            case "approval.answered":
                add(kind, "a-1", task=id, answer="approve")
                state = "queue"
            case "run.started":
                attempt += 1
                add(kind, id, agent="ann", version="1", attempt=attempt)
                state = "run"
            case "task.queued":
                add(kind, id, reason="taken", until=0)
                state = "lease"
            case "task.parked" | "parked":
                if kind == "parked":
                    add("run.finished", id, attempt=attempt, agent="ann", outcome="failed", next="park", error="x", ms=1.0)
                add("task.parked", id, reason="why")
                state = "parked"
            case "task.resumed":
                add(kind, id, stage="ready", reason="again")
                state = "queue"
            case "task.amended":
                add(kind, id, input="p", option=1, reason="r")
                state = "queue"
            case "retry" | "fallback":
                add("run.finished", id, attempt=attempt, agent="ann", outcome="failed", next=kind, error="x", ms=1.0)
                state = "backoff" if kind == "retry" else "queue"
            case "done" | "failed":
                add("run.finished", id, attempt=attempt, agent="ann", outcome=kind, next="done" if kind == "done" else "fail", ms=1.0)
                add("task.completed" if kind == "done" else "task.failed", id)
                return facts
            case "task.asked":
                add(kind, id, question="q", number=1)
                state = "question"
            case "task.answered":
                add(kind, id, answer="q", number=1)
                state = "run"
            case _:
                add(kind, id, reason="r")
                return facts
    return facts


def row_of(facts: list[Fact], id: str, parent: str | None = None) -> dict[str, Any]:
    ended = facts[-1].kind in ("task.completed", "task.failed", "task.canceled", "task.rejected")
    return {"id": id, "parent": parent, "skill": "x", "trace": None, "open": int(not ended), "finished_at": facts[-1].at if ended else None}


@settings(max_examples=100, deadline=None)
@given(lives(), st.integers(0, 100))
def test_a_tasks_stretches_leave_no_gap_and_its_parts_add_up_to_its_span(facts: list[Fact], later: int) -> None:
    now = facts[-1].at + later
    spans = list(life(facts))
    row = row_of(facts, "t-1")
    until = facts[-1].at if not row["open"] else now
    at = facts[0].at
    for span in spans:
        assert span.start == at
        at = now if span.end is None else span.end
    if spans:
        assert at == until
    assert sum(parts(spans, now).values()) == until - facts[0].at
    told = timeline([Placed(row, 0, None)], facts, now)
    total = told["working_ms"] + told["waiting_agents_ms"] + told["waiting_people_ms"] + told["waiting_other_ms"]
    assert abs(total - (until - facts[0].at) / 1000) < 0.01


@settings(max_examples=100, deadline=None)
@given(lives(), st.lists(st.integers(0, 300), max_size=4), st.data())
def test_over_several_tasks_the_parts_add_up_to_the_time_in_which_any_was_open(facts: list[Fact], starts: list[int], data: st.DataObject) -> None:
    every, placed = list(facts), [Placed(row_of(facts, "t-1"), 0, None)]
    for number, start in enumerate(starts):
        own = data.draw(lives(f"t-1{number}", start))
        every += own
        placed.append(Placed(row_of(own, f"t-1{number}", "t-1"), 1, "t-1"))
    now = max(fact.at for fact in every) + 10
    told = timeline(placed, every, now)
    open_at = set()
    for place in placed:
        own = [fact for fact in every if place.row["id"] in (fact.about, fact.data.get("task"))]
        end = place.row["finished_at"] if not place.row["open"] else now
        open_at |= set(range(own[0].at, end))
    total = told["working_ms"] + told["waiting_agents_ms"] + told["waiting_people_ms"] + told["waiting_other_ms"]
    assert abs(total - len(open_at) / 1000) < 0.01
    for place in placed:  # whatever it asked: its own stretches still leave no gap
        own = [span for span in told["spans"] if span["task"] == place.row["id"]]
        for before, after in itertools.pairwise(own):
            assert before["ended_at"] == after["started_at"]


class Order(BaseModel):
    amount: float


async def test_waiting_for_a_person_that_somebody_else_asks_is_no_work(tutti):
    fleet = Fleet("shop")

    @fleet.agent(skill="order.check", department="sales")
    async def check(order: Order, ctx: Context) -> str:
        return str(await ctx.ask("refund.pay", {"amount": order.amount}))

    @fleet.action("refund.pay", department="finance", amount="amount", idempotent=True)
    async def pay(order: Order, ctx: Context) -> str:
        return "paid"

    run = await tutti(fleet).submit("order.check", {"amount": 5})
    await run.advance(timedelta(hours=1))
    await run.approve("refund.pay")
    top, paid = run.task("order.check"), run.task("refund.pay")
    told = await run.workspace.timeline(top.id)
    assert 3_600_000 <= told["waiting_people_ms"] < 3_700_000
    assert told["working_ms"] < 60_000
    assert told["root"] == top.id
    assert (await run.workspace.timeline(paid.id))["root"] == top.id
    asked = [span for span in told["spans"] if span["task"] == top.id and span["kind"] == "join"]
    assert [span["note"] for span in asked] == [f"asked {paid.id}"]
    person = next(span for span in told["spans"] if span["kind"] == "person")
    assert (person["task"], person["parent"], person["depth"], person["status"]) == (paid.id, top.id, 1, "human")
    assert [decision["kind"] for decision in told["decisions"]] == ["route", "gate", "route", "gate", "approval", "gate"]
    span = datetime.fromisoformat(told["until_at"]) - datetime.fromisoformat(told["from_at"])
    total = told["working_ms"] + told["waiting_agents_ms"] + told["waiting_people_ms"] + told["waiting_other_ms"]
    assert abs(total - span / timedelta(milliseconds=1)) < 1.1


async def test_what_follows_by_a_signal_is_in_it_and_what_one_may_not_read_is_counted(tutti):
    fleet = Fleet("shop")

    @fleet.agent(skill="order.read", department="sales")
    async def read(order: Order, ctx: Context) -> str:
        ctx.signal("order.read", data={"amount": order.amount})
        return "read"

    @fleet.agent(skill="order.count", department="finance")
    async def count(order: Order, ctx: Context) -> str:
        return "counted"

    fleet.on("order.read", do="order.count")
    run = await tutti(fleet).submit("order.read", {"amount": 5})
    top, after = run.task("order.read"), run.task("order.count")
    told = await run.workspace.timeline(top.id)
    assert {span["task"] for span in told["spans"]} == {top.id, after.id}
    assert told["agents"] == ["read", "count"]
    assert (await run.workspace.timeline(after.id))["root"] == top.id
    mine = await run.workspace.timeline(top.id, readable=lambda row: row["department"] == "sales")
    assert ({span["task"] for span in mine["spans"]}, mine["hidden"]) == ({top.id}, 1)


def test_a_plans_steps_without_a_skill_are_not_told_as_one():
    made = Fact(1, 1, "plan.made", "t-1", "agent/planner", None, {"skills": ["a", "", "b"], "kind": "playbook", "cost": 0, "plan": "p"})
    placed = [Placed({"id": "t-1", "skill": "plan.run", "trace": None, "parent": None, "open": 1, "finished_at": None}, 0, None)]
    (told,) = timeline(placed, [made], 2)["decisions"]
    assert (told["kind"], told["chosen"]) == ("plan", "a, b")
