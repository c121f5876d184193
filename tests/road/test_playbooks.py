"""Playbooks: named plans with joins, conditions, timers and people; started by signals, by hand and by other agents."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from tutti import Context, Fleet, Settings, Workspace, step
from tutti.errors import AgentFailed, Invalid

SAVE = [
    step("usage", "usage.look", input={"account": "{input.account}"}),
    step("mood", "mood.look", input={"account": "{input.account}"}, optional=True),
    step("offer", "offer.make", input={"account": "{input.account}", "drop": "{steps.usage.drop}", "mood": "{steps.mood.mood?}"}),
    step("ask", question="Give {input.account} {steps.offer.percent} % off?", when="steps.offer.percent > 20"),
    step("cool_off", wait=timedelta(days=3), after=["offer", "ask"]),
    step("mail", "mail.send", input={"text": "Dear {input.account}: {steps.offer.percent} %"}, after="cool_off", when="!('ask' in steps) || steps.ask != 'no'"),
]


def fleet_of(steps: list[Any] = SAVE, drop: float = 0.1, **more: Any) -> tuple[Fleet, list[tuple[str, Any]]]:
    fleet, seen = Fleet("books"), []

    @fleet.agent(skill="usage.look", department="success", quality=0.9)
    async def usage(input: dict[str, Any], ctx: Context) -> dict[str, float]:
        seen.append(("usage", input))
        return {"drop": drop}

    @fleet.agent(skill="mood.look", department="success", quality=0.9)
    async def mood(input: dict[str, Any], ctx: Context) -> dict[str, str]:
        raise AgentFailed("nobody knows moods", retry=False)

    @fleet.agent(skill="offer.make", department="revenue", quality=0.9)
    async def offer(input: dict[str, Any], ctx: Context) -> dict[str, Any]:
        seen.append(("offer", input))
        return {"percent": round(input["drop"] * 100)}

    @fleet.action("mail.send", department="marketing", quality=0.9, idempotent=True)
    async def mail(input: dict[str, Any], ctx: Context) -> dict[str, Any]:
        seen.append(("mail", input))
        return {"sent": True}

    fleet.autonomy("mail.send", level="act")
    fleet.playbook("renewal.save", steps=steps, department="success", **more)
    fleet.on("churn.flagged", do="renewal.save")
    return fleet, seen


async def test_a_signal_starts_a_playbook_and_its_timer_runs(tutti):
    fleet, seen = fleet_of()
    trial = tutti(fleet)
    start = trial.clock.now()
    await trial.send("churn.flagged", subject="account/7", data={"account": "a7"})
    assert trial.clock.now() - start >= 3 * 86400 * 1_000_000
    assert seen == [("usage", {"account": "a7"}), ("offer", {"account": "a7", "drop": 0.1, "mood": None}), ("mail", {"text": "Dear a7: 10 %"})]
    task = trial.task("renewal.save")
    assert sorted(task.output) == ["cool_off", "mail", "offer", "usage"]
    told = (await trial.explain("renewal.save"))["plan"]
    assert (told["kind"], told["name"]) == ("playbook", "renewal.save")
    assert [step["name"] for step in told["steps"] if step["state"] == "skipped"] == ["ask"]
    assert (await trial.workspace.lineage(trial.signals[0]))["tree"]["led_to"][0]["skill"] == "renewal.save"


class Flagged(BaseModel):
    account: str


async def test_an_input_with_a_type_fills_the_templates_by_its_fields(tutti):
    fleet, seen = fleet_of(input=Flagged)
    await tutti(fleet).send("churn.flagged", subject="account/7", data={"account": "a7"})
    assert seen[0] == ("usage", {"account": "a7"})
    assert seen[-1] == ("mail", {"text": "Dear a7: 10 %"})


@pytest.mark.parametrize(("answer", "sent"), [("yes", 1), ("no", 0)])
async def test_a_person_decides_a_step(tutti, answer: str, sent: int):
    steps = [
        each if each.name != "mail" else step("mail", "mail.send", input={"text": "hello"}, after=["cool_off"], when="steps.ask == 'yes'") for each in SAVE
    ]
    fleet, seen = fleet_of(steps, drop=0.5)
    trial = await tutti(fleet).submit("renewal.save", {"account": "a7"})
    task = trial.task("renewal.save")
    assert (task.waiting_for, task.question) == ("person", "Give a7 50 % off?")
    await trial.answer("renewal.save", answer)
    assert [name for name, _ in seen].count("mail") == sent
    assert trial.task("renewal.save").state == "completed"


async def test_a_timer_and_a_question_outlive_the_process(tutti):
    fleet, seen = fleet_of(drop=0.5)
    trial = await tutti(fleet).submit("renewal.save", {"account": "a7"})
    await trial.restart()
    await trial.restart()
    assert trial.task("renewal.save").question == "Give a7 50 % off?"
    start = trial.clock.now()
    await trial.workspace.answer(trial.task("renewal.save").id, "yes")
    await asyncio.sleep(2 * 86400)
    await trial.restart()
    took = trial.clock.now() - start
    assert 3 * 86400e6 <= took <= 3 * 86400e6 + 3600e6, "the timer went on, it did not begin anew"
    assert [name for name, _ in seen] == ["usage", "offer", "mail"]
    assert trial.task("renewal.save").state == "completed"


async def test_why_tells_what_has_ended_while_a_playbook_runs_on(tutti):
    steps = [
        step("look", "usage.look", input={}), step("ask", question="Go?"), step("soon", wait=timedelta(seconds=1)),
        step("never", "mail.send", input={}, when="steps.ask == 'no'"), step("late", wait=timedelta(days=3), after=["ask", "never"]), step("end", "usage.look", input={}, after="late"),
    ]  # fmt: skip
    fleet, _ = fleet_of(steps)
    trial = tutti(fleet)
    await trial.advance(timedelta())
    id = await trial.workspace.submit("renewal.save", {})
    await asyncio.sleep(0.5)
    told = (await trial.workspace.why(id))["plan"]["steps"]
    assert [each["state"] for each in told] == ["completed", "waiting", "waiting", "waiting", "waiting", "waiting"]
    await trial.workspace.answer(id, "yes")
    await asyncio.sleep(5)
    told = (await trial.workspace.why(id))["plan"]
    assert told["state"] == "running"
    assert [each["state"] for each in told["steps"]] == ["completed", "completed", "completed", "skipped", "waiting", "waiting"]
    assert told["steps"][3]["reason"] == "its condition does not hold: steps.ask == 'no'"


async def test_questions_of_several_steps_each_get_their_own_answer(tutti):
    steps = [step("one", question="First?"), step("two", question="Second?")]
    fleet, _ = fleet_of(steps)
    trial = await tutti(fleet).submit("renewal.save", {})
    said = {"First?": "a", "Second?": "b"}
    first = trial.task("renewal.save").question
    await trial.answer("renewal.save", said[first])
    await trial.restart()
    second = trial.task("renewal.save").question
    assert {first, second} == set(said)
    await trial.answer("renewal.save", said[second])
    assert trial.task("renewal.save").output == {"one": "a", "two": "b"}


async def test_any_goes_on_with_the_first_and_all_waits_for_all(tutti):
    def joined(join: Any) -> list[Any]:
        return [
            step("soon", wait=timedelta(minutes=1)), step("late", wait=timedelta(hours=1)),
            step("mail", "mail.send", input={"text": "x"}, after=["soon", "late"], join=join), step("end", wait=timedelta(seconds=1), after="mail"),
        ]  # fmt: skip

    times = {}
    for join in ("any", "all"):
        fleet, _ = fleet_of(joined(join))
        trial = tutti(fleet)
        start = trial.clock.now()
        await trial.submit("renewal.save", {})
        sent = next(fact for fact in await trial.facts("task.completed") if fact["about"] == trial.task("mail.send").id)
        first = (await trial.facts())[0]["at"]
        times[join] = (sent["at"], first, start)
    assert times["any"][0][11:16] != times["all"][0][11:16]
    assert times["any"][0] < times["all"][0]


@pytest.mark.parametrize(("steps", "said"), [
    (SAVE, "Step usage takes {input.account}, which is not there"),
    ([step("usage", "usage.look", input={}), step("offer", "offer.make", input={"drop": "{steps.usage.drp}"})], "Step offer takes {steps.usage.drp}, which is not there"),
    ([step("mail", "mail.send", input={"text": "Dear {input.account}"})], "Step mail takes {input.account}, which is not there"),
    ([step("ask", question="Call {notes.phone}?")], "Step ask takes {notes.phone}, which is not there"),
])  # fmt: skip
async def test_a_step_that_takes_what_is_not_there_fails_instead_of_acting_on_nothing(tutti, steps, said):
    fleet, seen = fleet_of(steps)
    trial = await tutti(fleet).submit("renewal.save", {"acount": "a7"})
    task = trial.task("renewal.save")
    assert task.state == "failed"
    assert said in (await trial.workspace.task(task.id))["detail"]
    assert [skill for skill, _ in seen if skill != "usage"] == []


async def test_what_may_be_absent_is_null_and_an_optional_step_without_its_value_is_skipped(tutti):
    steps = [
        step("look", "usage.look", input={"account": "{input.account}"}, optional=True),
        step("mail", "mail.send", input={"to": "{input.account?}", "text": "Dear {input.name?}", "none": "{input.none}"}, after="look"),
    ]
    fleet, seen = fleet_of(steps)
    trial = await tutti(fleet).submit("renewal.save", {"none": None})
    assert seen == [("mail", {"to": None, "text": "Dear ", "none": None})]
    (skipped,) = [each for each in (await trial.explain("renewal.save"))["plan"]["steps"] if each["state"] == "skipped"]
    assert skipped["reason"] == "it takes {input.account}, which is not there"


async def test_a_failing_step_fails_the_playbook_with_words(tutti):
    fleet, seen = fleet_of([step("mood", "mood.look"), step("mail", "mail.send", input={"text": "x"}, after="mood")])
    trial = await tutti(fleet).submit("renewal.save", {})
    assert (trial.task("renewal.save").state, seen) == ("failed", [])
    assert "Step mood failed: mood.look" in trial.task("renewal.save").detail


async def test_agents_ask_for_playbooks_and_money_stops_them(tutti):
    fleet, _ = fleet_of(returns="{steps.offer.percent}", steps=SAVE[:3])

    @fleet.agent(skill="boss.ask", department="success", quality=0.9)
    async def boss(input: dict[str, Any], ctx: Context) -> Any:
        return await ctx.ask("renewal.save", input)

    trial = await tutti(fleet).submit("boss.ask", {"account": "a7"})
    assert trial.task("boss.ask").output == 10


@pytest.mark.parametrize(("answer", "sent"), [("yes", ["hello"]), ("no", [])])
async def test_a_step_waits_for_what_its_condition_speaks_of(tutti, answer: str, sent: list[str]):
    fleet, letters = Fleet("careful"), []

    @fleet.action("letter.send", department="d", idempotent=True)
    async def send(letter: dict[str, Any], ctx: Context) -> str:
        letters.append(letter["text"])
        return "sent"

    fleet.autonomy("letter.send", level="act")
    steps = [step("ask", question="Send it?"), step("send", "letter.send", input={"text": "hello"}, when="steps.ask != 'no' && input.why != 'steps.none'")]
    fleet.playbook("letter.write", steps=steps, department="d")
    trial = await tutti(fleet).submit("letter.write", {"why": "thanks"})
    await trial.advance(timedelta(minutes=1))
    assert letters == [], "nobody has said yes yet"
    await trial.workspace.answer(trial.task("letter.write").id, answer)
    await trial.advance(timedelta(minutes=1))
    assert (letters, trial.task("letter.write").state) == (sent, "completed")


async def test_why_says_for_what_a_step_was_skipped(tutti):
    fleet = Fleet("skipping")

    @fleet.agent(skill="a.b", department="d", attempts=1)
    async def act(input: dict[str, Any], ctx: Context) -> dict[str, Any]:
        if input.get("fail"):
            raise AgentFailed("no", retry=False)
        return {"n": 1}

    steps = [
        step("one", "a.b"), step("two", "a.b", when="steps.one.n > 3"), step("three", "a.b", input={"n": "{steps.two.n}"}),
        step("four", "a.b", input={"fail": True}, optional=True), step("five", "a.b", after="four", join="any"), step("six", "a.b", when="steps.one.surname > 3"),
    ]  # fmt: skip
    fleet.playbook("a.all", steps=steps, department="d")
    trial = await tutti(fleet).submit("a.all", {})
    told = (await trial.explain("a.all"))["plan"]["steps"]
    assert {one["name"]: one["reason"] for one in told if one["state"] == "skipped"} == {
        "two": "its condition does not hold: steps.one.n > 3",
        "three": "it takes what two gives, which was skipped",
        "five": "none of four came to anything",
        "six": "its condition could not be evaluated (no such key: surname): steps.one.surname > 3",
    }
    facts = await trial.workspace.facts(kind="plan.ended")
    assert "surname" not in str(facts), "a plan is sealed, and so is what its conditions speak of"


async def test_a_changed_playbook_is_registered_anew(tmp_path: Path):
    settings = Settings("books", tmp_path)
    for steps in (SAVE, SAVE, SAVE[:3]):
        async with Workspace(fleet_of(steps)[0], settings) as workspace:
            registered = [fact for fact in await workspace.facts(kind="agent.registered") if fact["about"] == "renewal-save"]
    assert len(registered) == 2


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([], "it has no step"),
        ([step("a", "x.y", after="b"), step("b", "x.y", after="a")], "wait for each other"),
        ([step("a", "x.y"), step("a", "x.z")], "two steps are called a"),
        ([step("a", "x.y", when="stepz.a")], "speaks of `stepz`"),
        ([step("a", "x.y", input="{steps.b.c}")], "step a comes after b, which is no step"),
        ([step("a", "x.y", when="steps.b == 1")], "step a: its condition speaks of b, which is no step"),
        ([step("a", "x.y", when="steps['b'] == 1")], "step a: its condition speaks of b, which is no step"),
        ([step("a", "x.y", when="steps.b == 1"), step("b", "x.y", input="{steps.a}")], "wait for each other"),
        ([step("A b", "x.y")], "a name is of small letters"),
        ([step("a", "x.y", wait=timedelta(1))], "must have one of skill, wait_ms and question"),
        ([step("a", wait=timedelta())], "wait_ms is from 1"),
        ([{"name": "a", "skill": "x.y"}], r"its steps are made by step\(…\)"),
    ],
)
def test_a_playbook_that_cannot_work_is_refused_at_its_line(steps: list[Any], said: str):
    with pytest.raises(Invalid, match=said):
        Fleet("x").playbook("some.thing", steps=steps, department="d")


def test_waits_and_money_that_are_none_are_refused():
    with pytest.raises(Invalid, match="wait is a timedelta"):
        step("a", wait=3)  # type: ignore[arg-type]
    with pytest.raises(Invalid, match="money is 0 or more"):
        Fleet("x").playbook("some.thing", steps=[step("a", "x.y")], department="d", money=float("nan"))


def test_the_doctor_says_what_nobody_offers():
    fleet = Fleet("x")
    fleet.playbook("some.thing", steps=[step("a", "x.y")], department="d", owner="me")
    assert fleet.problems() == ["playbook some.thing: no agent offers x.y"]

    @fleet.agent(skill="x.y", department="d", name="somebody", owner="me")
    async def somebody(input: Any) -> Any:
        return input

    fleet.playbook("other.thing", steps=[step("a", "x.y", to="nobody"), step("b", "x.y", to="somebody")], department="d", owner="me")
    assert fleet.problems() == ["playbook other.thing: nobody does not offer x.y"]


async def test_playbooks_that_ask_for_each_other_in_a_circle_end(tutti):
    fleet = Fleet("circle")
    fleet.playbook("a.one", steps=[step("next", "a.two")], department="d")
    fleet.playbook("a.two", steps=[step("next", "a.one")], department="d")
    trial = await tutti(fleet).submit("a.one", {})
    assert {task.state for task in trial.tasks()} == {"failed"}
    assert len(trial.tasks()) == 9
    assert "agents ask one another already" in trial.tasks()[-1].detail


@pytest.mark.parametrize("seed", range(6))
async def test_whenever_the_process_ends_the_playbook_comes_to_the_same_end_and_acts_once(tutti, seed: int):
    rng, acted = random.Random(seed), []
    fleet = Fleet("restarts")

    @fleet.agent(skill="a.slow", department="d", quality=0.9, attempts=9)
    async def slow(input: dict[str, Any], ctx: Context) -> dict[str, int]:
        await asyncio.sleep(input["n"] / 2)
        return {"n": input["n"] * 2}

    @fleet.action("a.act", department="d", quality=0.9, idempotent=True, attempts=9)
    async def act(input: dict[str, Any], ctx: Context) -> str:
        await asyncio.sleep(5)
        acted.append((ctx.key, input["n"]))
        return "done"

    fleet.autonomy("a.act", level="act")
    steps = [
        step("one", "a.slow", input={"n": 10}), step("two", "a.slow", input={"n": 20}), step("pause", wait=timedelta(seconds=30), after="one"),
        step("act", "a.act", input={"n": "{steps.one.n}"}, after="pause"), step("last", "a.slow", input={"n": "{steps.two.n}"}, after="act"),
    ]  # fmt: skip
    fleet.playbook("a.all", steps=steps, department="d")
    trial = tutti(fleet)
    await trial.advance(timedelta())
    task = await trial.workspace.submit("a.all", {})
    for _ in range(4):
        await asyncio.sleep(rng.uniform(0, 40))
        await trial._close_workspace()
        await trial._open()
    await trial.advance(timedelta())
    assert trial.task(task).output == {"one": {"n": 20}, "two": {"n": 40}, "pause": None, "act": "done", "last": {"n": 80}}
    assert {n for _, n in acted} == {20}
    assert len({key for key, _ in acted}) == 1
    assert len([fact for fact in await trial.facts("task.submitted") if fact["data"].get("parent") == task]) == 4
