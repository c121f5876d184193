"""Printing: data on stdout, talk on stderr; tables plain where nobody looks, with rich where somebody does."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from tutti.cli.options import Look

Record = Mapping[str, Any]
Columns = Mapping[str, Callable[[Any], Any]]
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_STYLES = {
    "completed": "green", "failed": "red", "rejected": "red", "canceled": "dim", "running": "blue", "needs a human": "magenta", "waiting": "yellow", "queued": "dim", "retrying": "yellow",
}  # fmt: skip
_BAR = 24  # characters


def clean(text: str) -> str:
    """Text without the characters that steer a terminal: what agents and customers write must not move the reader's cursor."""
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)


def colours(look: Look, stream: Any) -> bool:
    """Whether this stream shows colours: a terminal that can, or one that is forced to."""
    if look.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return bool(stream.isatty() or os.environ.get("CLICOLOR_FORCE", "0") != "0")


class Screen:
    """Where a command writes."""

    def __init__(self, look: Look) -> None:
        self.look = look

    # --- talk ---------------------------------------------------------------------------------------------------

    def say(self, text: str) -> None:
        """A line of talk."""
        if not self.look.quiet:
            click.echo(clean(text), err=True)

    def done(self, text: str, took: float | None = None) -> None:
        """A step that went well, with its seconds."""
        if not self.look.quiet:
            tick = click.style("✓", fg="green") if colours(self.look, sys.stderr) else "✓"
            click.echo(f"{tick} {clean(text)}" + ("" if took is None else f"   {took:.1f} s"), err=True)

    def warn(self, text: str) -> None:
        """Something to know; printed even with -q."""
        mark = click.style("!", fg="yellow") if colours(self.look, sys.stderr) else "!"
        click.echo(f"{mark} {clean(text)}", err=True)

    def next(self, text: str) -> None:
        """The command most people want now."""
        if not self.look.machine:
            self.say(f"next: {text}")

    # --- data ---------------------------------------------------------------------------------------------------

    def data(self, value: Any) -> None:
        """A value as JSON: on several lines, or on one with ndjson."""
        import orjson

        option = orjson.OPT_INDENT_2 if self.look.output != "ndjson" else 0
        click.echo(orjson.dumps(value, option=option))

    def text(self, text: str) -> None:
        """Data in words."""
        click.echo(clean(text))

    def heading(self, text: str) -> None:
        """A heading between parts of data."""
        click.echo(click.style(text, bold=True) if colours(self.look, sys.stdout) else text)

    def list(self, records: Sequence[Record], columns: Columns, *, empty: str, next: str) -> None:
        """Records as a table or as JSON; `next` is told at the end."""
        if self.look.output == "ndjson":
            for record in records:
                self.data(record)
        elif self.look.output == "json":
            self.data(records)
        else:
            if records:
                self.table([[_cell(get(record)) for get in columns.values()] for record in records], list(columns))
            else:
                self.say(empty)
            self.next(next)

    def table(self, rows: Sequence[Sequence[str]], header: Sequence[str]) -> None:
        """Rows under a header, aligned; coloured and cut to the width on a terminal, whole and plain elsewhere."""
        if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            self._rich(rows, header)
            return
        lines = [list(header), *rows]
        widths = [max(len(line[place]) for line in lines) for place in range(len(header))]
        for line in lines:
            click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())

    def _rich(self, rows: Sequence[Sequence[str]], header: Sequence[str]) -> None:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="dim")
        for name in header:
            table.add_column(name, no_wrap=name in ("TASK", "APPROVAL", "STATE"), overflow="fold")
        for row in rows:
            table.add_row(*[Text(cell, style=_STYLES.get(cell, "")) for cell in row])
        Console(no_color=not colours(self.look, sys.stdout), highlight=False).print(table)

    # --- long work ----------------------------------------------------------------------------------------------

    @contextmanager
    def bar(self, what: str) -> Any:
        """A progress bar with its rate on stderr where that is a terminal; yields `report(done, all)`, all 0 where unknown."""
        from time import monotonic

        shown = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not self.look.quiet
        start = monotonic()

        def report(done: int, total: int = 0) -> None:
            if not shown:
                return
            rate = done / max(monotonic() - start, 1e-6)
            filled = int(_BAR * min(done / total, 1.0)) if total else 0
            line = f"{what} {done:,}/{total:,} {'▇' * filled}{'▁' * (_BAR - filled)}" if total else f"{what} {done:,}"
            click.echo(f"\r{line} {rate:,.0f}/s ", nl=False, err=True)

        try:
            yield report
        finally:
            if shown:
                click.echo("\r\x1b[K", nl=False, err=True)

    def askable(self, *, yes: bool, what: str) -> None:
        """Before what costs something is prepared for a y/N. Raises `click.UsageError` where nobody can be asked and --yes does not say it."""
        if not yes and not sys.stdin.isatty():
            raise click.UsageError(f"Nobody can be asked here: {what} needs --yes without a terminal.")

    def sure(self, question: str, *, yes: bool, what: str) -> bool:
        """Ask y/N on a terminal; elsewhere only --yes says yes. Raises `click.UsageError` where nobody can be asked."""
        self.askable(yes=yes, what=what)
        return yes or click.confirm(question, default=False, err=True)


def _cell(value: Any) -> str:
    return "" if value is None else clean(str(value)).replace("\n", " ")


def pairs(entries: Iterable[tuple[str, Any]]) -> str:
    """Names and values in two columns; what is not known is left out."""
    known = [(name, str(value)) for name, value in entries if value is not None and value != ""]
    width = max((len(name) for name, _ in known), default=0)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in known)


def brief(value: Any, most: int = 400) -> str:
    """A JSON value on one line, cut where it is long."""
    import orjson

    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= most else text[: most - 1] + "…"


def count(number: int, noun: str) -> str:
    """A number with its noun: `1 task`, `2,000 tasks`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def undecided(found: Record) -> str:
    """A subscription whose condition could not be evaluated on a signal, in a line."""
    return f"{found['skill']}: its condition could not be evaluated ({found['why']}): {found['condition']}"


def ago(seconds: float) -> str:
    """A span of time as people say it."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size * (2 if size > 60 else 1):
            return f"{seconds / size:.0f} {unit}"
    return f"{max(seconds, 0.0):.1f} s" if seconds < 10 else f"{seconds:.0f} s"
