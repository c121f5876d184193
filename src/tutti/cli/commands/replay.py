"""`tutti replay`: the facts folded anew."""

from __future__ import annotations

import click

from tutti.cli import exits
from tutti.cli.options import Look, command, pass_look
from tutti.cli.places import existing, settings_for
from tutti.cli.screen import Screen, brief

_MOST = 100  # differences that are told


@command()
@click.option("--check", is_flag=True, help="Compare the replay with the stored view, row for row (this is what it does).")
@pass_look
def replay(look: Look, check: bool) -> int:
    """Replay all facts into a fresh view and compare it with the stored one. Nothing is changed."""
    from tutti.app import FOLDS, TABLES
    from tutti.journal import rebuild

    screen = Screen(look)
    settings = existing(settings_for(look))
    with screen.bar("facts") as report:
        differences = rebuild(settings.place, TABLES, FOLDS, workspace=settings.workspace, most=_MOST, progress=report)
    if look.machine:
        told = [{"table": d.table, "key": list(d.key), "stored": d.stored, "replayed": d.replayed} for d in differences]
        screen.data({"schema": "tutti.replay/1", "equal": not differences, "tables": len(TABLES), "differences": told})
    elif not differences:
        screen.text(f"✓ the replay equals the view: every row of {len(TABLES)} tables")
        screen.next("tutti audit verify")
    else:
        screen.text(f"✗ {len(differences)}{' or more' if len(differences) == _MOST else ''} rows differ")
        for one in differences[:10]:
            columns = sorted(name for name in {**(one.stored or {}), **(one.replayed or {})} if (one.stored or {}).get(name) != (one.replayed or {}).get(name))
            screen.text(f"  {one.table} {' '.join(map(str, one.key))}: " + _difference(one.stored, one.replayed, columns))
        screen.next("tutti audit verify")
    return exits.UNVERIFIED if differences else exits.OK


def _difference(stored: dict[str, object] | None, replayed: dict[str, object] | None, columns: list[str]) -> str:
    if stored is None:
        return "missing in the view"
    if replayed is None:
        return "no fact gives it"
    return "; ".join(f"{name} is {brief(stored.get(name), 60)}, the facts give {brief(replayed.get(name), 60)}" for name in columns[:4])
