"""`tutti run`: one task, waited for."""

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
from tutti.cli.screen import Screen
from tutti.cli.wire import Api, connect

_SLICE = 20.0  # seconds one request waits; then the next one does
SOON = 5.0  # seconds a task is waited for after somebody decided about it, to say how it went


@command()
@click.argument("skill")
@click.argument("input", default="{}")
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
    address: str | None,
    subject: str | None,
    priority: int,
    deadline: timedelta | None,
    wait: bool,
    timeout: timedelta | None,
) -> int:
    """Give the fleet a task: do SKILL with INPUT (JSON, @file or -), and print its output."""
    screen = Screen(look)
    value = json_of(input, "the input")
    fleet = None
    if address is not None:
        from tutti.cli.loading import load_fleet

        fleet = load_fleet(address)
    with connect(look, fleet) as api:
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


def waited_for(api: Api, id: str, seconds: float | None) -> dict[str, Any]:
    """The task once it has ended, needs a person, cannot go on here, or the seconds are over."""
    until = None if seconds is None else monotonic() + seconds
    while True:
        left = _SLICE if until is None else min(max(until - monotonic(), 0.0), _SLICE)
        waited: dict[str, Any] = api.get("/v1/tasks/{}/wait", id, timeout_ms=int(left * 1000))
        if waited["done"] or waited["waits"] or not waited["running"] or (until is not None and monotonic() >= until):
            return waited


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
        screen.warn(f"{task['id']} is kept, and nobody does it now.")
        screen.next("tutti up fleet.py")
        return exits.UNREACHABLE
    screen.warn(f"{task['id']} is {words.state(task)}; the time to wait is over, it goes on.")
    screen.next(f"tutti tasks show {task['id']}")
    return exits.TIMEOUT
