"""Appending: order, expectations, limits, and a refused caller failing alone."""

from __future__ import annotations

import asyncio
from enum import StrEnum

import pytest
from journal_site import SMALL, Site, draft, spend, until

from tutti.errors import Conflict, Invalid, Overloaded, Refused, StorageFailed
from tutti.journal import Append, Limits
from tutti.model.fact import Draft
from tutti.model.view import AtMost, Put

T1 = ("task", ("t-1",))
SALES = ("sales", "EUR")


async def test_facts_get_their_place_without_gaps(site: Site) -> None:
    journal = await site.open(threaded=True)
    appended = await asyncio.gather(*[journal.append([draft(about=f"t-{n}"), draft("task.changed", f"t-{n}", stage="x")]) for n in range(300)])
    facts = [fact for part in appended for fact in part]
    assert sorted(fact.seq for fact in facts) == list(range(1, 601))
    stored = await journal.facts(limit=1000)
    assert stored == sorted(facts, key=lambda fact: fact.seq)
    assert journal.head.seq == 600
    for first, second in appended:
        assert second.seq == first.seq + 1


async def test_time_never_goes_back(site: Site) -> None:
    journal = await site.open()
    [first] = await journal.append([draft()])
    site.clock.at -= 3_600_000_000
    [second] = await journal.append([draft(about="t-2")])
    site.clock.at += 7_200_000_000
    [third] = await journal.append([draft(about="t-3")])
    assert first.at == second.at < third.at


async def test_causes_count_back_inside_the_append(site: Site) -> None:
    journal = await site.open()
    await journal.append([draft(about="t-0")])
    one, two, three = await journal.append([draft(cause=1), draft("task.changed", cause=-1, stage="a"), draft("task.changed", cause=-2, stage="b")])
    assert (one.cause, two.cause, three.cause) == (1, 2, 2)
    for wrong in (-1, 5, 0):
        with pytest.raises(Invalid):
            await journal.append([draft(cause=wrong)])
    assert journal.head.seq == 4


async def test_a_stale_caller_is_refused_and_writes_nothing(site: Site) -> None:
    journal = await site.open()
    payload = journal.seal({"words": 1}, "anna")
    await journal.append([draft()], expect={T1: 0})
    with pytest.raises(Conflict) as caught:
        await journal.append([draft("task.changed", stage="x")], [payload], expect={T1: 2})
    assert caught.value.about == {"thing": T1, "expected": 2, "found": 1}
    assert caught.value.retry
    assert await journal.payload(payload.id) is None
    assert journal.head.seq == 1
    assert (await journal.row("task", ("t-1",)))["version"] == 1
    await journal.append([draft("task.changed", stage="x")], expect={T1: 1})


async def test_callers_of_one_batch_see_each_other(site: Site) -> None:
    journal = await site.open()
    first = journal.append_soon([draft()], expect={T1: 0})
    rival = journal.append_soon([draft()], expect={T1: 0})
    next_one = journal.append_soon([draft("task.changed", stage="a"), draft("task.changed", stage="b")], expect={T1: 1})
    last = journal.append_soon([draft("task.completed")], expect={T1: 3})
    stale = journal.append_soon([draft("task.changed", stage="z")], expect={T1: 3})
    assert journal.drain() == 5
    results = await asyncio.gather(first, rival, next_one, last, stale, return_exceptions=True)
    assert [type(result) for result in results] == [list, Conflict, list, list, Conflict]
    assert [fact.seq for part in (results[0], results[2], results[3]) for fact in part] == [1, 2, 3, 4]
    assert await journal.row("task", ("t-1",)) == {"id": "t-1", "stage": "done", "skill": None, "priority": 1, "subject": None, "open": 0, "version": 4}
    assert site.rebuild() == []


@pytest.mark.parametrize("together", [True, False])
async def test_a_budget_is_never_overspent(site: Site, together: bool) -> None:
    journal = await site.open()
    limit = [AtMost("budget", SALES, "spent", 10)]
    waiting = [journal.append_soon([spend(3)], within=limit) for _ in range(6)] if together else []
    for _ in range(0 if together else 6):
        waiting.append(journal.append_soon([spend(3)], within=limit))
        await asyncio.wait([waiting[-1]])
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [list, list, list, Refused, Refused, Refused]
    assert results[3].about == {"thing": ("budget", SALES), "column": "spent", "limit": 10, "value": 12}
    await journal.append([spend(1)], within=limit)
    await journal.append([spend(-4)])
    await journal.append([spend(4)], within=limit)
    assert journal.hot.table("budget")[SALES]["spent"] == 10
    assert site.rebuild() == []


async def test_a_limit_is_held_over_all_of_an_append(site: Site) -> None:
    journal = await site.open()
    with pytest.raises(Refused):
        await journal.append([spend(6), spend(6)], within=[AtMost("budget", SALES, "spent", 10)])
    await journal.append([spend(6), spend(-4), spend(8)], within=[AtMost("budget", SALES, "spent", 10)])


async def test_an_absent_row_starts_at_its_defaults(site: Site) -> None:
    journal = await site.open()
    await journal.append([spend(7)])
    assert await journal.row("budget", SALES) == {"owner": "sales", "unit": "EUR", "spent": 7, "limit": 100, "version": 1}
    assert journal.hot.table("budget")[SALES] == await journal.row("budget", SALES)
    with pytest.raises(Refused):
        await journal.append([spend(1)], within=[AtMost("budget", SALES, "limit", 99)])


BAD = {
    "float": draft("task.changed", priority=1.5),
    "wrong type": draft("task.changed", stage=5),
    "no such column": draft("task.changed", colour="red"),
    "version": draft("task.changed", version=5),
    "too large": draft("task.changed", priority=1 << 70),
    "a fold's bug": draft("fold.raises"),
    "text to add": draft("budget.spent", "sales", amount="1"),
    "not a number": draft("task.changed", x=float("nan")),
    "infinity": draft("task.changed", x=[{"y": float("inf")}]),
    "key": Draft("task.changed", "t-1", "test", {1: "x"}),  # type: ignore[dict-item]
    "bytes": draft("task.changed", x=b"x"),
    "half a character": draft("task.changed", x="\ud800"),
    "about": Draft("task.changed", "\ud800", "test", {}),
    "zero": Draft("task.changed", "t\0", "test", {}),
    "no text": Draft("task.changed", "t", 5, {}),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("bad", BAD)
async def test_one_callers_bad_values_fail_alone(site: Site, bad: str) -> None:
    journal = await site.open()
    await journal.append([draft()])
    before = journal.append_soon([draft(about="t-2")])
    wrong = journal.append_soon([draft(about="t-3"), BAD[bad]])
    after = journal.append_soon([spend(1)])
    results = await asyncio.gather(before, wrong, after, return_exceptions=True)
    assert [fact.seq for part in (results[0], results[2]) for fact in part] == [2, 3]
    assert isinstance(results[1], LookupError if bad == "a fold's bug" else (Invalid, TypeError))
    assert await journal.row("task", ("t-3",)) is None
    assert site.verify().ok
    assert site.rebuild() == []


async def test_values_that_memory_and_database_must_agree_on(site: Site) -> None:
    class Stage(StrEnum):
        NEW = "fresh"

    journal = await site.open()
    await journal.append([draft(stage=Stage.NEW, priority=True), draft(about="t-2", stage="plain", priority=2)])
    assert journal.hot.table("task")["t-1",]["stage"] == "fresh"
    stored = await journal.rows("task")
    assert [{k: v for k, v in row.items() if k != "rowid"} for row in stored] == list(journal.hot.table("task").values())
    text = "quote ' \" % ? \\ {} \U0001f600 \n\t" + "ü" * 100
    await journal.append([draft("task.changed", stage=text)])
    assert (await journal.rows("task", {"stage": text}))[0]["stage"] == text
    assert (await journal.facts(about="t-1", after=2))[0].data == {"stage": text}


async def test_sizes_are_bounded(site: Site) -> None:
    journal = await site.open(limits=Limits(fact_bytes=100, payload_bytes=200))
    with pytest.raises(Invalid, match="over the limit of 100"):
        await journal.append([draft("note", text="x" * 100)])
    with pytest.raises(Invalid, match="over the limit of 200"):
        journal.seal("x" * 200)
    await journal.append([draft("note", text="x" * 80)], [journal.seal("x" * 100)])


async def test_the_queue_is_bounded(site: Site) -> None:
    journal = await site.open(limits=SMALL)
    waiting = [journal.append_soon([draft(about=f"t-{n}")]) for n in range(5)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [list, list, list, Overloaded, Overloaded]
    await journal.append([draft(about="t-9")])


async def test_batches_are_bounded_and_the_rest_follows(site: Site) -> None:
    journal = await site.open(limits=Limits(batch=4))
    waiting = [journal.append_soon([draft(about=f"t-{n}")]) for n in range(10)]
    assert journal.drain() == 4
    await asyncio.gather(*waiting)
    assert journal.head.seq == 10


async def test_a_caller_that_went_away_harms_nobody(site: Site) -> None:
    journal = await site.open()
    gone, stays = journal.append_soon([draft()]), journal.append_soon([draft(about="t-2")])
    gone.cancel()
    [fact] = await stays
    assert fact.seq == 2  # what was queued is written: whoever asked may read it later


async def test_an_append_without_facts_checks_and_keeps_payloads(site: Site) -> None:
    journal = await site.open()
    payload = journal.seal([1, 2])
    assert await journal.append([], [payload], {T1: 0}) == []
    assert journal.head.seq == 0
    assert await journal.payload(payload.id) == [1, 2]
    with pytest.raises(Conflict):
        await journal.append([], expect={T1: 1})


async def test_expectations_of_unknown_tables_are_invalid(site: Site) -> None:
    journal = await site.open()
    with pytest.raises(Invalid):
        await journal.append([draft()], expect={("nothing", ("x",)): 0})
    with pytest.raises(Invalid):
        await journal.append([draft()], within=[AtMost("budget", SALES, "colour", 1)])
    assert journal.head.seq == 0


async def test_an_append_is_a_value(site: Site) -> None:
    journal = await site.open()
    step = Append([draft()], expect={T1: 0})
    await journal.append(*step)
    with pytest.raises(Conflict):
        await journal.append(*step)


async def test_memory_then_listeners_then_callers(site: Site) -> None:
    journal = await site.open(threaded=True)
    seen: list[tuple[int, bool, bool]] = []
    calls: list[asyncio.Future[object]] = []

    def listen(facts: list[object]) -> None:
        for fact in facts:
            seen.append((fact.seq, (fact.about,) in journal.hot.table("task"), any(call.done() for call in calls[fact.seq - 1 :])))  # type: ignore[attr-defined]

    def broken(facts: list[object]) -> None:
        raise RuntimeError("a listener's bug")

    journal.on_facts += [broken, listen]
    calls += [journal.append_soon([draft(about=f"t-{n}")]) for n in range(50)]
    await asyncio.gather(*calls)
    assert seen == [(n, True, False) for n in range(1, 51)]


async def test_after_close_nothing_is_taken(site: Site) -> None:
    journal = await site.open(threaded=True)
    waiting = [journal.append_soon([draft(about=f"t-{n}")]) for n in range(20)]
    await journal.close()
    assert all(isinstance(result, list) for result in await asyncio.gather(*waiting))
    with pytest.raises(StorageFailed, match="closed"):
        await journal.append([draft()])
    await journal.close()
    assert site.verify().facts == 20


async def test_heads_are_signed_while_facts_come_and_after_the_last(site: Site) -> None:
    journal = await site.open()
    for _ in range(5):
        site.clock.at += 400_000
        await journal.append([spend(1)])
    assert len(site.witness.read_text().splitlines()) == 2  # the first fact, and one second later
    await journal.close()
    assert len(site.witness.read_text().splitlines()) == 3
    assert site.verify(witness=site.witness).ok


async def test_a_thread_signs_what_came_last(site: Site) -> None:
    from datetime import timedelta

    journal = await site.open(threaded=True, limits=Limits(sign_every=timedelta(milliseconds=20)))
    await journal.append([spend(1)])
    await journal.append([spend(1)])  # the clock stands still: no batch signs this one
    await until(lambda: len(site.witness.read_text().splitlines()) == 2)


async def test_one_caller_after_another_is_held_against_what_the_one_before_wrote(site: Site) -> None:
    """Also where a batch must be taken one by one, and where memory stands as it was before the batch."""
    journal = await site.open()
    await journal.append([draft()])
    wrong = journal.append_soon([draft(about="t-2", priority="high")])
    first = journal.append_soon([draft("task.changed", stage="a")], expect={T1: 1})
    second = journal.append_soon([draft("task.changed", stage="b")], expect={T1: 1})
    results = await asyncio.gather(wrong, first, second, return_exceptions=True)
    assert [type(result) for result in results] == [Invalid, list, Conflict]
    assert journal.hot.table("task")["t-1",]["stage"] == "a"


async def test_what_is_closed_is_not_what_never_was(site: Site) -> None:
    journal = await site.open()
    await journal.append([draft(), draft("task.completed")])
    with pytest.raises(Conflict) as caught:
        await journal.append([draft()], expect={T1: 0})
    assert caught.value.about["found"] == 2
    with pytest.raises(Conflict):
        await journal.append([draft()], expect={("budget", SALES): 1})
    await journal.append([draft("task.resumed")], expect={T1: 2})
    assert site.rebuild() == []


async def test_rows_come_to_be_with_what_they_have_and_lose_it_again(site: Site) -> None:
    journal = await site.open()
    bare, full = draft(about="t-2", subject=None, skill=None), draft(about="t-3", subject="anna", skill="x")
    waiting = [journal.append_soon([each], expect={("task", (each.about,)): 0}) for each in (draft(subject="ben"), bare, full)]
    await asyncio.gather(*waiting)
    await journal.append([draft(subject=None, skill="y")], expect={T1: 1})
    again = journal.append_soon([draft(about="t-4", skill="z")], expect={("task", ("t-4",)): 0})
    twice = journal.append_soon([draft(about="t-4", skill=None)], expect={("task", ("t-4",)): 1})
    await asyncio.gather(again, twice)
    rows = {row["id"]: (row["subject"], row["skill"], row["version"]) for row in await journal.rows("task")}
    assert rows == {"t-1": (None, "y", 2), "t-2": (None, None, 1), "t-3": ("anna", "x", 1), "t-4": (None, None, 2)}
    assert {key[0]: (row["subject"], row["skill"], row["version"]) for key, row in journal.hot.table("task").items()} == rows
    assert site.rebuild() == []


async def test_a_new_row_has_no_column_that_is_not_declared(site: Site) -> None:
    journal = await site.open(folds={"task.submitted": (lambda fact: [Put("task", (fact.about,), {"stage": "new", "colour": None})],)})
    with pytest.raises(Invalid, match="colour"):
        await journal.append([draft()], expect={T1: 0})
