"""`tutti help`: commands and topics."""

from __future__ import annotations

import click

from tutti.cli import exits
from tutti.cli.options import Look, command, pass_look
from tutti.cli.screen import Screen
from tutti.errors import NotFound

_ENVIRONMENT = {
    "TUTTI_FOLDER": "where workspaces are [.tutti]",
    "TUTTI_WORKSPACE": "which one",
    "TUTTI_DATABASE": "another file, or a postgresql:// address",
    "TUTTI_SLOTS": "runs at a time [256]",
    "TUTTI_THREADS": "threads for agents that are plain functions [16]",
    "TUTTI_PROCESSES": "processes for agents with cpu=True [2]",
    "TUTTI_GRACE_SECONDS": "seconds that running agents get when the process stops [10]",
    "TUTTI_EGRESS": "special addresses (loopback, private) that may be called: host:port, host or network, with commas",
    "NO_COLOR": "no colours",
    "CLICOLOR_FORCE": "colours although it is no terminal",
}
_OUTPUT = """Data goes to standard output, talk to standard error; -q leaves only data and errors.
-o table is for people: cut to the width on a terminal, whole and plain in a pipe.
-o json (or --json) is for programs: one value, records carry "schema", an empty list is [].
-o ndjson prints one record a line.
With json and ndjson an error is {"error": {"code", "message", "hint"}} on standard error."""


@command()
@click.argument("topic", required=False)
@click.pass_context
@pass_look
def help(look: Look, context: click.Context, topic: str | None) -> int:
    """Help on a command, or on a topic: exit-codes, environment, output."""
    screen = Screen(look)
    root = context.find_root()
    assert isinstance(root.command, click.Group)
    if topic is None:
        click.echo(root.command.get_help(root))
    elif topic == "exit-codes":
        _table(screen, {str(code): meaning for code, meaning in exits.MEANING.items()})
    elif topic == "environment":
        _table(screen, _ENVIRONMENT)
    elif topic == "output":
        screen.text(_OUTPUT)
    else:
        found = root.command.get_command(root, topic)
        if found is None:
            raise NotFound(f"There is no command and no topic {topic}.", hint="Topics are exit-codes, environment and output; `tutti --help` lists commands.")
        click.echo(found.get_help(click.Context(found, root, topic)))
    return exits.OK


def _table(screen: Screen, entries: dict[str, str]) -> None:
    if screen.look.machine:
        screen.data(entries)
        return
    width = max(map(len, entries))
    for name, meaning in entries.items():
        screen.text(f"{name:<{width}}  {meaning}")
