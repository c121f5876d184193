"""Writing a fleet, loading one, and being told at the line what is wrong with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from cli_site import FLEET, Person, environment

from tutti.cli import exits
from tutti.cli.loading import load_fleet
from tutti.errors import Invalid, NotFound

LINES = FLEET.format(name="shop").count("\n")


def test_init_writes_a_fleet_whose_test_passes(tmp_path: Path) -> None:
    someone = Person(tmp_path)
    left = someone("init", str(tmp_path / "my-support"))
    assert left.code == 0
    folder = tmp_path / "my-support"
    assert {path.name for path in folder.iterdir()} == {"fleet.py", "policies", "test_fleet.py", "README.md", ".gitignore"}
    assert 'Fleet("my-support")' in (folder / "fleet.py").read_text()
    plugin = [] if _installed() else ["-p", "tutti.testing.plugin"]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *plugin], cwd=folder, env=environment(folder), capture_output=True, text=True, check=False)
    assert (done.returncode, "2 passed" in done.stdout) == (0, True), done.stdout + done.stderr
    assert someone("init", str(folder)).code == exits.CONFLICT
    assert someone("init", "no name").code == exits.USAGE


def _installed() -> bool:
    from importlib.metadata import entry_points

    return any(point.value == "tutti.testing.plugin" for point in entry_points(group="pytest11"))


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ('fleet.on("a.b", when="data.urgency >> 0.8", do="c.d")', "is not CEL", "Write a condition"),
        ('fleet.on("ticket.opened", do="ticket.triage")', "declared twice", "Remove one"),
        ("fleet.autonomy('refund.pay', level='dance')", "no level", "approve, act"),
        ("fleet.policy('permit everything')", "", ""),
        ("import nothing_of_that_name", "ModuleNotFoundError", "pip install nothing_of_that_name"),
        ("1 / 0", "ZeroDivisionError", "-vv"),
        ("def f(:", "invalid syntax", "def f(:"),
    ],
)
def test_what_is_wrong_is_told_at_its_line(person: Person, line: str, message: str, hint: str) -> None:
    person.file.write_text(FLEET.format(name="shop") + line + "\n")
    left = person("up", str(person.file))
    assert left.code == exits.USAGE
    first, _, rest = left.err.partition("\n")
    assert first.startswith(f"{person.file}:{LINES + 1}: ")
    assert message in first
    assert hint in rest
    assert not (person.folder / ".tutti").exists()


def test_a_module_beside_the_file_is_told_at_its_own_line(person: Person) -> None:
    (person.folder / "shopparts.py").write_text("\n\nx = 1 / 0\n")
    person.file.write_text("import shopparts\n")
    assert "shopparts.py:3: ZeroDivisionError" in person("up", str(person.file)).err


def test_which_fleet(person: Person) -> None:
    assert load_fleet(str(person.file)).name == "shop"
    (person.folder / "shoptwo.py").write_text("from tutti import Fleet\na = Fleet('a')\nb = Fleet('b')\n")
    two = str(person.folder / "shoptwo.py")
    assert load_fleet(f"{two}:b").name == "b"
    with pytest.raises(Invalid, match="there are 2 fleets"):
        load_fleet(two)
    with pytest.raises(Invalid, match="is no Fleet"):
        load_fleet(f"{two}:Fleet")
    (person.folder / "shopnone.py").write_text("x = 1\n")
    with pytest.raises(Invalid, match="there is no Fleet"):
        load_fleet(str(person.folder / "shopnone.py"))
    with pytest.raises(NotFound):
        load_fleet("nowhere.py")
    (person.folder / "json.py").write_text("x = 1\n")
    with pytest.raises(Invalid, match="name of a module that is loaded already"):
        load_fleet(str(person.folder / "json.py"))
    (person.folder / "shop.v2.py").write_text("x = 1\n")
    with pytest.raises(Invalid, match="cannot be imported"):
        load_fleet(str(person.folder / "shop.v2.py"))


def test_agents_in_processes_of_their_own_find_the_module(person: Person) -> None:
    person.file.write_text(
        person.file.read_text() + "\n\n@fleet.agent(skill='number.square', department='support', owner='ana@example.com', cpu=True)\n"
        "def square(number: int) -> int:\n    return number * number\n"
    )
    process = person.start("run", "number.square", "12", "--fleet", "shop.py")
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "144\n"), err


def test_the_demo_is_called_with_what_was_said(person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    import types

    called: dict[str, object] = {}
    module = types.ModuleType("demo")
    module.run = lambda **options: called.update(options) or 7  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tutti.fleets.lifecycle.demo", module)
    left = person("demo", "--once", "--json", "--tickets", "60", "--accounts", "40", "--seed", "3")
    assert left.code == 7
    settings = called.pop("settings")
    assert getattr(settings, "workspace", "") == "acme"
    assert called == {"data": None, "once": True, "json_output": True, "seed": 3, "tickets": 60, "accounts": 40, "services": False, "pace": 1.5}
