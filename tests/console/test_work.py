"""Tasks, decisions and agents in a browser: what is shown is what the record says, and what is done there is done."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from console_site import Seen, Served, unmoved
from playwright.sync_api import Route, expect


def _waited(served: Served, task: str) -> Any:
    """The task once it has ended or needs a person."""
    return served.ask("GET", f"/tasks/{task}/wait?timeout_ms=50000")["task"]


def _longest(served: Served) -> dict[str, Any]:
    """The task with the most stretches of time in it."""
    tasks = served.ask("GET", "/tasks?skill=churn.forecast&limit=50")["tasks"]
    lines: list[dict[str, Any]] = [served.ask("GET", f"/tasks/{task['id']}/timeline") for task in tasks]
    return max(lines, key=lambda line: len(line["spans"]))


def test_a_timeline_and_its_tabs_are_the_same_thing(window: Callable[..., Seen], served: Served):
    seen = window()
    page = seen.page
    id = _longest(served)["task"]

    def drawn() -> int:
        seen.go(f"/tasks/{id}")
        expect(page.get_by_text("Waiting for people")).to_be_visible()
        return page.get_by_role("listbox").get_by_role("option").count()

    spans, lanes = unmoved(lambda: served.ask("GET", f"/tasks/{id}/timeline")["spans"], drawn)
    assert lanes == len({span["task"] for span in spans})
    page.get_by_role("tab", name="Table").click()
    expect(page).to_have_url(re.compile("view=table"))
    rows = page.get_by_role("grid", name="Stretches of time")
    assert rows.get_attribute("aria-rowcount") == str(len(spans) + 1)
    page.reload()
    seen.settle()
    expect(page.get_by_role("tab", name="Table")).to_have_attribute("aria-selected", "true")
    page.get_by_role("tab", name="JSON").click()
    expect(page.locator("pre").first).to_contain_text(spans[-1]["id"])
    assert not seen.errors


def test_a_timeline_is_walked_by_keyboard(window: Callable[..., Seen], served: Served):
    line = _longest(served)
    seen = window()
    page = seen.page
    seen.go(f"/tasks/{line['task']}")
    page.get_by_role("listbox").focus()
    page.keyboard.press("End")
    last = line["spans"][-1]["task"]
    expect(page).to_have_url(re.compile(f"step={last}"))
    picked = page.get_by_role("option", selected=True)
    expect(picked).to_have_count(1)
    page.keyboard.press("+")
    expect(page).to_have_url(re.compile("zoom=2"))
    page.keyboard.press("0")
    expect(page).not_to_have_url(re.compile("zoom"))
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(f"/tasks/{last}$"))


def test_idle_time_is_folded_and_said(window: Callable[..., Seen], served: Served):
    task = served.ask("POST", "/tasks", {"skill": "letter.drop", "input": "a bag"})["task"]  # two waits between three attempts
    assert _waited(served, task)["state"] == "failed"
    seen = window()
    seen.go(f"/tasks/{task}")
    fold = seen.page.get_by_role("button", name=re.compile(r"idle time folded: .* hidden"))
    expect(fold).to_have_attribute("aria-pressed", "true")
    expect(seen.page.locator(".gt .fold")).not_to_have_count(0)
    expect(seen.page.locator(".gt .bar.failed")).to_have_count(3)
    fold.click()
    expect(seen.page).to_have_url(re.compile("fold=no"))
    expect(seen.page.locator(".gt .fold")).to_have_count(0)


def test_an_agents_question_is_answered_on_its_tasks_page(window: Callable[..., Seen], served: Served):
    task = served.ask("POST", "/tasks", {"skill": "letter.read", "input": "the blue one"})["task"]
    assert _waited(served, task)["stage"] == "asking"
    seen = window()
    seen.go(f"/tasks/{task}")
    expect(seen.page.get_by_text("What shall become of the blue one")).to_be_visible()
    seen.page.get_by_label("Your answer").fill("send it back")
    seen.page.get_by_role("button", name="Answer reader").click()
    expect(seen.page.locator(".head")).to_contain_text("done")
    assert served.ask("GET", f"/tasks/{task}")["output"] == "the blue one send it back"


def test_which_offers_of_free_bargaining_were_refused_and_by_which_rule(window: Callable[..., Seen], served: Served, paths: dict[str, str]):
    seen = window()
    page = seen.page
    seen.go(paths["bargaining"])
    rows = page.get_by_role("table").filter(has_text="What became of it").get_by_role("row")
    assert [[cell.strip() for cell in row.get_by_role("cell").all_inner_texts()] for row in rows.all()[1:]] == [
        ["1", "buyer", "price 15, term 24", "refused by policy: never fifteen; and without a person's word: ten needs a yes"],
        ["2", "seller", "price 0, term 12", "not accepted"],
        ["3", "buyer", "price 10, term 24", "refused without a person's word: ten needs a yes"],
        ["4", "seller", "price 0, term 24", "not accepted"],
        ["5", "buyer", "price 5, term 24", "accepted by all"],
    ]
    said = page.locator(".msg").nth(2)
    expect(said).to_contain_text("offers price 10, term 24")
    expect(said).to_contain_text("counts as a pass, refused by: ten needs a yes")
    assert page.locator(".msg").filter(has_text="counts as a pass").count() == 2
    expect(page.get_by_text("over the fallback")).to_have_count(1)  # the card of gains: nobody gave a number
    seen.go(paths["negotiation"])
    expect(page.get_by_text("What became of it")).to_have_count(0)
    assert not seen.errors


def test_canceling_says_what_happens_and_why_it_was(window: Callable[..., Seen], served: Served):
    task = served.ask("POST", "/tasks", {"skill": "letter.read", "input": "the red one"})["task"]
    assert _waited(served, task)["stage"] == "asking"
    seen = window()
    seen.go(f"/tasks/{task}")
    seen.page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = seen.page.get_by_role("dialog")
    expect(dialog).to_contain_text("What has already happened outside stays")
    assert not seen.violations()
    dialog.get_by_label("Why").fill("nobody wants it")
    dialog.get_by_role("button", name="Cancel the task").click()
    expect(dialog).to_have_count(0)
    ended = served.ask("GET", f"/tasks/{task}")
    assert (ended["state"], ended["reason"]) == ("canceled", "nobody wants it")


def test_the_parts_of_a_score_add_up_on_the_page(window: Callable[..., Seen], served: Served, paths: dict[str, str]):
    seen = window()
    seen.go(paths["why"])
    table = seen.page.locator("section", has=seen.page.get_by_role("heading", name="What made the score")).locator("table")
    cells = [row.locator("td").all_inner_texts() for row in table.locator("tbody tr").all()]
    numbers = [[float(cell.split()[0].replace("−", "-")) for cell in row[1:]] for row in cells]
    for column in zip(*numbers, strict=True):
        assert abs(sum(column[:-1]) - column[-1]) < 0.0026  # five numbers of three digits each
    expect(seen.page.get_by_text("the parts add up to the score")).to_be_visible()
    why = served.ask("GET", f"/why/{paths['why'].rpartition('/')[2]}")
    assert numbers[-1][0] == round(why["parts"]["total"]["winner"], 3)


def test_nothing_is_said_of_an_end_that_is_not_known_yet(window: Callable[..., Seen], served: Served, paths: dict[str, str]):
    seen = window()
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    seen.page.route(re.compile(r"/v1/tasks/t-[^/?]+$"), hold)
    seen.page.goto(f"{served.url}/console{paths['why']}")
    expect(seen.page.get_by_role("heading", name="What made the score")).to_be_visible()
    expect(seen.page.get_by_text("to be added when it has ended")).to_have_count(0)
    expect(seen.page.locator("[aria-busy=true]")).to_have_count(1)
    for route in held:
        route.continue_()
    expect(seen.page.get_by_text("added later, at")).to_be_visible()


def test_a_wrong_result_is_flagged_with_a_note(window: Callable[..., Seen], served: Served):
    task = served.ask("POST", "/tasks", {"skill": "letter.echo", "input": "a wrong answer"})["task"]
    assert _waited(served, task)["state"] == "completed"
    seen = window()
    seen.go(f"/why/{task}")
    seen.page.get_by_role("button", name="Flag as wrong").click()
    dialog = seen.page.get_by_role("dialog")
    dialog.get_by_role("button", name="Rate echo’s result 0").click()
    expect(dialog).to_be_visible()  # a note is needed
    dialog.get_by_label("What was wrong").fill("nobody asked for that")
    dialog.get_by_role("button", name="Rate echo’s result 0").click()
    expect(dialog).to_have_count(0)
    assert served.ask("GET", f"/tasks/{task}")["quality"] == 0


def test_an_agent_is_stopped_its_task_dropped_and_let_go_on(window: Callable[..., Seen], served: Served):
    seen = window()
    page = seen.page
    seen.go("/agents/echo")
    page.get_by_role("button", name="Stop now").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("kill switch is thrown")
    dialog.get_by_label("Why").fill("it repeats everything")
    dialog.get_by_role("button", name="Stop echo").click()
    expect(page.get_by_text("Stopped by its kill switch")).to_be_visible()
    assert any(each["name"] == "echo" for each in served.ask("GET", "/kill-switches"))
    task = served.ask("POST", "/tasks", {"skill": "letter.echo", "input": "again"})["task"]
    assert _waited(served, task)["stage"] == "parked"
    seen.go(f"/tasks/{task}")
    page.get_by_role("button", name="Drop it").click()
    page.get_by_role("dialog").get_by_role("button", name="Drop the task").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert served.ask("GET", f"/tasks/{task}")["state"] == "canceled"
    seen.go("/agents/echo")
    page.get_by_role("button", name="Let it go on").click()
    page.get_by_role("dialog").get_by_role("button", name="Lift the switch of echo").click()
    expect(page.get_by_text("Stopped by its kill switch")).to_have_count(0)
    assert not any(each["name"] == "echo" for each in served.ask("GET", "/kill-switches"))
    assert not seen.errors


def test_who_cannot_be_told_apart_shares_a_rank(window: Callable[..., Seen], served: Served):
    seen = window()
    table = seen.page.get_by_role("region", name="Standings")

    def known() -> dict[str, tuple[float, float, bool]]:
        rows = served.ask("GET", "/agents/standings?skill=churn.forecast")
        return {row["name"]: (row["low"], row["high"], bool(row["tie_with"])) for row in rows}

    names = list(known())

    def told() -> list[str]:
        seen.go("/agents?skill=churn.forecast")
        of = [table.get_by_role("row").filter(has=seen.page.get_by_role("link", name=name, exact=True)) for name in names]  # others name it, too: as a tie
        return [row.locator("td").first.inner_text() for row in of]

    standings, shown = unmoved(known, told)
    ranks = {name: 1 + sum(low > high for low, _, _ in standings.values()) for name, (_, high, _) in standings.items()}
    assert shown == [f"{ranks[name]}{' tie' if standings[name][2] else ''}" for name in names]
    seen.page.get_by_role("button", name=re.compile("Show as table")).click()
    expect(seen.page).to_have_url(re.compile("table=scatter"))
    seen.page.get_by_label("skill").select_option("ticket.triage")
    expect(seen.page).to_have_url(re.compile("skill=ticket.triage"))


def test_tasks_sort_among_their_rows_and_keep_it_in_the_address(window: Callable[..., Seen], served: Served):
    seen = window()
    seen.go("/tasks?skill=ticket.triage&sort=-Quality")
    column = [header.inner_text() for header in seen.page.get_by_role("columnheader").all()].index("Quality ↓")
    shown = [row.get_by_role("gridcell").nth(column).inner_text() for row in seen.page.get_by_role("row").all()[1:12]]
    assert [float(text) for text in shown if text] == sorted((float(text) for text in shown if text), reverse=True)
    assert len(shown) > 5


def test_undoing_proposes_the_inverse_and_leads_to_it(window: Callable[..., Seen], served: Served):
    task = served.ask("POST", "/tasks", {"skill": "price.raise", "input": {"account": "0042", "amount": 1.5}})["task"]
    assert _waited(served, task)["undo"] == "price.change"
    seen = window()
    seen.go(f"/tasks/{task}")
    seen.page.get_by_role("button", name="Undo by price.change").click()
    seen.page.get_by_role("dialog").get_by_role("button", name="Propose price.change").click()
    expect(seen.page.get_by_role("heading", level=1)).to_contain_text("price.change")
    assert served.ask("GET", f"/tasks/{seen.page.url.rpartition('/')[2]}")["parent"] == task


def test_replaying_a_decision_keeps_nothing(window: Callable[..., Seen], served: Served, paths: dict[str, str]):
    seen = window()
    seen.go(paths["why"])
    head, task = served.ask("GET", "/journal/head")["seq"], paths["why"].rpartition("/")[2]
    seen.page.get_by_role("button", name=re.compile("^Replay")).click()
    dialog = seen.page.get_by_role("dialog")
    expect(dialog.get_by_role("columnheader", name="Then")).to_be_visible()
    expect(dialog).to_contain_text(served.ask("GET", f"/why/{task}")["route"]["chosen"])
    assert not seen.violations()
    since = served.ask("GET", f"/journal/facts?after={head}&limit=1000")
    assert not [fact for fact in since if fact["about"] == task or fact["by"] == "person/owner"], "what other tasks leave goes on by itself"


def test_a_task_that_waits_for_a_yes_is_reviewed_by_a_key(window: Callable[..., Seen], served: Served, paths: dict[str, str]):
    seen = window()
    seen.go(paths["task"])
    seen.page.keyboard.press("a")
    expect(seen.page).to_have_url(re.compile("/approvals/a-"))
    seen.go(f"/tasks?status=human&sel={paths['task'].rpartition('/')[2]}")
    seen.page.keyboard.press("a")
    expect(seen.page).to_have_url(re.compile("/approvals/a-"))
