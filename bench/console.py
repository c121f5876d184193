"""What the console costs a browser: to load it, and to look at 5,000 tasks of which a hundred change every second. Needs Chromium."""

from __future__ import annotations

import shutil

from bench.harness import ROOT, Bench, run_round

_ROUND = "bench.round_console"


def console(bench: Bench) -> None:
    """First load with nothing kept, of every page that people open first; then the task list under load."""
    if shutil.which("chromium") is None or not (ROOT / "src/tutti/console/dist/index.html").exists():
        bench.skip("console", "there is no Chromium here, or the page is not built (make console)")
        return
    loads = [run_round(_ROUND, {"what": "load"}) for _ in range(bench.rounds)]
    for page in ("overview", "tasks", "why", "map"):
        rows = [load["pages"][page] for load in loads]
        bench.median(
            f"console.load.{page}.cpu",
            rows,
            "cpu_ms",
            "ms",
            target="<= 350 ms of the main thread",
            holds=sorted(row["cpu_ms"] for row in rows)[len(rows) // 2] <= 350,
        )
        bench.median(f"console.load.{page}.bytes", rows, "kb", "kB", target="<= 250 kB", holds=max(row["kb"] for row in rows) <= 250)
    busy = [run_round(_ROUND, {"what": "busy", "seconds": 5 if bench.quick else 15}) for _ in range(bench.rounds)]
    bench.median("console.busy.changes", busy, "rate", "/s")
    bench.median("console.busy.long_tasks", busy, "long_share", "share", target="< 0.10", holds=max(each["long_share"] for each in busy) < 0.10)
    bench.median("console.busy.main_thread", busy, "cpu_share", "share")
    bench.median("console.busy.heap", busy, "heap_mb", "MB", target="< 60 MB", holds=max(each["heap_mb"] for each in busy) < 60)
