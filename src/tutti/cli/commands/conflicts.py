"""`tutti conflicts`: what collides, both sides, and a person's decision; `tutti undo`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from tutti.cli.options import Look, command, noun, pass_look
from tutti.cli.screen import Screen, brief, pairs
from tutti.cli.wire import connect


@noun(default="list")
def conflicts() -> None:
    """List actions that collide; show one with both sides, or settle it."""


@conflicts.command("list")
@click.option("--state", type=click.Choice(["open", "asked", "resolved", "all"]), help="Only these; without it, what is not resolved yet.")
@click.option("--task", help="Only those of this task.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True, help="How many.")
@click.option("--after", type=int, help="The page after this number.")
@pass_look
def list_(look: Look, state: str | None, task: str | None, limit: int, after: int | None) -> None:
    """List conflicts, newest first."""
    screen = Screen(look)
    with connect(look) as api:
        page = api.get("/v1/conflicts", state=state, task=task, limit=limit, after=after)
    found = page["conflicts"]
    asked = next((one for one in found if one["state"] == "asked"), None)
    following = f"tutti conflicts show {(asked or found[0])['id']}" if found else "tutti conflicts --state all"
    screen.list(
        found,
        {
            "STATE": lambda one: one["state"],
            "CONFLICT": lambda one: one["id"],
            "ON": lambda one: one["resource"],
            "SIDES": lambda one: " against ".join(f"{side['skill']} ({side['effect']})" for side in one["sides"]),
            "DECIDED BY": lambda one: one["rung"] or "",
            "FIRST": _first,
        },
        empty="Nothing collides." if state is None else "No conflict fits these filters.",
        next=following,
    )
    if page["next"] is not None:
        screen.say(f"There are more: --after {page['next']}")


@conflicts.command()
@click.argument("id")
@pass_look
def show(look: Look, id: str) -> None:
    """Show a conflict with both sides."""
    screen = Screen(look)
    with connect(look) as api:
        found = api.get("/v1/conflicts/{}", id)
    told(screen, found)


@conflicts.command()
@click.argument("id")
@click.argument("winner", metavar="TASK")
@pass_look
def settle(look: Look, id: str, winner: str) -> None:
    """Decide that TASK goes first. The other one waits, takes an alternative, or is told why it cannot be."""
    screen = Screen(look)
    with connect(look) as api:
        found = api.post("/v1/conflicts/{}/settle", id, winner=winner)
    if look.machine:
        screen.data(found)
        return
    screen.done(f"settled: {_first(found)} goes first")
    screen.next(f"tutti why {winner}")


@command()
@click.argument("id", metavar="TASK")
@pass_look
def undo(look: Look, id: str) -> None:
    """Propose the action that undoes a completed one. It goes through the gates like any other."""
    screen = Screen(look)
    with connect(look) as api:
        made = api.post("/v1/tasks/{}/undo", id)
    if look.machine:
        screen.data(made)
        return
    screen.done(f"proposed: {made['task']}")
    screen.next(f"tutti tasks show {made['task']}")


def _first(conflict: Mapping[str, Any]) -> str:
    winner = next((side for side in conflict["sides"] if side["task"] == conflict["winner"]), None)
    return f"{winner['skill']} ({winner['task']})" if winner else ""


def told(screen: Screen, conflict: Mapping[str, Any]) -> None:
    """A conflict as the API gives it: the rule, who decided and why, and both sides."""
    if screen.look.machine:
        screen.data(conflict)
        return
    shown = {
        "on": conflict["resource"],
        "rule": conflict["rule"],
        "state": conflict["state"],
        "decided by": conflict["rung"] or "",
        "why": conflict["reason"] or "",
    }
    screen.text(pairs(shown.items()))
    for side in conflict["sides"]:
        screen.heading(f"\n{side['skill']} ({side['task']})" + (" goes first" if side["wins"] else ""))
        holds = f", holds it until {side['holds_until'] or 'it has ended'}" if side["holds"] else ""
        screen.text(f"  {side['effect']}, {side['state']}{holds}")
        if side["input"] is not None:
            screen.text(f"  exactly: {brief(side['input'], 2000)}")
    if conflict["state"] == "resolved":
        screen.next(f"tutti why {conflict['sides'][0]['task']}")
    else:
        screen.next(f"tutti conflicts settle {conflict['id']} TASK")
