"""Whatever the folds say, in whatever batches: merging a batch gives what applying change by change gives."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tutti.journal import Journal, open_journal, rebuild, verify
from tutti.model.fact import Draft, Fact
from tutti.model.view import Add, Change, Put, Set, Table

CLOSING = Table("closing", ("id",), {"id": "text", "a": "int", "b": "text"}, closes=True, defaults={"a": 5})
COUNTING = Table("counting", ("id", "unit"), {"id": "text", "unit": "int", "n": "int", "m": "int", "t": "text"}, defaults={"n": 3, "t": "it's"})
TABLES = (CLOSING, COUNTING)


def anything(fact: Fact) -> Iterator[Change]:
    """Each fact carries its changes: the property is about any fold."""
    for kind, table, key, values in fact.data["changes"]:
        yield {"put": Put, "set": Set, "add": Add}[kind](table, tuple(key), values)


FOLDS = {"anything": (anything,)}

small = st.integers(-3, 3)
closing_values = st.fixed_dictionaries({}, optional={"a": small, "b": st.sampled_from(["x", "y", None]), "open": st.sampled_from([0, 1])})
counting_values = st.fixed_dictionaries({}, optional={"n": small, "m": small, "t": st.sampled_from(["x", None])})
change = st.one_of(
    st.tuples(st.sampled_from(["put", "set"]), st.just("closing"), st.tuples(st.sampled_from("pq")), closing_values),
    st.tuples(st.just("add"), st.just("closing"), st.tuples(st.sampled_from("pq")), st.fixed_dictionaries({}, optional={"a": small})),
    st.tuples(st.sampled_from(["put", "set"]), st.just("counting"), st.tuples(st.sampled_from("pq"), st.integers(0, 1)), counting_values),
    st.tuples(
        st.just("add"), st.just("counting"), st.tuples(st.sampled_from("pq"), st.integers(0, 1)), st.fixed_dictionaries({}, optional={"n": small, "m": small})
    ),
)
fact = st.lists(change, max_size=4)
append = st.tuples(st.lists(fact, min_size=1, max_size=3), st.sampled_from([None, 0, 1, 2, 3]))
batches = st.lists(st.lists(append, min_size=1, max_size=4), min_size=1, max_size=5)


def open_rows(journal: Journal) -> dict[str, Any]:
    return {table.name: dict(journal.hot.table(table.name)) for table in TABLES}


async def run(folder: Path, steps: list[Any]) -> None:
    journal = open_journal(folder / "journal.db", "acme", tables=TABLES, folds=FOLDS, threaded=False)
    await journal.start()
    for batch in steps:
        waiting = [
            journal.append_soon(
                [Draft("anything", "x", "test", {"changes": changes}) for changes in facts], expect={} if version is None else {("closing", ("p",)): version}
            )
            for facts, version in batch
        ]
        await asyncio.gather(*waiting, return_exceptions=True)
        stored = {
            name: {tuple(row[c] for c in t.key): row for row in await journal.select(f"SELECT * FROM {name}")}
            for name, t in (("closing", CLOSING), ("counting", COUNTING))
        }
        for rows in stored.values():
            for row in rows.values():
                del row["rowid"]
        stored["closing"] = {key: row for key, row in stored["closing"].items() if row["open"]}
        assert open_rows(journal) == stored
    await journal.close()
    assert rebuild(folder / "journal.db", TABLES, FOLDS) == []
    assert verify(folder / "journal.db").ok


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(batches)
def test_batches_give_what_single_changes_give(steps: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder), steps))
