"""Pages of a journal, from either end: what they hold is what a look at every fact finds, on both databases."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from journal_site import NOON, Site

from tutti.journal import Journal, Wanted, facts_page, leaves_page, pages, seq_at
from tutti.journal.merkle import root_of
from tutti.model.fact import Draft

KINDS = ("task.submitted", "run.started", "task.completed", "tasks.counted", "budget.spent")
WHO = ("person/ana", "person/bob", "agent/pay", "tutti", "person0")


async def filled(site: Site, facts: int = 120) -> Journal:
    journal = await site.open(folds={})
    for number in range(facts):
        site.clock.at = NOON + number // 3 * 1000  # three facts of each instant
        await journal.append([Draft(KINDS[number % 5], f"t-{number % 7}", WHO[number // 2 % 5], {"n": number})])
    return journal


def holds(fact: Any, wanted: Wanted) -> bool:
    return (
        wanted.about in ("", fact.about)
        and wanted.kind in ("", fact.kind)
        and (not wanted.kinds or fact.kind.startswith(wanted.kinds))
        and (not wanted.by or fact.by == wanted.by or (wanted.by.endswith("/") and fact.by.startswith(wanted.by)))
    )


WISHES = [
    Wanted(),
    Wanted(about="t-3"),
    Wanted(kind="task.submitted"),
    Wanted(kinds=("task.", "run.started")),
    Wanted(kinds=("task",)),
    Wanted(by="person/"),
    Wanted(by="person/ana", kinds=("budget.",)),
    Wanted(by="nobody"),
    Wanted(about="t-1", by="person/", kinds=("task.",), kind="task.completed"),
]


@pytest.mark.parametrize("stretch", [7, 50_000])
async def test_a_walk_over_pages_finds_what_a_look_at_every_fact_finds(site: Site, stretch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "STRETCH", stretch)
    journal = await filled(site)
    every = await journal.facts(limit=1000)
    head = journal.head.seq
    for wanted in WISHES:
        for limit in (1, 5, 1000):
            up: list[int] = []
            place: int | None = 0
            while place is not None:
                page = await facts_page(journal.select, head, wanted, after=place, before=None, limit=limit)
                up += [row["seq"] for row in page.facts]
                place = page.next if page.next is not None else up[-1] if len(page.facts) == limit else None
            assert up == [fact.seq for fact in every if holds(fact, wanted)], (wanted, limit)
            down: list[int] = []
            place = head + 1
            while place is not None:
                page = await facts_page(journal.select, head, wanted, after=0, before=place, limit=limit)
                down += [row["seq"] for row in page.facts]
                place = page.next if page.next is not None else down[-1] if len(page.facts) == limit else None
            assert down == up[::-1], (wanted, limit)


async def test_a_page_looks_at_a_bounded_stretch_and_says_where_to_look_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "STRETCH", 10)
    journal = await filled(site)
    looked: list[tuple[int, int]] = []

    async def select(sql: str, params: Any) -> Any:
        looked.append((params[0], params[1]))
        return await journal.select(sql, params)

    page = await facts_page(select, 120, Wanted(by="nobody"), after=0, before=121, limit=5)
    assert (page, looked) == (([], 81), [(110, 120), (100, 110), (90, 100), (80, 90)])
    looked.clear()
    page = await facts_page(select, 120, Wanted(by="nobody"), after=95, before=None, limit=5)
    assert (page, looked) == (([], None), [(95, 105), (105, 115), (115, 120)])
    looked.clear()
    await facts_page(select, 120, Wanted(), after=0, before=None, limit=100)
    assert looked == [(0, 120)], "without a filter the first rows are the page"


async def test_an_instant_is_a_place_in_the_order(site: Site) -> None:
    journal = await filled(site)
    every = await journal.facts(limit=1000)
    for instant in (0, NOON, NOON + 1, NOON + 1000, NOON + 20_500, NOON + 39_000, NOON + 10**9):
        assert await seq_at(journal.select, journal.head.seq, instant) == sum(fact.at < instant for fact in every), instant
    assert await seq_at(journal.select, 0, NOON) == 0


async def test_leaves_are_recomputed_from_what_is_handed_out(site: Site) -> None:
    journal = await filled(site, 30)
    await journal.append([Draft("task.submitted", "t-ü", "agent/π", {"text": "\u2028 \\ \" ' 🙂", "n": [1, None, True]}, 3)])
    leaves = [*await leaves_page(journal.select, site.workspace, after=0, limit=10), *await leaves_page(journal.select, site.workspace, after=10, limit=1000)]
    assert [leaf["seq"] for leaf in leaves] == list(range(1, 32))
    hashed = [sha256(b"\0" + leaf["content"].encode()).digest() for leaf in leaves]
    assert [leaf.hex() for leaf in hashed] == [leaf["leaf"] for leaf in leaves]
    assert root_of(hashed).hex() == journal.head.root
