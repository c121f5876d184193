"""People at the console: coming in, answering by keyboard alone and at a phone, what is not theirs, and a server that goes away."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from console_site import Seen, Served, eventually, serving
from playwright.sync_api import Browser, expect

HALF_S = 5  # an answer can be taken back for ten seconds


def _stop(seen: Seen) -> None:
    """Time on the page stands still from now on, however long the test takes, but for what `_wait` lets go by."""
    seen.page.clock.pause_at(seen.page.evaluate("() => Date.now()") / 1000 + 10)


def _wait(seen: Seen, seconds: int) -> None:
    """Time on the page goes on by so much at once: what is due in it happens."""
    seen.page.clock.fast_forward(seconds * 1000)


def test_a_link_lets_in_once(window: Callable[..., Seen], served: Served):
    link = served.link()
    first = window(enter=False)
    first.page.goto(link)
    expect(first.page.locator("nav")).to_be_visible()
    assert "code" not in first.page.url
    second = window(enter=False)
    second.page.goto(link)
    expect(second.page.get_by_role("alert")).to_be_visible()
    expect(second.page.locator("nav")).to_have_count(0)


def test_without_a_session_there_is_only_the_door(window: Callable[..., Seen]):
    seen = window(enter=False)
    seen.page.goto(f"{seen.served.url}/console/tasks")
    expect(seen.page.get_by_label("Password")).to_be_visible()
    assert not seen.violations()


def test_approve_by_keyboard_alone(window: Callable[..., Seen], served: Served):
    approval = served.asked_for_a_price("9001", 3.21)
    seen = window()
    seen.page.clock.install()
    keys = seen.page.keyboard
    keys.press("g")
    keys.press("a")
    expect(seen.page.get_by_role("heading", level=1)).to_have_text("Approvals")
    chosen = seen.page.locator(".inbox [aria-current]")
    while approval not in (here := str(chosen.get_attribute("href"))):
        keys.press("j")
        expect(chosen).not_to_have_attribute("href", here)  # but for the last one, which is not reached before
    assert approval in seen.page.url
    expect(seen.page.get_by_role("button", name=re.compile(r"Approve .*3\.21"))).to_be_visible()
    _stop(seen)
    keys.press("a")
    expect(seen.page.get_by_text(re.compile("take (it )?back", re.I)).first).to_be_visible()
    _wait(seen, HALF_S)
    assert served.ask("GET", f"/approvals/{approval}")["state"] == "open"  # nothing is sent before the time is up
    _wait(seen, HALF_S + 1)
    expect(seen.page.locator(".pending")).to_have_count(0)
    assert served.ask("GET", f"/approvals/{approval}")["state"] in ("approved", "used")


def test_taking_back_sends_nothing(window: Callable[..., Seen], served: Served):
    approval = served.asked_for_a_price("9002", 4.32)
    seen = window()
    seen.page.clock.install()
    seen.go(f"/approvals/{approval}")
    sent: list[str] = []
    seen.page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    expect(seen.page.get_by_role("button", name=re.compile("^Approve"))).to_be_visible()
    _stop(seen)
    seen.page.keyboard.press("a")
    seen.page.get_by_role("button", name=re.compile("take (it )?back", re.I)).first.click()
    _wait(seen, 2 * HALF_S + 1)
    seen.page.clock.resume()
    seen.go(f"/approvals/{approval}")  # whatever was to be sent has been
    assert sent == []
    assert served.ask("GET", f"/approvals/{approval}")["state"] == "open"


def test_reject_at_a_phone(window: Callable[..., Seen], served: Served):
    approval = served.asked_for_a_price("9003", 5.43)
    seen = window(phone=True)
    seen.page.clock.install()
    seen.go(f"/approvals/{approval}")
    button = seen.page.get_by_role("button", name=re.compile("^Reject"))
    button.scroll_into_view_if_needed()
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= 24
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    button.click()
    expect(seen.page.locator(".pending")).to_be_visible()
    _wait(seen, 2 * HALF_S + 1)
    expect(seen.page.locator(".pending")).to_have_count(0)
    assert served.ask("GET", f"/approvals/{approval}")["state"] == "rejected"


def test_what_one_may_not_do_is_not_offered(window: Callable[..., Seen], served: Served, paths: dict[str, str]):
    served.ask("POST", "/accounts", {"id": "person/vera", "roles": ["viewer"], "password": "correct horse battery"})
    seen = window(enter=False)
    seen.page.goto(f"{served.url}/console/")
    seen.page.get_by_label("Account").fill("person/vera")
    seen.page.get_by_label("Password").fill("correct horse battery")
    seen.page.get_by_role("button", name="Log in").click()
    expect(seen.page.locator("nav")).to_be_visible()
    seen.go(paths["approvals"])
    expect(seen.page.get_by_role("button", name=re.compile("^(Approve|Reject|Change|Hand)"))).to_have_count(0)
    seen.go(paths["task"])
    expect(seen.page.get_by_role("button", name=re.compile("^(Cancel|Rate)"))).to_have_count(0)
    seen.go(paths["settings"])
    expect(seen.page.get_by_role("button", name=re.compile("^(Throw|Stop)"))).to_have_count(0)
    assert not [error for error in seen.errors if "403" not in error and "401" not in error]
    assert not [error for error in seen.errors if "403" in error], "a page asked for what it may not have"


def test_a_server_that_goes_and_comes_back(browser: Browser, window: Callable[..., Seen], tmp_path: Path, kept_port: int):
    with serving(tmp_path, listen=f"127.0.0.1:{kept_port}") as own:
        seen = window(own)
        seen.go("/tasks")
        expect(seen.page.locator("header").get_by_text(re.compile("^Live"))).to_be_visible()
        own.stop(signal.SIGKILL)
        expect(seen.page.get_by_text("The server does not answer").first).to_be_visible()
        expect(seen.page.get_by_role("grid")).to_be_visible()  # what was known stays on the page
        own.start()
        expect(seen.page.locator("header").get_by_text(re.compile("^Live"))).to_be_visible(timeout=60_000)
        expect(seen.page.get_by_text("The server does not answer")).to_have_count(0)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_palette_finds_ids_and_places_by_keyboard(window: Callable[..., Seen], served: Served, dark: bool):
    task = served.ask("GET", "/tasks?limit=1")["tasks"][0]["id"]
    seen = window(dark=dark)
    seen.page.keyboard.press("Control+k")
    seen.page.get_by_role("combobox").fill(task)
    expect(seen.page.get_by_role("option").first).to_contain_text(task[-6:])
    assert not seen.violations()
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url(re.compile(task))
    seen.page.keyboard.press("Control+k")
    seen.page.get_by_role("combobox").fill("audit")
    seen.page.keyboard.press("Enter")
    seen.page.wait_for_url(re.compile("/audit"))


def test_ten_tabs_share_one_stream_and_outlive_the_first(window: Callable[..., Seen], served: Served):
    seen = window()
    tabs = [seen.page.context.new_page() for _ in range(9)]
    for tab in tabs:
        tab.goto(f"{served.url}/console/settings")
        expect(tab.locator("header").get_by_text(re.compile("^Live"))).to_be_visible()
    eventually(lambda: "\ntutti_streams 1.0\n" in served.metrics())  # the server hears a little later that earlier windows are closed
    seen.page.close()  # the one that listens
    for tab in tabs[-2:]:
        expect(tab.locator("header").get_by_text(re.compile("^Live"))).to_be_visible()
        tab.goto(f"{served.url}/console/tasks")
        expect(tab.get_by_role("grid")).to_be_visible()
    served.ask("POST", "/tasks", {"skill": "letter.echo", "input": "for the tabs"})
    expect(tabs[-1].get_by_text(re.compile("new task"))).to_be_visible()
