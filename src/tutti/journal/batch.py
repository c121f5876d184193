"""One batch: many callers' appends become one set of facts and one change per row. A caller that is refused leaves no trace.

Pure but for `read`, which looks up rows in the transaction that is open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple, Protocol

import orjson

from tutti.errors import Conflict, Invalid, Refused
from tutti.journal.tables import Shape
from tutti.model.fact import Draft, Fact
from tutti.model.view import Add, AtMost, Change, Fold, Key, Put, Set, Thing
from tutti.security.sealing import Payload

Read = Callable[[Shape, Sequence[Key], Sequence[str]], dict[Key, tuple[Any, ...]]]
Folds = Mapping[str, Sequence[Fold]]


class Memory(Protocol):
    """Open rows by table and key."""

    seq: int  # up to which fact they are what the database holds

    def table(self, name: str) -> Mapping[Key, Mapping[str, Any]]:
        """The rows of a table."""


class Append(NamedTuple):
    """What one caller wants written together: all of it or nothing. `journal.append(*append)` does it."""

    drafts: Sequence[Draft]
    payloads: Sequence[Payload] = ()
    expect: Mapping[Thing, int] = {}
    within: Sequence[AtMost] = ()


class Merged:
    """All changes of a batch to one row. `create` says what starts the row where there is none: `put`, `add` or nothing.

    `fresh` says that there is none for certain, and a `put` comes first.
    """

    __slots__ = ("count", "create", "deltas", "fresh", "row", "values")

    def __init__(self) -> None:
        self.create = ""
        self.values: dict[str, Any] = {}
        self.deltas: dict[str, int] = {}
        self.count = 0
        self.fresh = False
        self.row: dict[str, Any] | None = None  # the row as read back, where memory may not know it

    def absorb(self, change: Change) -> None:
        """Take in one more change."""
        self.count += 1
        if isinstance(change, Add):
            if not self.create:
                self.create = "add"
            values, deltas = self.values, self.deltas
            for column, delta in change.deltas.items():
                if column in values:
                    values[column] = (values[column] or 0) + delta
                else:
                    deltas[column] = deltas.get(column, 0) + delta
            return
        if type(change) is Put and not self.create:
            self.create = "put"
        self.values.update(change.values)
        if self.deltas:
            for column in change.values:
                self.deltas.pop(column, None)


@dataclass(slots=True)
class Plan:
    """What a batch writes. `results` has one entry per caller: its facts, or why it was refused."""

    seq: int
    results: list[list[Fact] | Exception] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    rows: list[tuple[Any, ...]] = field(default_factory=list)  # of the fact table, in its order
    leaves: list[bytes] = field(default_factory=list)
    payloads: list[Payload] = field(default_factory=list)
    merged: dict[Thing, Merged] = field(default_factory=dict)
    base: dict[Thing, tuple[int, dict[str, Any]]] = field(default_factory=dict)

    poisoned: bool = False  # a fold's changes could not be merged: half of them are in, the batch must be taken one by one

    @property
    def empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self.rows and not self.payloads


class Planner:
    """Turns appends into a plan."""

    def __init__(self, workspace: str, tables: Mapping[str, Shape], folds: Folds, read: Read) -> None:
        self._workspace = workspace
        self._tables = tables
        self._folds = folds
        self._read = read

    def plan(self, appends: Sequence[tuple[Append, Sequence[bytes]]], seq: int, at: int, memory: Memory | None = None) -> Plan:
        """Decide and merge; `seq` is the last one taken. Each append comes with its drafts' data as canonical bytes.

        `memory` are the open rows as they stand at `seq`, where somebody has them: what they say is not read again.
        """
        plan = Plan(seq)
        self._look_up(plan, appends, memory)
        for append, bodies in appends:
            try:
                plan.results.append(self._take(plan, append, bodies, at))
            except Exception as error:  # whatever a fold or a wrong draft raises is its caller's, and only its caller's
                plan.results.append(error)
        return plan

    def _take(self, plan: Plan, append: Append, bodies: Sequence[bytes], at: int) -> list[Fact]:
        for thing, expected in append.expect.items():
            found = self._version(plan, thing)
            if found != expected:
                raise Conflict(
                    f"{thing[0]} {_spoken(thing[1])} is at version {found}, not {expected}",
                    hint="read it again and decide anew", thing=thing, expected=expected, found=found,
                )  # fmt: skip
        first = seq = plan.seq + 1
        facts: list[Fact] = []
        rows: list[tuple[Any, ...]] = []
        leaves: list[bytes] = []
        changes: list[Change] = []
        workspace, folds = self._workspace, self._folds
        for draft, body in zip(append.drafts, bodies, strict=True):
            kind, about, by, cause = draft.kind, draft.about, draft.by, draft.cause
            if cause is not None:
                if cause < 0:
                    cause += seq
                    if cause < first:
                        raise Invalid(f"the cause of {kind} counts back {-draft.cause} drafts, beyond its append")  # type: ignore[operator]
                elif not 0 < cause < seq:
                    raise Invalid(f"{kind} says it was caused by fact {cause}, which is not before it")
            if not (isinstance(kind, str) and isinstance(about, str) and isinstance(by, str)):
                raise Invalid(f"a fact's kind, about and by are text, not {kind!r}, {about!r} and {by!r}")
            try:
                header = orjson.dumps([seq, at, workspace, kind, about, by, cause])
            except (TypeError, ValueError) as error:
                raise Invalid(f"a fact's kind, about and by are text that UTF-8 can hold: {error}") from None
            if b"\\u0000" in header:
                raise Invalid(f"{kind} holds a zero character, which databases refuse")
            leaf = sha256(b"\0" + header + b"\n" + body).digest()
            fact = Fact(seq, at, kind, about, by, cause, draft.data)
            facts.append(fact)
            leaves.append(leaf)
            rows.append((seq, at, kind, about, by, cause, body.decode(), leaf))
            for fold in folds.get(kind, ()):
                changes.extend(fold(fact))
            seq += 1
        for change in changes:
            if change[0] not in self._tables:
                raise Invalid(f"a fold changes table {change[0]}, which no room declared")
        for condition in append.within:
            self._check(plan, condition, changes)
        try:
            self.merge(plan, changes)
        except Exception:
            plan.poisoned = True
            raise
        plan.seq = seq - 1
        plan.facts += facts
        plan.rows += rows
        plan.leaves += leaves
        plan.payloads += append.payloads
        return facts

    def merge(self, plan: Plan, changes: Iterable[Change]) -> None:
        """Take changes into the plan's rows, as if applied one by one."""
        merged, base = plan.merged, plan.base
        for change in changes:
            thing = (change[0], change[1])
            row = merged.get(thing)
            if row is None:
                if type(change) is Set and thing in base and base[thing][0] == 0:
                    continue
                row = merged[thing] = Merged()
                row.fresh = type(change) is Put and thing in base and base[thing][0] == 0
            elif not row.create and type(change) is not Set and not self._exists(plan, thing):
                row = merged[thing] = Merged()  # what was set before the row came to be touched nothing
            row.absorb(change)

    def _exists(self, plan: Plan, thing: Thing) -> bool:
        if thing not in plan.base:
            found = self._read(self._tables[thing[0]], [thing[1]], ("version",))
            plan.base[thing] = (found[thing[1]][0] if found else 0, {})
        return plan.base[thing][0] > 0

    def _look_up(self, plan: Plan, appends: Iterable[tuple[Append, Sequence[bytes]]], memory: Memory | None) -> None:
        """Read once what all callers' expectations and conditions speak of."""
        wanted: dict[str, dict[Key, None]] = {}
        columns: dict[str, dict[str, None]] = {}
        for append, _ in appends:
            for table, key in append.expect:
                wanted.setdefault(table, {})[key] = None
            for condition in append.within:
                wanted.setdefault(condition.table, {})[condition.key] = None
                columns.setdefault(condition.table, {})[condition.column] = None
        for table, keys in wanted.items():
            shape = self._tables.get(table)
            if shape is None:
                continue
            names = tuple(column for column in columns.get(table, ()) if column in shape.types)
            asked = list(keys)
            if memory is not None and shape.hot:
                asked = self._recall(plan, shape, memory.table(table), asked, names)
            found = self._read(shape, asked, ("version", *names)) if asked else {}
            for key in asked:
                row = found.get(key)
                plan.base[table, key] = (row[0], dict(zip(names, row[1:], strict=True))) if row else (0, {})

    def _recall(self, plan: Plan, shape: Shape, known: Mapping[Key, Mapping[str, Any]], keys: Sequence[Key], names: Sequence[str]) -> list[Key]:
        """Take what memory knows of rows; returns the keys that it may know nothing of, because their rows are closed."""
        rest = []
        for key in keys:
            row = known.get(key)
            if row is not None:
                plan.base[shape.name, key] = (row["version"], {name: row[name] for name in names})
            elif shape.closes:
                rest.append(key)
            else:
                plan.base[shape.name, key] = (0, {})
        return rest

    def _version(self, plan: Plan, thing: Thing) -> int:
        base = plan.base.get(thing)
        if base is None:
            raise Invalid(f"something was expected of table {thing[0]}, which no room declared")
        merged = plan.merged.get(thing)
        return base[0] + merged.count if merged else base[0]

    def _check(self, plan: Plan, condition: AtMost, changes: Iterable[Change]) -> None:
        """Refuse what would lift a column over its limit."""
        table, key, column, limit = condition
        thing = (table, key)
        shape = self._tables.get(table)
        if shape is None or column not in shape.types:
            raise Invalid(f"a limit speaks of {table}.{column}, which no room declared")
        version, known = plan.base[thing]
        value, there = known.get(column), version > 0
        merged = plan.merged.get(thing)
        if merged is not None:
            if not there:
                value, there = (shape.start_add if merged.create == "add" else shape.start_put)[column], True
            if column in merged.values:
                value = merged.values[column]
            elif column in merged.deltas:
                value = (value or 0) + merged.deltas[column]
        for change in changes:
            if change[0] != table or change[1] != key:
                continue
            kind = type(change)
            if not there:
                if kind is Set:
                    continue
                value, there = (shape.start_add if kind is Add else shape.start_put)[column], True
            part = change[2]
            if column in part:
                value = (value or 0) + part[column] if kind is Add else part[column]
        if (value or 0) > limit:
            raise Refused(
                f"{table} {_spoken(key)} would come to {column} {value}, over its limit of {limit}",
                hint="wait until something is released, or let a person raise the limit",
                thing=thing, column=column, limit=limit, value=value,
            )  # fmt: skip


def _spoken(key: Key) -> str:
    return "/".join(map(str, key))
