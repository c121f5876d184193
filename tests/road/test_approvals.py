"""Approvals: what a person knows before they answer, other parameters instead of a yes, handing over; and one answer, whatever races or dies."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from tutti import Context, Fleet, Intent, Settings, Workspace
from tutti.app import FOLDS, TABLES
from tutti.errors import Conflict, Invalid
from tutti.gates import signed
from tutti.journal import rebuild
from tutti.security import verify_approval
from tutti.testing import World


class Payment(BaseModel):
    account: str
    amount: float


def shop(world: World, *, up_to: float = 10) -> Fleet:
    fleet = Fleet("shop")

    @fleet.agent(skill="ticket.read", department="support")
    async def read(ticket: Payment, ctx: Context) -> str:
        """Read a ticket."""
        await ctx.ask("ticket.score", {"account": ticket.account, "amount": ticket.amount})
        ctx.propose("refund.pay", ticket)
        return f"they want {ticket.amount}"

    @fleet.agent(skill="ticket.score", department="support")
    async def score(ticket: Payment, ctx: Context) -> float:
        return 0.08

    @fleet.action(
        "refund.pay", department="finance", amount="amount", idempotent=True, undo="refund.take", says="Pay {amount:.2f} EUR to account {account}.",
        intends=[Intent("wallet/{account}", effect="pay", lasts=timedelta(days=2))],
    )  # fmt: skip
    async def pay(payment: Payment, ctx: Context) -> str:
        """Pay money back."""
        await world.do(ctx, f"{payment.amount} to {payment.account}")
        return "paid"

    @fleet.action("refund.take", department="finance", amount="amount", idempotent=True)
    async def take(payment: Payment, ctx: Context) -> str:
        return "taken"

    fleet.autonomy("refund.pay", level="act", up_to=up_to)
    fleet.budget("refunds", action="refund.pay", money=1000, per="day")
    return fleet


async def test_a_person_knows_what_a_yes_leads_to_and_what_it_rests_on(tutti):
    run = await tutti(shop(World())).submit("ticket.read", {"account": "7", "amount": 90}, subject="account/7")
    [asked] = await run.workspace.approvals()
    assert asked["reversible"]  # by what undoes it
    assert (asked["amount"], asked["currency"], asked["department"], asked["subject"]) == (90.0, "EUR", "finance", "account/7")
    assert (asked["asked_by"], asked["parent"], asked["undo"], asked["answer"]) == ("read", run.task("ticket.read").id, "refund.take", None)
    assert asked["effects"] == [
        "Pay money back.", "It is over 90.00 EUR.", "It touches wallet/7 (pay) and keeps it for 2 days afterwards.",
        "Budget refunds has 1000.00 left today; after it 910.00.", "It can be undone: refund.take.",
    ]  # fmt: skip
    assert [(each["skill"], each["output"]) for each in asked["evidence"]] == [("ticket.read", "they want 90.0"), ("ticket.score", 0.08)]
    assert asked["precedent"] == {"approved": 0, "rejected": 0, "changed": 0, "of": 0, "skill": "refund.pay"}
    assert asked["on_expiry"].startswith("Nothing is done: it is parked then")
    hidden = await run.workspace.approvals(readable=lambda row: row["skill"] != "ticket.score")
    assert [each["skill"] for each in hidden[0]["evidence"]] == ["ticket.read"]


async def test_lists_by_state_and_what_was_answered_before(tutti):
    run = await tutti(shop(World())).submit("refund.pay", {"account": "1", "amount": 20})
    await run.submit("refund.pay", {"account": "2", "amount": 30})
    first, second = await run.workspace.approvals()
    assert [each["id"] for each in await run.workspace.approvals(after=first["id"])] == [second["id"]]
    await run.approve(first["task"], note="they are right")
    await run.reject(second["task"])
    await run.submit("refund.pay", {"account": "3", "amount": 40})
    answered = await run.workspace.approvals(state="answered")
    assert [(each["id"], each["answer"], each["note"]) for each in answered] == [(second["id"], "reject", None), (first["id"], "approve", "they are right")]
    assert [each["id"] for each in await run.workspace.approvals(state="answered", after=second["id"])] == [first["id"]]
    [third] = await run.workspace.approvals()
    assert third["precedent"] == {"approved": 1, "rejected": 1, "changed": 0, "of": 2, "skill": "refund.pay"}
    await run.advance(timedelta(hours=25))
    assert [each["id"] for each in await run.workspace.approvals(state="expired")] == [third["id"]]
    assert len(await run.workspace.approvals(state="all")) == 3
    assert await run.workspace.approvals(state="all", departments=["support"]) == []


async def test_other_parameters_are_decided_anew_and_the_old_question_is_over(tutti):
    world = World()
    run = await tutti(shop(world)).submit("refund.pay", {"account": "1", "amount": 90}, subject="account/1")
    [old] = await run.workspace.approvals()
    new = await run.workspace.change_approval(old["id"], {"account": "1", "amount": 60}, note="only the rest", by="person/ben")
    await run.workspace.quiet()
    assert new["id"] != old["id"]
    assert (new["state"], new["input"], new["amount"], new["task"]) == ("open", {"account": "1", "amount": 60}, 60.0, old["task"])
    assert new["digest"] != old["digest"]
    for answer in ("approve", "reject"):
        with pytest.raises(Conflict, match="answered already: changed by person/ben"):
            await run.workspace.answer_as_owner(old["id"], answer)
    with pytest.raises(Conflict, match="answered already"):
        await run.workspace.change_approval(old["id"], {"account": "1", "amount": 1})
    assert not world.effects
    await run.workspace.answer_as_owner(new["id"], "approve")
    await run.workspace.quiet()
    assert [effect.what for effect in world.effects] == ["60.0 to 1"]
    [changed] = [fact for fact in await run.facts("approval.answered") if fact["data"]["answer"] == "change"]
    journal = run.workspace.journal
    row = await journal.row("approval", (old["id"],))
    assert verify_approval(journal.keys.owner.public, signed("shop", row, "change", changed["data"]["changed"]), changed["data"]["signature"])
    assert changed["data"]["changed"] == new["digest"]
    assert (await run.workspace.measures())["autonomy_ratio"] == {"ratio": 0.0, "alone": 0, "finished": 1}
    [told] = [each for each in await run.workspace.approvals(state="all") if each["id"] == old["id"]]
    assert (told["answer"], told["note"]) == ("change", "only the rest")


async def test_parameters_that_need_no_person_run_at_once_and_still_a_person_decided(tutti):
    world = World()
    run = await tutti(shop(world)).submit("refund.pay", {"account": "1", "amount": 90})
    [old] = await run.workspace.approvals()
    told = await run.workspace.change_approval(old["id"], {"account": "2", "amount": 5})
    await run.workspace.quiet()
    assert (told["id"], told["state"]) == (old["id"], "changed")
    assert [effect.what for effect in world.effects] == ["5.0 to 2"]
    assert (await run.workspace.measures())["autonomy_ratio"]["alone"] == 0
    assert (await run.workspace.task(old["task"]))["input"] == {"account": "2", "amount": 5}
    intents = await run.workspace.journal.select("SELECT skill, open FROM intent WHERE task = ?", (old["task"],))
    assert [row["open"] for row in intents] == [0]
    leases = [fact for fact in await run.facts("lease.granted") if fact["about"] == old["task"]]
    assert len(leases) == 1


async def test_what_is_touched_is_what_the_new_parameters_touch(tutti):
    """A change to the account of another action waits for that one, like any action on it."""
    world = World(latency=60.0)
    run = tutti(shop(world))
    await run.submit("refund.pay", {"account": "1", "amount": 90})
    [old] = await run.workspace.approvals()
    await run.workspace.submit("refund.pay", {"account": "2", "amount": 9})
    await asyncio.sleep(1)
    await run.workspace.change_approval(old["id"], {"account": "2", "amount": 5})
    await asyncio.sleep(1)
    row = await run.workspace.journal.row("task", (old["task"],))
    assert row["stage"] != "running"
    assert [conflict["resource"] for conflict in (await run.workspace.why(old["task"])).get("conflicts", ())] == ["wallet/2"]


@pytest.mark.parametrize("input", [{"account": "1"}, {"account": "1", "amount": "much"}, 7, None, {"account": "1", "amount": 90}])
async def test_parameters_that_do_not_fit_change_nothing(tutti, input: Any):
    run = await tutti(shop(World())).submit("refund.pay", {"account": "1", "amount": 90})
    [old] = await run.workspace.approvals()
    before = run.workspace.journal.head.seq
    with pytest.raises(Invalid):
        await run.workspace.change_approval(old["id"], input)
    assert run.workspace.journal.head.seq == before
    assert [each["id"] for each in await run.workspace.approvals()] == [old["id"]]


@pytest.mark.parametrize("first", ["change", "approve", "reject"])
async def test_of_two_answers_at_once_exactly_one_holds(tutti, first: str):
    world = World()
    run = await tutti(shop(world)).submit("refund.pay", {"account": "1", "amount": 90})
    [old] = await run.workspace.approvals()
    calls = {
        "change": lambda: run.workspace.change_approval(old["id"], {"account": "1", "amount": 5}),
        "approve": lambda: run.workspace.answer_as_owner(old["id"], "approve"), "reject": lambda: run.workspace.answer_as_owner(old["id"], "reject"),
        "hand over": lambda: run.workspace.hand_over(old["id"], "finance"), "change too": lambda: run.workspace.change_approval(old["id"], {"account": "1", "amount": 6}),
    }  # fmt: skip
    order = [first, *(name for name in calls if name != first)]
    said = await asyncio.gather(*(calls[name]() for name in order), return_exceptions=True)
    await run.workspace.quiet()
    held = [name for name, one in zip(order, said, strict=True) if not isinstance(one, BaseException)]
    assert held == [first]
    assert all(isinstance(one, Conflict) for one in said if isinstance(one, BaseException))
    assert len(await run.facts("approval.answered")) == 1
    assert [effect.what for effect in world.effects] == {"change": ["5.0 to 1"], "approve": ["90.0 to 1"], "reject": []}[first]


async def test_a_process_that_dies_leaves_the_old_question_or_the_changed_one(tmp_path):
    """Before the append: nothing has happened. After it: the action goes on with the new parameters by itself."""
    settings = Settings("shop", tmp_path)
    for late in (False, True):
        world = World()
        async with Workspace(shop(world), settings) as workspace:
            task = await workspace.submit("refund.pay", {"account": f"{late}", "amount": 90})
            await workspace.quiet()
            [asked] = await workspace.approvals()
            if late:  # durable, and nobody has looked at it any more
                workspace.corridor.traffic.follow = lambda facts: None
            else:
                workspace.journal._pump.put = lambda item: None
            change = asyncio.ensure_future(workspace.change_approval(asked["id"], {"account": f"{late}", "amount": 60}))
            while late and workspace.journal.hot.table("task")[task,]["stage"] == "approval":
                await asyncio.sleep(0.01)
            if not late:
                await asyncio.sleep(0.05)
            change.cancel()
            workspace.journal.abandon()
            await asyncio.gather(change, return_exceptions=True)
        async with Workspace(shop(world), settings) as workspace:
            await workspace.quiet()
            [open] = await workspace.approvals()
            assert (open["id"] != asked["id"], open["input"]["amount"]) == (late, 60 if late else 90)
            await workspace.hand_over(open["id"], "finance")
            await workspace.answer_as_owner(open["id"], "approve")
            await workspace.quiet()
            assert [effect.what for effect in world.effects] == [f"{60 if late else 90}.0 to {late}"]
    assert rebuild(settings.place, TABLES, FOLDS, workspace="shop") == []


async def test_handing_over_says_who_is_meant_and_lets_nobody_do_more(tutti):
    run = await tutti(shop(World())).submit("refund.pay", {"account": "1", "amount": 90})
    workspace = run.workspace
    [asked] = await workspace.approvals()
    await workspace.accounts.add("person/ben", ["approver"], departments=["finance"])
    await workspace.accounts.add("person/eve", ["approver"], departments=["support"])
    told = await workspace.hand_over(asked["id"], "ben", note="you know them", by="person/ana")
    assert (told["handed_to"], told["state"]) == ("person/ben", "open")
    assert [each["handed_to"] for each in await workspace.approvals()] == ["person/ben"]
    [fact] = await run.facts("approval.handed")
    assert (fact["by"], fact["data"]["to"]) == ("person/ana", "person/ben")
    assert (await workspace.hand_over(asked["id"], "finance"))["handed_to"] == "finance"
    for nobody in ("person/eve", "person/nobody", "moon", ""):
        with pytest.raises(Invalid):
            await workspace.hand_over(asked["id"], nobody)
    await run.approve("refund.pay")
    with pytest.raises(Conflict):
        await workspace.hand_over(asked["id"], "ben")
