"""Every view: without an error, without a barrier, the same after a reload, in no need of anybody else, and narrow enough for a phone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from console_site import Seen, unmoved
from playwright.sync_api import expect

VIEWS = (
    "overview", "map", "tasks", "task", "why", "why-asked", "approvals", "negotiations", "negotiation", "bargaining", "conflicts", "conflict", "signals", "signal",
    "agents", "agent", "goals", "bottlenecks", "policies", "audit", "settings",
)  # fmt: skip


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_view_has_errors_barriers_or_outside_hosts(window: Callable[..., Seen], paths: dict[str, str], dark: bool):
    assert set(VIEWS) == set(paths)
    seen = window(dark=dark)
    found = {}
    for name in VIEWS:
        seen.go(paths[name])
        assert seen.page.locator("h1").count() == 1, name
        assert seen.page.locator("h1").inner_text() != "Not here", name
        assert "Tutti" in seen.page.title()
        if barriers := seen.violations():
            found[name] = barriers
    assert not found
    assert not seen.errors
    assert not seen.foreign


def test_a_deep_link_shows_the_same_after_a_reload(window: Callable[..., Seen], paths: dict[str, str]):
    seen = window()

    def opened(path: str) -> tuple[str, list[str]]:
        seen.go(path)
        return seen.page.url, _still(seen)

    def reloaded() -> tuple[str, list[str]]:
        seen.page.reload()
        seen.settle()
        return seen.page.url, _still(seen)

    for name, path in paths.items():
        before, after = unmoved(partial(opened, path), reloaded)
        assert after == before, name


def _still(seen: Seen) -> list[str]:
    """What stands on the page and does not move with the clock: headings, names of columns, labels of fields and which of them are set."""
    return list(
        seen.page.eval_on_selector_all(
            "main h1, main h2, main th, main [role=columnheader], main [aria-pressed], main [aria-selected=true], main [aria-current], main label, main input",
            "all => all.map(e => [e.tagName, e.getAttribute('aria-pressed') ?? e.getAttribute('aria-selected') ?? e.value ?? '', (e.tagName === 'INPUT' ? '' : e.textContent).replace(/[0-9.,:]+/g, '#').replace(/# ?(ms|s|min|h|d)\\b( # ?(ms|s|min|h|d)\\b)*/g, '#')].join(' '))",
        )
    )


def test_every_view_fits_a_phone(window: Callable[..., Seen], paths: dict[str, str]):
    seen = window(phone=True)
    wide = {}
    for name in VIEWS:
        seen.go(paths[name])
        over = seen.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        main_over = seen.page.evaluate("() => { const m = document.querySelector('main'); return m.scrollWidth - m.clientWidth }")
        if max(over, main_over) > 0:
            wide[name] = (over, main_over)
    assert not wide


def test_why_of_a_conflict_is_the_conflicts_page(window: Callable[..., Seen], paths: dict[str, str]):
    seen = window()
    seen.go(paths["conflict"].replace("/conflicts/", "/why/"))
    expect(seen.page).to_have_url(f"{seen.served.url}/console{paths['conflict']}")


def test_what_is_not_there_says_so(window: Callable[..., Seen]):
    seen = window()
    for path in (
        "/nowhere",
        "/tasks/t-0000",
        "/why/t-0000",
        "/agents/nobody",
        "/approvals/a-0000",
        "/negotiations/t-0000",
        "/signals/s-0000",
        "/conflicts/c-0000",
    ):
        seen.page.goto(f"{seen.served.url}/console{path}")
        expect(seen.page.get_by_text("There is no").first).to_be_visible()
