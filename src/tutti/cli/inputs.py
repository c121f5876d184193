"""Arguments that need reading: JSON, durations, addresses of fleets."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from tutti.errors import Invalid, NotFound

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def text_of(argument: str, what: str) -> str:
    """An argument's text: itself, `@file`, or `-` for what comes in. Raises: `NotFound`, `Invalid`."""
    if argument == "-":
        return sys.stdin.read()
    if argument.startswith("@"):
        return file_text(argument[1:], what)
    return argument


def file_text(path: str, what: str) -> str:
    """A file's text. Raises: `NotFound`, `Invalid`."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(f"There is no file {path} to take {what} from.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} cannot be read as {what}: {error}") from None


def json_of(argument: str, what: str) -> Any:
    """An argument as JSON: itself, `@file` or `-`. Raises: `NotFound`, `Invalid`."""
    return parsed(text_of(argument, what), what)


def parsed(text: str, what: str) -> Any:
    """JSON text as a value. Raises: `Invalid`."""
    import orjson

    try:
        return orjson.loads(text)
    except ValueError as error:
        shown = text.strip()[:60]
        hint = (
            f"""A text is JSON in quotes: '"{shown}"'; or pass @file, or - for standard input."""
            if shown and shown[0] not in '{["'
            else "Pass JSON, @file, or - for standard input."
        )
        raise Invalid(f"{what.capitalize()} is no JSON: {error}.", hint=hint) from None


class Duration(click.ParamType):  # type: ignore[type-arg]  # generic in the newest click only
    """A duration such as 500ms, 30s, 5m, 2h or 1d."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        number = str(value).rstrip("abcdefghijklmnopqrstuvwxyz ")
        unit = str(value)[len(number) :].strip() or "s"
        try:
            seconds = float(number) * _UNITS[unit]
            if not 0 <= seconds <= 366 * 86400:
                raise ValueError
        except (ValueError, KeyError):
            self.fail(f"{value!r} is no duration; write 500ms, 30s, 5m, 2h or 1d.", param, ctx)
        return timedelta(seconds=seconds)
