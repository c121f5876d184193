"""Lists of tasks: memory and the view say the same, page by page, and counts are what one would count by hand."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tutti.desk import listing
from tutti.errors import Invalid
from tutti.model.task import ENDED_STATES, OPEN_STATUSES, TASKS, Stage, State, Status, is_retrying, status_of

_OPEN_STAGES = [stage for stage in Stage if stage is not Stage.ENDED]


@st.composite
def tasks(draw: st.DrawFn) -> list[dict[str, Any]]:
    rows = []
    at = 1000
    for number in range(draw(st.integers(0, 14))):
        at += draw(st.integers(0, 3))
        stage = draw(st.sampled_from([*_OPEN_STAGES, Stage.ENDED, Stage.ENDED, Stage.ENDED]))
        state = draw(st.sampled_from(sorted(ENDED_STATES))) if stage is Stage.ENDED else State.WORKING
        rows.append(
            dict.fromkeys(TASKS.columns)
            | {
                "id": f"t-{draw(st.integers(0, 3)):06d}{number}", "seq": number + 1, "stage": stage.value, "state": state.value, "submitted_at": at,
                "open": int(stage is not Stage.ENDED), "attempts": draw(st.integers(0, 2)), "agent": draw(st.sampled_from([None, "ann", "bob"])),
                "department": draw(st.sampled_from(["sales", "care"])), "skill": draw(st.sampled_from(["Price.quote", "ticket.triage", "50%_off"])),
                "nature": "advice", "subject": draw(st.sampled_from([None, "p1", "p2"])),
            }
        )  # fmt: skip
    return rows


class Kept:
    """Rows in a view as the journal has it, and the open ones in memory."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.db = sqlite3.connect(":memory:")
        self.db.row_factory = sqlite3.Row
        columns = [*TASKS.columns, "open"]
        self.db.execute(f"CREATE TABLE task ({', '.join(columns)}, PRIMARY KEY (id))")
        self.db.execute("CREATE TABLE subject (id, name)")
        self.db.executemany("INSERT INTO subject VALUES (?, ?)", [("p1", "account/Seven"), ("p2", "account/8_0")])
        for row in rows:
            self.db.execute(f"INSERT INTO task VALUES ({', '.join('?' * len(columns))})", [row[name] for name in columns])
        self.listing = listing.Listing(self.select, {(row["id"],): row for row in rows if row["open"]})

    async def select(self, sql: str, params: Any = ()) -> list[dict[str, Any]]:
        return [dict(row) for row in self.db.execute(sql, tuple(params))]


@st.composite
def filters(draw: st.DrawFn) -> list[listing.Filter]:
    offered = [
        listing.equals("agent", "agent", draw(st.sampled_from(["ann", "bob"]))), listing.equals("skill", "skill", "ticket.triage"),
        listing.in_status(frozenset(draw(st.sets(st.sampled_from(list(Status)), min_size=1)))), listing.retrying(),
        listing.since(draw(st.integers(998, 1040))), listing.until(draw(st.integers(998, 1040))),
    ]  # fmt: skip
    return draw(st.lists(st.sampled_from(offered), unique_by=lambda each: each.name))


@settings(max_examples=100, deadline=None)
@given(tasks(), filters(), st.integers(1, 5), st.booleans(), st.integers(1, 4))
def test_pages_hold_every_task_that_passes_once_newest_first(rows, tests, limit, told, stretch):
    kept = Kept(rows)
    expected = [row["id"] for row in reversed(rows) if all(test.holds(row) for test in tests)]
    wanted = None
    if told:  # somebody says that only open ones can pass: memory alone is asked
        tests = [*tests, listing.in_status(OPEN_STATUSES)]
        expected = [row["id"] for row in reversed(rows) if all(test.holds(row) for test in tests)]
        wanted = OPEN_STATUSES

    async def all_pages() -> list[str]:
        found: list[str] = []
        after = None
        for _ in range(100):
            page, after = await kept.listing.page(tests, wanted, after, limit)
            assert len(page) <= limit
            found += [row["id"] for row in page]
            if after is None:
                return found
        raise AssertionError("pages without an end")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "STRETCH", stretch)
        patch.setattr(listing, "STRETCHES", 2)
        assert asyncio.run(all_pages()) == expected


@settings(max_examples=100, deadline=None)
@given(tasks(), filters())
def test_counts_are_what_one_counts_by_hand(rows, tests):
    always = [listing.among("departments", "department", ["sales"])]
    found = asyncio.run(Kept(rows).listing.counts(tests, always))
    mine = [row for row in rows if row["department"] == "sales"]
    passing = [row for row in mine if all(test.holds(row) for test in tests)]
    assert found["by_status"] == {str(status): sum(status_of(row) is status for row in passing) for status in Status}
    assert found["all"] == len(passing)
    assert found["retrying"] == sum(map(is_retrying, passing))
    assert found["without"] == {
        dropped.name: sum(all(test.holds(row) for test in tests if test is not dropped) for row in mine) for dropped in tests
    }  # fmt: skip
    assert found["whole"]


def test_finished_tasks_beyond_the_newest_are_left_out_and_it_says_so(monkeypatch):
    ended = dict.fromkeys(TASKS.columns) | {"stage": "ended", "state": "completed", "open": 0, "attempts": 1, "department": "sales", "skill": "x"}
    rows = [ended | {"id": f"t-{number:07d}", "seq": number, "submitted_at": 1000 + number} for number in range(10)]
    monkeypatch.setattr(listing, "COUNTED", 4)
    found = asyncio.run(Kept(rows).listing.counts([], []))
    assert (found["all"], found["whole"], found["from_at"]) == (4, False, 1006)


@pytest.mark.parametrize(
    ("said", "expected"),
    [("t-000001", ["t-0000011"]), ("TRIAGE", ["t-0000022"]), ("seven", ["t-0000011"]), ("8_0", ["t-0000022"]), ("%", ["t-0000033"]), ("t-1", []), ("0%_o", ["t-0000033"])],
)  # fmt: skip
def test_words_are_an_ids_beginning_or_a_part_of_a_skill_or_subject(said, expected):
    plain = dict.fromkeys(TASKS.columns) | {"stage": "ended", "state": "completed", "open": 0, "attempts": 1}
    rows = [
        plain | {"id": "t-0000011", "seq": 1, "submitted_at": 1, "skill": "price.quote", "subject": "p1"},
        plain | {"id": "t-0000022", "seq": 2, "submitted_at": 2, "skill": "Ticket.Triage", "subject": "p2"},
        plain | {"id": "t-0000033", "seq": 3, "submitted_at": 3, "skill": "50%_off", "subject": None},
    ]
    kept = Kept(rows)

    async def find() -> tuple[list[str], list[str]]:
        test = await listing.words(kept.select, said)
        page, _ = await kept.listing.page([test], None, None, 10)
        return [row["id"] for row in page], [row["id"] for row in rows if test.holds(row)]

    in_view, in_memory = asyncio.run(find())
    assert in_view == in_memory == expected


def test_a_status_that_is_none_is_refused():
    with pytest.raises(Invalid, match="bored"):
        listing.statuses(["done", "bored"])
