"""Much to show: 5,000 tasks of which a hundred change every second; and what a first visit takes in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from console_site import DIST, Seen, serving
from playwright.sync_api import Browser

CHANGES = 800
REFRESH_MS = 1_500  # of the page, between two times that it asks for the same again


def test_five_thousand_tasks_of_which_many_change(browser: Browser, window: Callable[..., Seen], tmp_path: Path):
    """What it costs is the bench's to measure (`python -m bench console`); here the page does no more work than the changes ask for."""
    with serving(tmp_path, busy=True) as own:
        seen = window(own)
        page = seen.page
        seen.go("/tasks")
        rows = 0
        while rows < 5_000:  # scroll until the window is full
            more = f"() => {{ const g = document.querySelector('[role=grid]'); g.scrollTop = g.scrollHeight; return +g.getAttribute('aria-rowcount') - 1 > {rows} }}"
            page.wait_for_function(more, polling=50)
            rows = page.evaluate("() => +document.querySelector('[role=grid]').getAttribute('aria-rowcount') - 1")
        page.evaluate("() => { document.querySelector('[role=grid]').scrollTop = 1e9 }")  # the oldest are done first
        assert page.locator("[role=grid] [role=row]").count() < 120  # only what is in sight is there
        page.evaluate("""() => {
            window.changes = 0
            const source = new EventSource('/v1/events?batch_ms=100')
            source.addEventListener('changes', e => { window.changes += JSON.parse(e.data).changes.filter(c => c.state).length })
        }""")
        asked: Counter[str] = Counter()
        page.on("request", lambda request: asked.update([urlsplit(request.url).path]))
        began = page.evaluate("() => performance.now()")
        (tmp_path / "go").touch()
        page.wait_for_function(f"() => window.changes >= {CHANGES}", timeout=100_000)
        took = page.evaluate("() => performance.now()") - began
        assert asked  # what changes comes with the stream; what is reckoned from it is asked for once in a while, however much changes
        assert max(asked.values()) <= took / REFRESH_MS + 2, asked
        assert page.locator("[role=grid] [role=row]").count() < 120
        page.wait_for_selector("[role=row] .done")  # the rows follow
        session = page.context.new_cdp_session(page)
        session.send("HeapProfiler.collectGarbage")
        heap = session.send("Runtime.getHeapUsage")["usedSize"]
        assert heap < 60e6, f"{heap / 1e6:.1f} MB"
        assert not seen.errors


def test_the_first_load_is_small(window: Callable[..., Seen]):
    seen = window(enter=False)
    sizes: dict[str, int] = {}
    seen.page.on("response", lambda answer: sizes.__setitem__(answer.url, answer.request.sizes()["responseBodySize"]) if "/console/" in answer.url else None)
    seen.page.goto(seen.served.link())
    seen.page.wait_for_selector(".frame")
    seen.settle()
    total = sum(sizes.values())
    assert any(url.endswith(".js") for url in sizes)
    assert total <= 250_000, sizes
    assert total > 50_000, "that cannot be all of it"
    assert (DIST / "index.html").stat().st_size < 4_000
