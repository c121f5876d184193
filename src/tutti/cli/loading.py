"""Loading a user's fleet file; what is wrong in it is told at its line."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

from tutti.errors import Invalid, NotFound, TuttiError
from tutti.fleet import Fleet


def load_fleet(address: str) -> Fleet:
    """The fleet in `fleet.py`, or the one called `name` in `fleet.py:name`.

    The file's folder goes on the path and the module is named after the file, so that worker processes find it too.
    Raises: `NotFound`, `Invalid` with the file and line first.
    """
    file, _, name = address.partition(":") if not Path(address).is_file() else (address, "", "")
    path = Path(file).resolve()
    if path.is_dir() and (path / "fleet.py").is_file():
        file, path = str(Path(file) / "fleet.py"), path / "fleet.py"
    if not path.is_file():
        raise NotFound(f"There is no file {file}.", hint="`tutti init NAME` writes a fleet to start from.")
    module = _import(path, file)
    if name:
        found = getattr(module, name, None)
        if not isinstance(found, Fleet):
            raise Invalid(f"{file}: {name} is no Fleet.", hint=_hint(module, file), located=True)
        return found
    fleets = {id(value): value for value in vars(module).values() if isinstance(value, Fleet)}
    if len(fleets) != 1:
        raise Invalid(f"{file}: there {'is no Fleet' if not fleets else f'are {len(fleets)} fleets'} in it.", hint=_hint(module, file), located=True)
    return next(iter(fleets.values()))


def _hint(module: ModuleType, file: str) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, Fleet)]
    return f"Name one: {' or '.join(f'{file}:{name}' for name in names)}" if names else 'Write: fleet = Fleet("support")'


def _import(path: Path, shown: str) -> ModuleType:
    name = path.stem
    if "." in name or path.suffix != ".py":
        raise Invalid(f"{shown} cannot be imported under the name {name!r}.", hint="Name the file like fleet.py.")
    known = sys.modules.get(name)
    if known is not None and _origin(known) != path:
        raise Invalid(
            f"{shown} has the name of a module that is loaded already ({_origin(known) or name}).", hint="Give the file another name, for example fleet.py."
        )
    folder = str(path.parent)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(name)
    except SyntaxError as error:
        at = error.filename if error.filename and Path(error.filename).resolve() != path else shown
        raise Invalid(f"{at}:{error.lineno}: {error.msg}", hint=(error.text or "").strip(), located=True) from error
    except TuttiError as error:
        raise Invalid(f"{_place(error, path, shown)}: {error.message}", hint=error.hint, located=True) from error
    except Exception as error:
        raise Invalid(f"{_place(error, path, shown)}: {type(error).__name__}: {error}", hint=_advice(error), located=True) from error
    if _origin(module) != path:
        raise Invalid(f"{shown} is hidden by {_origin(module)}, which has the same name.", hint="Give the file another name.")
    return module


def _origin(module: ModuleType) -> Path | None:
    file = getattr(module, "__file__", None)
    return Path(file).resolve() if file else None


def _place(error: BaseException, path: Path, shown: str) -> str:
    """The line of the user's file (or of another file beside it) that the error comes from: the deepest one that is theirs."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        at = Path(frame.filename)
        if at == path:
            return f"{shown}:{frame.lineno}"
        if path.parent in at.parents and "site-packages" not in at.parts and not at.is_relative_to(Path(__file__).parents[1]):
            return f"{os.path.relpath(at)}:{frame.lineno}"
    return shown


def _advice(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError):
        return f"Install it into the environment that tutti runs in: pip install {(error.name or '').partition('.')[0]}"
    return "-vv shows the whole traceback."
