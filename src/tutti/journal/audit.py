"""Checking a journal without trusting who keeps it, and handing it out so that others can.

`verify` works on a file, on a database or on an exported folder. It recomputes every leaf from its fact, the tree from the
leaves, compares the tree with every signed head, and every payload with its digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import orjson

from tutti.errors import Invalid, JournalBroken, NotFound
from tutti.journal.engine import SCHEMA, HeadRow, Reader, SignedHead
from tutti.journal.heads import Head, Witness, head_is_genuine
from tutti.journal.merkle import Frontier
from tutti.journal.places import open_reader
from tutti.security.sealing import digest

Progress = Callable[[int, int], None]
_RESTORED = "workspace.restored"
_STEP = 20_000  # facts between two calls of `progress`


@dataclass(frozen=True, slots=True)
class Report:
    """What an audit found. `first_bad` is the first fact that is wrong or missing; `between` the facts (first, last) among
    which something was rewritten together with its leaf; `set_aside` the witnessed heads that a stated restore gave up."""

    ok: bool
    message: str
    workspace: str
    head: Head
    facts: int
    payloads: int
    heads: int
    set_aside: int = 0
    first_bad: int | None = None
    between: tuple[int, int] | None = None
    bad_payloads: tuple[str, ...] = ()
    key: str = ""


class _Source(Protocol):
    head: HeadRow

    def facts(self) -> Iterator[tuple[Any, ...]]: ...
    def payloads(self) -> Iterator[tuple[str, bytes, bytes]]: ...
    def heads(self) -> Iterable[tuple[str, SignedHead]]: ...
    def restores(self) -> Iterable[tuple[int, dict[str, Any]]]: ...


class _Stored:
    """A journal in its database."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        _, found = reader.query("SELECT seq, at, frontier, workspace, origin FROM head")
        if not found:
            raise JournalBroken("the head row is missing", hint="restore the last backup")
        self.head = HeadRow(*found[0])

    def facts(self) -> Iterator[tuple[Any, ...]]:
        return self._reader.stream('SELECT seq, at, kind, about, "by", cause, data, leaf FROM fact ORDER BY seq')

    def payloads(self) -> Iterator[tuple[Any, ...]]:
        return self._reader.stream("SELECT id, salt, body, subject FROM payload")

    def subjects(self) -> Iterator[tuple[Any, ...]]:
        return self._reader.stream("SELECT id, name FROM subject")

    def heads(self) -> Iterable[tuple[str, SignedHead]]:
        return [(self.head.origin, SignedHead(*row)) for row in self._reader.stream("SELECT seq, at, root, key, signature FROM signed_head ORDER BY seq, at")]

    def restores(self) -> Iterable[tuple[int, dict[str, Any]]]:
        return [(at, orjson.loads(data)) for at, data in self._reader.stream("SELECT at, data FROM fact WHERE kind = ? ORDER BY seq", [_RESTORED])]


class _Exported:
    """A journal as `export` wrote it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            about = orjson.loads((folder / "journal.json").read_bytes())
            self.head = HeadRow(about["seq"], about["at"], bytes.fromhex(about["frontier"]), about["workspace"], about["origin"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise JournalBroken(f"{folder} is no complete export: {error}", hint="export again") from None

    def _lines(self, name: str) -> Iterator[Any]:
        path = self._folder / name
        if not path.exists():
            raise JournalBroken(f"{path} is missing from the export", hint="export again")
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield orjson.loads(line)
                except ValueError:
                    raise JournalBroken(f"line {number} of {path} is damaged", hint="compare with another copy of the export", line=number) from None

    def facts(self) -> Iterator[tuple[Any, ...]]:
        for line in self._lines("facts.ndjson"):
            with _as_written(line):
                fact = (line["seq"], line["at"], line["kind"], line["about"], line["by"], line["cause"], line["data"], bytes.fromhex(line["leaf"]))
            yield fact

    def payloads(self) -> Iterator[tuple[str, bytes, bytes]]:
        for line in self._lines("payloads.ndjson"):
            with _as_written(line):
                payload = line["id"], bytes.fromhex(line["salt"]), line["body"].encode()
            yield payload

    def heads(self) -> Iterable[tuple[str, SignedHead]]:
        names = [name for name in ("heads.ndjson", "witness.ndjson") if name == "heads.ndjson" or (self._folder / name).exists()]
        with _as_written("a head"):
            return [
                (line["origin"], SignedHead(line["seq"], line["at"], line["root"], line["key"], line["signature"]))
                for name in names
                for line in self._lines(name)
            ]

    def restores(self) -> Iterable[tuple[int, dict[str, Any]]]:
        return [(line["at"], orjson.loads(line["data"])) for line in self._lines("facts.ndjson") if line["kind"] == _RESTORED]


@contextmanager
def _as_written(line: Any) -> Iterator[None]:
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise JournalBroken(f"a line of the export is damaged ({error}): {line}", hint="compare with another copy of the export") from None


def verify(
    place: str | Path, head: Head | SignedHead | tuple[int, str] | None = None, public_key: bytes | None = None, progress: Progress | None = None,
    *, witness: Path | None = None, workspace: str | None = None,
) -> Report:  # fmt: skip
    """Check a journal offline: a SQLite file, a `postgresql://` address (with its workspace) or an exported folder.

    `head` is any earlier head, from wherever it was kept. With no `public_key` signatures are held against the key each head
    names: that shows that the heads fit together, not who signed them. Raises: `NotFound`, `StorageFailed`.
    """
    if _is_folder(place):
        try:
            return _verify(_Exported(Path(place)), head, public_key, progress, witness)
        except JournalBroken as error:
            return _unreadable(error, workspace)
    reader = open_reader(place, workspace)
    try:
        for tolerant in (False, True):
            try:
                with reader.snapshot():
                    return _verify(_Stored(reader), head, public_key, progress, witness)
            except JournalBroken as error:
                if tolerant:
                    return _unreadable(error, workspace)
                reader.tolerate()
    finally:
        reader.close()
    raise AssertionError("unreachable")


def _unreadable(error: JournalBroken, workspace: str | None) -> Report:
    return Report(False, f"{error.message}; {error.hint}", workspace or "", Head(0, "", 0), 0, 0, 0)


def _is_folder(place: str | Path) -> bool:
    return "://" not in str(place) and Path(place).is_dir()


@dataclass(slots=True)
class _Check:
    """What is known while the facts go by."""

    heads: list[tuple[int, str, str]] = field(default_factory=list)  # seq, root, where it comes from; ascending
    first_bad: int | None = None
    between: tuple[int, int] | None = None
    reasons: list[str] = field(default_factory=list)
    good: int = 0  # the last seq whose head fitted
    gap: bool = False  # the facts stop in the middle; what comes after the gap says nothing more

    def head(self, seq: int, root: str, stored: str, where: str) -> None:
        if root == stored:
            self.good = seq
        elif self.between is None:
            self.between = (self.good + 1, seq)
            self.reasons.append(f"{where} of fact {seq} does not fit: among facts {self.good + 1} to {seq} something was rewritten together with its leaf")


def _verify(source: _Source, head: Any, public_key: bytes | None, progress: Progress | None, witness: Path | None) -> Report:
    row = source.head
    check = _Check()
    heads = [*source.heads()]
    stored = len(heads)
    if witness is not None:
        if not Path(witness).exists():
            raise NotFound(f"there is no witness file {witness}")
        heads += Witness(witness).heads()
    keys = {signed.key for _, signed in heads}
    for place, (origin, signed) in enumerate(heads):
        if not head_is_genuine(origin, signed, public_key):
            whose = "the journal's key" if public_key else "the key it names"
            check.reasons.append(f"the {'stored' if place < stored else 'witnessed'} head of fact {signed.seq} is not signed by {whose}")
            break
    own = {(signed.seq, signed.root, "the signed head") for origin, signed in heads if origin == row.origin}
    if head is not None:
        own.add((head.seq, head.root, "the head you gave") if hasattr(head, "root") else (head[0], head[1], "the head you gave"))
    check.heads = sorted(own)
    witnessed = [(origin, signed) for origin, signed in heads[stored:]] if witness is not None else [(o, s) for o, s in heads if o != row.origin]
    return _walk(source, row, check, heads, witnessed, keys, progress)


def _walk(
    source: _Source,
    row: HeadRow,
    check: _Check,
    heads: Sequence[tuple[str, SignedHead]],
    witnessed: Sequence[tuple[str, SignedHead]],
    keys: set[str],
    progress: Progress | None,
) -> Report:
    frontier, last_at, facts = Frontier(), 0, 0
    ahead = [(seq, root, where) for seq, root, where in check.heads if seq > 0]
    given_up = _GivenUp([(at, data["head"], data["witnessed"]) for at, data in source.restores()] if heads else [])
    at_of = {(signed.seq, signed.root): signed.at for _, signed in heads}
    set_aside = [(seq, root, where) for seq, root, where in ahead if given_up(seq, at_of.get((seq, root)))]
    waiting = iter([one for one in ahead if one not in set_aside])
    following = next(waiting, None)
    size, peaks, workspace, total = 0, frontier.peaks, row.workspace, row.seq
    dumps, hashed = orjson.dumps, sha256
    for seq, at, kind, about, by, cause, data, leaf in source.facts():
        size += 1
        if seq != size:
            check.first_bad = check.first_bad or size
            check.reasons.append(f"fact {size} is missing" if seq > size else f"fact {seq} stands where fact {size} must stand")
            size -= 1
            check.gap = True
            break
        content = dumps([seq, at, workspace, kind, about, by, cause]) + b"\n" + (data.encode() if type(data) is str else bytes(data))
        if hashed(b"\0" + content).digest() != leaf and check.first_bad is None:
            check.first_bad = seq
            check.reasons.append(f"fact {seq} ({kind} about {about}) is not what was sealed")
        node, rest = bytes(leaf), size - 1
        while rest & 1:
            node = hashed(b"\1" + peaks.pop() + node).digest()
            rest >>= 1
        peaks.append(node)
        last_at = at
        if following is not None and following[0] == size:
            frontier.size = size
            root = frontier.root().hex()
            while following is not None and following[0] == size:
                check.head(size, root, following[1], following[2])
                following = next(waiting, None)
        if progress and size % _STEP == 0:
            progress(size, total)
    frontier.size = facts = size
    _end(check, row, frontier, following)
    for origin, signed in witnessed:
        if origin != row.origin and not given_up(signed.seq, signed.at):
            check.reasons.append(f"the witness saw another journal ({origin}) than this one ({row.origin})")
            break
    payloads, bad = 0, []
    for name, salt, body, *_ in source.payloads():
        payloads += 1
        if digest(bytes(salt), bytes(body)) != name:
            bad.append(name)
    if bad:
        check.reasons.append(f"{len(bad)} payloads are not what was sealed, first {bad[0]}")
    if progress:
        progress(facts, total)
    ok = not check.reasons
    message = "; ".join(check.reasons) or f"all {facts} facts, {payloads} payloads and {len(heads)} signed heads fit together"
    return Report(
        ok, message, workspace, Head(facts, frontier.root().hex(), last_at), facts, payloads, len(heads), len(set_aside), check.first_bad, check.between, tuple(bad),
        ",".join(sorted(keys)),
    )  # fmt: skip


@dataclass(slots=True)
class _GivenUp:
    restored: list[tuple[int, int, int]]  # at, head, witnessed

    def __call__(self, seq: int, at: int | None) -> bool:
        """Whether a restore that the journal states gave this head up."""
        return at is not None and any(at <= when and head < seq <= most for when, head, most in self.restored)


def _end(check: _Check, row: HeadRow, frontier: Frontier, following: tuple[int, str, str] | None) -> None:
    """Hold the end of the facts against the head row and against heads that speak of later facts."""
    size = frontier.size
    if check.gap:
        return
    if row.seq > size or following is not None:
        check.first_bad = check.first_bad or size + 1
    if row.seq > size:
        check.reasons.append(f"facts {size + 1} to {row.seq} are missing at the end")
    elif row.seq < size:
        check.reasons.append(f"the head row ends at fact {row.seq}, but there are {size}")
    elif bytes(row.frontier) != frontier.to_bytes() and check.between is None:
        check.reasons.append(f"the head row's tree is not the tree of the facts: something after fact {check.good} was rewritten together with its leaf")
        check.between = (check.good + 1, size)
    if following is not None:
        check.reasons.append(f"{following[2]} speaks of fact {following[0]}, but the facts end at {size}")


def export(place: str | Path, folder: str | Path, *, witness: Path | None = None, workspace: str | None = None, progress: Progress | None = None) -> Head:
    """Write a journal into a folder that `verify` can check alone: facts, payloads, subjects and heads as JSON lines.

    Raises: `Invalid` when the folder holds something already.
    """
    target = Path(folder)
    if target.exists() and any(target.iterdir()):
        raise Invalid(f"{target} is not empty", hint="name a new folder")
    target.mkdir(parents=True, exist_ok=True)
    reader = open_reader(place, workspace)
    try:
        with reader.snapshot():
            source = _Stored(reader)
            row = source.head
            heads = list(source.heads())
            _write_lines(target / "facts.ndjson", _fact_lines(source, row.seq, progress))
            _write_lines(
                target / "payloads.ndjson",
                ({"id": name, "subject": subject, "salt": bytes(salt).hex(), "body": bytes(body).decode()} for name, salt, body, subject in source.payloads()),
            )
            _write_lines(target / "subjects.ndjson", ({"id": name, "name": text} for name, text in source.subjects()))
    finally:
        reader.close()
    _write_lines(target / "heads.ndjson", ({"origin": origin, **head._asdict()} for origin, head in heads))
    if witness is not None and Path(witness).exists():
        _write_lines(target / "witness.ndjson", ({"origin": origin, **head._asdict()} for origin, head in Witness(witness).heads()))
    root = Frontier.from_bytes(bytes(row.frontier)).root().hex()
    about = {
        "format": 1, "schema": SCHEMA, "workspace": row.workspace, "origin": row.origin, "seq": row.seq, "at": row.at, "root": root,
        "frontier": bytes(row.frontier).hex(), "public_keys": sorted({head.key for _, head in heads}),
    }  # fmt: skip
    (target / "journal.json").write_bytes(orjson.dumps(about, option=orjson.OPT_INDENT_2) + b"\n")
    return Head(row.seq, root, row.at)


def _fact_lines(source: _Stored, total: int, progress: Progress | None) -> Iterator[dict[str, Any]]:
    for number, (seq, at, kind, about, by, cause, data, leaf) in enumerate(source.facts(), 1):
        yield {"seq": seq, "at": at, "kind": kind, "about": about, "by": by, "cause": cause, "data": data, "leaf": bytes(leaf).hex()}
        if progress and number % _STEP == 0:
            progress(number, total)


def _write_lines(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with path.open("wb") as file:
        for line in lines:
            file.write(orjson.dumps(line) + b"\n")
