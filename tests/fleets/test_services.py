"""`tutti demo --services`: the fleet's agents as processes of their own, and none of them stays behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
DEMO = [str(Path(sys.executable).parent / "tutti"), "demo", "--services", "--tickets", "12", "--accounts", "16"]


def environment() -> dict[str, str]:
    return {**os.environ, "TUTTI_LISTEN": "off", "TUTTI_AGENT_TOKEN": ""}


def children_of(process: subprocess.Popen[str]) -> set[int]:
    """The services that a demo has started."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    return {int(row[0]) for row in rows if len(row) == 3 and int(row[1]) == process.pid and "serve-agent" in row[2]}


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and is not waited for does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout.strip()
    return bool(state) and not state.startswith("Z")


def test_a_small_demo_with_services_does_its_work(tmp_path: Path) -> None:
    done = subprocess.run([*DEMO, "--once", "--json"], cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False, timeout=280)
    found = json.loads(done.stdout)
    checks = {check["check"]: check["ok"] for check in found["checks"]}
    assert all(ok for name, ok in checks.items() if "share rose" not in name), checks  # too few tickets for anything to be learned
    assert found["tasks"]["by_state"].get("failed", 0) == 0
    assert found["tasks"]["all"] > 30
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("when", [r"processes, called by A2A", r"Ctrl-C stops cleanly"])
def test_services_end_with_the_demo_however_it_ends(tmp_path: Path, number: signal.Signals, when: str) -> None:
    process = subprocess.Popen(DEMO, cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    services: set[int] = set()
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if re.search(when, line):
                break
        services = children_of(process)
        assert len(services) == 6
        process.send_signal(number)
        process.wait(30)
        until = time.monotonic() + 20
        while any(map(alive, services)):
            assert time.monotonic() < until, "they stay behind"
            time.sleep(0.05)
    finally:
        process.kill()
        process.communicate()
        for pid in services:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
