"""Figures, rounds in processes of their own, and what the machine was doing meanwhile."""

from __future__ import annotations

import json
import math
import os
import platform
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MARK = "BENCH-RESULT "
_PATIENCE = 7200.0  # seconds that one round may take before it counts as hung; a million tasks take half an hour on two busy cores


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure. `n` is what was counted in all rounds together, `spread` the lowest and highest round."""

    name: str
    value: float
    unit: str
    n: int = 1
    rounds: int = 1
    spread: tuple[float, float] | None = None
    target: str = ""
    holds: bool | None = None
    note: str = ""
    peers: Mapping[str, str] = field(default_factory=dict)  # versions of what stands beside Tutti


@dataclass(slots=True)
class Bench:
    """One run: what was measured so far, and how large it may be."""

    quick: bool
    rounds: int
    out: Callable[[str], None]
    figures: list[Figure] = field(default_factory=list)

    def report(self, figure: Figure) -> None:
        """Write a figure as one line of JSON."""
        self.figures.append(figure)
        line: dict[str, Any] = {"name": figure.name, "value": rounded(figure.value), "unit": figure.unit, "n": figure.n, "rounds": figure.rounds}
        if figure.spread:
            line["spread"] = [rounded(edge) for edge in figure.spread]
        for name in ("target", "holds", "note"):
            value = getattr(figure, name)
            if value not in ("", None):
                line[name] = value
        line |= {"load": [round(load, 2) for load in os.getloadavg()], "machine": machine(), "versions": {**versions(), **figure.peers}}
        self.out(json.dumps(line))

    def median(self, name: str, results: Sequence[Mapping[str, Any]], key: str, unit: str, **more: Any) -> float:
        """Report the median of a value over rounds; returns it."""
        values = [float(result[key]) for result in results]
        value = statistics.median(values)
        n = sum(int(result.get("n", 1)) for result in results)
        self.report(Figure(name, value, unit, n=n, rounds=len(values), spread=(min(values), max(values)), **more))
        return value

    def ratio(self, name: str, over: Sequence[Mapping[str, Any]], under: Sequence[Mapping[str, Any]], key: str, **more: Any) -> float:
        """Report the median of the rounds' ratios: what ran side by side is divided, so the machine's load cancels out."""
        values = [float(a[key]) / max(float(b[key]), 1e-12) for a, b in zip(over, under, strict=True)]
        value = statistics.median(values)
        self.report(Figure(name, value, "x", n=len(values), rounds=len(values), spread=(min(values), max(values)), **more))
        return value

    def skip(self, name: str, why: str) -> None:
        """Say that something was not measured, and why."""
        self.out(json.dumps({"name": name, "skipped": why}))


def rounded(value: float) -> float:
    """Four significant digits: more would be noise."""
    if value == 0 or not math.isfinite(value):
        return value
    return round(value, max(0, 3 - math.floor(math.log10(abs(value)))))


@cache
def machine() -> str:
    """The machine in a few words."""
    return f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}"


@cache
def versions() -> dict[str, str]:
    """What the figures belong to."""
    found = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for name in ("tutti", "cedarpy", "numpy", "orjson"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    try:
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
        found["commit"] = commit.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        pass
    return found


# --- rounds in processes of their own ---------------------------------------------------------------------------------


class RoundFailed(Exception):
    """A round's process failed; the message holds the end of what it said."""


def run_round(module: str, request: Mapping[str, Any], python: str = sys.executable) -> dict[str, Any]:
    """Run `module` (or a script's path) in a process of its own with a request; returns what it answers. Raises `RoundFailed`."""
    target = [module] if module.endswith(".py") else ["-m", module]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"} | ({} if module.endswith(".py") else {"PYTHONPATH": path})
    done = subprocess.run([python, *target, json.dumps(request)], cwd=ROOT, capture_output=True, text=True, timeout=_PATIENCE, env=environment, check=False)
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(MARK):
            answer: dict[str, Any] = json.loads(line.removeprefix(MARK))
            return answer
    raise RoundFailed(f"{module} ended with {done.returncode}: {(done.stderr or done.stdout)[-1500:]}")


def answer(result: Mapping[str, Any]) -> None:
    """Give a round's result to the process that asked for it, and end at once: no library's exit hook may hang the run."""
    print(MARK + json.dumps(dict(result)), flush=True)
    os._exit(0)


def asked() -> dict[str, Any]:
    """What this round is asked to do."""
    request: dict[str, Any] = json.loads(sys.argv[1])
    return request


# --- measuring --------------------------------------------------------------------------------------------------------


def home() -> Path:
    """Where peers' environments and scratch files are: $TUTTI_BENCH_HOME, else a folder among the system's temporary files."""
    path = Path(os.environ.get("TUTTI_BENCH_HOME") or Path(tempfile.gettempdir()) / "tutti-bench")
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder that is gone afterwards, on the disk that `home` is on."""
    with tempfile.TemporaryDirectory(dir=home(), ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else math.nan


def sqlite_bytes(path: Path) -> int:
    """Size of a SQLite store with its log folded in."""
    database = sqlite3.connect(path, timeout=10)
    try:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        database.close()
    return sum(file.stat().st_size for file in path.parent.glob(path.name + "*"))


def rss_mb() -> float:
    """Memory this process holds now, in MB (peak where the system does not tell)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return pages * resource.getpagesize() / 1e6


def tree_cpu(pid: int) -> float:
    """CPU seconds of a process and its children (a database server), from /proc; 0 where there is none."""
    tick, total = os.sysconf("SC_CLK_TCK"), 0
    if not pid:
        return 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(stat.parent.name) == pid:
            total += sum(map(int, fields[11:15]))
        elif int(fields[1]) == pid:
            total += int(fields[11]) + int(fields[12])
    return total / tick
