"""MCP clients made by others against a real `tutti up`: `python -m tests.interop.mcp [inspector older conformance]`.

The inspector's command line (npm), the last of the SDK's 1.x line (pip), and the conformance suite's scenarios that need no fixture tools
(npm, with a Node of its own). Each is installed under build/interop on the first run. Exit code 0: every one did what it must.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from aiohttp import ClientSession, web
from tests.interop.__main__ import PLACE, started

HERE = Path(__file__).parent
INSPECTOR = ("@modelcontextprotocol/inspector@2",)
CONFORMANCE = ("node@22", "@modelcontextprotocol/conformance@0.2.0-alpha.12")
OLDER = "mcp==1.30.0"
# What a server must do whatever its tools are; the suite's other scenarios call fixture tools by name.
SCENARIOS = {
    "2025-11-25": ("server-initialize", "server-sse-multiple-streams", "ping", "tools-list", "resources-list", "prompts-list", "dns-rebinding-protection", "server-session-lifecycle"),
    "2026-07-28": (
        "tools-list", "resources-list", "prompts-list", "sep-2164-resource-not-found", "caching", "dns-rebinding-protection", "http-header-validation",
        "http-custom-header-server-validation", "server-stateless", "input-required-result-unsupported-methods",
    ),
}  # fmt: skip


def npm(name: str, packages: tuple[str, ...]) -> Path:
    """A folder with these packages; gives its `.bin`."""
    place = PLACE / name
    if not (place / "node_modules" / ".bin").is_dir():
        place.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", str(place), *packages], check=True)
    return place / "node_modules" / ".bin"


def inspector(url: str, token: str) -> bool:
    """List the tools, submit a task and read it back."""
    command = [str(npm("inspector", INSPECTOR) / "mcp-inspector"), "--cli", f"{url}/mcp", "--transport", "http", "--header", f"Authorization: Bearer {token}"]

    def call(*arguments: str) -> str:
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)
        return done.stdout if done.returncode == 0 else f"exit {done.returncode}: {done.stderr}"

    listed = call("--method", "tools/list")
    agents = call("--method", "tools/call", "--tool-name", "list_agents")
    head = call("--method", "resources/read", "--uri", "tutti://journal/head")
    good = "submit_task" in listed and '"agents"' in agents.replace("\\", "") and "root" in head
    if not good:
        print(listed[-600:], agents[-600:], head[-600:], sep="\n")
    return good


def older(url: str, token: str) -> bool:
    """The 1.x client, which knows only the revision with a handshake."""
    place = PLACE / "mcp-older"
    if not (place / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", OLDER], check=True)
        (place / ".ready").touch()
    return subprocess.run([str(place / "bin" / "python"), str(HERE / "client_older.py"), f"{url}/mcp", token], check=False, timeout=60).returncode == 0


def conformance(url: str, token: str) -> bool:
    """The suite has no way to send a token: it goes through a relay that adds one."""
    bin = npm("conformance", CONFORMANCE)
    return asyncio.run(_conformance(bin, url, token))


async def _conformance(bin: Path, url: str, token: str) -> bool:
    good = True
    async with ClientSession(auto_decompress=False) as session:

        async def relay(request: web.Request) -> web.StreamResponse:
            headers = [(name, value) for name, value in request.headers.items() if name.lower() not in ("connection", "content-length", "transfer-encoding")]
            headers.append(("Authorization", f"Bearer {token}"))
            async with session.request(request.method, url + request.path_qs, headers=headers, data=await request.read(), allow_redirects=False) as answer:
                back = web.StreamResponse(status=answer.status)
                for name, value in answer.headers.items():
                    if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                        back.headers.add(name, value)
                await back.prepare(request)
                with contextlib.suppress(ConnectionError):  # the suite hangs up on streams when it has seen enough
                    async for chunk in answer.content.iter_any():
                        await back.write(chunk)
                    await back.write_eof()
                return back

        app = web.Application(client_max_size=8 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", relay)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        environment = {**os.environ, "PATH": f"{bin}{os.pathsep}{os.environ['PATH']}"}
        for revision, scenarios in SCENARIOS.items():
            for scenario in scenarios:
                command = [str(bin / "conformance"), "server", "--url", f"http://127.0.0.1:{port}/mcp", "--scenario", scenario, "--spec-version", revision]
                process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                said, _ = await asyncio.wait_for(process.communicate(), 90)
                errors = [line.strip() for line in said.decode().splitlines() if line.strip().startswith("Error:")]
                untested = [line for line in errors if line.startswith("Error: Not testable")]  # it misses a tool of its own at this server
                held = process.returncode == 0 or (bool(errors) and len(untested) == len(errors))
                print(f"  {revision} {scenario}: {'ok' if held else 'FAILED'}{f', {len(untested)} checks need fixture tools' if untested else ''}", flush=True)
                if not held:
                    good = False
                    print(said.decode()[-3000:])
        await runner.cleanup()
    return good


CLIENTS: dict[str, Callable[[str, str], bool]] = {"inspector": inspector, "older": older, "conformance": conformance}


def main(names: list[str]) -> int:
    """Run these, all without names; returns the exit code."""
    failed = []
    with tempfile.TemporaryDirectory(prefix="tutti-interop-") as folder:
        process, url, token = started(folder)
        try:
            for name in names or CLIENTS:
                good = CLIENTS[name](url, token)
                print(json.dumps({"client": name, "ok": good}), flush=True)
                if not good:
                    failed.append(name)
        finally:
            process.terminate()
            process.wait(20)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
