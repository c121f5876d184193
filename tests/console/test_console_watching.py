"""Overview, map, signals, goals and bottlenecks in a browser: what they show is what the record says, and what is set there is set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from console_site import Seen, Served, unmoved
from playwright.sync_api import expect


def _kpi(served: Served, name: str) -> tuple[float, int]:
    """A KPI's value in the last hour, and of how many cases."""
    kpi = next(kpi for kpi in served.ask("GET", "/kpis")["kpis"] if kpi["name"] == name)
    return kpi["value"], kpi["n"]


def test_the_overview_tells_the_numbers_with_their_cases_and_leads_on(window: Callable[..., Seen], served: Served):
    seen = window()
    page = seen.page
    card = page.get_by_role("link", name=re.compile("Resolution quality"))

    def told() -> str:
        seen.go("/")
        return card.inner_text()

    (quality, judged), shown = unmoved(lambda: _kpi(served, "quality"), told)
    assert f"{quality:.2f}" in shown
    assert f"{judged:,} judged" in shown
    assert "95%" in shown
    page.get_by_role("button", name="6 h").click()
    expect(page).to_have_url(re.compile("range=6h"))
    card.click()
    expect(page).to_have_url(re.compile("/goals.*kpi=quality"))
    expect(page).to_have_url(re.compile("range=6h"))
    expect(page.get_by_role("heading", name="Resolution quality over time")).to_be_visible()


def test_bars_and_their_table_are_the_same_thing(window: Callable[..., Seen], served: Served):
    seen = window()
    since = (datetime.now(UTC) - timedelta(hours=24)).strftime("%Y-%m-%dT%H:%M:%SZ")

    def told() -> int:
        seen.go("/?range=24h")
        seen.page.get_by_role("button", name=re.compile("Show as table")).click()
        expect(seen.page).to_have_url(re.compile("table=done"))
        rows = seen.page.get_by_role("region", name="Tasks that ended").locator("tbody tr")
        return sum(int(text.replace(",", "")) for text in rows.locator("td:nth-child(3)").all_inner_texts())

    ended, shown = unmoved(lambda: sum(bucket["alone"] for bucket in served.ask("GET", f"/throughput?from_at={since}")["buckets"]), told)
    assert shown == ended > 0


def test_the_map_shows_what_the_record_has_and_is_walked_by_keyboard(window: Callable[..., Seen], served: Served):
    seen = window()
    page = seen.page

    def drawn() -> tuple[int, int]:
        seen.go("/map")
        return page.locator(".node").count(), page.locator(".e:not(.declared)").count()

    def known() -> tuple[int, int]:
        traffic = served.ask("GET", "/traffic?limit=1")
        return len(traffic["nodes"]), len(traffic["edges"])

    (nodes, edges), shown = unmoved(known, drawn)
    assert shown == (nodes, edges)
    page.locator("[data-node=signal]").focus()
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("sel="))
    chosen = page.locator(".node[aria-pressed=true]")
    expect(chosen).to_be_focused()
    name = chosen.get_attribute("data-node")
    expect(page.get_by_label("Details").locator("h2").first).to_contain_text(str(name))
    page.keyboard.press("t")
    expect(page).to_have_url(re.compile("as=table"))
    assert page.get_by_role("region", name="Agents").locator("tbody tr").count() == nodes
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
            "() => { window.most = 0; window.lit = false; new MutationObserver(() => {"
            "most = Math.max(most, document.querySelectorAll('.dot').length); lit ||= Boolean(document.querySelector('.e.on')) })"
            ".observe(document.querySelector('.canvas'), { subtree: true, childList: true, attributeFilter: ['class'] }) }"
        )
        expect(seen.page.locator("header").get_by_text("Live", exact=False)).to_be_visible()
        for number in range(60):  # a way that is new is drawn once the record has it
            served.ask("POST", "/tasks", {"skill": "letter.lose", "input": f"{reduced} {number}"})
            seen.page.wait_for_timeout(200)
            if seen.page.evaluate("() => lit"):
                break
        assert seen.page.evaluate("() => lit"), "no line lights up"
        dots = seen.page.evaluate("() => most")
        assert dots == 0 if reduced else 0 < dots <= 12


def test_the_last_hour_is_played_again_from_a_link(window: Callable[..., Seen], served: Served):
    until = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    since = (datetime.fromisoformat(until) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    seen = window()
    page = seen.page

    def told() -> str:
        seen.go(f"/map?replay={until}&at=3600")
        return page.get_by_text(re.compile("hops from")).inner_text()

    hops, shown = unmoved(lambda: len(served.ask("GET", f"/traffic?from_at={since}&until_at={until}")["hops"]), told)
    assert shown.startswith(f"{hops:,} hops from")
    slider = page.get_by_role("slider", name="Place in the hour")
    assert float(slider.input_value()) == 3600
    slider.focus()
    page.keyboard.press("Home")
    expect(page).to_have_url(re.compile("at=0"))
    page.get_by_role("button", name="300×").click()
    page.get_by_role("button", name=re.compile("Play")).click()
    expect(page.get_by_role("button", name=re.compile("Play again"))).to_be_visible(timeout=60_000)  # an hour in twelve seconds
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
    column = page.get_by_role("region", name="Resolution quality over time").locator("td:nth-child(3)")

    def told() -> int:
        page.reload()
        seen.settle()
        return sum(int(text.replace(",", "")) for text in column.all_inner_texts())

    (_, judged), shown = unmoved(lambda: _kpi(served, "quality"), told)
    assert shown == judged


def test_a_signal_shows_all_that_it_led_to_and_its_tree_is_walked(window: Callable[..., Seen], served: Served):
    signals = served.ask("GET", "/signals?type=account.at_risk&limit=1")["signals"] or served.ask("GET", "/signals?limit=1")["signals"]
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

    def told() -> int:
        page.reload()
        seen.settle()
        return items.count()

    tree, shown = unmoved(lambda: served.ask("GET", f"/lineage/{signals[0]['id']}")["tree"], told)
    assert shown == _size(tree)
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
    seen = window()
    page = seen.page
    chips, rows = page.get_by_role("group", name="Cause").get_by_role("button"), page.locator("table.lost tbody tr")

    def known() -> Counter[str]:
        return Counter(each["cause"] for each in served.ask("GET", "/bottlenecks")["bottlenecks"])

    def told() -> tuple[int, int, int]:
        seen.go("/bottlenecks")
        many, all_rows = chips.count(), rows.count()
        chips.first.click()
        expect(page).to_have_url(re.compile("cause="))
        expect(chips.first).to_have_attribute("aria-pressed", "true")
        return many, all_rows, rows.count()

    causes, (many, all_rows, of_first) = unmoved(known, told)
    assert (many, all_rows) == (len(causes), causes.total())
    lost = served.ask("GET", "/bottlenecks")["bottlenecks"]
    most = max(causes, key=lambda cause: sum(each["lost_ms"] for each in lost if each["cause"] == cause))
    assert of_first == causes[most]
