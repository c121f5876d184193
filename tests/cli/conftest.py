"""People who call commands: one with a fleet that nobody serves, and one beside a running `tutti up`."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli_site import Person


@pytest.fixture(autouse=True)
def _clean_imports() -> Iterator[None]:
    """Commands put fleets' folders on the path and import their modules; both go again."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name.startswith("shop"):
            del sys.modules[name]


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path, "shop")


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A running `tutti up`, and a person in its folder."""
    someone = Person(tmp_path_factory.mktemp("up"), "shopup")
    process = someone.start("up", "shopup.py", "--json", "-q")
    assert process.stdout is not None
    ready = process.stdout.readline()
    lines = ready
    while ready and not ready.startswith("}"):
        ready = process.stdout.readline()
        lines += ready
    assert '"socket"' in lines, process.communicate()
    yield SimpleNamespace(call=someone, process=process, ready=json.loads(lines))
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
