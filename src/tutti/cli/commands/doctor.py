"""`tutti doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from tutti import __version__
from tutti.cli import exits
from tutti.cli.options import Look, command, pass_look
from tutti.cli.places import settings_for
from tutti.cli.screen import Screen, count
from tutti.cli.wire import connect, serving
from tutti.errors import NotFound, TuttiError
from tutti.settings import Settings

_SQLITE = (3, 37, 0)  # the first with STRICT tables
_FREE = 500 * 1024 * 1024  # bytes; less is told
_OK, _WARN, _BAD = "ok", "warn", "bad"


class Check(NamedTuple):
    """One thing looked at: ok, warn or bad; what was found, and what to do."""

    what: str
    state: str
    found: str
    hint: str = ""


@command()
@click.option("--fleet", "address", metavar="FILE", help="Check this fleet's declaration too.")
@pass_look
def doctor(look: Look, address: str | None) -> int:
    """Check this machine, the workspace and, with --fleet, a fleet. Exit 1 when something cannot work."""
    screen = Screen(look)
    checks = list(_checks(look, address))
    if look.machine:
        screen.data([check._asdict() for check in checks])
    else:
        width = max(len(check.what) for check in checks)
        for check in checks:
            screen.text(
                f"{ {_OK: '✓', _WARN: '!', _BAD: '✗'}[check.state] } {check.what:<{width}}  {check.found}"
                + (f"\n  {'':<{width}}  → {check.hint}" if check.hint else "")
            )
        bad = sum(check.state == _BAD for check in checks)
        screen.next(
            "tutti doctor --fleet fleet.py" if not bad and not address else "tutti up fleet.py" if not bad else "mend what has a ✗, then tutti doctor again"
        )
    return exits.FAILED if any(check.state == _BAD for check in checks) else exits.OK


def _checks(look: Look, address: str | None) -> Iterator[Check]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check("tutti", _OK, f"{__version__} on Python {version}")
    yield Check(
        "sqlite",
        _OK if sqlite3.sqlite_version_info >= _SQLITE else _BAD,
        sqlite3.sqlite_version,
        "" if sqlite3.sqlite_version_info >= _SQLITE else "3.37 or newer is needed",
    )
    fleet_name = ""
    if address is not None:
        from tutti.cli.loading import load_fleet

        try:
            fleet = load_fleet(address)
        except TuttiError as error:
            yield Check("fleet", _BAD, error.message, error.hint)
        else:
            fleet_name = fleet.name
            yield Check("fleet", _OK, f"{fleet.name}: {count(len(fleet.cards), 'agent')}")
            for problem in fleet.problems():
                yield Check("fleet", _WARN, problem)
    try:
        settings = settings_for(look, fleet_name)
    except NotFound as error:
        yield Check("workspace", _WARN, error.message, error.hint)
        return
    except TuttiError as error:
        yield Check("workspace", _BAD, error.message, error.hint)
        return
    yield from _workspace(look, settings)


def _workspace(look: Look, settings: Settings) -> Iterator[Check]:
    folder = settings.folder
    if not folder.is_dir():
        yield Check("folder", _WARN, f"{folder} is not there yet", "`tutti up fleet.py` makes it")
        return
    writable = os.access(folder, os.W_OK | os.X_OK)
    yield Check("folder", _OK if writable else _BAD, f"{folder.absolute()}", "" if writable else f"make it writable: chmod u+rwx {folder}")
    free = shutil.disk_usage(folder).free
    yield Check(
        "disk",
        _OK if free >= _FREE else _WARN,
        f"{free / 2**30:.1f} GiB free",
        "" if free >= _FREE else "free some space; the journal stops writing when there is none",
    )
    place = Path(settings.place) if "://" not in settings.place else None
    if place is not None and not place.is_file():
        yield Check("workspace", _WARN, f"there is no {place} yet", "`tutti up fleet.py` makes it")
        return
    if place is not None:
        shared = stat.S_IMODE(place.stat().st_mode) & 0o077 and stat.S_IMODE(folder.stat().st_mode) & 0o077
        yield Check(
            "rights", _WARN if shared else _OK, f"{place} is {'open to others' if shared else 'for you alone'}", f"chmod 700 {folder}" if shared else ""
        )
    yield _keys(settings)
    yield from _journal(look, settings)


def _keys(settings: Settings) -> Check:
    folder = settings.home / "keys"
    if not folder.is_dir():
        return Check("keys", _BAD, f"{folder} is missing", "put the keys folder back from where you keep it")
    missing = [name for name in ("journal.key", "owner.key", "subject.key") if not (folder / name).is_file()]
    if missing:
        return Check("keys", _BAD, f"{folder} has no {', '.join(missing)}", "put the keys folder back from where you keep it")
    loose = [path.name for path in folder.glob("*.key") if stat.S_IMODE(path.stat().st_mode) & 0o077]
    return Check("keys", _BAD, f"others may read {', '.join(loose)}", f"chmod 600 {folder}/*.key") if loose else Check("keys", _OK, str(folder))


def _journal(look: Look, settings: Settings) -> Iterator[Check]:
    look.workspace = settings.workspace
    try:
        served = serving(settings)
        with connect(look) as api:
            health, head = api.get("/v1/health"), api.get("/v1/journal/head")
    except TuttiError as error:
        yield Check("journal", _BAD, error.message, error.hint)
        return
    who = f"process {health['pid']} runs fleet {health['fleet']} on {settings.socket}" if served else "nobody runs it now"
    yield Check("running", _OK, who, "" if served else "`tutti up fleet.py` does")
    yield Check("journal", _OK, f"{head['seq']:,} facts" + (f", head {head['root'][:12]}… of {head['at']}" if head["seq"] else ""))
    if served:
        for problem in health["problems"]:
            yield Check("fleet", _WARN, problem)
