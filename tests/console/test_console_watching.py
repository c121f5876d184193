"""Overview, map, signals, goals and bottlenecks in a browser: what they show is what the record says, and what is set there is set."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from console_site import Seen, Served
from playwright.sync_api import expect


def _kpi(served: Served, name: str) -> dict[str, Any]:
    kpis: list[dict[str, Any]] = served.ask("GET", "/kpis")["kpis"]
    return next(kpi for kpi in kpis if kpi["name"] == name)


def test_the_overview_tells_the_numbers_with_their_cases_and_leads_on(window: Callable[..., Seen], served: Served):
    seen = window()
    page = seen.page
    seen.go("/")
    quality = _kpi(served, "quality")
    card = page.get_by_role("link", name=re.compile("Resolution quality"))
    expect(card).to_contain_text(f"{quality['value']:.2f}")
    expect(card).to_contain_text(f"{quality['n']:,} judged")
    expect(card).to_contain_text("95%")
    page.get_by_role("button", name="6 h").click()
    expect(page).to_have_url(re.compile("range=6h"))
    card.click()
    expect(page).to_have_url(re.compile("/goals.*kpi=quality"))
    expect(page).to_have_url(re.compile("range=6h"))
    expect(page.get_by_role("heading", name="Resolution quality over time")).to_be_visible()


def test_bars_and_their_table_are_the_same_thing(window: Callable[..., Seen], served: Served):
    seen = window()
    seen.go("/?range=24h")
    seen.page.get_by_role("button", name=re.compile("Show as table")).click()
    expect(seen.page).to_have_url(re.compile("table=done"))
    rows = seen.page.get_by_role("region", name="Tasks that ended").locator("tbody tr")
    shown = sum(int(text.replace(",", "")) for text in rows.locator("td:nth-child(3)").all_inner_texts())
    until = datetime.now(UTC)
    buckets = served.ask("GET", f"/throughput?from_at={(until - timedelta(hours=24)).strftime('%Y-%m-%dT%H:%M:%SZ')}")["buckets"]
    assert shown == sum(bucket["alone"] for bucket in buckets) > 0


def test_the_map_shows_what_the_record_has_and_is_walked_by_keyboard(window: Callable[..., Seen], served: Served):
    traffic = served.ask("GET", "/traffic?limit=1")
    seen = window()
    page = seen.page
    seen.go("/map")
    assert page.locator(".node").count() == len(traffic["nodes"])
    assert page.locator(".e:not(.declared)").count() == len(traffic["edges"])
    page.locator("[data-node=signal]").focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("sel="))
    chosen = page.locator(".node[aria-pressed=true]")
    expect(chosen).to_be_focused()
    name = chosen.get_attribute("data-node")
    expect(page.get_by_label("Details").locator("h2").first).to_contain_text(str(name))
    page.keyboard.press("t")
    expect(page).to_have_url(re.compile("as=table"))
    assert page.get_by_role("region", name="Agents").locator("tbody tr").count() == len(traffic["nodes"])
    page.keyboard.press("t")
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name=re.compile("Go on"))).to_be_visible()
    page.keyboard.press(" ")
    expect(page.get_by_role("button", name=re.compile("Pause"))).to_be_visible()
    assert not seen.errors


def test_a_dot_travels_for_a_hop_and_none_where_motion_is_not_wanted(window: Callable[..., Seen], served: Served):
    for reduced in (False, True):
        seen = window(reduced=reduced)
        seen.go("/map")
        seen.page.evaluate(
            "() => { window.most = 0; new MutationObserver(() => { most = Math.max(most, document.querySelectorAll('.dot').length) })"
            ".observe(document.querySelector('.dots'), { childList: true }) }"
        )
        expect(seen.page.locator("header").get_by_text("Live", exact=False)).to_be_visible()
        for number in range(60):  # a way that is new is drawn once the record has it
            served.ask("POST", "/tasks", {"skill": "letter.lose", "input": f"{reduced} {number}"})
            seen.page.wait_for_timeout(200)
            if seen.page.locator(".e.on").count():
                break
        expect(seen.page.locator(".e.on").first).to_be_attached()
        dots = seen.page.evaluate("() => most")
        assert dots == 0 if reduced else 0 < dots <= 12


def test_the_last_hour_is_played_again_from_a_link(window: Callable[..., Seen], served: Served):
    until = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    seen = window()
    page = seen.page
    seen.go(f"/map?replay={until}&at=3600")
    hops = served.ask("GET", f"/traffic?from_at={(datetime.fromisoformat(until) - timedelta(hours=1)).strftime('%Y-%m-%dT%H:%M:%SZ')}&until_at={until}")["hops"]
    expect(page.get_by_text(f"{len(hops):,} hops from")).to_be_visible()
    slider = page.get_by_role("slider", name="Place in the hour")
    assert float(slider.input_value()) == 3600
    slider.focus()
    page.keyboard.press("Home")
    expect(page).to_have_url(re.compile("at=0"))
    page.get_by_role("button", name="300×").click()
    page.get_by_role("button", name=re.compile("Play")).click()
    expect(page.get_by_role("button", name=re.compile("Play again"))).to_be_visible(timeout=25_000)  # an hour in twelve seconds
    expect(page).to_have_url(re.compile("at=3600"))


def test_a_level_is_set_on_the_map_with_an_amount(window: Callable[..., Seen], served: Served):
    seen = window()
    page = seen.page
    seen.go("/map?sel=price-desk")
    page.get_by_role("radio", name="L4 act").click()
    page.get_by_label("Alone up to").fill("0,5")
    page.get_by_label("Reason").fill("pennies")
    page.get_by_role("button", name="Set price.change to act").click()
    expect(page.get_by_label("Details")).to_contain_text("price.change goes alone up to €0.50")
    agent = next(row for row in served.ask("GET", "/agents") if row["skill"] == "price.change")
    assert (agent["level"], agent["up_to"]) == (4, 0.5)
    page.get_by_role("radio", name="L2 approve").click()
    page.get_by_role("button", name="Set price.change to approve").click()
    expect(page.get_by_label("Details")).to_contain_text("a person says yes to every price.change first")


def test_a_goal_is_set_and_its_target_stands_beside_the_kpi(window: Callable[..., Seen], served: Served):
    seen = window()
    page = seen.page
    seen.go("/goals")
    page.get_by_role("button", name="Set a goal").click()
    page.get_by_label("Name").fill("done the same minute")
    page.get_by_label("Measured by").fill("resolution_time")
    page.get_by_label("Target").fill("90000")
    page.get_by_label("Weight of latency").fill("much")
    expect(page.get_by_role("button", name="Set this goal")).to_be_disabled()
    page.get_by_label("Weight of latency").fill("0.25")
    page.get_by_role("button", name="Set this goal").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    goal = next(goal for goal in served.ask("GET", "/goals") if goal["name"] == "done the same minute")
    assert (goal["kpi"], float(goal["target"]), goal["weights"]) == ("resolution_time", 90_000.0, {"latency": 0.25})
    expect(page.get_by_role("row", name=re.compile("Time to resolution p95.*resolutions"))).to_contain_text("≤ 1 min 30 s")


def test_before_and_after_an_instant_that_somebody_chose(window: Callable[..., Seen], served: Served):
    split = datetime.now(UTC) - timedelta(minutes=30)
    seen = window()
    page = seen.page
    seen.go("/goals?kpi=quality")
    page.get_by_label("Compare before and after", exact=True).fill(split.astimezone(ZoneInfo("Europe/Warsaw")).strftime("%Y-%m-%dT%H:%M"))
    page.get_by_label("Compare before and after", exact=True).press("Enter")
    expect(page).to_have_url(re.compile(f"split={split.strftime('%Y-%m-%dT%H')}%3A{split.minute:02}"))
    page.get_by_role("button", name=re.compile("Show as table")).click()
    seen.settle()
    shown = sum(
        int(text.replace(",", "")) for text in page.get_by_role("region", name="Resolution quality over time").locator("td:nth-child(3)").all_inner_texts()
    )
    assert shown == _kpi(served, "quality")["n"]


def test_a_signal_shows_all_that_it_led_to_and_its_tree_is_walked(window: Callable[..., Seen], served: Served):
    signals = served.ask("GET", "/signals?type=account.at_risk&limit=1")["signals"] or served.ask("GET", "/signals?limit=1")["signals"]
    tree = served.ask("GET", f"/lineage/{signals[0]['id']}")["tree"]
    seen = window()
    page = seen.page
    seen.go(f"/signals?type={signals[0]['type']}")
    grid = page.get_by_role("grid", name="Signals")
    expect(grid).to_contain_text(signals[0]["type"])
    grid.focus()
    page.keyboard.press("j")
    expect(page).to_have_url(re.compile("sel=s-"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/signals/{signals[0]['id']}"))
    items = page.get_by_role("treeitem")
    expect(items).to_have_count(_size(tree))
    page.get_by_role("tree").focus()
    page.keyboard.press("ArrowLeft")
    expect(items).to_have_count(1)
    page.keyboard.press("ArrowRight")
    expect(items).to_have_count(_size(tree))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/(tasks|signals)/{tree['led_to'][0].get('task') or tree['led_to'][0].get('signal')}"))


def test_a_signal_shows_which_condition_could_not_be_evaluated_on_it(window: Callable[..., Seen], served: Served):
    sent = served.ask("POST", "/signals", {"specversion": "1.0", "id": "undecided", "source": "/test", "type": "negotiation.settled", "data": {}})
    seen = window()
    page = seen.page
    seen.go("/signals?type=negotiation.settled")
    expect(page.get_by_role("grid", name="Signals")).to_contain_text("nothing · 1 condition could not be evaluated")
    seen.go(f"/signals/{sent['signal']}")
    row = page.get_by_role("row").filter(has_text="no such key: about")
    expect(row).to_contain_text("has(data.about.account)")
    expect(row.get_by_role("link", name="terms.book")).to_be_visible()


def _size(node: dict[str, Any]) -> int:
    return 1 + sum(_size(child) for child in node["led_to"])


def test_bottlenecks_add_up_by_cause_and_are_filtered_by_it(window: Callable[..., Seen], served: Served):
    found = served.ask("GET", "/bottlenecks")["bottlenecks"]
    causes = {each["cause"] for each in found}
    seen = window()
    page = seen.page
    seen.go("/bottlenecks")
    chips = page.get_by_role("group", name="Cause").get_by_role("button")
    assert chips.count() == len(causes)
    assert page.locator("table.lost tbody tr").count() == len(found)
    chips.first.click()
    expect(page).to_have_url(re.compile("cause="))
    most = max(causes, key=lambda cause: sum(each["lost_ms"] for each in found if each["cause"] == cause))
    expect(page.locator("table.lost tbody tr")).to_have_count(sum(each["cause"] == most for each in found))
