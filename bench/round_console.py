"""One round of the console's bench: a served workspace and a browser of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from bench.harness import ROOT, answer, asked, scratch

sys.path.insert(0, str(ROOT / "tests" / "console"))

from console_site import Seen, launch, look, serving, views
from playwright.sync_api import Browser, sync_playwright


def measure(request: dict[str, Any]) -> dict[str, Any]:
    """Loads, or looks on."""
    with scratch() as folder, serving(folder, busy=request["what"] == "busy") as served, sync_playwright() as playwright:
        browser = launch(playwright, "--enable-precise-memory-info")
        try:
            if request["what"] == "load":
                return {"pages": {name: _load(browser, served, views(served)[name]) for name in ("overview", "tasks", "why", "map")}}
            return _busy(look(browser, served), folder, request["seconds"])
        finally:
            browser.close()


def _load(browser: Browser, served: Any, path: str) -> dict[str, Any]:
    """The main thread's time and the bytes of a first visit: nothing kept from before but the session."""
    seen = look(browser, served)
    session = seen.page.context.new_cdp_session(seen.page)
    session.send("Network.enable")
    session.send("Network.clearBrowserCache")
    session.send("Network.setCacheDisabled", {"cacheDisabled": True})
    seen.page.goto("about:blank")
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    before = _metrics(session)
    sizes: list[int] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    pages: dict[str, int] = {}
    seen.page.on("response", lambda got: pages.__setitem__(got.url, got.request.sizes()["responseBodySize"]) if "/console/" in got.url else None)
    seen.go(path)
    seen.page.wait_for_timeout(300)
    after = _metrics(session)
    seen.page.context.close()
    return {"cpu_ms": (after["TaskDuration"] - before.get("TaskDuration", 0.0)) * 1000, "kb": sum(pages.values()) / 1000, "all_kb": sum(sizes) / 1000, "n": 1}


def _metrics(session: Any) -> dict[str, float]:
    return {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}


def _busy(seen: Seen, folder: Path, seconds: float) -> dict[str, Any]:
    page = seen.page
    seen.go("/tasks")
    for _ in range(80):
        rows = page.evaluate(
            "() => { const g = document.querySelector('[role=grid]'); g.scrollTop = g.scrollHeight; return +g.getAttribute('aria-rowcount') - 1 }"
        )
        if rows >= 5_000:
            break
        page.wait_for_timeout(150)
    page.evaluate("""() => {
        window.busy = 0; window.changes = 0
        new PerformanceObserver(list => { for (const e of list.getEntries()) window.busy += e.duration }).observe({ type: 'longtask' })
        new EventSource('/v1/events?batch_ms=100').addEventListener('changes', e => { window.changes += JSON.parse(e.data).changes.filter(c => c.state).length })
    }""")
    (folder / "go").touch()
    page.wait_for_timeout(2_000)
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    start, begun = page.evaluate("() => [window.busy, window.changes]"), _metrics(session)["TaskDuration"]
    page.wait_for_timeout(seconds * 1000)
    end, ended = page.evaluate("() => [window.busy, window.changes]"), _metrics(session)["TaskDuration"]
    session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"]
    return {
        "rows": rows, "rate": (end[1] - start[1]) / seconds, "long_share": (end[0] - start[0]) / seconds / 1000, "cpu_share": (ended - begun) / seconds,
        "heap_mb": heap / 1e6, "n": int(end[1] - start[1]),
    }  # fmt: skip


if __name__ == "__main__":
    answer(measure(asked()))
