"""The root of all commands: names and summaries stand here, modules are imported when called; errors become words and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from tutti import __version__
from tutti.cli import exits
from tutti.cli.options import Look, global_options
from tutti.errors import TuttiError

_M = "tutti.cli.commands."
SECTIONS: dict[str, dict[str, tuple[str, str]]] = {
    "Start here": {
        "demo": (_M + "demo:demo", "See a whole company's fleet at work"),
        "init": (_M + "init:init", "Write a working two-agent fleet into a folder"),
        "up": (_M + "up:up", "Run a fleet until Ctrl-C"),
        "console": (_M + "console:console", "A link that signs you in to the console, once"),
        "serve-agent": (_M + "serve_agent:serve_agent", "Run one agent as an A2A service of its own"),
        "doctor": (_M + "doctor:doctor", "Check this machine, the workspace and a fleet"),
    },
    "Work": {
        "send": (_M + "send:send", "Send a signal"),
        "run": (_M + "run:run", "Give the fleet a task and wait for its output"),
        "negotiate": (_M + "negotiate:negotiate", "Have agents with competing aims settle on one outcome"),
        "negotiations": (_M + "negotiate:negotiations", "List, show: who said what, and why it ended so"),
        "tasks": (_M + "tasks:tasks", "List, watch, show, cancel, answer, settle"),
        "why": (_M + "why:why", "Explain what was decided"),
        "approve": (_M + "approve:approve", "Say yes to what waits for you"),
        "reject": (_M + "approve:reject", "Say no to what waits for you"),
        "conflicts": (_M + "conflicts:conflicts", "What collides: list, show, settle"),
        "undo": (_M + "conflicts:undo", "Propose the action that undoes a completed one"),
        "rate": (_M + "rate:rate", "Judge a finished task; the next route moves"),
        "prioritise": (_M + "prioritise:prioritise", "One order of waiting tasks out of several departments' ballots"),
    },
    "Fleet": {
        "agents": (_M + "agents:agents", "Who is good at what; show, set-level"),
        "kill": (_M + "switches:kill", "Stop an agent, an action or everything"),
        "lift": (_M + "switches:lift", "Let it go on"),
    },
    "Govern": {
        "accounts": (_M + "accounts:accounts", "Who may come in: people, services, agents"),
        "tokens": (_M + "tokens:tokens", "What they come in with: make, list, revoke"),
        "audit": (_M + "audit:audit", "Verify the record offline, export it"),
        "replay": (_M + "replay:replay", "Rebuild the view from the facts and compare"),
        "erase": (_M + "erase:erase", "Forget a subject"),
        "backup": (_M + "backup:backup", "Copy the workspace while it runs, or restore it"),
    },
    "More": {
        "help": (_M + "help:help", "Help on a command or a topic: exit-codes, environment, output"),
    },
}  # fmt: skip
_HOMES = {name: home for section in SECTIONS.values() for name, (home, _) in section.items()}
SUMMARIES = {name: summary for section in SECTIONS.values() for name, (_, summary) in section.items()}


class Tutti(click.Group):
    """Lazy: a command's module is imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_HOMES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        home = _HOMES.get(cmd_name)
        if home is None:
            return None
        from importlib import import_module

        module, _, name = home.partition(":")
        found = getattr(import_module(module), name)
        assert isinstance(found, click.Command)
        return found

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _HOMES:
            from difflib import get_close_matches

            close = get_close_matches(args[0], _HOMES, n=1)
            raise click.UsageError(f"There is no command {args[0]}." + (f" Did you mean {close[0]}?" if close else ""), ctx)
        return super().resolve_command(ctx, args)

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write("Tutti runs fleets of agents as one ensemble.\n\n")
        width = max(map(len, _HOMES))
        for section, commands in SECTIONS.items():
            for place, (name, (_, summary)) in enumerate(commands.items()):
                formatter.write(f"{section if not place else '':<11} {name:<{width}}  {summary}\n")
        formatter.write("\n")
        with formatter.section("Global options, before or after the command"):
            formatter.write_dl([record for param in self.get_params(ctx) if (record := param.get_help_record(ctx)) is not None])

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **_: Any) -> NoReturn:  # type: ignore[override]
        """Run a command and leave with its exit code."""
        words = list(sys.argv[1:] if args is None else args)
        look = Look()
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="replace")  # a terminal that cannot show a tick still gets the words
        code = self._run(words, prog_name or "tutti", look)
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            _swallow_output()
        sys.exit(code)

    def _run(self, words: list[str], prog_name: str, look: Look) -> int:
        try:
            result = super().main(words, prog_name, standalone_mode=False, obj=look)
            return result if isinstance(result, int) else exits.OK
        except click.exceptions.Exit as leave:
            return leave.exit_code
        except (click.Abort, KeyboardInterrupt):
            if not look.quiet:
                click.echo("interrupted", err=True)
            return exits.INTERRUPTED
        except BrokenPipeError:
            _swallow_output()
            return exits.FAILED
        except click.ClickException as error:
            return _usage(error, look, words)
        except TuttiError as error:
            return _known(error, look)
        except Exception as error:  # the last one: it becomes words, and with -vv a traceback
            _trace(look)
            return _tell(look, "failed", f"{type(error).__name__}: {error}", "This is a defect of Tutti; -vv shows where.", exits.FAILED)


def _swallow_output() -> None:
    """Nobody reads any more (`tutti tasks | head`): keep the interpreter from complaining about it at its end."""
    import os

    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _usage(error: click.ClickException, look: Look, words: list[str]) -> int:
    if "--json" in words or "json" in words:
        look.output = look.output or "json"  # it may stand behind what could not be read
    context = error.ctx if isinstance(error, click.UsageError) else None
    hint = f"`{context.command_path} --help` shows how." if context is not None else ""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.format_message())
        return exits.USAGE
    return _tell(look, "usage", error.format_message(), hint, exits.USAGE)


def _known(error: TuttiError, look: Look) -> int:
    _trace(look)
    return _tell(look, error.code, error.message, error.hint, exits.of(error.code), located=bool(error.about.get("located")))


def _trace(look: Look) -> None:
    if look.verbose > 1:
        import traceback

        traceback.print_exc()


def _tell(look: Look, code: str, message: str, hint: str, exit_code: int, *, located: bool = False) -> int:
    from tutti.cli.screen import clean

    if look.machine:
        import json

        click.echo(json.dumps({"error": {"code": code, "message": message, "hint": hint}}, ensure_ascii=False), err=True)
    else:
        message = message if message.endswith((".", "!", "?")) or located else message + "."
        click.echo(clean(message if located else f"error: {message}"), err=True)  # a place in the user's file stands first, as compilers have it
        if hint:
            click.echo(clean(hint if located else f"hint: {hint}"), err=True)
    return exit_code


tutti = Tutti(
    "tutti",
    params=[
        *global_options(hidden=False),
        click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, help="Print the version.", callback=lambda c, _, v: _version(c, v)),
    ],
    no_args_is_help=True,
)


def _version(context: click.Context, wanted: bool) -> None:
    if wanted:
        click.echo(f"tutti {__version__}")
        context.exit()
