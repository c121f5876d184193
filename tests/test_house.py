"""The house keeps its rules: layers, one place that appends, injected clock and chance, everything documented."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tutti import errors
from tutti.app import FOLDS, TABLES
from tutti.model.fact import KINDS
from tutti.settings import Settings

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "tutti"
README = (ROOT / "README.md").read_text(encoding="utf-8")
ROOMS = ("intake", "routing", "gates", "execution", "evaluation", "feedback", "explanation", "dialogue", "conflicts", "negotiation", "planning", "observation")
DOORS = ("cli", "api", "testing", "fleets")


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((SOURCE / folder).rglob("*.py"))]


class Read(NamedTuple):
    """What these tests ask of one module."""

    calls: frozenset[str]
    imports: frozenset[str]
    drafts: frozenset[str]  # kinds of facts that it writes


@cache
def read(path: Path) -> Read:
    """A module, parsed once for all of them."""
    calls, imports, drafts = set(), set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            calls.add(name)
            if name == "Draft" and node.args and isinstance(node.args[0], ast.Constant):
                drafts.add(node.args[0].value)
        elif isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imports.add(node.module)
    return Read(frozenset(calls), frozenset(imports), frozenset(drafts))


def test_the_import_contract_holds():
    done = subprocess.run([Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_rooms_read_no_clock_draw_no_chance_and_start_no_thread():
    forbidden = re.compile(
        r"^(time\.(time|monotonic|perf_counter|sleep)|random\.(random|choice|randint|Random)|uuid\w*\.uuid\w+|uuid4|threading\.Thread|datetime\.(now|utcnow)|os\.urandom|secrets\.\w+)$"
    )
    for path in [
        *modules(*ROOMS, "registry", "context", "model", "arbiter", "plans", "desk"),
        *(SOURCE / name for name in ("orchestrator.py", "choices.py", "runs.py", "traffic.py", "reception.py", "line.py", "house.py", "market.py")),
    ]:
        assert not {name for name in read(path).calls if forbidden.match(name)}, path


def test_only_the_corridor_appends_and_it_appends_in_one_place():
    appending = []
    for path in sorted(SOURCE.rglob("*.py")):
        if "journal" in path.parts:
            continue
        appending += [path.relative_to(SOURCE).as_posix() for name in read(path).calls if re.search(r"journal\.append(_soon)?$", name)]
    assert appending == ["orchestrator.py"]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_entered_by_its_door_only(room):
    inside = re.compile(rf"^tutti\.{room}\.\w+")
    for path in sorted(SOURCE.rglob("*.py")):
        if SOURCE / room not in path.parents:
            assert not {name for name in read(path).imports if inside.match(name)}, f"{path} goes past the door of {room}"


def test_every_kind_of_fact_that_folds_is_listed_and_every_draft_too():
    assert set(FOLDS) <= set(KINDS)
    written = set().union(*(read(path).drafts for path in SOURCE.rglob("*.py")))
    assert written <= set(KINDS)
    assert set(KINDS) - written <= {"task.parked", "task.rejected", "task.failed", "task.canceled", "agent.tripped", "agent.recovered"} | written


def test_no_view_table_keeps_a_payload_or_a_name():
    for table in TABLES:
        assert not {"body", "data", "value_text", "words"} & set(table.columns), table.name


def test_commands_and_settings_and_exit_codes_are_in_the_readme():
    from tutti.cli.exits import MEANING
    from tutti.cli.group import SUMMARIES

    for command in SUMMARIES:
        assert re.search(rf"`(tutti )?{command}\b", README), f"tutti {command} is not in the README"
    for name in Settings.__dataclass_fields__:
        if name not in ("workspace", "folder", "database", "grace"):
            assert f"TUTTI_{name.upper()}" in README
    for name in ("TUTTI_FOLDER", "TUTTI_DATABASE", "TUTTI_WORKSPACE", "TUTTI_GRACE_SECONDS"):
        assert name in README
    for code in MEANING:
        assert re.search(rf"\b{code} \w", README), f"exit code {code} is not in the README"


def test_every_family_of_errors_has_a_code_of_its_own_and_a_place_at_each_door():
    from tutti.api.problems import STATUS
    from tutti.cli import exits

    families = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.TuttiError) and each is not errors.TuttiError]
    codes = [family.code for family in families]
    assert len(set(codes)) == len(codes)
    for family in families:
        assert family in STATUS, family
        assert exits.of(family.code) in exits.MEANING, family
    assert exits.of("not_found") == exits.NOT_FOUND != exits.of("conflict") != exits.of("refused")


def test_importing_tutti_loads_no_web_ml_or_llm_library():
    script = "import sys, tutti; print([name for name in ('fastapi', 'uvicorn', 'sklearn', 'numpy', 'scipy', 'pydantic', 'cedarpy', 'cryptography', 'rich') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_file_names_a_registry_or_a_path_of_a_machine():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    hosts = re.compile(
        "|".join(("pypi" + r"\.org", "files" + r"\.pythonhosted", "registry" + r"\.npmjs", "index" + "-url =", "/work/" + "main", "/root/" + r"\."))
    )
    for name in listed:
        path = ROOT / name
        if path.is_file() and path.suffix in {".py", ".toml", ".lock", ".md", ".txt", ".cfg", ".yml", ".yaml", ".json", ".cedar", ""}:
            assert not hosts.search(path.read_text(encoding="utf-8", errors="replace")), name


def test_modules_of_tests_have_names_of_their_own():
    """They are collected side by side, each by its bare name."""
    seen: dict[str, Path] = {}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        if path.name not in ("conftest.py", "__main__.py"):
            assert path.name not in seen, (path, seen[path.name])
            seen[path.name] = path
