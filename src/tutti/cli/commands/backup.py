"""`tutti backup`: a copy while it runs, and the way back."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tutti.cli import exits
from tutti.cli.options import Look, command, pass_look
from tutti.cli.places import existing, settings_for, stamp
from tutti.cli.screen import Screen
from tutti.cli.wire import connect, serving
from tutti.clock import to_text
from tutti.errors import Conflict, Invalid, JournalBroken, NotFound
from tutti.settings import Settings


@command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@click.option(
    "--restore", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="FILE", help="Put this backup in the workspace's place instead."
)
@click.option("--restored", is_flag=True, help="The database's own tools have put a copy in its place, or the keys are lost: take it as it is.")
@click.option("--yes", is_flag=True, help="Do not ask before a restore.")
@pass_look
def backup(look: Look, file: Path | None, restore: Path | None, restored: bool, yes: bool) -> int:
    """Copy the workspace to FILE while it runs. The keys are not in it: keep them apart."""
    screen = Screen(look)
    if sum((file is not None, restore is not None, restored)) > 1:
        raise click.UsageError("Name one file: to copy to, or to restore from; none with --restored.")
    if restored:
        return _take(screen, yes)
    if restore is not None:
        return _restore(screen, restore, yes)
    with connect(look) as api:
        target = (file or Path(f"{api.settings.workspace}-{stamp()}.backup")).absolute()
        answer = api.post("/v1/backups", path=str(target))
        keys = api.settings.home / "keys"
    if look.machine:
        screen.data(answer)
        return exits.OK
    screen.done(f"{answer['seq']:,} facts in {target}")
    screen.say(f"The keys are not in it; keep a copy of {keys} elsewhere.")
    screen.next(f"tutti audit verify {target}")
    return exits.OK


def _restore(screen: Screen, source: Path, yes: bool) -> int:
    """Check the backup, set the present file aside, put the copy in its place, and state it in the record."""
    from tutti.journal import verify

    settings = settings_for(screen.look, _workspace_of(source) if not screen.look.workspace else "")
    if "://" in settings.place:
        raise Invalid(
            "A workspace on PostgreSQL is restored with the database's own tools.",
            hint="Use pg_restore, or your provider's point-in-time recovery; then `tutti backup --restored`.",
        )
    keys = settings.home / "keys"
    if not keys.is_dir():
        raise NotFound(
            f"The keys of workspace {settings.workspace} are not in {settings.home}.", hint="Put its keys folder there first; a backup does not hold it."
        )
    place = Path(settings.place)
    if place.exists() and source.samefile(place):
        raise Invalid(f"{source} is the workspace's own file.", hint="Name a backup.")
    with screen.bar("records") as report:
        found = verify(source, None, bytes.fromhex((keys / "journal.pub").read_text().strip()), report)
    if not found.ok:
        raise JournalBroken(f"{source} does not verify: {found.message}", hint="Take another backup.")
    if found.workspace != settings.workspace:
        raise Invalid(f"{source} is a backup of workspace {found.workspace}, not of {settings.workspace}.", hint=f"--workspace {found.workspace}")
    screen.say(f"The backup has {found.facts:,} facts, the last at {to_text(found.head.at)}. What came after it is set aside with the present file.")
    if not screen.sure(f"Put it in the place of {place}?", yes=yes, what="restore"):
        screen.say("Nothing was restored.")
        return exits.OK
    if serving(settings) is not None:
        raise Conflict(f"`tutti up` serves workspace {settings.workspace}.", hint="Stop it first, then restore.")
    aside = place.with_name(f"{place.name}.before-restore-{stamp()}")
    with _owned(place):
        part = place.with_name(place.name + ".restoring")
        shutil.copyfile(source, part)
        os.chmod(part, 0o600)
        if place.exists():
            _set_aside(place, aside)
        part.replace(place)
    seq = asyncio.run(_state(settings))
    if screen.look.machine:
        screen.data(
            {"workspace": settings.workspace, "restored": str(source), "facts": found.facts, "head": seq, "aside": str(aside) if aside.exists() else None}
        )
        return exits.OK
    screen.done(f"restored {found.facts:,} facts; record {seq:,} says so")
    if aside.exists():
        screen.say(f"The file that was there is {aside}.")
    screen.next("tutti up fleet.py")
    return exits.OK


def _take(screen: Screen, yes: bool) -> int:
    """Go on with a workspace as it is, although the witness saw more of it or other keys sealed it, and state that in the record."""
    settings = settings_for(screen.look)
    existing(settings)
    if serving(settings) is not None:
        raise Conflict(f"`tutti up` serves workspace {settings.workspace}.", hint="Stop it first.")
    if not screen.sure(f"Go on with workspace {settings.workspace} as it is now? Facts that it lacks are given up.", yes=yes, what="this"):
        screen.say("Nothing was changed.")
        return exits.OK
    seq = asyncio.run(_state(settings))
    if screen.look.machine:
        screen.data({"workspace": settings.workspace, "head": seq})
        return exits.OK
    screen.done(f"workspace {settings.workspace} goes on as it is; record {seq:,} says so")
    screen.next("tutti up fleet.py")
    return exits.OK


def _workspace_of(source: Path) -> str:
    """The workspace a backup names; empty where it cannot be read, which `verify` then says better."""
    import sqlite3
    from contextlib import closing

    try:
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return str(db.execute("SELECT workspace FROM head").fetchone()[0])
    except (sqlite3.Error, TypeError):
        return ""


def _set_aside(place: Path, aside: Path) -> None:
    """Move the present file away with its log: together they are the state before the restore."""
    for suffix in ("-wal", "-shm"):
        log = place.with_name(place.name + suffix)
        if log.exists():
            log.replace(aside.with_name(aside.name + suffix))
    place.replace(aside)


@contextmanager
def _owned(place: Path) -> Iterator[None]:
    """Hold the lock by which a process owns the file. Raises: `Conflict`."""
    handle = os.open(f"{place}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pid = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
        raise Conflict(f"Process {pid} works on {place}.", hint=f"Stop it first: kill {pid}") from None
    else:
        yield
    finally:
        os.close(handle)


async def _state(settings: Settings) -> int:
    """Open the restored journal and let it state the restore; gives the number of that fact."""
    from tutti.app import journal_for

    journal = journal_for(settings)
    try:
        facts = await journal.accept_restore("person/owner")
    finally:
        await journal.close()
    return facts[-1].seq
