"""`tutti up`: run a fleet in the foreground."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from pathlib import Path
from time import monotonic

import click

from tutti.cli.options import Look, command, pass_look
from tutti.cli.places import settings_for
from tutti.cli.screen import Screen, count
from tutti.fleet import Fleet
from tutti.settings import Settings


@command()
@click.argument("file", default="fleet.py")
@pass_look
def up(look: Look, file: str) -> None:
    """Run the fleet in FILE (fleet.py, or fleet.py:name where it holds several) and serve its workspace until Ctrl-C."""
    from tutti.cli.loading import load_fleet

    screen = Screen(look)
    logging.basicConfig(level=logging.INFO if look.verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    start = monotonic()
    fleet = load_fleet(file)
    skills = {skill for card in fleet.cards.values() for skill in card.skills}
    screen.done(
        f"fleet {fleet.name}: {count(len(fleet.cards), 'agent')}, {count(len(skills), 'skill')}, {count(len(fleet.subscriptions), 'subscription')}",
        monotonic() - start,
    )
    for problem in fleet.problems():
        screen.warn(problem)
    asyncio.run(_serve(screen, fleet, settings_for(look, fleet.name)))


async def _serve(screen: Screen, fleet: Fleet, settings: Settings) -> None:
    from tutti.api import serve
    from tutti.app import Workspace, collect_seldom

    start = monotonic()
    async with Workspace(fleet, settings) as workspace:
        collect_seldom()
        head = await workspace.head()
        place = settings.place if "://" not in settings.place else "PostgreSQL"  # an address may hold a password
        screen.done(f"workspace {settings.workspace} ({place}, {head['seq']:,} facts)", monotonic() - start)
        waiting = len(await workspace.approvals())
        if waiting:
            screen.say(f"  {count(waiting, 'approval')} wait{'s' if waiting == 1 else ''} for you: tutti tasks --waiting")

        def ready(path: Path) -> None:
            screen.done(f"listening on {path}")
            if screen.look.machine:
                screen.data({"workspace": settings.workspace, "socket": str(path), "pid": os.getpid()})
                sys.stdout.flush()
            screen.say(_try(fleet))

        await serve(workspace, ready=ready)
        screen.say("Stopping: agents that run may finish; Ctrl-C again stops at once.")
    screen.done(f"stopped; everything is in {place}")


def _try(fleet: Fleet) -> str:
    lines = ["Try, in another terminal:"]
    subscription = next(iter(fleet.subscriptions.values()), None)
    if subscription is not None and "*" not in subscription.type:
        lines.append(f"  tutti send {subscription.type} --subject NAME '{{…}}'")
    lines += ["  tutti tasks", "  tutti agents", "Ctrl-C stops."]
    return "\n".join(lines)
