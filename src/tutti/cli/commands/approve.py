"""`tutti approve` and `tutti reject`: a person's signed answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from tutti.cli import exits
from tutti.cli.commands import words
from tutti.cli.commands.run import SOON, waited_for
from tutti.cli.inputs import json_of
from tutti.cli.options import Look, command, pass_look
from tutti.cli.screen import Screen, ago, brief
from tutti.cli.wire import Api, connect
from tutti.clock import MICROS, SystemClock, from_datetime
from tutti.errors import Conflict
from tutti.settings import Settings


@command()
@click.argument("id")
@click.option("--note", default="", help="A word on it; it stands in the record.")
@click.option("--change", metavar="JSON", help="Give it these parameters instead (JSON, @file or -), and say yes to that where it asks again.")
@click.option("--hand-over", metavar="WHO", help="Leave it to a person (person/ben) or a department, and say nothing yet.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_look
def approve(look: Look, id: str, note: str, change: str | None, hand_over: str | None, yes: bool) -> int:
    """Say yes to ID (an approval's or its task's). It shows first what will happen, and whether it can be undone."""
    if change is not None and hand_over is not None:
        raise click.UsageError("--change and --hand-over are two things: do one after the other.")
    if hand_over is not None:
        return _hand_over(look, id, hand_over, note)
    return _answer(look, id, "approve", note, yes) if change is None else _change(look, id, json_of(change, "the parameters"), note, yes)


@command()
@click.argument("id")
@click.option("--note", default="", help="Why; it stands in the record.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_look
def reject(look: Look, id: str, note: str, yes: bool) -> int:
    """Say no to ID (an approval's or its task's)."""
    return _answer(look, id, "reject", note, yes)


def _answer(look: Look, id: str, answer: str, note: str, yes: bool) -> int:
    screen = Screen(look)
    with connect(look) as api:
        view = _open(api, id)
        _show(screen, view)
        if not screen.sure(f"{answer.capitalize()}?", yes=yes, what=answer):
            screen.say("Nothing was answered.")
            return exits.OK
        signed = {} if api.remote else {"signature": _signed(api.settings, view, answer)}  # elsewhere the workspace signs for who asks
        answered = api.post("/v1/approvals/{}/answer", view["id"], answer=answer, note=note, **signed)
        return _went(screen, api, answered, answer)


def _hand_over(look: Look, id: str, to: str, note: str) -> int:
    screen = Screen(look)
    with connect(look) as api:
        view = api.post("/v1/approvals/{}/hand-over", id, to=to, note=note)
    if look.machine:
        screen.data(view)
    screen.done(f"left to {view['handed_to']}: {view['question']}")
    return exits.OK


def _change(look: Look, id: str, input: Any, note: str, yes: bool) -> int:
    """Change the parameters, then answer what is asked about the new ones."""
    screen = Screen(look)
    with connect(look) as api:
        old = _open(api, id)
        _show(screen, {**old, "input": input, "question": f"{old['question']} Instead, with other parameters."})
        if not screen.sure("Change it?", yes=yes, what="change"):
            screen.say("Nothing was changed.")
            return exits.OK
        view = api.post("/v1/approvals/{}/change", old["id"], input=input, note=note)
        screen.done(f"changed: {brief(input)}")
        if view["state"] != "open":
            return _went(screen, api, view, "approve")
    return _answer(look, view["id"], "approve", note, yes)


def _open(api: Api, id: str) -> dict[str, Any]:
    view: dict[str, Any] = api.get("/v1/approvals/{}", id)
    if view["state"] != "open":
        by = f" by {view['answered_by']}" if view["answered_by"] else ""
        answered = "approved" if view["state"] == "used" else view["state"]  # a yes is used up when the task starts
        raise Conflict(f"{view['id']} was answered already: {answered}{by}.", hint=f"`tutti why {view['task']}` says more.")
    return view


def _show(screen: Screen, view: dict[str, Any]) -> None:
    left = (from_datetime(datetime.fromisoformat(view["expires_at"].replace("Z", "+00:00"))) - SystemClock().now()) / MICROS
    undone = "Can be undone." if view["reversible"] else "Cannot be undone."
    screen.say(f"{view['question']} {undone} Asked because {'; '.join(view['reasons'])}. Expires in {ago(left)}.")
    if view["handed_to"]:
        screen.say(f"It was left to {view['handed_to']}.")
    told = view["precedent"]
    if told["of"]:
        screen.say(f"People approved {told['approved']} of the last {told['of']} like it.")
    screen.say(f"{view['skill']} by {view['agent']} {view['version']}, exactly: {brief(view['input'], 2000)}")


def _signed(settings: Settings, view: dict[str, Any], answer: str) -> str:
    """Sign with the owner's key of the workspace, read where the person sits: it never goes over the wire."""
    from tutti import gates
    from tutti.cli.places import existing
    from tutti.ids import Ids
    from tutti.security import Keys, sign_approval

    owner = Keys.load_or_create(existing(settings).home, Ids(SystemClock())).owner
    row = {**view, "input": view["digest"], "agent_version": view["version"], "expires_at": view["expires_at_us"]}
    return sign_approval(owner, gates.signed(settings.workspace, row, answer))


def _went(screen: Screen, api: Api, answered: dict[str, Any], answer: str) -> int:
    id = answered["task"]
    waited = waited_for(api, id, SOON if answer == "approve" else 0.0)
    task = waited["task"]
    if screen.look.machine:
        screen.data({**answered, "task_state": task["state"], "output": task["output"]})
    code, following = exits.OK, f"tutti why {id}"
    if answer == "reject":
        screen.done(f"rejected: {id} will not be done")
    elif task["state"] == "completed":
        screen.done(f"approved, and done: {brief(task['output'])}")
    elif waited["done"] or waited["waits"]:
        screen.warn(f"approved, but {id} {words.stands(task)}: {task['reason']}" + (f": {brief(task['detail'])}" if task["detail"] else ""))
        code = exits.NEEDS_A_HUMAN if waited["waits"] else exits.FAILED
        following = words.what_to_do(task) if id in waited["waits"] else following
    else:
        screen.done(f"approved; {id} " + ("goes on" if waited["running"] else "is done when `tutti up` runs"))
    screen.next(following)
    return code
