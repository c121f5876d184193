"""Plans on the road: shown, run side by side, planned anew when a step fails or something new is known, stopped at their bounds."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tutti import Context, Fleet, Settings, Workspace
from tutti.errors import AgentFailed, Invalid


class Ticket(BaseModel):
    account: str
    text: str


class Triage(BaseModel):
    urgency: float


class History(BaseModel):
    orders: int


class Case(BaseModel):
    account: str
    urgency: float
    orders: int


class Refund(BaseModel):
    account: str
    amount: float


class Receipt(BaseModel):
    number: str


TICKET = {"account": "a1", "text": "it broke"}


class Desk:
    """A help desk whose agents note what they are asked."""

    def __init__(self, level: str = "act") -> None:
        self.fleet = Fleet("plans")
        self.asked: list[tuple[str, Any]] = []
        self.failing: set[str] = set()
        self.fails_after: dict[str, int] = {}
        self._declare(level)

    def _saw(self, skill: str, input: Any) -> None:
        self.asked.append((skill, input))
        if skill in self.failing:
            raise AgentFailed(f"{skill} cannot", retry=False)

    def _declare(self, level: str) -> None:
        fleet = self.fleet

        @fleet.agent(skill="ticket.triage", department="support", cost=0.1, quality=0.9)
        async def triage(ticket: Ticket, ctx: Context) -> Triage:
            await asyncio.sleep(10)
            self._saw("triage", ticket.text)
            ctx.cost = 0.1
            return Triage(urgency=0.9)

        @fleet.agent(skill="account.history", department="support", quality=0.9)
        async def history(input: dict[str, str], ctx: Context) -> History:
            await asyncio.sleep(10)
            self._saw("history", input)
            return History(orders=3)

        @fleet.agent(skill="refund.decide", department="support", cost=0.1, quality=0.9)
        async def decide(case: Case, ctx: Context) -> Refund:
            self._saw("decide", case.model_dump())
            ctx.cost = 0.1
            return Refund(account=case.account, amount=case.orders * 10)

        @fleet.agent(skill="refund.guess", department="support", cost=5.0, quality=0.9)
        async def guess(ticket: Ticket, ctx: Context) -> Refund:
            await asyncio.sleep(1)
            self._saw("guess", ticket.text)
            ctx.cost = 5.0
            return Refund(account=ticket.account, amount=1)

        @fleet.action("refund.pay", department="support", amount="amount", quality=0.9)
        async def pay(refund: Refund, ctx: Context) -> Receipt:
            self._saw("pay", refund.amount)
            return Receipt(number=f"r-{refund.account}")

        fleet.autonomy("refund.pay", level=level)

    @property
    def skills(self) -> list[str]:
        return [skill for skill, _ in self.asked]


async def test_a_plan_is_shown_and_run_as_shown(tutti):
    desk = Desk()
    trial = tutti(desk.fleet)
    await trial.advance(timedelta())
    planned = await trial.workspace.plan("Receipt", TICKET)
    plan = planned["plan"]
    assert [step["skill"] for step in plan["steps"]] == ["account.history", "ticket.triage", "refund.decide", "refund.pay"]
    assert planned["expected"]["cost"] == pytest.approx(0.222)
    assert planned["instead_of"]["decide"] == [{"skill": "refund.guess", "burden": pytest.approx(5.55, abs=0.1)}]
    assert desk.asked == []
    start = trial.clock.now()
    task = await trial.workspace.run_plan(plan, TICKET)
    await trial.advance(timedelta())
    assert trial.task("plan.run").output == {"number": "r-a1"}
    assert desk.asked[2:] == [("decide", {"account": "a1", "urgency": 0.9, "orders": 3}), ("pay", 30)]
    assert trial.clock.now() - start < 15e6, "history and triage run side by side"
    (made,), (ended,) = await trial.facts("plan.made"), await trial.facts("plan.ended")
    assert (made["about"], made["data"]["kind"]) == (task, "goal")
    assert ended["data"] == {"state": "completed", "done": ["decide", "history", "pay", "triage"], "skipped": [], "spent": 200_000}
    assert {row.parent for row in trial.tasks() if row.id != task} == {task}


async def test_a_goal_alone_is_planned_and_run(tutti):
    desk = Desk()
    trial = await tutti(desk.fleet).submit("plan.run", {"goal": {"want": ["Refund"], "have": "Ticket"}, "input": TICKET})
    assert trial.task("plan.run").output == {"account": "a1", "amount": 30}
    told = (await trial.explain("plan.run"))["plan"]
    assert [(step["name"], step["state"], step["agent"]) for step in told["steps"]] == [
        ("history", "completed", "history"), ("triage", "completed", "triage"), ("decide", "completed", "decide"),
    ]  # fmt: skip
    assert (told["state"], told["spent"], told["changes"]) == ("completed", pytest.approx(0.2), [])


async def test_an_action_waits_for_a_person_as_any_other(tutti):
    desk = Desk("approve")
    trial = await tutti(desk.fleet).submit("plan.run", {"goal": "Receipt", "input": TICKET})
    assert trial.task("plan.run").state == "working"
    assert trial.task("refund.pay").waiting_for == "person"
    await trial.approve("refund.pay")
    assert trial.task("plan.run").output == {"number": "r-a1"}


async def test_another_way_is_taken_when_a_step_fails(tutti):
    desk = Desk()
    desk.failing = {"decide"}
    trial = await tutti(desk.fleet).submit("plan.run", {"goal": "Receipt", "input": TICKET})
    assert trial.task("plan.run").output == {"number": "r-a1"}
    assert desk.skills[2:] == ["decide", "guess", "pay"]
    told = (await trial.explain("plan.run"))["plan"]
    (change,) = told["changes"]
    assert (change["reason"], change["step"]) == ("step_failed", "decide")
    assert "refund.decide" in change["why"]
    assert [out["skill"] for out in told["ruled_out"]] == ["refund.decide"]
    assert [step["name"] for step in told["steps"]] == ["history", "triage", "guess", "pay"]
    assert told["expected_cost"] == pytest.approx(5.0, abs=1.0)  # of the plan as it is now


async def test_plans_are_made_anew_only_so_often(tutti):
    desk = Desk()
    desk.failing = {"decide"}
    trial = await tutti(desk.fleet).submit("plan.run", {"goal": "Receipt", "input": TICKET, "replans": 0})
    assert (trial.task("plan.run").state, trial.task("plan.run").reason) == ("failed", "held_back")
    assert "Step decide failed" in trial.task("plan.run").detail
    assert "guess" not in desk.skills
    (ended,) = await trial.facts("plan.ended")
    assert (ended["data"]["state"], ended["data"]["reason"]) == ("failed", "step_failed")


async def test_no_other_way_ends_the_plan_and_what_is_under_way(tutti):
    desk = Desk("approve")
    desk.failing = {"decide", "guess"}
    steps = [{"name": "pay", "skill": "refund.pay", "input": {"account": "a1", "amount": 3}}, {"name": "guess", "skill": "refund.guess", "input": "{input}"}]
    trial = await tutti(desk.fleet).submit("plan.run", {"plan": {"steps": steps}, "input": TICKET})
    await trial.advance(timedelta(seconds=5))
    assert trial.task("plan.run").state == "failed"
    assert trial.task("refund.pay").state == "canceled"


async def test_money_stops_a_plan_before_the_step_that_would_take_too_much(tutti):
    desk = Desk()
    desk.failing = {"decide"}
    trial = await tutti(desk.fleet).submit("plan.run", {"goal": "Receipt", "input": TICKET, "money": 1.0})
    assert "guess" not in desk.skills
    assert "no plan stays within" in trial.task("plan.run").detail
    dear = {
        "steps": [{"name": "one", "skill": "refund.guess", "input": "{input}"}, {"name": "two", "skill": "refund.guess", "input": "{input}", "after": ["one"]}]
    }
    await trial.submit("plan.run", {"plan": dear, "input": TICKET, "money": 9.0})
    assert "expected to cost 11" in trial.task("plan.run").detail


async def test_a_step_that_cost_more_than_expected_stops_the_plan(tutti):
    fleet = Fleet("dear")

    @fleet.agent(skill="a.dear", department="d", cost=0.1, quality=1.0)
    async def dear(input: dict[str, Any], ctx: Context) -> int:
        ctx.cost = 3.0
        return 1

    steps = [{"name": "one", "skill": "a.dear", "input": {}}, {"name": "two", "skill": "a.dear", "input": {}, "after": ["one"]}]
    trial = await tutti(fleet).submit("plan.run", {"plan": {"steps": steps}, "money": 1.0})
    assert len(trial.tasks("a.dear")) == 1
    (ended,) = await trial.facts("plan.ended")
    assert (ended["data"]["reason"], ended["data"]["spent"]) == ("money", 3_000_000)


async def test_the_deadline_ends_a_plan_that_waits_for_a_person(tutti):
    desk = Desk("approve")
    trial = tutti(desk.fleet)
    await trial.submit("plan.run", {"goal": "refund.pay", "input": {"account": "a1", "amount": 2}}, deadline=timedelta(hours=1))
    assert trial.task("plan.run").state == "working"
    await trial.advance(timedelta(hours=2))
    assert trial.task("plan.run").state == "failed"
    assert trial.task("refund.pay").state in ("failed", "canceled")
    (ended,) = await trial.facts("plan.ended")
    assert ended["data"]["state"] == "failed"


async def test_a_canceled_plan_cancels_its_steps(tutti):
    desk = Desk("approve")
    trial = await tutti(desk.fleet).submit("plan.run", {"goal": "refund.pay", "input": {"account": "a1", "amount": 2}})
    await trial.cancel("plan.run")
    assert (trial.task("plan.run").state, trial.task("refund.pay").state) == ("canceled", "canceled")
    (ended,) = await trial.facts("plan.ended")
    assert ended["data"]["state"] == "canceled"


async def test_what_the_gates_forbid_is_no_part_of_a_plan(tutti):
    desk = Desk()
    desk.fleet.policy('permit (principal, action, resource);\nforbid (principal, action, resource == Tutti::Skill::"refund.decide");')
    trial = tutti(desk.fleet)
    await trial.advance(timedelta())
    planned = await trial.workspace.plan("Refund", TICKET)
    assert [step["skill"] for step in planned["plan"]["steps"]] == ["refund.guess"]
    assert "refund.decide" in [out["skill"] for out in planned["ruled_out"]]


async def test_no_plan_says_what_is_missing(tutti):
    trial = tutti(Desk().fleet)
    await trial.advance(timedelta())
    planned = await trial.workspace.plan("Receipt", {"account": "a1"})
    assert planned["plan"] is None
    assert "nobody gives text (string), which ticket.triage needs" in planned["missing"]
    with pytest.raises(Invalid, match="needs a planner"):
        await trial.workspace.plan({"text": "make them happy"}, {})
    with pytest.raises(Invalid, match="wants nothing"):
        await trial.workspace.plan([], {})
    for money in (float("nan"), "much", -1):
        with pytest.raises(Invalid, match="money is"):
            await trial.workspace.plan("Receipt", TICKET, money=money)  # type: ignore[arg-type]
    await trial.submit("plan.run", {"goal": "Invoice", "input": {}})
    assert "none gives a value of that type" in trial.task("plan.run").detail


async def test_a_step_for_an_agent_that_does_not_do_it_is_found_before_anything_runs(tutti):
    steps = [{"name": "a", "skill": "ticket.triage", "input": "{input}", "to": "nobody"}]
    trial = await tutti(Desk().fleet).submit("plan.run", {"plan": {"steps": steps}, "input": TICKET})
    assert trial.task("plan.run").state == "failed"
    assert "step a: nobody does not offer ticket.triage; " in trial.task("plan.run").detail


@pytest.mark.parametrize(
    "order", [{}, {"goal": "x", "plan": {"steps": []}}, {"goal": "x", "money": -1}, {"goal": "x", "replans": 99}, {"plan": {"steps": [{}]}}]
)
async def test_an_order_that_is_none_is_refused_with_words(tutti, order: dict[str, Any]):
    trial = await tutti(Desk().fleet).submit("plan.run", order)
    assert (trial.task("plan.run").state, trial.task("plan.run").reason) == ("failed", "invalid_input")
    assert "plan.run" in trial.task("plan.run").detail


async def test_something_new_about_the_subject_makes_the_plan_anew(tutti):
    fleet, seen = Fleet("news"), []

    @fleet.agent(skill="risk.look", department="d", quality=0.9)
    async def look(input: dict[str, Any], ctx: Context) -> None:
        ctx.note("tier", input["tier"])

    @fleet.agent(skill="offer.slow", department="d", quality=0.9)
    async def slow(wish: Wish, ctx: Context) -> Offer:
        await asyncio.sleep(20)
        seen.append(wish.tier)
        return Offer(offer=f"offer for {wish.tier}")

    @fleet.agent(skill="offer.write", department="d", quality=0.9)
    async def write(offer: Offer, ctx: Context) -> Letter:
        return Letter(letter=offer.offer)

    trial = tutti(fleet)
    await trial.submit("risk.look", {"tier": "gold"}, subject="account/1")
    task = await trial.workspace.run_plan(goal="Letter", subject="account/1")
    await asyncio.sleep(5)
    await trial.workspace.submit("risk.look", {"tier": "basic"}, subject="account/1")
    await trial.advance(timedelta())
    assert (await trial.workspace.task(task))["output"] == {"letter": "offer for basic"}
    told = (await trial.explain("plan.run"))["plan"]
    assert [(change["reason"], change["topics"]) for change in told["changes"]] == [("note_changed", ["tier"])]
    assert seen == ["gold", "basic"]


class Wish(BaseModel):
    tier: str


class Offer(BaseModel):
    offer: str


class Letter(BaseModel):
    letter: str


# --- crashes ----------------------------------------------------------------------------------------------------------


async def test_a_plan_goes_on_where_it_was_after_a_crash(tmp_path: Path):
    desk, gate = Desk(), asyncio.Event()
    settings = Settings("plans", tmp_path, grace=timedelta())
    fleet, asked = Fleet("plans"), desk.asked
    came = asyncio.Event()

    @fleet.agent(skill="a.first", department="d", quality=0.9)
    async def first(input: dict[str, Any], ctx: Context) -> dict[str, int]:
        asked.append(("first", input))
        return {"one": 1}

    @fleet.action("a.second", department="d", idempotent=True, quality=0.9)
    async def second(input: dict[str, Any], ctx: Context) -> dict[str, int]:
        came.set()
        await gate.wait()
        asked.append(("second", input))
        return {"two": input["one"] + 1}

    fleet.autonomy("a.second", level="act")
    steps = [{"name": "first", "skill": "a.first", "input": {}}, {"name": "second", "skill": "a.second", "input": {"one": "{steps.first.one}"}}]
    async with Workspace(fleet, settings) as workspace:
        task = await workspace.run_plan({"steps": steps, "returns": "{steps.second.two}"})
        await came.wait()
        workspace.journal.abandon()
    gate.set()
    async with Workspace(fleet, settings) as workspace:
        assert await workspace.result(task) == 2
        assert asked == [("first", {}), ("second", {"one": 1})]
        assert len(await workspace.facts(kind="plan.made")) == 1


async def test_a_plan_that_was_made_anew_is_found_again_after_a_crash(tmp_path: Path):
    desk, settings = Desk("approve"), Settings("plans", tmp_path, grace=timedelta())
    desk.failing = {"decide"}
    async with Workspace(desk.fleet, settings) as workspace:
        task = await workspace.run_plan(goal="Receipt", input={**TICKET, "urgency": 0.5, "orders": 2})
        while not await workspace.approvals():
            await asyncio.sleep(0.01)
        workspace.journal.abandon()
    assert desk.skills == ["decide", "guess"]
    async with Workspace(desk.fleet, settings) as workspace:
        while not (waiting := await workspace.approvals()):
            await asyncio.sleep(0.01)
        await workspace.answer_as_owner(waiting[0]["id"], "approve")
        assert await workspace.result(task) == {"number": "r-a1"}
        assert len(await workspace.facts(kind="plan.made")) == len(await workspace.facts(kind="plan.changed")) == 1
    assert desk.skills == ["decide", "guess", "pay"]
