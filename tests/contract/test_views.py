"""Views and memory: what the folds say, in the database and in memory, at every moment the same."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from journal_site import BUDGET, FOLDS, HISTORY, TABLES, TASK, Site, draft, spend

from tutti.errors import Invalid, JournalBroken, NotFound, Refused, StorageFailed
from tutti.journal import open_journal
from tutti.model.view import Put, Table


def in_memory(journal: Any) -> dict[str, Any]:
    return {name: dict(journal.hot.table(name)) for name in ("task", "budget")}


async def test_closed_rows_leave_memory_and_stay_in_the_view(site: Site) -> None:
    journal = await site.open()
    await journal.append([draft(), draft(about="t-2")])
    await journal.append([draft("task.completed")])
    assert list(journal.hot.table("task")) == [("t-2",)]
    assert (await journal.row("task", ("t-1",)))["stage"] == "done"
    assert await journal.row("task", ("t-9",)) is None


@pytest.mark.parametrize("together", [True, False])
async def test_a_row_that_opens_again_comes_back_whole(site: Site, together: bool) -> None:
    journal = await site.open()
    await journal.append([draft(skill="triage", subject="u-1")])
    await journal.append([draft("task.completed")])
    if together:
        await journal.append([draft("task.resumed"), draft("task.changed", priority=5)])
    else:
        await journal.append([draft("task.resumed")])
        await journal.append([draft("task.changed", priority=5)])
    row = {"id": "t-1", "stage": "again", "skill": "triage", "priority": 5, "subject": "u-1", "open": 1, "version": 4}
    assert journal.hot.table("task") == {("t-1",): row}


async def test_submitting_again_what_was_closed(site: Site) -> None:
    journal = await site.open()
    await journal.append([draft(skill="triage"), draft("task.completed")])
    await journal.append([draft(open=1)])  # not a column of the fold: stays closed
    assert journal.hot.table("task") == {}
    assert site.rebuild() == []


async def test_memory_loads_what_it_had(site: Site) -> None:
    journal = await site.open()
    await asyncio.gather(*[journal.append([draft(about=f"t-{n}"), spend(n, f"o-{n % 3}")]) for n in range(20)])
    await journal.append([draft("task.completed", "t-3")])
    before, seq = in_memory(journal), journal.hot.seq
    await journal.close()
    again = await site.open()
    assert in_memory(again) == before
    assert again.hot.seq == seq == again.head.seq == 41
    with pytest.raises(KeyError):
        again.hot.table("history")


async def test_who_holds_a_row_holds_a_snapshot(site: Site) -> None:
    journal = await site.open()
    await journal.append([draft()])
    held = journal.hot.table("task")["t-1",]
    await journal.append([draft("task.changed", stage="moved")])
    assert held["stage"] == "new"
    assert journal.hot.table("task")["t-1",]["stage"] == "moved"


async def test_pages(site: Site) -> None:
    journal = await site.open()
    for n in range(10):
        await journal.append([draft(about=f"t-{9 - n}", priority=n // 4, skill="even" if n % 2 else None)])
    first = await journal.rows("task", limit=4)
    second = await journal.rows("task", after=first[-1], limit=4)
    third = await journal.rows("task", after=second[-1]["rowid"], limit=4)
    assert [row["id"] for row in first + second + third] == [f"t-{9 - n}" for n in range(10)]
    found: list[Any] = []
    while page := await journal.rows("task", order=("priority", "id"), descending=True, limit=3, after=found[-1] if found else None):
        found += page
    assert [(row["priority"], row["id"]) for row in found] == sorted(((n // 4, f"t-{9 - n}") for n in range(10)), reverse=True)
    assert [row["id"] for row in await journal.rows("task", {"skill": None, "priority": [0, 2]}, order="id")] == ["t-1", "t-7", "t-9"]
    assert await journal.rows("task", {"id": []}) == []
    with pytest.raises(Invalid):
        await journal.rows("task", {"colour": 1})
    with pytest.raises(NotFound):
        await journal.rows("nothing")


async def test_selects_are_portable_and_read_only(site: Site) -> None:
    journal = await site.open()
    await journal.append([draft(), spend(5), spend(6, "ops")])
    rows = await journal.select(
        "SELECT sum(spent) AS total, avg(spent) AS mean, count(*) AS n, max(owner) = ? AS last FROM budget WHERE owner <> '?%'", ["sales"]
    )
    assert rows == [{"total": 11, "mean": 5.5, "n": 2, "last": 1}]
    for sql in ("DELETE FROM fact", "UPDATE head SET seq = 0"):
        with pytest.raises((StorageFailed, Invalid)):
            await journal.select(sql)
    with pytest.raises(Invalid):
        await journal.select("SELECT nonsense FROM nowhere")
    assert (await journal.select("SELECT count(*) AS n FROM fact"))[0]["n"] == 3


async def test_facts_are_found_by_thing_and_kind(site: Site) -> None:
    journal = await site.open()
    await journal.append([draft(), spend(1), draft(about="t-2"), draft("task.completed")])
    assert [fact.seq for fact in await journal.facts(about="t-1")] == [1, 4]
    assert [fact.seq for fact in await journal.facts(about=["t-1", "t-2"], kind="task.submitted")] == [1, 3]
    assert [fact.seq for fact in await journal.facts(after=1, limit=2)] == [2, 3]
    assert (await journal.facts())[1].data == {"amount": 1}


async def test_payloads(site: Site) -> None:
    journal = await site.open()
    one, two = journal.seal({"b": [1.5, None], "a": "ü"}, "Anna Berg"), journal.seal({"b": [1.5, None], "a": "ü"}, "Anna Berg")
    assert one.id != two.id  # a salt each: equal words cannot be told from their digests
    assert one.subject == two.subject == journal.pseudonym("Anna Berg") != journal.pseudonym("anna berg")
    await journal.append([draft(input=one.id)], [one, two, journal.seal(1)])
    await journal.close()
    again = await site.open()
    assert await again.payloads([one.id, "unknown", two.id]) == {one.id: {"a": "ü", "b": [1.5, None]}, two.id: {"a": "ü", "b": [1.5, None]}}
    assert await again.subject_name(str(one.subject)) == "Anna Berg"
    assert await again.subject_name("u-unknown") is None


async def test_starting_twice_changes_nothing(site: Site) -> None:
    for _ in range(3):
        journal = await site.open()
        await journal.append([spend(1)])
        await journal.close()
    assert site.verify(witness=site.witness).facts == 3
    assert site.rebuild() == []


async def test_a_table_that_is_new_or_changed_is_filled_from_the_facts(site: Site) -> None:
    journal = await site.open()
    await journal.append([draft(), draft(about="t-2"), draft("task.completed"), spend(3)])
    await journal.close()
    seen = Table("seen", ("id",), {"id": "text", "first": "int"})
    tables = (replace(TASK, columns={**TASK.columns, "color": "text"}), BUDGET, HISTORY, seen)
    folds = {**FOLDS, "task.submitted": (*FOLDS["task.submitted"], lambda fact: [Put("seen", (fact.about,), {"first": fact.seq})])}
    again = await site.open(tables=tables, folds=folds)
    assert {key: row["first"] for key, row in again.hot.table("seen").items()} == {("t-1",): 1, ("t-2",): 2}
    assert again.hot.table("task")["t-2",]["color"] is None
    assert (await again.row("task", ("t-1",)))["version"] == 2
    assert again.hot.table("budget")["sales", "EUR"]["spent"] == 3
    assert site.rebuild(tables, folds) == []


async def test_a_newer_schema_is_left_alone(site: Site) -> None:
    await (await site.open()).close()
    site.tamper("UPDATE head SET schema = 99")
    with pytest.raises(StorageFailed, match="schema 99"):
        await site.open()


async def test_the_replay_finds_rows_that_facts_do_not_give(site: Site) -> None:
    journal = await site.open()
    await journal.append([draft(), draft(about="t-2"), spend(3), draft(about="t-3")])
    assert site.rebuild() == []
    site.tamper("UPDATE task SET stage = 'paid' WHERE id = 't-2'")
    site.tamper("DELETE FROM task WHERE id = 't-1'")
    site.tamper("INSERT INTO budget (owner, unit, spent, version) VALUES ('x', 'EUR', 1, 1)")
    differences = {(d.table, d.key): (d.stored, d.replayed) for d in site.rebuild()}
    assert set(differences) == {("task", ("t-1",)), ("task", ("t-2",)), ("budget", ("x", "EUR"))}
    assert differences["task", ("t-1",)][0] is None
    assert differences["task", ("t-2",)][0]["stage"] == "paid"  # type: ignore[index]
    assert differences["budget", ("x", "EUR")][1] is None


async def test_reading_while_somebody_else_writes(site: Site) -> None:
    journal = await site.open()
    await journal.append([draft(), spend(2)])
    audit = await site.open(write=False)
    assert in_memory(audit) == in_memory(journal)
    assert audit.head == journal.head
    assert len(await audit.facts()) == 2
    with pytest.raises(Refused):
        await audit.append([draft()])
    await audit.close()


async def test_the_wrong_workspace_is_noticed(site: Site) -> None:
    if site.engine == "postgres":
        pytest.skip("there a workspace is found by its name")
    await (await site.open()).close()
    site.workspace = "other"
    with pytest.raises(Invalid, match="not of other"):
        await site.open()


async def test_a_journal_that_goes_back_while_open_is_broken(site: Site) -> None:
    journal = await site.open()
    await journal.append([spend(1)])
    site.tamper("UPDATE head SET seq = 0")
    with pytest.raises(JournalBroken):
        await journal.append([spend(1)])


def test_reserved_names() -> None:
    for wrong in (replace(BUDGET, name="fact"), replace(BUDGET, indexes=(("nothing",),)), replace(BUDGET, defaults={"nothing": 1})):
        with pytest.raises(ValueError, match=r"fact|nothing"):
            open_journal("x", tables=[wrong])
    with pytest.raises(ValueError, match="two view tables"):
        open_journal("x", tables=[*TABLES, BUDGET])
