"""What goes wrong underneath: a clear error, nothing acknowledged lost, memory never ahead, and writing goes on by itself."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta
from typing import Any

import pytest
from journal_site import Site, draft, spend

from tutti.errors import Conflict, JournalBroken, Refused, StorageFailed, TuttiError
from tutti.journal import Limits
from tutti.model.view import AtMost

QUICK = Limits(busy=timedelta(milliseconds=30))
LAST_EURO = [AtMost("budget", ("sales", "EUR"), "spent", 10)]


@pytest.fixture
def sqlite_only(engine: str) -> None:
    if engine != "sqlite":
        pytest.skip("of SQLite")


@pytest.fixture
def postgres_only(engine: str) -> None:
    if engine != "postgres":
        pytest.skip("of PostgreSQL")


async def still_whole(site: Site, journal: Any, facts: int) -> None:
    """Reading goes on, memory says what the database says, and a new append works."""
    assert len(await journal.facts()) == facts
    assert journal.hot.table("budget")["sales", "EUR"]["spent"] == facts
    assert (await journal.rows("budget"))[0]["spent"] == facts
    await journal.append([spend(1)])
    assert journal.head.seq == journal.hot.seq == facts + 1
    await journal.close()
    assert site.verify(witness=site.witness).ok
    assert site.rebuild() == []


@pytest.mark.usefixtures("sqlite_only")
@pytest.mark.parametrize("threaded", [True, False])
async def test_a_full_disk(site: Site, threaded: bool) -> None:
    journal = await site.open(threaded=threaded)
    await journal.append([spend(1)])
    db = journal._engine.db  # type: ignore[attr-defined]
    pages = db.execute("PRAGMA page_count").fetchone()[0]
    db.execute(f"PRAGMA max_page_count={pages}")
    waiting = [journal.append_soon([spend(1)], [journal.seal("x" * 100_000)]) for _ in range(3)]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(result) for result in results} == {StorageFailed}
    assert "full" in results[0].message
    db.execute("PRAGMA max_page_count=1000000")
    await still_whole(site, journal, 1)


@pytest.mark.usefixtures("sqlite_only")
async def test_a_file_that_cannot_be_written(site: Site) -> None:
    journal = await site.open(threaded=True)
    await journal.append([spend(1)])
    journal._engine.db.execute("PRAGMA query_only=1")  # type: ignore[attr-defined]
    with pytest.raises(StorageFailed, match="cannot be written"):
        await journal.append([spend(1)])
    journal._engine.db.execute("PRAGMA query_only=0")  # type: ignore[attr-defined]
    await still_whole(site, journal, 1)


@pytest.mark.usefixtures("sqlite_only")
async def test_a_file_that_another_program_holds(site: Site) -> None:
    journal = await site.open(threaded=True, limits=QUICK)
    await journal.append([spend(1)])
    other = sqlite3.connect(site.place, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageFailed, match="another program") as caught:
        await journal.append([spend(1)])
    assert caught.value.retry
    other.execute("ROLLBACK")
    other.close()
    await still_whole(site, journal, 1)


@pytest.mark.usefixtures("sqlite_only")
async def test_a_damaged_file(site: Site) -> None:
    journal = await site.open()
    await asyncio.gather(*[journal.append([draft(about=f"t-{n}")]) for n in range(500)])
    await journal.close()
    whole = site.bytes()
    site.put(b"not a database" * 1000)
    with pytest.raises(JournalBroken):
        await site.open()
    assert not site.verify().ok
    site.put(whole[: len(whole) // 2])
    assert not site.verify().ok
    site.put(whole)
    assert site.verify().ok


@pytest.mark.usefixtures("sqlite_only")
async def test_every_single_byte_of_a_fact_counts(site: Site) -> None:
    journal = await site.open()
    for n in range(3):
        await journal.append([draft(about=f"task-{n}", stage="where is the byte")])
    await journal.close()
    whole = site.bytes()
    start = whole.index(b'task-1test{"stage"')
    for place in range(start, start + 40):
        for flip in (0x01, 0x80):
            site.put(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
            report = site.verify()
            assert (report.ok, report.first_bad) == (False, 2), (place - start, flip, report)
    site.put(whole)
    assert site.verify().ok


@pytest.mark.usefixtures("sqlite_only")
async def test_a_folder_that_cannot_be(site: Site) -> None:
    blocked = site.folder / "file"
    blocked.write_text("no folder")
    site.place = str(blocked / "journal.db")
    with pytest.raises((TuttiError, OSError)):
        await site.open()


async def test_a_failed_commit_leaves_memory_behind_nothing(site: Site) -> None:
    journal = await site.open()
    await journal.append([spend(1)])
    engine, commit = journal._engine, journal._engine.commit

    def fails() -> None:
        engine.rollback()
        raise StorageFailed("the disk fails", hint="")

    engine.commit = fails  # type: ignore[method-assign]
    results = await asyncio.gather(*[journal.append_soon([spend(1)]) for _ in range(3)], return_exceptions=True)
    assert {type(result) for result in results} == {StorageFailed}
    engine.commit = commit  # type: ignore[method-assign]
    await still_whole(site, journal, 1)


async def test_a_crash_loses_nothing_acknowledged(site: Site) -> None:
    journal = await site.open()
    await asyncio.gather(*[journal.append([spend(1)]) for _ in range(10)])
    lost = journal.append_soon([spend(1)])
    unheard = journal.append_soon([spend(1)])
    journal.drain()  # written, but nobody was told
    journal.append_soon([spend(1)])
    journal.abandon()
    assert not lost.done()
    assert not unheard.done()
    again = await site.open()
    assert again.hot.table("budget")["sales", "EUR"]["spent"] == 12
    await again.append([spend(1)])
    await again.close()
    assert site.verify(witness=site.witness).ok
    assert site.rebuild() == []


async def test_a_witness_that_cannot_be_written_gets_its_heads_later(site: Site) -> None:
    blocked = site.folder / "elsewhere"
    blocked.write_text("a file where the folder should be")
    site.witness = blocked / "witness.jsonl"
    journal = await site.open()
    await journal.append([spend(1)])
    site.clock.at += 2_000_000
    await journal.append([spend(1)])
    blocked.unlink()
    await journal.close()
    assert len(site.witness.read_bytes().splitlines()) == 2
    assert site.verify(witness=site.witness).ok


# two writers


@pytest.mark.usefixtures("postgres_only")
async def test_two_nodes_race_for_the_last_euro(site: Site) -> None:
    one, two = await site.open(threaded=True), await site.open(threaded=True)
    await one.append([spend(9)])
    for _ in range(10):
        results = await asyncio.gather(one.append([spend(1)], within=LAST_EURO), two.append([spend(1)], within=LAST_EURO), return_exceptions=True)
        assert sorted(type(result).__name__ for result in results) == ["Refused", "list"]
        await one.append([spend(-1)])
    await two.catch_up()
    assert one.hot.table("budget") == two.hot.table("budget")
    assert one.hot.table("budget")["sales", "EUR"]["spent"] == 9
    assert site.rebuild() == []


@pytest.mark.parametrize("threaded", [True, False])
async def test_two_tasks_race_for_the_last_euro(site: Site, threaded: bool) -> None:
    journal = await site.open(threaded=threaded)
    await journal.append([spend(9)])
    results = await asyncio.gather(*[journal.append([spend(1)], within=LAST_EURO) for _ in range(20)], return_exceptions=True)
    assert sorted(type(result) for result in results if type(result) is not Refused) == [list]
    assert journal.hot.table("budget")["sales", "EUR"]["spent"] == 10


@pytest.mark.usefixtures("postgres_only")
async def test_nodes_follow_each_other(site: Site) -> None:
    one, two = await site.open(threaded=True), await site.open(threaded=True)
    heard: list[int] = []
    two.on_facts.append(lambda facts: heard.extend(fact.seq for fact in facts))
    await one.append([draft(), draft(about="t-2", skill="x"), spend(3)])
    assert two.hot.table("task") == {}
    with pytest.raises(Conflict):
        await two.append([draft()], expect={("task", ("t-1",)): 0})
    assert await two.catch_up() in (0, 3)  # the refused append may have brought them already
    assert two.hot.table("task") == one.hot.table("task")
    await one.append([draft("task.completed")])
    await two.append([draft("task.changed", "t-2", stage="moved"), draft("task.resumed")])  # brings what came before
    await one.catch_up()
    assert one.hot.table("task") == two.hot.table("task")
    assert {key: row["version"] for key, row in one.hot.table("task").items()} == {("t-1",): 3, ("t-2",): 2}
    await asyncio.gather(*[node.append([spend(1)]) for node in (one, two) * 40])
    await asyncio.gather(one.catch_up(), two.catch_up())
    assert one.hot.table("budget") == two.hot.table("budget")
    assert one.hot.table("budget")["sales", "EUR"]["spent"] == 83
    assert heard == list(range(1, one.head.seq + 1))
    await one.close()
    await two.close()
    assert site.verify(witness=site.witness).ok
    assert site.rebuild() == []


# PostgreSQL's own ways to fail


def end_sessions(site: Site) -> None:
    from tutti.journal.postgres import connect

    with connect(site.place, site.workspace) as db:
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tutti' AND pid <> pg_backend_pid()")


@pytest.mark.usefixtures("postgres_only")
async def test_a_connection_lost_while_idle_is_made_anew(site: Site) -> None:
    journal = await site.open(threaded=True)
    await journal.append([spend(1)])
    assert len(await journal.facts()) == 1
    end_sessions(site)
    await journal.append([spend(1)])
    with pytest.raises(StorageFailed):
        await journal.facts()
    await still_whole(site, journal, 2)


@pytest.mark.usefixtures("postgres_only")
@pytest.mark.parametrize("arrived", [True, False])
async def test_a_connection_lost_in_the_commit(site: Site, arrived: bool) -> None:
    journal = await site.open(threaded=True)
    await journal.append([spend(1)])
    engine: Any = journal._engine
    flush = engine._flush

    def loses() -> None:
        if not any(sql == "COMMIT" for sql, _ in engine._pending):
            flush()
            return
        engine._flush = flush
        if arrived:
            flush()
        end_sessions(site)
        if arrived:
            engine._pending = [("SELECT 1", None)]
        flush()

    engine._flush = loses
    if arrived:
        [fact] = await journal.append([spend(1)])
        assert fact.seq == 2
    else:
        with pytest.raises(StorageFailed):
            await journal.append([spend(1)])
    await still_whole(site, journal, 2 if arrived else 1)


@pytest.mark.usefixtures("postgres_only")
async def test_a_head_that_another_session_holds(site: Site) -> None:
    from tutti.journal.postgres import connect

    journal = await site.open(threaded=True, limits=QUICK)
    await journal.append([spend(1)])
    with connect(site.place, site.workspace) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM head FOR UPDATE")
        with pytest.raises(StorageFailed, match="another session"):
            await journal.append([spend(1)])
    await still_whole(site, journal, 1)


@pytest.mark.usefixtures("postgres_only")
async def test_a_database_that_may_lose_commits_is_refused(site: Site) -> None:
    import psycopg

    with psycopg.connect(site.place, autocommit=True) as db:
        db.execute("DROP DATABASE IF EXISTS lossy")
        db.execute("CREATE DATABASE lossy")
        db.execute("ALTER DATABASE lossy SET synchronous_commit = off")
    site.place = site.place.replace("/postgres?", "/lossy?")
    with pytest.raises(StorageFailed, match="synchronous_commit = off"):
        await site.open()


@pytest.mark.usefixtures("postgres_only")
async def test_a_server_that_is_not_there(site: Site) -> None:
    site.place = "postgresql://postgres@127.0.0.1:1/postgres"
    with pytest.raises(StorageFailed, match="connection"):
        await site.open()
