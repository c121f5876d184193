"""Clients made by others against a real `tutti up` over HTTP with a token: `python -m tests.interop [js adk agent-framework]`.

Each client gets an environment of its own under build/interop (or INTEROP_FOLDER), made on the first run; that needs the package registries,
pip and npm. No key and no model is needed. Exit code 0: every client did what it must.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
PLACE = Path(os.environ.get("INTEROP_FOLDER") or HERE.parent.parent / "build" / "interop")
A2A = "a2a-sdk[http-server]==1.3.0"
CLIENTS = {  # name → what it needs, and the script; one of them is a pre-release, so each is pinned exactly and none is allowed as such
    "js": ("@a2a-js/sdk@1.3.0", "client_js.mjs"),
    "adk": ("google-adk[a2a]==2.13.0", "client_adk.py"),
    "agent-framework": ("agent-framework-a2a==1.0.0b261022", "client_agent_framework.py"),
}


def environment(name: str) -> list[str]:
    """The command that runs a client's script; its environment is made where it is not there."""
    need, script = CLIENTS[name]
    place = PLACE / name
    if name == "js":
        if not (place / "node_modules").is_dir():
            place.mkdir(parents=True, exist_ok=True)
            subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", str(place), need], check=True)
        copy = place / script  # Node looks for packages beside the script
        copy.write_text((HERE / script).read_text())
        return ["node", str(copy)]
    python = place / "bin" / "python"
    if not (place / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", need, A2A], check=True)
        (place / ".ready").touch()
    return [str(python), str(HERE / script)]


def started(folder: str) -> tuple[subprocess.Popen[bytes], str, str]:
    """A `tutti up` that answers, its address and the owner's token."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = {**os.environ, "TUTTI_FOLDER": folder, "TUTTI_LISTEN": address}
    process = subprocess.Popen([sys.executable, "-m", "tutti.cli", "--quiet", "up", str(HERE / "fleet.py")], env=settings)
    token = Path(folder) / "interop" / "owner.token"
    for _ in range(300):
        if process.poll() is not None:
            raise SystemExit("tutti up ended by itself")
        try:
            urllib.request.urlopen(f"http://{address}/.well-known/agent-card.json", timeout=1).close()
            return process, f"http://{address}", token.read_text().strip()
        except OSError:
            time.sleep(0.1)
    process.kill()
    raise SystemExit("tutti up did not answer")


def main(names: list[str]) -> int:
    """Run these clients, all without names; returns the exit code."""
    commands = {name: environment(name) for name in names or CLIENTS}
    failed = []
    with tempfile.TemporaryDirectory(prefix="tutti-interop-") as folder:
        process, url, token = started(folder)
        try:
            for name, command in commands.items():
                print(f"{name} ({CLIENTS[name][0]})", flush=True)
                try:
                    code = subprocess.run(command, env={**os.environ, "INTEROP_URL": url, "INTEROP_TOKEN": token}, timeout=120, check=False).returncode
                except subprocess.TimeoutExpired:
                    code = -1
                if code:
                    failed.append(name)
                    print(f"  failed with {code}", flush=True)
        finally:
            process.terminate()
            process.wait(30)
    print("all clients did what they must" if not failed else f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
