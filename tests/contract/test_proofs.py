"""What an auditor can check, what a subject can have erased, and what becomes of copies."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from journal_site import Site, draft, spend

from tutti.errors import Conflict, Invalid, JournalBroken, NotFound, Refused
from tutti.journal import Head, Journal, verify
from tutti.journal.merkle import leaf_hash
from tutti.security import Keys

SECOND = 1_000_000


async def filled(site: Site, facts: int = 12) -> Journal:
    """A journal with a signed head after each third fact, and a payload per fact."""
    journal = await site.open()
    for n in range(facts):
        site.clock.at += SECOND // 3 + 1
        await journal.append([draft(about=f"t-{n}", priority=n)], [journal.seal({"words": f"secret {n}"}, f"Person {n % 2}")])
    await journal.close()
    return journal


async def test_an_untouched_journal_verifies(site: Site) -> None:
    journal = await filled(site)
    steps: list[tuple[int, int]] = []
    report = site.verify(progress=lambda done, total: steps.append((done, total)), witness=site.witness, public_key=journal.keys.journal.public)
    assert report.ok, report.message
    assert (report.facts, report.payloads, report.head) == (12, 12, journal.head)
    assert report.heads >= 8  # stored and witnessed
    assert report.key == journal.keys.journal.public.hex()
    assert steps[-1] == (12, 12)


async def test_an_empty_journal_verifies(site: Site) -> None:
    await (await site.open()).close()
    assert site.verify().ok


@pytest.mark.parametrize("change", ["data = '{}'", "about = 'x'", "kind = 'x'", "\"by\" = 'x'", "cause = 1", "at = at + 1", "data = data || ' '"])
async def test_a_changed_fact_is_named(site: Site, change: str) -> None:
    await filled(site)
    site.tamper(f"UPDATE fact SET {change} WHERE seq = 7")
    report = site.verify()
    assert (report.ok, report.first_bad, report.between) == (False, 7, None)
    assert "fact 7" in report.message


async def test_a_changed_leaf_is_named(site: Site) -> None:
    await filled(site)
    site.tamper("UPDATE fact SET leaf = ? WHERE seq = 7", (bytes(32),))
    report = site.verify()
    assert (report.ok, report.first_bad) == (False, 7)


def resealed(site: Site, seq: int, about: str) -> None:
    """Rewrite a fact together with its leaf, as somebody who knows the format would."""
    from tutti.journal.places import open_reader

    reader = open_reader(site.place, site.workspace)
    row = reader.query('SELECT seq, at, kind, about, "by", cause, data FROM fact WHERE seq = ?', [seq])[1][0]
    reader.close()
    header = [row[0], row[1], site.workspace, row[2], about, row[4], row[5]]
    site.tamper("UPDATE fact SET about = ?, leaf = ? WHERE seq = ?", (about, leaf_hash(orjson.dumps(header) + b"\n" + row[6].encode()), seq))


async def test_a_fact_rewritten_with_its_leaf_is_found_between_two_heads(site: Site) -> None:
    await filled(site)
    resealed(site, 6, "someone else")
    report = site.verify()
    assert (report.ok, report.first_bad, report.between) == (False, None, (5, 7))
    assert "5 to 7" in report.message


async def test_rewriting_what_comes_after_the_last_kept_head_is_found_by_the_head_row(site: Site) -> None:
    await filled(site)
    site.tamper("DELETE FROM signed_head WHERE seq > 7")
    resealed(site, 9, "someone else")
    report = site.verify()
    assert (report.ok, report.between) == (False, (8, 12))


@pytest.mark.parametrize("seq", [1, 5, 12])
async def test_a_removed_fact_is_named(site: Site, seq: int) -> None:
    await filled(site)
    site.tamper("DELETE FROM fact WHERE seq = ?", (seq,))
    report = site.verify()
    assert (report.ok, report.first_bad) == (False, seq)
    assert report.message == (
        "facts 12 to 12 are missing at the end; the signed head speaks of fact 12, but the facts end at 11" if seq == 12 else f"fact {seq} is missing"
    )


async def test_a_tail_cut_off_with_everything_that_spoke_of_it(site: Site) -> None:
    from tutti.journal.merkle import Frontier

    journal = await filled(site)
    kept = await kept_leaves(site, 7)
    frontier = Frontier()
    for leaf in kept:
        frontier.add(leaf)
    site.tamper("DELETE FROM fact WHERE seq > 7")
    site.tamper("DELETE FROM signed_head WHERE seq > 7")
    site.tamper("UPDATE head SET seq = 7, frontier = ?", (frontier.to_bytes(),))
    assert site.verify().ok  # the database alone cannot know
    for report in (site.verify(witness=site.witness), site.verify(head=journal.head), site.verify(head=(journal.head.seq, journal.head.root))):
        assert (report.ok, report.first_bad) == (False, 8)
    with pytest.raises(JournalBroken, match="older copy"):
        await site.open()


async def kept_leaves(site: Site, count: int) -> list[bytes]:
    from tutti.journal.places import open_reader

    reader = open_reader(site.place, site.workspace)
    leaves = [bytes(row[0]) for row in reader.query("SELECT leaf FROM fact WHERE seq <= ? ORDER BY seq", [count])[1]]
    reader.close()
    return leaves


async def test_a_changed_payload_is_named(site: Site) -> None:
    await filled(site)
    site.tamper("UPDATE payload SET body = ? WHERE id = (SELECT min(id) FROM payload)", (b"{}",))
    report = site.verify()
    assert not report.ok
    assert len(report.bad_payloads) == 1
    assert report.first_bad is None


async def test_heads_signed_by_somebody_else(site: Site) -> None:
    journal = await filled(site)
    site.tamper("UPDATE signed_head SET signature = ? WHERE seq = 7", ("00" * 64,))
    assert "not signed" in site.verify().message
    assert not site.verify(public_key=bytes(31) + b"\1").ok
    assert not site.verify(public_key=journal.keys.owner.public).ok


async def test_an_earlier_head_must_fit(site: Site) -> None:
    journal = await site.open()
    await journal.append([draft()])
    early = journal.head
    await journal.append([draft(about="t-2")])
    await journal.close()
    assert site.verify(head=early).ok
    report = site.verify(head=Head(1, "00" * 32, early.at))
    assert (report.ok, report.between) == (False, (1, 1))


async def test_an_export_is_checked_alone(site: Site, tmp_path: Path) -> None:
    journal = await filled(site)
    folder = tmp_path / "export"
    assert site.export(folder, witness=site.witness) == journal.head
    report = verify(folder, public_key=journal.keys.journal.public)
    assert report.ok, report.message
    assert (report.facts, report.payloads, report.head) == (12, 12, journal.head)
    with pytest.raises(Invalid, match="not empty"):
        site.export(folder)
    lines = (folder / "facts.ndjson").read_bytes()
    (folder / "facts.ndjson").write_bytes(lines.replace(b'"about":"t-5"', b'"about":"t-x"'))
    assert verify(folder).first_bad == 6
    (folder / "facts.ndjson").write_bytes(lines[:-5])
    assert not verify(folder).ok


async def test_places_that_are_none(site: Site, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        verify(tmp_path / "nothing.db")
    with pytest.raises(NotFound):
        verify(site.place, workspace=site.workspace)
    (tmp_path / "empty").mkdir()
    assert not verify(tmp_path / "empty").ok


def bytes_of(site: Site, folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_an_erased_subject_leaves_no_byte(site: Site, tmp_path: Path) -> None:
    journal = await site.open(threaded=True)
    for n in range(200):
        name = "Xaver Quastenflosser" if n % 7 == 3 else f"Other {n}"
        payload = journal.seal({"words": f"zebrafink {n} " * 50 if n % 7 == 3 else "common"}, name)
        await journal.append([draft(about=f"t-{n}", input=payload.id, subject=payload.subject)], [payload])
    subject = journal.pseudonym("Xaver Quastenflosser")
    kept = (await journal.facts(about="t-3"))[0].data["input"]
    if site.engine == "sqlite":
        assert b"zebrafink" in bytes_of(site, tmp_path)
        assert b"Quastenflosser" in bytes_of(site, tmp_path)
    assert await journal.payload(kept) is not None
    assert await journal.erase("Xaver Quastenflosser", "person/owner") == 29
    assert await journal.payload(kept) is None
    assert await journal.subject_name(subject) is None
    [fact] = await journal.facts(kind="subject.erased")
    assert (fact.about, fact.by, fact.data) == (subject, "person/owner", {"subject": subject, "payloads": 29})
    await journal.append([draft(about="t-after")])
    site.export(tmp_path / "export", witness=site.witness)
    for word in (b"zebrafink", b"Quastenflosser", b"Xaver"):
        assert word not in bytes_of(site, tmp_path)
    assert await journal.erase("Xaver Quastenflosser", "person/owner") == 0
    assert await journal.erase("Nobody", "person/owner") == 0
    assert len(await journal.facts(kind="subject.erased")) == 1
    assert site.rebuild() == []
    for report in (site.verify(witness=site.witness), verify(tmp_path / "export")):
        assert report.ok, report.message
        assert report.payloads == 200 - 29


async def test_names_that_the_database_moved_about_are_erased_too(site: Site, tmp_path: Path) -> None:
    if site.engine == "postgres":
        pytest.skip("its files are the server's")
    journal = await site.open()
    for n in range(30):  # pages fill and split, and a page that was split keeps copies of what moved away
        await asyncio.gather(*[journal.append([], [journal.seal(f"words-{n}-{m}-of-them", f"name-{n}-{m}-of-them")]) for m in range(40)])
    for n in range(30):
        assert await journal.erase(f"name-{n}-7-of-them", "person/owner") == 1
    left = bytes_of(site, tmp_path)
    assert b"name-3-8-of-them" in left
    assert [n for n in range(30) if f"name-{n}-7-of-them".encode() in left or f"words-{n}-7-of-them".encode() in left] == []


async def test_what_waits_while_a_subject_is_erased_is_written(site: Site) -> None:
    journal = await site.open(threaded=True)
    payload = journal.seal("x", "Anna")
    before = [journal.append_soon([draft(about=f"t-{n}")], [payload]) for n in range(5)]
    erasing = asyncio.ensure_future(journal.erase("Anna", "person/owner"))
    await asyncio.sleep(0)
    after = [journal.append_soon([draft(about=f"u-{n}")]) for n in range(5)]
    results = await asyncio.gather(*before, erasing, *after)
    assert results[5] == 1
    assert await journal.payload(payload.id) is None
    assert journal.head.seq == 11


async def test_a_backup_while_writing_and_what_restoring_it_means(site: Site, tmp_path: Path) -> None:
    journal = await site.open(threaded=True)
    if site.engine == "postgres":
        with pytest.raises(Refused) as caught:
            await journal.backup(tmp_path / "copy.db")
        assert "pg_dump" in caught.value.hint
        return
    await asyncio.gather(*[journal.append([spend(1)]) for _ in range(50)])
    writing = [journal.append_soon([spend(1)]) for _ in range(200)]
    await journal.backup(tmp_path / "copy.db")
    await asyncio.gather(*writing)
    await journal.close()
    copy = verify(tmp_path / "copy.db")
    assert copy.ok, copy.message
    assert 50 <= copy.facts <= 250
    site.clock.at += SECOND
    journal = await site.open()
    await journal.append([spend(1)])
    await journal.close()
    shutil.copy(tmp_path / "copy.db", site.place)
    with pytest.raises(JournalBroken) as caught_too:
        await site.open()
    assert "restore" in caught_too.value.hint
    restored = site.journal()
    [fact] = await restored.accept_restore("person/owner")
    assert (fact.kind, fact.data) == ("workspace.restored", {"head": copy.facts, "witnessed": 251})
    await restored.append([spend(1)])
    await restored.close()
    report = site.verify(witness=site.witness)
    assert report.ok, report.message
    assert report.set_aside > 0
    await (await site.open()).close()  # accepted once, the witness goes on from here
    assert site.rebuild() == []


async def test_another_journal_under_the_same_witness(site: Site) -> None:
    await filled(site)
    lines = site.witness.read_bytes()
    site.witness.write_bytes(lines.replace(site.workspace.encode(), b"other"))
    with pytest.raises(JournalBroken):
        await site.open()
    site.witness.write_bytes(lines + b'{"torn')
    journal = await site.open()  # a line cut off by a crash is no witness
    await journal.append([spend(1)])
    await journal.close()
    assert site.verify(witness=site.witness).ok
    assert site.witness.read_bytes().startswith(lines + b'{"torn\n{')


async def test_who_has_other_keys_does_not_write_into_it(site: Site, tmp_path: Path) -> None:
    """As on a second machine that was not given the keys: its heads would not verify, and its subjects had other pseudonyms."""
    await filled(site)
    elsewhere = {"keys": Keys.create(site.ids), "witness": tmp_path / "elsewhere.jsonl"}
    with pytest.raises(Refused, match=f"workspace {site.workspace} is sealed with other keys"):
        await site.open(**elsewhere)
    assert site.verify(public_key=site.keys.journal.public).ok
    moved = site.journal(**elsewhere)  # whoever has lost them says so
    await moved.accept_restore("person/owner")
    await moved.close()
    await (await site.open(**elsewhere)).close()


async def test_a_second_writer(site: Site) -> None:
    journal = await site.open()
    await journal.append([spend(1)])
    if site.engine == "sqlite":
        import os

        with pytest.raises(Conflict, match=f"process {os.getpid()} already") as caught:
            await site.open()
        assert caught.value.about["pid"] == str(os.getpid())
        await journal.close()
        await (await site.open()).close()


def test_the_report_says_nothing_it_did_not_see(tmp_path: Any) -> None:
    with pytest.raises(NotFound):
        verify(tmp_path / "x.db", witness=tmp_path / "y")
