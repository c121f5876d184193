"""Options that every command takes, before or after its name, and the classes of commands that take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click


@dataclass(slots=True)
class Look:
    """What the global options say."""

    output: str = ""  # table, json or ndjson; empty: table
    workspace: str = ""
    folder: str = ""
    server: str = ""
    token_file: str = ""
    quiet: bool = False
    verbose: int = 0
    no_color: bool = False

    @property
    def machine(self) -> bool:
        """Whether a program reads the output."""
        return self.output in ("json", "ndjson")


def _keep(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value:
            setattr(context.ensure_object(Look), name, value)

    return keep


def _json(context: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Look).output = "json"


def global_options(*, hidden: bool) -> list[click.Parameter]:
    """The global options, fresh."""

    def option(*names: str, **more: Any) -> click.Option:
        return click.Option(names, expose_value=False, hidden=hidden, **more)

    return [
        option("--json", is_flag=True, callback=_json, help="The same as -o json."),
        option("-o", "--output", type=click.Choice(["table", "json", "ndjson"]), callback=_keep("output"), help="How to print data."),
        option("--workspace", metavar="NAME", callback=_keep("workspace"), help="Which workspace. [TUTTI_WORKSPACE, else the only one]"),
        option("--folder", metavar="DIR", callback=_keep("folder"), help="Where workspaces are. [TUTTI_FOLDER, else .tutti]"),
        option("--server", metavar="URL", callback=_keep("server"), help="A workspace served elsewhere: https://… [TUTTI_SERVER; TUTTI_TOKEN or --token-file]"),
        option("--token-file", metavar="FILE", callback=_keep("token_file"), help="Where the token for --server is."),
        option("-q", "--quiet", is_flag=True, callback=_keep("quiet"), help="Data and errors only."),
        option("-v", "--verbose", count=True, callback=_keep("verbose"), help="Say more; -vv shows where an error comes from."),
        option("--no-color", is_flag=True, callback=_keep("no_color"), help="No colours. [NO_COLOR]"),
    ]


_EPILOG = "Global options (`tutti --help`) work here too, --json among them."


class Command(click.Command):
    """A command that takes the global options."""

    def __init__(self, *args: Any, **more: Any) -> None:
        more.setdefault("epilog", _EPILOG)
        super().__init__(*args, **more)
        own = {param.name for param in self.params}  # a command's own --server is its own
        self.params += [option for option in global_options(hidden=True) if option.name not in own]


class Noun(click.Group):
    """A noun with verbs: `tutti tasks` lists, `tutti tasks show ID` shows. Arguments without a verb go to the default one."""

    command_class = Command

    def __init__(self, *args: Any, default: str, **more: Any) -> None:
        more.setdefault("epilog", _EPILOG)
        super().__init__(*args, **more)
        self._default = default
        self.params += global_options(hidden=True)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not any(arg in self.commands for arg in args) and not {"--help", "-h"} & set(args):
            args = [self._default, *args]
        return super().parse_args(ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The verbs, and the options of the default one."""
        default = self.commands[self._default]
        records = [record for param in default.get_params(ctx) if (record := param.get_help_record(ctx)) is not None]
        with formatter.section(f"Options of {self._default}"):
            formatter.write_dl(records)
        self.format_commands(ctx, formatter)


def command() -> Callable[[Callable[..., Any]], Command]:
    """`click.command` for a command that takes the global options."""
    return click.command(cls=Command)


def noun(default: str) -> Callable[[Callable[..., Any]], Noun]:
    """`click.group` for a noun with verbs."""
    return click.group(cls=Noun, default=default)


pass_look = click.make_pass_decorator(Look, ensure=True)


def listed(words: Sequence[str]) -> str:
    """Words as `a, b and c`."""
    return ", ".join(words[:-1]) + " and " + words[-1] if len(words) > 1 else "".join(words)
