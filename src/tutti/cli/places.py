"""Which workspace a command speaks of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from tutti.cli.options import Look, listed
from tutti.clock import SystemClock, to_text
from tutti.errors import Invalid, NotFound
from tutti.settings import Settings


def settings_for(look: Look, default: str = "", environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of the workspace that is named by --workspace, else TUTTI_WORKSPACE, else `default`, else the only one in the folder.

    Raises: `NotFound` when there is none, `Invalid` when there are several.
    """
    known = dict(os.environ if environment is None else environment)
    if look.folder:
        known["TUTTI_FOLDER"] = look.folder
    name = look.workspace or known.get("TUTTI_WORKSPACE", "") or default
    if not name:
        name = _only(Settings.from_environment("default", known))
    elif not name.replace("-", "").replace("_", "").isalnum():
        raise Invalid(f"{name!r} is no name of a workspace.", hint="Names have letters, digits, - and _.")
    return Settings.from_environment(name, known)


def stamp() -> str:
    """The present second as part of a file's name, for example 20261122T101403."""
    return to_text(SystemClock().now())[:19].replace(":", "").replace("-", "")


def workspaces(settings: Settings) -> list[str]:
    """The names of the workspaces in a folder."""
    if settings.database:  # not a file per workspace in the folder: the keys tell
        return sorted(keys.parent.name for keys in settings.folder.glob("*/keys"))
    return sorted(path.stem for path in settings.folder.glob("*.db"))


def _only(settings: Settings) -> str:
    names = workspaces(settings)
    if len(names) == 1:
        return names[0]
    if names:
        raise Invalid(
            f"There are several workspaces in {settings.folder}: {listed(names)}.", hint=f"Name one: --workspace {names[0]}, or TUTTI_WORKSPACE={names[0]}."
        )
    raise NotFound(
        f"There is no workspace in {settings.folder}.", hint="`tutti up fleet.py` makes one, `tutti init NAME` writes a fleet, `tutti demo` shows one."
    )


def existing(settings: Settings) -> Settings:
    """The same settings, if their workspace is there. Raises: `NotFound`."""
    if "://" not in settings.place and not Path(settings.place).is_file():
        names = workspaces(settings)
        raise NotFound(
            f"There is no workspace {settings.workspace} in {settings.folder}.",
            hint=f"There is {listed(names)}." if names else "`tutti up fleet.py` makes one.",
        )
    if not (settings.home / "keys").is_dir():
        raise NotFound(f"The keys of workspace {settings.workspace} are not in {settings.home}.", hint="Put its keys folder back from where you keep it.")
    return settings
