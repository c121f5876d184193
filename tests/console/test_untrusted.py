"""What others write is text: nothing in it runs, is loaded, or leads anywhere."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from console_site import Seen, Served
from served import PAYLOADS


def test_payloads_run_nowhere(window: Callable[..., Seen], served: Served, paths: dict[str, str]):
    seen = window()
    tasks = [task for skill in ("letter.echo", "letter.lose", "letter.read") for task in served.ask("GET", f"/tasks?skill={skill}&limit=50")["tasks"]]
    assert len(tasks) >= 2 * len(PAYLOADS)
    signals = {task["signal"] for task in tasks if task["signal"]}
    visited = [
        *paths.values(), "/tasks?q=letter", f"/tasks?q={quote(PAYLOADS[0])}", f"/agents/{quote(PAYLOADS[1], safe='')}",
        *(f"/tasks/{task['id']}" for task in tasks[::3]), *(f"/why/{task['id']}" for task in tasks[::5]), *(f"/signals/{id}" for id in sorted(signals)[:3]),
    ]  # fmt: skip
    shown = 0
    for path in visited:
        seen.go(path)
        shown += "window.hit" in seen.page.locator("main").inner_text()
        assert seen.page.evaluate("() => window.hit") is None, path
        assert seen.page.locator("main img, main iframe, main script, main [onload], main [onerror], main a[href^='javascript:']").count() == 0, path
        outside = seen.page.eval_on_selector_all("main a[href]", "all => all.map(a => a.href).filter(h => !h.startsWith(location.origin))")
        assert not outside, path
    assert shown >= 5, "the payloads were not on the pages at all"
    assert not seen.foreign
    assert seen.page.evaluate("() => window.hit") is None
