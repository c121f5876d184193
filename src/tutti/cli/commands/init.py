"""`tutti init`: a fleet to start from."""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from tutti.cli.options import Look, command, pass_look
from tutti.cli.screen import Screen
from tutti.errors import Conflict, Invalid, StorageFailed

_NAME = "__NAME__"
_SUFFIX = ".txt"  # the templates are no modules of the package: nothing collects, imports or checks them there


@command()
@click.argument("name")
@pass_look
def init(look: Look, name: str) -> None:
    """Write a working two-agent fleet, its policy and its test into the folder NAME."""
    screen = Screen(look)
    folder = Path(name)
    fleet = folder.name
    if not fleet or not fleet.replace("-", "").replace("_", "").isalnum():
        raise Invalid(f"{fleet or name!r} is no fleet name.", hint="Use letters, digits, - and _, for example: tutti init support")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"{folder} is there already and not empty.", hint="Name a new folder.")
    try:
        written = _write(files("tutti.cli") / "starter", folder, fleet)
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be written: {error.strerror or error}.") from error
    if look.machine:
        screen.data({"folder": str(folder), "files": written})
        return
    for file in written:
        screen.text(str(folder / file))
    screen.next(f"cd {folder} && tutti up fleet.py")


def _write(source: Traversable, folder: Path, fleet: str, within: str = "") -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for entry in sorted(source.iterdir(), key=lambda entry: entry.name):
        if entry.is_dir():
            written += _write(entry, folder / entry.name, fleet, f"{within}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            name = entry.name.removesuffix(_SUFFIX)
            (folder / name).write_text(entry.read_text(encoding="utf-8").replace(_NAME, fleet), encoding="utf-8")
            written.append(within + name)
    return written
