"""`tutti kill` and `tutti lift`: the kill switches."""

from __future__ import annotations

from typing import Any

import click

from tutti.cli.options import Look, command, pass_look
from tutti.cli.screen import Screen, count
from tutti.cli.wire import Api, connect
from tutti.errors import Invalid, NotFound


@command()
@click.argument("what", nargs=-1, required=True, metavar="[agent|action] NAME | workspace")
@click.option("--reason", default="", help="Why; it stands in the record.")
@pass_look
def kill(look: Look, what: tuple[str, ...], reason: str) -> None:
    """Stop an agent, an action or the whole workspace. When this returns, no effect starts any more, and what ran is canceled."""
    screen = Screen(look)
    answer, place = _turned(look, what, "throw", reason)
    if look.machine:
        screen.data(answer)
        return
    screen.done(f"stopped: {place}; {count(answer['stopped'], 'run')} canceled")
    screen.next(f"tutti lift {place}")


@command()
@click.argument("what", nargs=-1, required=True, metavar="[agent|action] NAME | workspace")
@click.option("--reason", default="", help="Why; it stands in the record.")
@pass_look
def lift(look: Look, what: tuple[str, ...], reason: str) -> None:
    """Lift a kill switch. Tasks that it parked before they began go on."""
    screen = Screen(look)
    answer, place = _turned(look, what, "lift", reason)
    if look.machine:
        screen.data(answer)
        return
    screen.done(f"lifted: {place}; {count(answer['resumed'], 'task')} sent on")
    screen.next("tutti tasks --waiting")


def _turned(look: Look, what: tuple[str, ...], how: str, reason: str) -> tuple[Any, str]:
    """What the server answers, and the switch in words."""
    _check(what)
    with connect(look) as api:
        scope, name = _meant(api, what)
        return api.post(f"/v1/kill-switches/{how}", scope=scope, name=name, reason=reason), f"{scope} {name}".strip()


def _check(what: tuple[str, ...]) -> None:
    if what != ("workspace",) and not (len(what) == 2 and what[0] in ("agent", "action")) and (len(what) != 1 or what[0] in ("agent", "action")):
        raise click.UsageError("Say agent NAME, action SKILL, or workspace.")


def _meant(api: Api, what: tuple[str, ...]) -> tuple[str, str]:
    """The scope and the name. A name alone is looked up; a stop must never be about the wrong thing, so two meanings are refused."""
    if what == ("workspace",):
        return "workspace", ""
    if len(what) == 2:
        return what[0], what[1]
    (name,) = what
    rows = api.get("/v1/agents")
    meanings = [("agent", name)] * any(row["name"] == name for row in rows) + [("action", name)] * any(
        row["skill"] == name and row["level"] is not None for row in rows
    )
    if len(meanings) == 1:
        return meanings[0]
    if meanings:
        raise Invalid(f"{name} is an agent and an action.", hint=f"Say agent {name} or action {name}.")
    raise NotFound(
        f"There is no live agent and no action {name}.", hint="`tutti agents` lists them; with `agent` or `action` before the name it is taken as it is."
    )
