"""A Chromium, and workspaces that it looks at. Without one these tests are left out, unless TUTTI_REQUIRE_BROWSER says that they must run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from console_site import DIST, PATIENCE_MS, Seen, Served, chromium, launch, look, serving, views
from playwright.sync_api import Browser, expect, sync_playwright

expect.set_options(timeout=PATIENCE_MS)


def _needed() -> None:
    why = "there is no Chromium here" if chromium() is None else "" if (DIST / "index.html").exists() else "the console is not built: make console"
    if why and os.environ.get("TUTTI_REQUIRE_BROWSER"):
        pytest.fail(why)
    if why:
        pytest.skip(why)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    _needed()
    with sync_playwright() as playwright:  # its loop counts as running until it ends: not beyond this module, others have asynchronous tests
        found = launch(playwright, "--enable-precise-memory-info")
        yield found
        found.close()


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    _needed()
    with serving(tmp_path_factory.mktemp("company")) as found:
        yield found


@pytest.fixture(scope="session")
def paths(served: Served) -> dict[str, str]:
    return views(served)


@pytest.fixture
def window(browser: Browser, served: Served) -> Iterator[Callable[..., Seen]]:
    """Opens windows, and closes them at the end."""
    opened: list[Seen] = []

    def window(of: Served | None = None, **options: Any) -> Seen:
        opened.append(look(browser, of or served, **options))
        return opened[-1]

    yield window
    for seen in opened:
        seen.page.context.close()
