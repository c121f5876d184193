"""`tutti run`: one task, a playbook or a goal, waited for."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from time import monotonic
from typing import Any

import click

from tutti.cli import exits
from tutti.cli.commands import words
from tutti.cli.inputs import Duration, json_of
from tutti.cli.options import Look, command, pass_look
from tutti.cli.screen import Screen, brief
from tutti.cli.wire import Api, connect

_SLICE = 20.0  # seconds one request waits; then the next one does
SOON = 5.0  # seconds a task is waited for after somebody decided about it, to say how it went
_UP = "tutti up fleet.py"
_PLAN = "running a plan"
_EXACTLY = 2_000  # characters of a step's input: a planner in words may have written all of it, and somebody says yes to it


@command()
@click.argument("skill", default="")
@click.argument("input", default="")
@click.option("--input", "given", metavar="JSON", help="The input, in the place of the second argument.")
@click.option(
    "--goal", "goals", multiple=True, metavar="WANT", help="Plan for this and run the plan: a skill, a type's title, or words. Then INPUT comes first."
)
@click.option("--have", metavar="TYPE", default="", help="With --goal: the type of the input, by its title.")
@click.option("--money", type=float, help="With --goal: what the plan may cost.")
@click.option("--dry-run", is_flag=True, help="With --goal: show the plan and leave.")
@click.option("--yes", is_flag=True, help="With --goal: run the plan without asking.")
@click.option("--fleet", "address", metavar="FILE", help="Run this fleet here for it, when no `tutti up` does.")
@click.option("--subject", metavar="S", help="Whom it is about.")
@click.option("--priority", type=int, default=0, help="Higher goes first.")
@click.option("--deadline", type=Duration(), help="It fails when it has not ended by then, for example 30s.")
@click.option("--wait/--detach", default=True, help="Wait for its end (the default), or print its id and leave.")
@click.option("--timeout", type=Duration(), help="How long to wait; the task goes on.")
@pass_look
def run(
    look: Look,
    skill: str,
    input: str,
    given: str | None,
    goals: tuple[str, ...],
    have: str,
    money: float | None,
    dry_run: bool,
    yes: bool,
    address: str | None,
    subject: str | None,
    priority: int,
    deadline: timedelta | None,
    wait: bool,
    timeout: timedelta | None,
) -> int:
    """Give the fleet a task: do SKILL (or a playbook) with INPUT (JSON, @file or -), and print its output.

    With --goal: show the plan that reaches it from INPUT, ask, and run it.
    """
    screen = Screen(look)
    _check(skill, input, given, goals, have=have, money=money, dry_run=dry_run, yes=yes)
    if goals and not dry_run:
        screen.askable(yes=yes, what=_PLAN)  # before a planner is asked, which may be a model that wants money
    argument = given if given is not None else (skill if goals else input) or "{}"
    value = json_of(argument, "the input")
    fleet = None
    if address is not None:
        from tutti.cli.loading import load_fleet

        fleet = load_fleet(address)
    with connect(look, fleet) as api:
        if goals:
            planned = _planned(screen, api, goals, have, value, subject, money)
            if dry_run or not planned["plan"]:
                if look.machine:
                    screen.data(planned)
                elif not planned["plan"] and not api.served and fleet is None:
                    screen.next(_UP)
                return exits.OK if planned["plan"] else exits.FAILED
            if not screen.sure("Run this plan?", yes=yes, what=_PLAN):
                return exits.OK
            skill, value = "plan.run", {"plan": planned["plan"], "input": value} | ({} if money is None else {"money": money})
        body: dict[str, Any] = {"skill": skill, "input": value, "subject": subject, "priority": priority}
        if deadline is not None:
            body["deadline_ms"] = max(int(deadline.total_seconds() * 1000), 1)
        id = api.post("/v1/tasks", **body)["task"]
        if not wait:
            screen.data({"task": id}) if look.machine else screen.text(id)
            return exits.OK
        screen.say(f"task {id}")
        waited = waited_for(api, id, None if timeout is None else timeout.total_seconds())
        reasons = {}
        if waited["waits"] and not look.machine:
            held = api.get("/v1/tasks/{}", waited["waits"][0])
            reasons = {held["id"]: words.why_asked(api, held)}
        return _told(screen, waited, reasons)


def _check(skill: str, input: str, given: str | None, goals: tuple[str, ...], **planning: Any) -> None:
    """Raises: `click.UsageError` where the arguments do not fit together."""
    if goals:
        if input or (given is not None and skill):
            raise click.UsageError("With --goal there is one argument, the input.")
        if len(goals) > 1 and any(" " in goal for goal in goals):
            raise click.UsageError("A goal in words stands alone.")
        return
    if not skill:
        raise click.UsageError("Name a skill, or a goal with --goal.")
    if input and given is not None:
        raise click.UsageError("The input is given twice.")
    for name, value in planning.items():
        if value:
            raise click.UsageError(f"--{name.replace('_', '-')} belongs to --goal.")


def _planned(screen: Screen, api: Api, goals: tuple[str, ...], have: str, input: Any, subject: str | None, money: float | None) -> dict[str, Any]:
    """The plan for the goals, shown."""
    goal: dict[str, Any] = {"want": list(goals), "have": have}
    if " " in goals[0]:
        goal = {"text": goals[0]}
        screen.say("a planner that is a language model is asked; it may take its time")
    planned: dict[str, Any] = api.post("/v1/plans", goal=goal, input=input, subject=subject, money=money)
    _show(screen, planned)
    return planned


def _show(screen: Screen, planned: Mapping[str, Any]) -> None:
    plan = planned["plan"]
    if plan is None:
        screen.warn("There is no plan:")
        for missing in planned["missing"]:
            screen.warn(f"  {missing}")
    else:
        for number, step in enumerate(plan["steps"], 1):
            does = step.get("skill") or (f"ask a person: {step['question']}" if step.get("question") else f"wait {step['wait_ms'] / 1000:g} s")
            when = f" when {step['when']}" if step.get("when") else ""
            taken = f"  {brief(step['input'], _EXACTLY)}" if step.get("input") is not None else ""
            screen.say(f"{number:>3}. {step['name']}: {does}{when}{taken}")
        expected = planned["expected"]
        screen.say(f"     expected: cost {expected['cost']:g}, {expected['latency_ms'] / 1000:.1f} s, succeeds {expected['success']:.0%}")
    for out in planned["ruled_out"]:
        screen.say(f"     ruled out {out['skill']}: {out['rule']}")


def waited_for(api: Api, id: str, seconds: float | None, *, alone: bool = False) -> dict[str, Any]:
    """The task once it has ended, needs a person (or, unless `alone`, what it led to does), cannot go on here, or the seconds are over."""
    until = None if seconds is None else monotonic() + seconds
    while True:
        left = _SLICE if until is None else min(max(until - monotonic(), 0.0), _SLICE)
        waited: dict[str, Any] = api.get("/v1/tasks/{}/wait", id, timeout_ms=int(left * 1000))
        if waited["done"] or (id in waited["waits"] if alone else waited["waits"]) or not waited["running"] or (until is not None and monotonic() >= until):
            return waited


def nobody(screen: Screen, task: Mapping[str, Any]) -> int:
    """Tell of a task that waits for a process; gives the exit code."""
    screen.warn(f"{task['id']} is kept, and nobody does it now.")
    screen.next(_UP)
    return exits.UNREACHABLE


def _told(screen: Screen, waited: dict[str, Any], reasons: Mapping[str, str]) -> int:
    task = waited["task"]
    if screen.look.machine:
        screen.data(task)
    elif task["state"] == "completed":
        screen.text(task["output"]) if isinstance(task["output"], str) else screen.data(task["output"])
    if waited["done"]:
        code = words.ended(screen, task)
        screen.next(f"tutti why {task['id']}")
        return code
    if waited["waits"]:
        id = waited["waits"][0]
        screen.warn(
            f"{task['id']} needs a human" + ("" if id == task["id"] else f" for {id}, which it waits for") + f": {reasons.get(id, '')}".removesuffix(": ")
        )
        screen.next(words.what_to_do(task) if id == task["id"] else f"tutti tasks show {id}")
        return exits.NEEDS_A_HUMAN
    if not waited["running"]:
        return nobody(screen, task)
    screen.warn(f"{task['id']} {words.stands(task)}; the time to wait is over, it goes on.")
    screen.next(f"tutti tasks show {task['id']}")
    return exits.TIMEOUT
