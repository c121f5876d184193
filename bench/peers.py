"""Peers in throw-away environments. They are made when first needed, under `home()`, and never enter Tutti's dependencies."""

from __future__ import annotations

import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from bench.harness import home

REQUIREMENTS = {
    "langgraph": ("langgraph>=1.0,<2", "langgraph-checkpoint-sqlite>=3.0,<4"),
    "autogen": ("autogen-core>=0.7,<0.8",),
    "negmas": ("negmas>=0.15.7,<0.16",),
}
SCRIPTS = Path(__file__).parent / "peer_scripts"


class PeerMissing(Exception):
    """A peer's environment could not be made; the message says why."""


def python_of(peer: str) -> str:
    """The interpreter of a peer's environment, which is made if it is not there yet. Raises `PeerMissing`."""
    wanted = REQUIREMENTS[peer]
    folder = home() / f"{peer}-{sha256(' '.join((sys.version, *wanted)).encode()).hexdigest()[:8]}"
    python = folder / "bin" / "python"
    ready = folder / "ready"
    if ready.exists():
        return str(python)
    print(f"making the environment of {peer} (once, under {home()})", file=sys.stderr, flush=True)
    for command in ([sys.executable, "-m", "venv", "--clear", str(folder)], [str(python), "-m", "pip", "install", "-q", *wanted]):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise PeerMissing(f"{peer} could not be installed: {done.stderr.strip().splitlines()[-1:]}")
    ready.touch()
    return str(python)


def script(name: str) -> str:
    """The path of a script that runs in a peer's environment; it imports nothing of Tutti."""
    return str(SCRIPTS / f"{name}.py")
