"""`tutti up`: run a fleet in the foreground."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import webbrowser
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

import click

from tutti.cli.options import Look, command, listed, pass_look
from tutti.cli.places import settings_for
from tutti.cli.screen import Screen, count
from tutti.fleet import Fleet
from tutti.model.caller import OWNER
from tutti.settings import DEFAULT_LISTEN, Settings


@command()
@click.argument("file", default="fleet.py")
@click.option("--listen", metavar="HOST:PORT", help="Where to listen on TCP; off: only on the local socket. [TUTTI_LISTEN, else 127.0.0.1:7777]")
@click.option("--tls-cert", metavar="FILE", help="Certificate, with its chain. [TUTTI_TLS_CERT]")
@click.option("--tls-key", metavar="FILE", help="Its key. [TUTTI_TLS_KEY]")
@click.option("--tls-client-ca", metavar="FILE", help="Callers must show a certificate of this CA. [TUTTI_TLS_CLIENT_CA]")
@click.option("--behind-proxy", is_flag=True, help="A proxy in front has the TLS. [TUTTI_BEHIND_PROXY, TUTTI_PROXIES]")
@click.option("--open", "open_", is_flag=True, help="Open the console in a browser.")
@click.option("--config", metavar="FILE", help="Settings in TOML. [TUTTI_CONFIG, else tutti.toml]")
@pass_look
def up(look: Look, /, file: str, config: str | None, open_: bool, **said: Any) -> None:
    """Run the fleet in FILE (fleet.py, or fleet.py:name where it holds several) and serve its workspace until Ctrl-C."""
    from tutti.cli.loading import load_fleet

    screen = Screen(look)
    logging.basicConfig(level=logging.INFO if look.verbose else logging.WARNING, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    start = monotonic()
    fleet = load_fleet(file)
    skills = {skill for card in fleet.cards.values() for skill in card.skills}
    screen.done(
        f"fleet {fleet.name}: {count(len(fleet.cards), 'agent')}, {count(len(skills), 'skill')}, {count(len(fleet.subscriptions), 'subscription')}{_outside(fleet)}",
        monotonic() - start,
    )
    for problem in fleet.problems():
        screen.warn(problem)
    if config:
        os.environ["TUTTI_CONFIG"] = config
    settings = settings_for(look, fleet.name)
    settings = replace(settings, **{name: value for name, value in said.items() if value})
    with asyncio.Runner(loop_factory=_fast_loop()) as runner:
        runner.run(_serve(screen, fleet, settings if settings.listen else replace(settings, listen=DEFAULT_LISTEN), open_))


def _fast_loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's, where it is installed."""
    if find_spec("uvloop") is None:
        return None
    import uvloop

    return uvloop.new_event_loop


async def _serve(screen: Screen, fleet: Fleet, settings: Settings, open_: bool) -> None:
    from tutti.api import ensure_owner_token, make_link, serve
    from tutti.app import Workspace, collect_seldom

    start = monotonic()
    async with Workspace(fleet, settings) as workspace:
        collect_seldom()
        head = await workspace.head()
        place = settings.place if "://" not in settings.place else "PostgreSQL"  # an address may hold a password
        screen.done(f"workspace {settings.workspace} ({place}, {head['seq']:,} facts)", monotonic() - start)
        waiting = len(await workspace.approvals())
        for card in workspace.house.registry.outside():
            screen.say(f"  {card.id} outside: {listed(sorted(card.skills))}")
        if waiting:
            screen.say(f"  {count(waiting, 'approval')} wait{'s' if waiting == 1 else ''} for you: tutti tasks --waiting")

        token = await ensure_owner_token(workspace)

        def ready(path: Path) -> None:
            url = workspace.outside.base_url
            screen.done(f"listening on {f'{url} and ' if url else ''}{path}")
            if url:
                screen.say(f"  the owner's token for {url} is in {token}")
                link = make_link(workspace, OWNER.id)["url"]
                screen.say(f"  console: {link}\n           (good once, for 15 minutes; `tutti console` makes another)")
                if open_:
                    Thread(target=webbrowser.open, args=(link,), daemon=True).start()
            if screen.look.machine:
                screen.data({"workspace": settings.workspace, "socket": str(path), "url": url or None, "token_file": str(token), "pid": os.getpid()})
                sys.stdout.flush()
            screen.say(_try(fleet))

        await serve(workspace, ready=ready, stopping=lambda: screen.say("Stopping: agents that run may finish; Ctrl-C again stops at once."))
    screen.done(f"stopped; everything is in {place}")


def _outside(fleet: Fleet) -> str:
    return f"; {count(len(fleet.remotes), 'agent')} outside" if fleet.remotes else ""


def _try(fleet: Fleet) -> str:
    lines = ["Try, in another terminal:"]
    subscription = next(iter(fleet.subscriptions.values()), None)
    if subscription is not None and "*" not in subscription.type:
        lines.append(f"  tutti send {subscription.type} --subject NAME '{{…}}'")
    lines += ["  tutti tasks", "  tutti agents", "Ctrl-C stops."]
    return "\n".join(lines)
