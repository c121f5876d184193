"""Who governs, at the console: the record checked by the browser itself, other parameters, handing over, kill switches, tokens."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

from console_site import Seen, Served, serving
from playwright.sync_api import Browser, expect


def _verify(seen: Seen) -> None:
    seen.go("/audit")
    seen.page.get_by_role("button", name=re.compile("^Verify")).click()
    expect(seen.page.get_by_role("button", name="Verify again")).to_be_visible(timeout=90_000)


def test_the_browser_finds_the_very_record_that_was_changed(browser: Browser, window: Callable[..., Seen], tmp_path: Path, kept_port: int):
    with serving(tmp_path, listen=f"127.0.0.1:{kept_port}") as own:
        seen = window(own)
        _verify(seen)
        chain = seen.page.locator(".chain")
        expect(chain).to_contain_text("Verified to #")
        expect(chain).to_contain_text("signatures hold")
        assert not seen.foreign
        own.stop()
        (file,) = (tmp_path / "tutti").glob("*.db")
        database = sqlite3.connect(file)
        with database:
            for (trigger,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
                database.execute(f"DROP TRIGGER {trigger}")
            changed = database.execute("UPDATE fact SET about = about || 'x' WHERE seq = 100").rowcount
        database.close()
        assert changed == 1
        own.start()
        again = window(own)
        _verify(again)
        expect(again.page.locator(".chain")).to_contain_text("Record #100 does not hold")
        expect(again.page.locator(".chain")).to_contain_text("The 99 before it hold")


def test_the_record_jumps_to_a_number_and_filters_stand_in_the_address(window: Callable[..., Seen]):
    seen = window()
    seen.go("/audit?at=50")
    expect(seen.page.get_by_role("heading", name="Record #50")).to_be_visible()
    expect(seen.page.locator("[aria-selected=true]")).to_contain_text("50")
    seen.go("/audit")
    seen.page.get_by_role("button", name="policy and levels").click()
    expect(seen.page).to_have_url(re.compile("kinds="))
    expect(seen.page.locator(".vt .body [role=row]").first).to_contain_text(re.compile("policy|alone|budget|cap"))


def test_other_parameters_are_asked_for_anew(window: Callable[..., Seen], served: Served):
    approval = served.asked_for_a_price("9101", 6.54)
    seen = window()
    seen.go(f"/approvals/{approval}")
    expect(seen.page.get_by_role("button", name=re.compile("^Change"))).to_be_visible()
    seen.page.keyboard.press("e")
    seen.page.get_by_label("amount, a number").fill("5.25")
    seen.page.get_by_role("button", name="Change amount").click()
    seen.page.get_by_role("button", name="Send now").click()
    expect(seen.page.locator(".pending")).to_have_count(0)
    assert served.ask("GET", f"/approvals/{approval}")["state"] == "changed"
    assert 5.25 in [each["input"]["amount"] for each in served.ask("GET", "/approvals?limit=1000") if each["skill"] == "price.change"]


def test_who_was_slower_is_told_who_answered(window: Callable[..., Seen], served: Served):
    approval = served.asked_for_a_price("9102", 7.65)
    seen = window()
    seen.go(f"/approvals/{approval}")
    seen.page.get_by_role("button", name=re.compile("^Approve")).click()
    served.ask("POST", f"/approvals/{approval}/answer", {"answer": "reject"})
    seen.page.get_by_role("button", name="Send now").click()
    expect(seen.page.locator(".pending")).to_contain_text("rejected by person/owner")
    assert served.ask("GET", f"/approvals/{approval}")["state"] == "rejected"


def test_handing_over(window: Callable[..., Seen], served: Served):
    approval = served.asked_for_a_price("9103", 8.76)
    seen = window()
    seen.go(f"/approvals/{approval}")
    seen.page.get_by_role("button", name="Hand over").click()
    seen.page.get_by_label(re.compile("^To a person")).fill("revenue")
    seen.page.keyboard.press("Enter")
    seen.page.get_by_role("button", name="Send now").click()
    expect(seen.page.locator(".pending")).to_have_count(0)
    assert served.ask("GET", f"/approvals/{approval}")["handed_to"] == "revenue"


def test_a_kill_switch_says_what_stops_then_stops_it_and_is_lifted(window: Callable[..., Seen], served: Served):
    seen = window()
    seen.go("/settings")
    page = seen.page
    page.get_by_label("Stop", exact=True).select_option("action")
    page.get_by_label("Which").select_option("outreach.send")
    page.get_by_role("button", name="Stop action outreach.send…").click()
    expect(page.get_by_role("dialog")).to_contain_text("Nobody does outreach.send any more (mailer)")
    assert served.ask("GET", "/kill-switches") == []
    page.get_by_label(re.compile("^Reason")).fill("a try")
    page.get_by_role("button", name="Stop action outreach.send", exact=True).click()
    expect(page.get_by_role("cell", name="action outreach.send", exact=True)).to_be_visible()
    assert [(each["name"], each["reason"]) for each in served.ask("GET", "/kill-switches")] == [("outreach.send", "a try")]
    page.get_by_role("button", name="Let action outreach.send go on").click()
    page.get_by_role("dialog").get_by_role("button", name="Let action outreach.send go on").click()
    expect(page.get_by_text("Nothing is stopped")).to_be_visible()
    assert served.ask("GET", "/kill-switches") == []


def test_a_token_is_shown_once(window: Callable[..., Seen], served: Served):
    served.ask("POST", "/accounts", {"id": "service/till", "roles": ["sender"]})
    seen = window()
    seen.go("/settings")
    page = seen.page
    page.get_by_role("button", name="Make a token").click()
    page.get_by_label("For", exact=True).fill("service/till")
    page.get_by_label("What for").fill("the till")
    page.get_by_role("button", name="Make a token for service/till").click()
    token = page.locator(".secret code").inner_text()
    assert token.startswith("tutti_")
    assert not seen.violations()
    seen.go("/settings")
    expect(page.get_by_role("cell", name="the till", exact=True)).to_be_visible()
    assert token not in page.content()
    page.get_by_role("button", name="End the till").click()
    page.get_by_role("button", name="End it").click()
    expect(page.get_by_text("The token the till holds no more.").first).to_be_visible()  # while the dialog is open no role behind it is seen
    expect(page.get_by_role("cell", name="the till", exact=True)).to_have_count(0)
    assert served.ask("GET", "/tokens?holder=service/till") == []


def test_a_person_ends_what_no_rule_ends(browser: Browser, window: Callable[..., Seen], tmp_path: Path):
    with serving(tmp_path, undecided=True) as own:
        seen = window(own)
        page = seen.page
        (conflict,) = own.ask("GET", "/conflicts")["conflicts"]
        seen.go(f"/conflicts/{conflict['id']}")
        expect(page.get_by_text("A person has to decide").first).to_be_visible()
        assert not seen.violations()
        page.get_by_role("button", name="Let price.raise go first").click()
        page.get_by_role("button", name="price.raise goes first").click()
        expect(page.get_by_text("goes first:").first).to_be_visible()
        settled = own.ask("GET", f"/conflicts/{conflict['id']}")
        assert (settled["state"], settled["rung"]) == ("resolved", "authority")
        assert next(side["skill"] for side in settled["sides"] if side["task"] == settled["winner"]) == "price.raise"

        (negotiation,) = own.ask("GET", "/negotiations")["negotiations"]
        seen.go(f"/negotiations/{negotiation['id']}")
        page.get_by_role("button", name=re.compile("^Take over")).click()
        page.get_by_label("price", exact=True).select_option(label="10")
        page.get_by_label("term", exact=True).select_option(label="24")
        expect(page.get_by_role("dialog")).to_contain_text("no long terms at 10 does not allow that")
        expect(page.get_by_role("button", name="End it with these terms")).to_be_disabled()
        page.get_by_label("price", exact=True).select_option(label="5")
        assert not seen.violations()
        page.get_by_role("button", name="End it with these terms").click()
        expect(page.get_by_text("Decided by owner.")).to_be_visible()
        ended = own.ask("GET", f"/negotiations/{negotiation['id']}")
        assert (ended["how"], ended["settled"]["outcome"]) == ("person", {"price": 5, "term": 24})
        expect(page.get_by_role("button", name=re.compile("^Take over"))).to_have_count(0)
        assert not seen.errors


def test_leaving_with_an_answer_that_is_not_sent_warns(window: Callable[..., Seen], served: Served):
    approval = served.asked_for_a_price("9104", 9.87)
    seen = window()
    warned: list[str] = []
    seen.page.on("dialog", lambda dialog: (warned.append(dialog.type), dialog.accept()))
    seen.go(f"/approvals/{approval}")
    seen.page.get_by_role("button", name=re.compile("^Approve")).click()
    expect(seen.page.locator(".pending")).to_be_visible()
    seen.page.goto(f"{served.url}/console/tasks")
    assert warned == ["beforeunload"]
    assert served.ask("GET", f"/approvals/{approval}")["state"] == "open"
