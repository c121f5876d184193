"""Policy, levels, budgets, approvals and kill switches hold what they promise."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from tutti import Context, Fleet
from tutti.errors import Conflict, Refused
from tutti.security import SigningKey, sign_approval
from tutti.testing import World, agents


class Payment(BaseModel):
    account: str
    amount: float


class Vague(BaseModel):
    amount: Any = None


def paying(world: World, *, level: str = "act", up_to: float | None = None, money: float | None = None, policy: str | None = None) -> Fleet:
    fleet = Fleet("money")

    @fleet.action("refund.pay", department="finance", amount="amount", idempotent=True, says="Pay {amount:.2f} EUR to account {account}.")
    async def pay(payment: Payment, ctx: Context) -> str:
        await world.do(ctx, f"{payment.amount}")
        return "paid"

    fleet.autonomy("refund.pay", level=level, up_to=up_to)
    if money is not None:
        fleet.budget("refunds", action="refund.pay", money=money, per="day")
    if policy is not None:
        fleet.policy(policy)
    return fleet


async def test_two_tasks_race_for_the_last_euro_and_one_spends_it(tutti):
    world = World(latency=1.0)
    run = await tutti(paying(world, money=10)).submit("refund.pay", {"account": "1", "amount": 9})
    await asyncio.gather(*(run.workspace.submit("refund.pay", {"account": str(n), "amount": 1}) for n in range(2, 6)))
    await run.advance(timedelta(seconds=10))
    states = sorted(task.state for task in run.tasks("refund.pay"))
    assert states == ["completed", "completed", "rejected", "rejected", "rejected"]
    assert len(world.effects) == 2
    rejected = next(task for task in run.tasks("refund.pay") if task.state == "rejected")
    assert rejected.reason == "budget refunds has 0.00 of 10.00 left today"


async def test_a_budget_begins_anew_with_its_period(tutti):
    run = await tutti(paying(World(), money=10)).submit("refund.pay", {"account": "1", "amount": 10})
    await run.submit("refund.pay", {"account": "1", "amount": 1})
    assert run.task("refund.pay").state == "rejected"
    await run.advance(timedelta(days=1))
    await run.submit("refund.pay", {"account": "1", "amount": 1})
    assert run.task("refund.pay").state == "completed"


async def test_no_policy_that_permits_is_a_denial_and_names_it(tutti):
    world = World()
    policy = """@id("advice") permit (principal, action == Tutti::Action::"advise", resource);
    @id("small") permit (principal in Tutti::Department::"finance", action == Tutti::Action::"act", resource == Tutti::Skill::"refund.pay")
    when { context has amount && context.amount.lessThan(decimal("50.0")) };"""
    run = await tutti(paying(world, policy=policy)).submit("refund.pay", {"account": "1", "amount": 60})
    assert (run.task("refund.pay").state, run.task("refund.pay").reason) == ("rejected", "no policy permits it")
    await run.submit("refund.pay", {"account": "1", "amount": 40})
    assert run.task("refund.pay").state == "completed"
    assert "Policy 'small' allows it" in await run.why("refund.pay")
    assert len(world.effects) == 1


async def test_a_policy_that_errors_is_a_denial(tutti):
    """Cedar alone skips a forbid whose condition fails and answers Allow: an overflow is such a failure that no schema can see."""
    policy = """@id("all") permit (principal, action, resource);
    @id("broken") forbid (principal, action == Tutti::Action::"act", resource) when { context.priority * 9223372036854775807 > 0 };"""
    world = World()
    run = await tutti(paying(world, policy=policy)).submit("refund.pay", {"account": "1", "amount": 1}, priority=3)
    assert run.task("refund.pay").state == "rejected"
    assert "a policy could not be evaluated" in run.task("refund.pay").reason
    assert not world.effects


async def test_level_approve_asks_and_level_act_ends_at_its_limit(tutti):
    run = await tutti(paying(World(), level="approve")).submit("refund.pay", {"account": "1", "amount": 1})
    approval = (await run.workspace.approvals())[0]
    assert approval["question"] == "Pay 1.00 EUR to account 1."
    assert approval["reasons"] == ["at level 2 (approve) a person decides every refund.pay"]
    await run.workspace.set_level("refund.pay", "act", up_to=5, reason="it has worked")
    await run.submit("refund.pay", {"account": "1", "amount": 5})
    assert run.task("refund.pay").state == "completed"
    await run.submit("refund.pay", {"account": "1", "amount": 5.01})
    assert run.task("refund.pay").waiting_for == "person"


async def test_an_action_nobody_spoke_of_asks_by_default(tutti):
    fleet = Fleet("bare")
    fleet.action("door.open", department="ops", name="door")(lambda _: "open")
    run = await tutti(fleet).submit("door.open", {})
    assert run.task("door.open").waiting_for == "person"


async def test_only_the_owners_key_answers_and_only_for_what_was_asked(tutti):
    world = World()
    run = await tutti(paying(world, level="approve")).submit("refund.pay", {"account": "1", "amount": 1})
    await run.submit("refund.pay", {"account": "2", "amount": 2})
    first, second = await run.workspace.approvals()
    stranger = SigningKey(bytes(32))
    from tutti.gates import signed

    rows = {row["id"]: row for row in run.workspace.journal.hot.table("approval").values()}
    owner = run.workspace.journal.keys.owner
    forged = sign_approval(stranger, signed("money", rows[first["id"]], "approve"))
    borrowed = sign_approval(owner, signed("money", rows[second["id"]], "approve"))
    turned = sign_approval(owner, signed("money", rows[first["id"]], "reject"))
    for signature in (forged, borrowed, turned, "", "zz"):
        with pytest.raises(Refused, match="signature does not hold"):
            await run.workspace.answer_approval(first["id"], "approve", signature)
    assert not world.effects
    await run.approve(first["task"])
    with pytest.raises(Conflict, match="answered already"):
        await run.workspace.answer_as_owner(first["id"], "approve")
    assert len(world.effects) == 1


def busy_payer(world: World) -> Fleet:
    """One refund at a time: an approved one waits while another runs, and there is time to tamper."""
    fleet = Fleet("money")

    @fleet.action("refund.pay", department="finance", amount="amount", idempotent=True, concurrency=1, timeout=timedelta(minutes=5))
    async def pay(payment: Payment, ctx: Context) -> str:
        await world.do(ctx, f"{payment.amount}")
        return "paid"

    fleet.autonomy("refund.pay", level="act", up_to=10)
    return fleet


async def approved_and_waiting(run: Any) -> str:
    """The id of a refund of 20 that a person approved and that waits for the busy agent."""
    await run.submit("refund.pay", {"account": "2", "amount": 20})
    asking = run.task("refund.pay").id
    await run.workspace.submit("refund.pay", {"account": "1", "amount": 1})
    await asyncio.sleep(1)
    await run.workspace.answer_as_owner(asking, "approve")
    assert run.workspace.journal.hot.table("task")[asking,]["stage"] == "approved"
    return asking


async def test_parameters_changed_behind_an_approval_stop_the_action(tutti):
    """An insider who rewrites the stored parameters after the yes: they are digested again right before the effect."""
    world = World(latency=60.0)
    run = tutti(busy_payer(world))
    asking = await approved_and_waiting(run)
    workspace = run.workspace
    with sqlite3.connect(workspace.settings.place) as db:
        held = workspace.journal.hot.table("task")[asking,]["input"]
        db.execute("UPDATE payload SET body = ? WHERE id = ?", (b'{"account":"2","amount":9999}', held))
    db.close()
    await run.advance(timedelta(minutes=3))
    assert run.task(asking).reason == "the parameters are not those that were approved"
    assert [effect.what for effect in world.effects] == ["1.0"]


async def test_an_approval_whose_signature_does_not_hold_stops_the_action(tutti):
    """An insider who writes an approval into the view has no owner's key: the signature is checked again right before the effect."""
    world = World(latency=60.0)
    run = tutti(busy_payer(world))
    asking = await approved_and_waiting(run)
    approvals = run.workspace.journal.hot.table("approval")
    [(key, row)] = approvals.items()
    approvals[key] = {**row, "signature": "00" * 64}
    await run.advance(timedelta(minutes=3))
    assert run.task(asking).reason == "the approval's signature does not hold"
    assert [effect.what for effect in world.effects] == ["1.0"]


async def test_after_a_kill_switch_no_effect_starts_and_lifting_it_goes_on(tutti):
    world = World()
    run = await tutti(paying(world)).kill("action", "refund.pay", reason="odd refunds")
    await run.submit("refund.pay", {"account": "1", "amount": 1})
    assert not world.effects
    assert run.task("refund.pay").reason == "kill switch on action refund.pay: odd refunds"
    await run.lift("action", "refund.pay")
    assert run.task("refund.pay").state == "completed"
    assert len(world.effects) == 1


@pytest.mark.parametrize("scope", [("agent", "pay"), ("workspace", "")])
async def test_a_kill_switch_stops_what_runs_too(tutti, scope):
    world = World(latency=60.0)
    run = tutti(paying(world))
    await run.facts()
    task = asyncio.ensure_future(run.submit("refund.pay", {"account": "1", "amount": 1}))
    await asyncio.sleep(5)
    assert (await run.workspace.kill(*scope, reason="stop"))["stopped"] == 1
    await task
    assert run.task("refund.pay").waiting_for == "person"
    assert "kill switch" in run.task("refund.pay").reason


async def test_a_task_keeps_the_policy_it_was_asked_under(tutti):
    world = World()
    run = await tutti(paying(world, level="approve")).submit("refund.pay", {"account": "1", "amount": 1})
    asked_under = (await run.workspace.approvals())[0]["policy"]
    run._fleet.policy('@id("nothing") forbid (principal, action, resource);')
    await run.restart()
    await run.approve("refund.pay")
    assert run.task("refund.pay").state == "completed"
    gated = [fact for fact in await run.facts("task.gated") if fact["data"]["verdict"] == "allow"]
    assert gated[-1]["data"]["policy"] == asked_under
    await run.submit("refund.pay", {"account": "1", "amount": 1})
    assert run.task("refund.pay").state == "rejected", "a new task meets the new policy"


async def test_an_agent_cannot_spend_what_it_does_not_state(tutti):
    fleet = Fleet("money")

    @fleet.action("gift.send", department="finance", amount="amount")
    async def send(gift: Vague) -> str:
        return "sent"

    fleet.autonomy("gift.send", level="act", up_to=10)
    fleet.budget("gifts", action="gift.send", money=100)
    run = await tutti(fleet).submit("gift.send", {"amount": "a lot"})
    assert (run.task("gift.send").state, run.task("gift.send").reason) == ("rejected", "budget gifts counts money, and this action states no amount")


async def test_the_gate_knows_which_department_asked(tutti):
    """Marketing may not ask finance for refunds, whoever runs them; support may."""
    fleet = Fleet("walls")

    for department in ("support", "marketing"):

        @fleet.agent(skill=f"{department}.think", department=department, name=department)
        async def think(_: Any, ctx: Context) -> None:
            ctx.propose("refund.pay", {"account": "1", "amount": 1})

    fleet.action("refund.pay", department="finance", amount="amount", name="pay", idempotent=True)(lambda _: "paid")
    fleet.autonomy("refund.pay", level="act")
    fleet.policy(
        'permit (principal, action, resource); @id("wall") forbid (principal, action == Tutti::Action::"act", resource) when { context.asker == "marketing" };'
    )
    run = await tutti(fleet).submit("support.think", {})
    assert run.task("refund.pay").state == "completed"
    await run.submit("marketing.think", {})
    assert (run.task("refund.pay").state, run.task("refund.pay").reason) == ("rejected", "policy wall forbids it")


async def test_an_amount_that_a_join_brings_in_is_gated_too(tutti):
    fleet = Fleet("joined")
    fleet.agent(skill="price.find", department="revenue", name="finder")(agents.lying(5000))
    fleet.action("refund.pay", department="finance", amount="amount", name="pay", idempotent=True)(lambda _: "paid")
    fleet.autonomy("refund.pay", level="act", up_to=10)
    fleet.on("refund.asked", do="refund.pay", gather={"amount": "price.find"})
    run = await tutti(fleet).send("refund.asked", data={"account": "1", "amount": 1})
    assert (run.task("refund.pay").waiting_for, run.task("refund.pay").amount) == ("person", 5000)
