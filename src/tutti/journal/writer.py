"""The writer: one transaction per batch, everything of a batch or nothing, and a refused caller fails alone."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from tutti.clock import Clock
from tutti.errors import Invalid, JournalBroken, Refused, TuttiError
from tutti.journal.batch import Append, Folds, Memory, Merged, Plan, Planner
from tutti.journal.engine import Engine, HeadRow, SignedHead
from tutti.journal.heads import Head, Witness, head_is_genuine, sign_head
from tutti.journal.hot import Row
from tutti.journal.merkle import Frontier
from tutti.journal.tables import Shape
from tutti.model.fact import Draft, Fact
from tutti.model.view import Thing
from tutti.security.keys import Keys
from tutti.security.sealing import canonical

FACT_COLUMNS = 'seq, at, kind, about, "by", cause, data'
Ready = tuple[Append, Sequence[bytes]]
_Way = Callable[[Sequence[Ready], int, int, Frontier, "Outcome"], bool]
log = logging.getLogger("tutti.journal")


@dataclass(slots=True)
class Outcome:
    """What a batch came to. `others` and `rows` are what other nodes wrote before it, and the rows that touched."""

    results: list[list[Fact] | Exception] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    changes: list[tuple[Thing, Merged]] = field(default_factory=list)
    others: list[Fact] = field(default_factory=list)
    rows: list[tuple[Thing, Row | None]] = field(default_factory=list)
    seq: int = 0


@dataclass(slots=True)
class Prepared:
    """A batch whose statements are done and whose transaction is open."""

    outcome: Outcome
    frontier: Frontier
    at: int
    now: int
    wrote: bool
    together: bool
    signed: SignedHead | None = None


def fact_of(row: tuple[Any, ...]) -> Fact:
    """A stored row (`FACT_COLUMNS`) as a fact."""
    return Fact(row[0], row[1], row[2], row[3], row[4], row[5], orjson.loads(row[6]))


class Writer:
    """Writes through one engine. Not thread-safe: one thread at a time calls it."""

    def __init__(
        self, engine: Engine, workspace: str, tables: Mapping[str, Shape], folds: Folds, clock: Clock, keys: Keys, witness: Witness | None, sign_every: int
    ) -> None:
        self.engine = engine
        self.workspace = workspace
        self.tables = tables
        self.folds = folds
        self.planner = Planner(workspace, tables, folds, engine.read)
        self.memory: Memory | None = None  # where nobody else writes
        self.seq = 0
        self.origin = ""
        self._stands = (0, 0, Frontier())  # seq, at, tree: one value, since the loop reads it while a thread writes
        self._clock = clock
        self._keys = keys
        self._witness = witness
        self._sign_every = sign_every
        self._signed_seq = 0
        self._signed_at = 0
        self._unwitnessed: list[SignedHead] = []

    # where it stands

    def take(self, row: HeadRow) -> None:
        """Stand where this head says."""
        self.seq, self.origin = row.seq, row.origin
        self._stands = (row.seq, row.at, self._frontier(row))

    def load(self, row: HeadRow) -> None:
        """Take the stored head as where we stand."""
        self.take(row)
        signed = self.engine.query("SELECT max(seq) FROM signed_head")
        self._signed_seq = (signed[0][0] if signed else 0) or 0

    @staticmethod
    def _frontier(row: HeadRow) -> Frontier:
        try:
            frontier = Frontier.from_bytes(bytes(row.frontier))
        except ValueError as error:
            raise JournalBroken(f"the head row is damaged: {error}", hint="run `tutti audit verify`, then restore the last backup") from None
        if frontier.size != row.seq:
            raise JournalBroken(
                f"the head row says seq {row.seq}, its tree has {frontier.size} leaves", hint="run `tutti audit verify`, then restore the last backup"
            )
        return frontier

    def head(self) -> Head:
        """The head as of the last commit."""
        seq, at, frontier = self._stands
        return Head(seq, frontier.root().hex(), at)

    def check_keys(self) -> None:
        """Raises `Refused` when the newest signed head is of another key than ours: what we wrote would not verify, and say other pseudonyms."""
        newest = self.engine.query("SELECT key FROM signed_head ORDER BY seq DESC, at DESC LIMIT 1")
        if newest and newest[0][0] != self._keys.journal.public.hex():
            raise Refused(
                f"workspace {self.workspace} is sealed with other keys than the ones here",
                hint="put the folder keys/ of the machine that made it in the place of the one here: all nodes of a workspace have the same; where it is lost, `tutti backup --restored` goes on with new ones",
            )  # fmt: skip

    def check_witness(self) -> None:
        """Compare with what the witness saw last. Raises `JournalBroken` when this is not the same journal or an older copy of it."""
        last = self._witness.last() if self._witness else None
        if last is None:
            return
        assert self._witness is not None
        origin, head = last
        where = self._witness.path
        if not head_is_genuine(origin, head):
            raise JournalBroken(f"the last head in {where} is not signed by the key it names", hint="find out who changed the witness file", seq=head.seq)
        if origin != self.origin:
            raise JournalBroken(
                f"the witness {where} remembers another journal ({origin}), not this one ({self.origin})",
                hint="put the right journal back, or move the witness file away if you mean to start anew", seq=head.seq,
            )  # fmt: skip
        stored = self.engine.query("SELECT root FROM signed_head WHERE seq = ? AND at = ?", (head.seq, head.at))
        if head.seq > self.seq:
            raise JournalBroken(
                f"this journal ends at fact {self.seq}, but the witness {where} saw fact {head.seq}: it is an older copy",
                hint="put the newer file back, or accept the loss with `tutti backup --restored`", seq=self.seq, witnessed=head.seq,
            )  # fmt: skip
        if not stored or stored[0][0] != head.root:
            raise JournalBroken(
                f"the witness {where} saw another history up to fact {head.seq} than this journal has",
                hint="run `tutti audit verify`; accept a restored copy with `tutti backup --restored`", seq=self.seq, witnessed=head.seq,
            )  # fmt: skip

    # writing

    def write(self, appends: Sequence[Ready]) -> Outcome:
        """Append for all of them in one transaction. Raises `TuttiError` when nothing of it was written."""
        try:
            return self.finish(self._prepare(appends, self._together))
        except _OneByOne:
            return self.finish(self._prepare(appends, self._one_by_one))

    def prepare(self, appends: Sequence[Ready], wait: bool = True) -> Prepared:
        """`write` up to the commit, which is `finish`'s. Raises: `Held` when another program has the journal and `wait` is False."""
        try:
            return self._prepare(appends, self._together, wait)
        except _OneByOne:
            return self._prepare(appends, self._one_by_one, wait)

    def _prepare(self, appends: Sequence[Ready], way: _Way, wait: bool = True) -> Prepared:
        row = self.engine.begin(wait)
        try:
            outcome = Outcome()
            if row.seq == self.seq:
                frontier = self._stands[2].copy()
            else:
                self._read_others(row, outcome)
                frontier = self._frontier(row)
            now = self._clock.now()
            at = max(row.at, now)
            prepared = Prepared(outcome, frontier, row.at, now, wrote=way(appends, row.seq, at, frontier, outcome), together=way == self._together)
            if frontier.size > row.seq:
                prepared.at = at
                self.engine.set_head(frontier.size, at, frontier.to_bytes())
                if now - self._signed_at >= self._sign_every:
                    prepared.signed = sign_head(self._keys.journal, self.origin, Head(frontier.size, frontier.root().hex(), at))
                    self.engine.add_signed_head(prepared.signed)
        except BaseException:
            self._give_up()
            raise
        return prepared

    def finish(self, prepared: Prepared) -> Outcome:
        """Commit what was prepared. Raises `TuttiError` when nothing of it was written."""
        outcome, frontier = prepared.outcome, prepared.frontier
        try:
            if prepared.wrote:
                self.engine.commit()
            else:
                self.engine.rollback()
        except Invalid as error:  # an engine may send its statements as late as this
            self._give_up()
            if prepared.together:
                raise _OneByOne from error
            raise
        except BaseException:
            self._give_up()
            raise
        self.seq = outcome.seq = frontier.size
        self._stands = (frontier.size, prepared.at, frontier)
        if prepared.signed:
            self._witnessed(prepared.signed, prepared.now)
        return outcome

    def _give_up(self) -> None:
        with suppress(TuttiError):
            self.engine.rollback()

    def _together(self, appends: Sequence[Ready], seq: int, at: int, frontier: Frontier, outcome: Outcome) -> bool:
        try:
            memory = self.memory
            plan = self.planner.plan(appends, seq, at, memory if memory is not None and memory.seq == seq else None)
            if plan.poisoned:
                raise _OneByOne
            self._store(plan)
        except Invalid as error:  # one caller's values; which one shows when they go one by one
            raise _OneByOne from error
        self._keep(plan, frontier, outcome)
        return not plan.empty

    def _one_by_one(self, appends: Sequence[Ready], seq: int, at: int, frontier: Frontier, outcome: Outcome) -> bool:
        wrote = False
        for append in appends:
            self.engine.savepoint()
            try:
                plan = self.planner.plan([append], frontier.size, at)
                if not plan.poisoned:
                    self._store(plan)
                    self.engine.release()
            except Invalid as error:
                self.engine.rollback_to_savepoint()
                outcome.results.append(error)
                continue
            if plan.poisoned:
                self.engine.rollback_to_savepoint()
                outcome.results += plan.results
                continue
            self._keep(plan, frontier, outcome)
            wrote = wrote or not plan.empty
        return wrote

    def _store(self, plan: Plan) -> None:
        if plan.rows:
            self.engine.add_facts(plan.rows)
        if plan.payloads:
            self.engine.add_payloads(plan.payloads)
        if plan.merged:
            self.engine.change(self.tables, plan.merged)
            self._read_back(plan)

    def _read_back(self, plan: Plan) -> None:
        """Read the rows that may have come (back) to be open without memory knowing the rest of them."""
        wanted: dict[str, list[Thing]] = {}
        for thing, merged in plan.merged.items():
            shape = self.tables[thing[0]]
            if shape.closes and shape.hot and (merged.create or merged.values.get("open")):
                base = plan.base.get(thing)
                if base is None or base[0] > 0:
                    wanted.setdefault(thing[0], []).append(thing)
        for name, things in wanted.items():
            for thing, row in self._rows(name, things):
                plan.merged[thing].row = row

    def _rows(self, name: str, things: Sequence[Thing]) -> list[tuple[Thing, Row | None]]:
        shape = self.tables[name]
        found = self.engine.read(shape, [thing[1] for thing in things], shape.columns)
        return [(thing, dict(zip(shape.columns, found[thing[1]], strict=True)) if thing[1] in found else None) for thing in things]

    def _keep(self, plan: Plan, frontier: Frontier, outcome: Outcome) -> None:
        for leaf in plan.leaves:
            frontier.add(leaf)
        outcome.results += plan.results
        outcome.facts += plan.facts
        tables = self.tables
        outcome.changes += [change for change in plan.merged.items() if tables[change[0][0]].hot]

    # erasing

    def erase(self, subject: str, by: str) -> Outcome:
        """Delete a subject's payloads and name, and say so in a fact; then leave no byte of them. An unknown subject makes no fact."""
        drafts = [Draft("subject.erased", subject, by, {"subject": subject, "payloads": 0})]

        def way(_: Sequence[Ready], seq: int, at: int, frontier: Frontier, outcome: Outcome) -> bool:
            gone = self.engine.forget(subject)
            if gone < 0:
                return False
            drafts[0].data["payloads"] = gone
            return self._together([(Append(drafts), [canonical(drafts[0].data)])], seq, at, frontier, outcome)

        outcome = self.finish(self._prepare((), way))
        self.engine.scrub()
        return outcome

    # what other nodes wrote

    def catch_up(self) -> Outcome:
        """Fold what others have written since."""
        return self.write(())

    def _read_others(self, row: HeadRow, outcome: Outcome) -> None:
        if row.seq < self.seq:
            raise JournalBroken(
                f"the journal went back from fact {self.seq} to {row.seq} while it was open",
                hint="an older copy was put in its place; stop, and restore the right one",
            )
        stored = self.engine.query(f"SELECT {FACT_COLUMNS} FROM fact WHERE seq > ? AND seq <= ? ORDER BY seq", (self.seq, row.seq))
        outcome.others = [fact_of(fact) for fact in stored]
        touched: dict[str, dict[Thing, None]] = {}
        for fact in outcome.others:
            for fold in self.folds.get(fact.kind, ()):
                for change in fold(fact):
                    if self.tables[change[0]].hot:
                        touched.setdefault(change[0], {})[change[0], change[1]] = None
        for name, things in touched.items():
            outcome.rows += self._rows(name, list(things))

    # heads

    @property
    def unsigned(self) -> bool:
        """Whether facts came in since the last signed head."""
        return self.seq > self._signed_seq or bool(self._unwitnessed)

    def sign(self) -> None:
        """Sign the head as it stands. Raises `TuttiError` when it cannot be stored."""
        if self.seq > self._signed_seq:
            row = self.engine.begin()
            try:
                signed = sign_head(self._keys.journal, self.origin, Head(row.seq, self._frontier(row).root().hex(), row.at))
                self.engine.add_signed_head(signed)
                self.engine.commit()
            except BaseException:
                self._give_up()
                raise
            self._witnessed(signed, self._clock.now())
        elif self._unwitnessed:
            self._tell_witness()

    def _witnessed(self, head: SignedHead, now: int) -> None:
        self._signed_seq, self._signed_at = head.seq, now
        if self._witness:
            self._unwitnessed.append(head)
            self._tell_witness()

    def _tell_witness(self) -> None:
        assert self._witness is not None
        try:
            while self._unwitnessed:
                self._witness.add(self.origin, self._unwitnessed[0])
                del self._unwitnessed[0]
        except OSError as error:
            log.warning("the witness %s cannot be written (%s); %d heads wait for it", self._witness.path, error, len(self._unwitnessed))


class _OneByOne(Exception):
    """Some caller's values cannot be stored; take the callers one by one."""
