"""`tutti console`: the way into the console of a running workspace."""

from __future__ import annotations

import os

import click

from tutti.cli.options import Look, command, pass_look
from tutti.cli.places import existing, settings_for
from tutti.cli.screen import Screen
from tutti.cli.wire import connect, serving
from tutti.errors import Unreachable


@command()
@click.option("--open", "open_", is_flag=True, help="Open it in a browser.")
@pass_look
def console(look: Look, open_: bool) -> None:
    """Print a link to the console that signs you in. It is good once, for a quarter of an hour."""
    screen = Screen(look)
    if not (look.server or os.environ.get("TUTTI_SERVER")):
        settings = existing(settings_for(look))
        if serving(settings) is None:
            raise Unreachable(f"Nobody serves the workspace {settings.workspace}.", hint="Start `tutti up fleet.py` or `tutti demo`, and ask again.")
    with connect(look) as api:
        link = api.call("POST", "/v1/session-links")
    if look.machine:
        screen.data(link)
    else:
        screen.text(link["url"])
        screen.say(f"It signs you in once, until {link['expires_at']}.")
    if open_:
        import webbrowser

        if not webbrowser.open(link["url"]):
            screen.warn("There is no browser here that can be started: open the link yourself.")
