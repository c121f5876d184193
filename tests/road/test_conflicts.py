"""Opposing actions on the road: found before either acts, one acts, the other is told why and what it may do instead."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

from tutti import Context, Fleet, Intent
from tutti.errors import AgentFailed, Conflict, Invalid
from tutti.testing import World

MONTH = timedelta(days=30)


class Price(BaseModel):
    account: str
    percent: float = 5.0
    worth: float = 1.0


class Slot(BaseModel):
    room: str
    start: str
    end: str


def pricing(world: World, *, level: str = "act", lasts: timedelta = MONTH, value: str | None = None, **rule: Any) -> Fleet:
    """Two departments that would move one price: one down, one up."""
    fleet = Fleet("prices")

    def touches(effect: str) -> list[Intent]:
        return [Intent("price/{account}", effect=effect, lasts=lasts, value=value)]

    @fleet.action("renewal.discount", department="renewal", intends=touches("discount"), undo="price.restore", idempotent=True)
    async def discount(price: Price, ctx: Context) -> str:
        await world.do(ctx, f"discount {price.account}")
        return "discounted"

    @fleet.action("price.raise", department="pricing", intends=touches("raise"), idempotent=True)
    async def rise(price: Price, ctx: Context) -> str:
        await world.do(ctx, f"raise {price.account}")
        return "raised"

    @fleet.action("price.restore", department="renewal", intends=touches("restore"))
    async def restore(price: Price, ctx: Context) -> str:
        await world.do(ctx, f"restore {price.account}")
        return "restored"

    fleet.resource("price", **{"incompatible": [("discount", "raise")], "order": ["discount", "raise"], **rule})
    for skill in ("renewal.discount", "price.raise", "price.restore"):
        fleet.autonomy(skill, level=level)
    return fleet


def done(world: World) -> list[str]:
    return [effect.what for effect in world.effects]


async def conflicts(run: Any) -> list[dict[str, Any]]:
    return list((await run.workspace.conflicts())["conflicts"])


async def test_two_that_oppose_each_other_in_one_moment_one_acts_and_the_other_is_told(tutti):
    world = World(latency=1.0)
    run = tutti(pricing(world))
    await run.submit("renewal.discount", {"account": "other"})
    await asyncio.gather(*(run.workspace.submit(skill, {"account": "17"}) for skill in ("price.raise", "renewal.discount")))
    await run.advance(timedelta(seconds=10))
    assert done(world) == ["discount other", "discount 17"]
    lost = run.task("price.raise")
    assert lost.state == "rejected"
    assert "discount goes before raise" in lost.reason
    assert "may be proposed again after" in lost.reason
    assert "raise must not meet discount" in (await run.explain("price.raise"))["sentence"]


async def test_they_collide_before_either_acts_also_while_one_waits_for_approval(tutti):
    world = World()
    fleet = pricing(world, level="approve")
    run = await tutti(fleet).submit("renewal.discount", {"account": "17"})
    await run.submit("price.raise", {"account": "17"})
    found = await conflicts(run)
    assert [one["state"] for one in found] == ["open"]
    assert {side["skill"] for side in found[0]["sides"]} == {"renewal.discount", "price.raise"}
    assert found[0]["resource"] == "price/17"
    assert (await run.workspace.approval(run.task("price.raise").id))["conflicts"][0]["id"] == found[0]["id"]
    assert world.calls == []
    await run.approve("price.raise")
    assert run.task("price.raise").stage == "queued"
    assert world.calls == []
    await run.approve("renewal.discount")
    assert done(world) == ["discount 17"]
    assert run.task("price.raise").state == "rejected"


async def test_the_one_in_line_goes_when_the_first_comes_to_nothing_with_the_approval_that_it_has(tutti):
    world = World()
    run = await tutti(pricing(world, level="approve")).submit("renewal.discount", {"account": "17"})
    await run.submit("price.raise", {"account": "17"})
    await run.approve("price.raise")
    await run.reject("renewal.discount")
    assert done(world) == ["raise 17"]
    assert run.task("price.raise").state == "completed"


async def test_an_effect_stays_for_its_window_and_then_the_other_may(tutti):
    world = World()
    run = await tutti(pricing(world)).submit("price.raise", {"account": "17"})
    await run.submit("renewal.discount", {"account": "17"})
    assert run.task("renewal.discount").state == "rejected"
    await run.restart()
    await run.submit("renewal.discount", {"account": "17"})
    assert done(world) == ["raise 17"]
    await run.advance(MONTH)
    await run.submit("renewal.discount", {"account": "17"})
    assert done(world) == ["raise 17", "discount 17"]
    assert "lease.expired" in [fact["kind"] for fact in await run.facts()]


async def test_the_same_direction_twice_is_no_conflict_where_only_effects_exclude_each_other(tutti):
    world = World()
    run = await tutti(pricing(world)).submit("renewal.discount", {"account": "17"})
    await run.submit("renewal.discount", {"account": "17"})
    assert done(world) == ["discount 17", "discount 17"]
    assert await conflicts(run) == []


async def test_a_short_wait_is_waited_for(tutti):
    world = World()
    run = await tutti(pricing(world, lasts=timedelta(minutes=30))).submit("renewal.discount", {"account": "17"})
    await run.submit("price.raise", {"account": "17"})
    assert run.task("price.raise").stage == "queued"
    assert (await run.workspace.task(run.task("price.raise").id))["waiting_for"] == "lease"
    await run.advance(timedelta(minutes=31))
    assert done(world) == ["discount 17", "raise 17"]


async def test_a_deadline_says_how_long_it_waits(tutti):
    run = await tutti(pricing(World(), lasts=timedelta(minutes=30))).submit("renewal.discount", {"account": "17"})
    await run.submit("price.raise", {"account": "17"}, deadline=timedelta(minutes=5))
    assert run.task("price.raise").state == "rejected"
    blocked = tutti(pricing(World(), level="approve"))
    await blocked.submit("renewal.discount", {"account": "17"})
    await blocked.submit("price.raise", {"account": "17"}, deadline=timedelta(minutes=5))
    await blocked.approve("price.raise")
    await blocked.advance(timedelta(minutes=6))
    assert blocked.task("price.raise").state == "rejected"
    assert "its deadline came first" in blocked.task("price.raise").reason


async def test_without_an_order_what_is_worth_more_goes_first(tutti):
    world = World()
    run = tutti(pricing(world, order=[], value="worth", level="approve"))
    await run.submit("renewal.discount", {"account": "17", "worth": 4})
    await run.submit("price.raise", {"account": "17", "worth": 7})
    await run.approve("renewal.discount")
    assert run.task("renewal.discount").stage == "queued"
    await run.approve("price.raise")
    assert done(world) == ["raise 17"]
    assert (await run.workspace.conflicts(state="resolved"))["conflicts"][0]["rung"] == "packing"


async def test_an_action_that_does_not_say_its_value_has_none_and_is_done(tutti):
    fleet = Fleet("rooms")

    @fleet.action("room.book", department="d", intends=[Intent("room/{room}", value="worth")])
    async def book(wish: dict[str, Any], ctx: Context) -> str:
        return f"booked {ctx.lease.resource}"

    fleet.autonomy("room.book", level="act")
    run = await tutti(fleet).submit("room.book", {"room": "12"})
    assert run.task("room.book").output == "booked room/12"
    await run.submit("room.book", {"room": "13", "worth": "much"})
    assert (run.tasks("room.book")[-1].state, run.tasks("room.book")[-1].reason) == ("failed", "invalid_input")


async def test_without_order_value_or_alternative_a_person_decides_and_sees_both_sides(tutti):
    world = World()
    run = tutti(pricing(world, order=[], level="approve"))
    await run.submit("renewal.discount", {"account": "17"})
    await run.submit("price.raise", {"account": "17"})
    await run.approve("renewal.discount")
    await run.approve("price.raise")
    assert [run.task(skill).stage for skill in ("renewal.discount", "price.raise")] == ["parked", "parked"]
    assert world.calls == []
    (found,) = await conflicts(run)
    assert found["state"] == "asked"
    assert sorted(side["input"]["account"] for side in found["sides"]) == ["17", "17"]
    winner = run.task("price.raise").id
    await run.settle("price.raise", "again")
    await run.advance(timedelta(seconds=1))
    assert run.task("price.raise").stage == "parked"  # the same question, and the approval that it has stays good
    with pytest.raises(Invalid):
        await run.workspace.settle_conflict(found["id"], "t-nobody")
    await run.workspace.settle_conflict(found["id"], winner)
    await run.advance(timedelta(seconds=1))
    assert done(world) == ["raise 17"]
    assert run.task("renewal.discount").state == "rejected"
    with pytest.raises(Conflict):
        await run.workspace.settle_conflict(found["id"], winner)


async def test_a_person_is_not_asked_any_more_when_one_side_is_gone(tutti):
    world = World()
    run = tutti(pricing(world, order=[], level="approve"))
    await run.submit("renewal.discount", {"account": "17"})
    await run.submit("price.raise", {"account": "17"})
    await run.approve("renewal.discount")
    assert run.task("renewal.discount").stage == "parked"
    await run.reject("price.raise")
    assert done(world) == ["discount 17"]
    assert await conflicts(run) == []


async def test_before_a_person_is_asked_for_nothing_the_lease_is_looked_at(tutti):
    fleet = pricing(World())
    fleet.autonomy("price.raise", level="approve")
    run = await tutti(fleet).submit("renewal.discount", {"account": "17"})
    await run.submit("price.raise", {"account": "17"})
    assert run.task("price.raise").state == "rejected"
    assert await run.facts("approval.requested") == []


async def test_a_failed_action_lets_go_and_an_unknown_outcome_does_not(tutti):
    said = "no"
    fleet = Fleet("shaky")

    @fleet.action("case.hold", department="support", intends=[Intent("inbox/{account}", effect="hold", lasts=MONTH)])
    async def hold(price: Price, ctx: Context) -> str:
        if said == "no":
            raise AgentFailed("it does not want to", retry=False)
        raise RuntimeError("nobody knows")

    @fleet.action("letter.send", department="marketing", intends=[Intent("inbox/{account}", effect="letter")])
    async def letter(price: Price, ctx: Context) -> str:
        return "sent"

    fleet.autonomy("case.hold", level="act")
    fleet.autonomy("letter.send", level="act")
    run = await tutti(fleet).submit("case.hold", {"account": "1"})
    await run.submit("letter.send", {"account": "1"})
    assert (run.task("case.hold").state, run.task("letter.send").state) == ("failed", "completed")
    said = "maybe"
    await run.submit("case.hold", {"account": "2"})
    await run.submit("letter.send", {"account": "2"})
    assert (run.task("case.hold").stage, run.task("letter.send").stage) == ("parked", "queued")
    await run.settle("case.hold", "drop")
    assert run.task("letter.send").state == "completed"


async def test_an_alternative_of_the_proposal_is_taken_and_goes_through_the_gates(tutti):
    booked = []
    fleet = Fleet("rooms")

    @fleet.action("room.book", department="office", intends=[Intent("room/{room}", start="start", end="end")])
    async def book(slot: Slot) -> str:
        booked.append((slot.room, slot.start[11:13]))
        return slot.room

    @fleet.agent(skill="visit.plan", department="office")
    async def plan(visit: dict[str, Any], ctx: Context) -> str:
        at = lambda hour: {"room": "red", "start": f"2030-01-01T{hour:02}:00:00Z", "end": f"2030-01-01T{hour + 1:02}:00:00Z"}  # noqa: E731
        ctx.propose("room.book", at(10), alternatives=[at(10), at(11), at(12)])
        return "planned"

    run = await tutti(fleet).submit("visit.plan", {})
    await run.approve("room.book")
    await run.submit("visit.plan", {})
    assert run.task("room.book").stage == "approval"
    assert (await run.workspace.approval(run.task("room.book").id))["input"]["start"] == "2030-01-01T11:00:00Z"
    await run.approve("room.book")
    await run.submit("visit.plan", {})
    await run.approve("room.book")
    await run.submit("visit.plan", {})
    assert booked == [("red", "10"), ("red", "11"), ("red", "12")]
    assert run.task("room.book").state == "rejected"


@pytest.mark.parametrize("bad", [
    {"room": "red", "start": "2030-01-01T12:00:00Z", "end": "2030-01-01T11:00:00Z"}, {"other": 1},
    {"room": "red", "start": "1990-01-01T12:00:00Z", "end": "1990-01-01T13:00:00Z"}, {"room": "red", "start": "2030-01-01T12:00:00Z", "end": "2030-01-01T13:00:00Z", "seats": 9},
])  # fmt: skip
async def test_an_alternative_that_cannot_be_is_passed_over(tutti, bad):
    booked = []
    fleet = Fleet("rooms")

    @fleet.action("room.book", department="office", intends=[Intent("room/{room}", start="start", end="end", units="seats")])
    async def book(slot: dict[str, Any]) -> None:
        booked.append(slot["start"][11:13])

    @fleet.agent(skill="visit.plan", department="office")
    async def plan(others: list[Any], ctx: Context) -> None:
        at = lambda hour: {"room": "red", "start": f"2030-01-01T{hour:02}:00:00Z", "end": f"2030-01-01T{hour + 1:02}:00:00Z", "seats": 3}  # noqa: E731
        ctx.propose("room.book", at(10), alternatives=[*others, at(14)] if others else [bad])

    fleet.resource("room", capacity=4)
    fleet.autonomy("room.book", level="act")
    run = tutti(fleet)
    for others in ([bad], [bad], []):
        await run.submit("visit.plan", others)
    assert booked == ["10", "14"]
    assert [task.state for task in run.tasks("room.book")] == ["completed", "completed", "rejected"]
    assert "it took an alternative" in (await run.workspace.why(run.tasks("room.book")[1].id))["sentence"]


async def test_alternatives_that_are_no_list_are_refused_where_they_are_proposed(tutti):
    fleet = Fleet("rooms")

    @fleet.action("room.book", department="office", intends=[Intent("room/{room}")])
    async def book(slot: dict[str, Any]) -> str:
        return "booked"

    @fleet.agent(skill="visit.plan", department="office", attempts=1)
    async def plan(kind: str, ctx: Context) -> None:
        other = Slot(room="blue", start="", end="")
        forms = {"text": "abc", "bytes": b"abc", "model": other, "object": {"room": "blue"}, "nothing": None, "list": [other], "tuple": (other,)}
        ctx.propose("room.book", {"room": "red"}, alternatives=forms[kind])  # type: ignore[arg-type]

    fleet.autonomy("room.book", level="act")
    run = tutti(fleet)
    for kind in ("text", "bytes", "model", "object", "nothing", "list", "tuple"):
        await run.submit("visit.plan", kind)
    assert [task.state for task in run.tasks("visit.plan")] == ["failed"] * 5 + ["completed"] * 2
    words = 'room.book: alternatives is a list of inputs. For example alternatives=[{"room": "blue"}, {"room": "green"}], the best first.'
    assert [(await run.workspace.task(task.id))["detail"] for task in run.tasks("visit.plan")[:5]] == [words] * 5
    assert [task.state for task in run.tasks("room.book")] == ["completed"] * 2


async def test_an_agent_that_proposed_learns_by_a_signal_why_it_lost_and_when_it_may_come_again(tutti):
    heard = []
    fleet = pricing(World())

    @fleet.agent(skill="pricing.reconsider", department="pricing")
    async def reconsider(lost: dict[str, Any], ctx: Context) -> str:
        heard.append((ctx.subject, lost))
        return "noted"

    fleet.on("conflict.lost", do="pricing.reconsider", when="data.skill == 'price.raise'")
    run = tutti(fleet)
    await run.submit("renewal.discount", {"account": "17"}, subject="anna")
    await run.submit("price.raise", {"account": "17"}, subject="anna")
    ((subject, lost),) = heard
    assert subject == "anna"
    assert lost["lost_to"]["skill"] == "renewal.discount"
    assert lost["input"]["account"] == "17"
    assert lost["again_after"] > "2"
    quiet = await tutti(pricing(World())).submit("renewal.discount", {"account": "17"})
    await quiet.submit("price.raise", {"account": "17"})
    assert await quiet.facts("signal.received") == []


async def test_nothing_about_the_resource_stands_in_a_fact(tutti):
    run = tutti(pricing(World()))
    await run.submit("renewal.discount", {"account": "secret-name"}, subject="secret-name")
    await run.submit("price.raise", {"account": "secret-name"}, subject="secret-name")
    assert "secret-name" not in str(await run.facts())
    assert (await run.workspace.conflicts(state="resolved"))["conflicts"][0]["resource"] == "price/secret-name"
    await run.workspace.erase("secret-name")
    assert "secret-name" not in str(await run.workspace.conflicts(state="resolved"))


async def test_the_agent_is_handed_its_lease_and_tokens_grow(tutti):
    seen = []
    fleet = Fleet("tokens")

    @fleet.action("lamp.turn", department="d", intends=[Intent("lamp/{account}")])
    async def turn(price: Price, ctx: Context) -> str:
        seen.append(ctx.lease)
        return "on"

    @fleet.agent(skill="lamp.look", department="d")
    async def look(price: Price, ctx: Context) -> str:
        seen.append(ctx.lease)
        return "on"

    fleet.autonomy("lamp.turn", level="act")
    run = await tutti(fleet).submit("lamp.turn", {"account": "7"})
    await run.submit("lamp.turn", {"account": "7"})
    await run.submit("lamp.look", {"account": "7"})
    assert [lease and (lease.resource, lease.effect, lease.until) for lease in seen] == [("lamp/7", "lamp.turn", None)] * 2 + [None]
    assert 0 < seen[0].token < seen[1].token


async def test_a_run_that_was_cut_off_keeps_its_lease_and_token_and_nobody_comes_between(tutti):
    world = World(latency=5.0)
    fleet = pricing(world)
    run = tutti(fleet)
    workspace = await run._open()
    first = await workspace.submit("renewal.discount", {"account": "17"})
    await asyncio.sleep(0.01)
    await run.restart()
    await run.submit("price.raise", {"account": "17"})
    await run.advance(timedelta(minutes=3))
    assert run.task(first).state == "completed"
    assert set(done(world)) == {"discount 17"}
    assert len(await run.facts("lease.granted")) == 1


async def test_what_was_done_is_undone_by_its_inverse_and_the_way_is_free(tutti):
    world = World()
    run = await tutti(pricing(world)).submit("renewal.discount", {"account": "17"})
    undo = await run.workspace.undo(run.task("renewal.discount").id)
    assert undo == await run.workspace.undo(run.task("renewal.discount").id)
    await run.advance(timedelta(seconds=1))
    assert run.task(undo).skill == "price.restore"
    assert run.task(undo).input["account"] == "17"
    await run.submit("price.raise", {"account": "17"})
    assert done(world) == ["discount 17", "restore 17", "raise 17"]
    with pytest.raises(Conflict):
        await run.workspace.undo(run.task("price.raise").id)


async def test_an_undo_that_came_to_nothing_is_proposed_again_and_frees_the_way(tutti):
    world = World()
    fleet = pricing(world)
    fleet.autonomy("price.restore", level="approve")
    run = await tutti(fleet).submit("renewal.discount", {"account": "17"})
    first = await run.workspace.undo(run.task("renewal.discount").id)
    await run.advance(timedelta(seconds=1))
    await run.reject(first)
    second = await run.workspace.undo(run.task("renewal.discount").id)
    assert (second != first, second == await run.workspace.undo(run.task("renewal.discount").id)) == (True, True)
    await run.advance(timedelta(seconds=1))
    await run.approve(second)
    assert second == await run.workspace.undo(run.task("renewal.discount").id)
    await run.submit("price.raise", {"account": "17"})
    assert done(world) == ["discount 17", "restore 17", "raise 17"]


async def test_an_inverse_that_says_nothing_of_what_it_touches_frees_the_way_as_well(tutti):
    fleet, done = Fleet("plain"), []

    def declare(skill: str, **options: Any) -> None:
        @fleet.action(skill, department="d", name=skill.replace(".", "-"), **options)
        async def act(price: dict[str, Any], ctx: Context) -> None:
            done.append(skill)

        fleet.autonomy(skill, level="act")

    declare("price.cut", undo="price.restore", intends=[Intent("price/{account}", effect="cut", lasts=timedelta(days=30))])
    declare("price.raise", intends=[Intent("price/{account}", effect="raise", lasts=timedelta(days=30))])
    declare("price.restore")
    fleet.resource("price", incompatible=[("cut", "raise")])
    run = await tutti(fleet).submit("price.cut", {"account": "17"})
    await run.workspace.undo(run.task("price.cut").id)
    await run.advance(timedelta(seconds=1))
    await run.submit("price.raise", {"account": "17"})
    assert done == ["price.cut", "price.restore", "price.raise"]


async def test_capacity_lets_so_many_at_a_time_and_the_line_is_by_priority_then_age(tutti):
    running, most, order = 0, 0, []
    fleet = Fleet("crane")

    @fleet.action("crane.lift", department="yard", intends=[Intent("crane/{account}")], concurrency=50)
    async def lift(price: Price, ctx: Context) -> str:
        nonlocal running, most
        running += 1
        most = max(most, running)
        order.append(price.percent)
        await asyncio.sleep(10)
        running -= 1
        return "lifted"

    fleet.resource("crane", capacity=2)
    fleet.autonomy("crane.lift", level="act")
    run = tutti(fleet)
    await run.submit("crane.lift", {"account": "other"})
    for number in range(8):
        await run.workspace.submit("crane.lift", {"account": "1", "percent": number}, priority=5 if number == 7 else 0)
        await asyncio.sleep(0.1)
    await run.advance(timedelta(minutes=2))
    assert most == 2
    assert [task.state for task in run.tasks("crane.lift")] == ["completed"] * 9
    assert order[1:] == [0, 1, 7, 2, 3, 4, 5, 6]


async def test_who_asks_for_more_units_than_there_are_gets_none(tutti):
    fleet = Fleet("rooms")

    @fleet.action("room.book", department="office", intends=[Intent("room/{room}", units="seats")])
    async def book(slot: dict[str, Any]) -> str:
        return "booked"

    fleet.resource("room", capacity=4)
    fleet.autonomy("room.book", level="act")
    run = tutti(fleet)
    for seats in (4, 5, 2.5):
        await run.submit("room.book", {"room": "red", "seats": seats})
    assert [task.state for task in run.tasks("room.book")] == ["completed", "failed", "failed"]
    assert [task["detail"] for task in [await run.workspace.task(task.id) for task in run.tasks("room.book")[1:]]] == [
        "room.book on room/{room}: it takes 5 units of 4. Ask for fewer, or raise the capacity of room.", "room.book on room/{room}: 2.5 units. Ask for a whole number, 1 or more.",
    ]  # fmt: skip


async def test_a_child_may_touch_what_its_parent_holds(tutti):
    fleet = Fleet("nested")

    @fleet.action("ledger.close", department="d", intends=[Intent("ledger/{account}")])
    async def close(price: Price, ctx: Context) -> str:
        return str(await ctx.ask("ledger.post", price))

    @fleet.action("ledger.post", department="d", intends=[Intent("ledger/{account}")])
    async def post(price: Price, ctx: Context) -> str:
        return "posted"

    fleet.autonomy("ledger.close", level="act")
    fleet.autonomy("ledger.post", level="act")
    run = await tutti(fleet).submit("ledger.close", {"account": "1"})
    assert run.task("ledger.close").state == "completed"


async def test_what_cannot_be_declared_is_refused_at_its_line():
    fleet = Fleet("wrong")
    with pytest.raises(Invalid, match="no field 'acount'"):

        @fleet.action("price.set", department="d", intends=[Intent("price/{acount}")])
        async def price(price: Price) -> str:
            return "set"

    with pytest.raises(Invalid, match="names no resource"):

        @fleet.action("price.set", department="d", intends=[Intent("{account}")])
        async def nameless(price: Price) -> str:
            return "set"

    for capacity in (0, 1.5):
        with pytest.raises(Invalid, match="capacity is a whole number, 1 or more"):
            fleet.resource("price", capacity=capacity)  # type: ignore[arg-type]
    for wrong, words in ({"order": "discount"}, "order is a list"), ({"waits": 60}, "waits is a timedelta"):
        with pytest.raises(Invalid, match=words):
            fleet.resource("price", **wrong)  # type: ignore[arg-type]

    async def plain(price: Price) -> str:
        return "set"

    for intends, words in (
        (Intent("price/{account}"), "intends is a list of intents"), (["price/{account}"], "intends is a list of intents"),
        ([Intent("price/{account}", lasts=30)], "lasts is a timedelta"), ([Intent("price/{account}", units=1.5)], "whole number"),  # type: ignore[arg-type]
    ):  # fmt: skip
        with pytest.raises(Invalid, match=words):
            fleet.action("price.set", department="d", intends=intends)(plain)  # type: ignore[arg-type]


def test_a_rule_about_effects_or_classes_that_no_action_names_is_a_problem():
    fleet = Fleet("prices")

    @fleet.action("price.cut", department="d", owner="a@example.com", intends=[Intent("price/{account}", effect="cut"), Intent("inbox/{account}")])
    async def cut(price: Price) -> str:
        return "cut"

    fleet.resource("price", incompatible=[("cut", "rais")], order=["price.cut", "cit"], exclusive=["inbox"])
    fleet.resource("inbox", exclusive=["inboks"])
    fleet.resource("prise", incompatible=[("cut", "raise")])
    assert fleet.problems() == [
        "fleet.resource('price'): no action does rais", "fleet.resource('price'): no action does cit", "fleet.resource('inbox'): no action touches inboks",
        "fleet.resource('prise'): no action touches prise",
    ]  # fmt: skip


class Department:
    """A party that proposes an action, and says in numbers how much it wants the own one to go first."""

    def __init__(self, action: str, own: float, other: float) -> None:
        self.action, self.own, self.other = action, own, other

    def score(self, outcomes: list[dict[str, Any] | None]) -> list[float]:
        return [0.0 if outcome is None else self.own if outcome["first"].startswith(self.action) else self.other for outcome in outcomes]


@pytest.mark.parametrize(("renewal", "pricing", "rung", "first"), [
    ((0.9, 0.2), (0.5, 0.4), "negotiation", "discount 17"), ((0.9, 0.5), (0.9, 0.1), "negotiation", "raise 17"), ((0.9, -1.0), (0.9, -1.0), "authority", "")
])  # fmt: skip
async def test_agents_that_negotiate_agree_who_goes_first_and_a_person_is_asked_where_they_do_not(tutti, renewal, pricing, rung, first):
    world = World()
    fleet = pricing_by_proposals(world, renewal, pricing)
    run = tutti(fleet)
    await run.submit("renewal.plan", {"account": "17"})
    await run.submit("pricing.plan", {"account": "17"})
    await run.approve("renewal.discount")
    await run.approve("price.raise")
    await run.advance(timedelta(minutes=2))
    assert done(world) == ([first] if first else [])
    stages = sorted(run.task(skill).stage for skill in ("renewal.discount", "price.raise"))
    assert stages == (["ended", "ended"] if first else ["parked", "parked"])
    (found,) = (await run.workspace.conflicts(state="all"))["conflicts"]
    assert found["rung"] == rung


def pricing_by_proposals(world: World, renewal: tuple[float, float], raising: tuple[float, float]) -> Fleet:
    fleet = pricing(world, order=[], level="approve")

    def declare(name: str, action: str, wants: tuple[float, float]) -> None:
        async def plan(price: Price, ctx: Context) -> str:
            ctx.propose(action, price)
            return "proposed"

        fleet.agent(skill=f"{name}.plan", department=name, name=name)(plan)
        fleet.party(Department(action, *wants), name=name, department=name)

    declare("renewal", "renewal.discount", renewal)
    declare("pricing", "price.raise", raising)
    return fleet
