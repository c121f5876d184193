"""Signed heads, and the witness: a file outside the database that remembers them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson

from tutti.journal.engine import SignedHead
from tutti.security.keys import SigningKey, verify


class Head(NamedTuple):
    """Where a journal stands: the last `seq`, the root over all facts in hex, and the instant of the last fact."""

    seq: int
    root: str
    at: int


def statement(origin: str, seq: int, root: str, at: int) -> bytes:
    """The exact bytes that a head's signature is over; `at` in microseconds."""
    return b"tutti head 1\n" + orjson.dumps({"at": at, "origin": origin, "root": root, "seq": seq})


def sign_head(key: SigningKey, origin: str, head: Head) -> SignedHead:
    """The head with the journal key's signature."""
    signature = key.sign(statement(origin, head.seq, head.root, head.at))
    return SignedHead(head.seq, head.at, head.root, key.public.hex(), signature.hex())


def head_is_genuine(origin: str, head: SignedHead, public: bytes | None = None) -> bool:
    """Whether this key (or, where none is given, the key the head names) signed this head."""
    try:
        named = bytes.fromhex(head.key)
        signature = bytes.fromhex(head.signature)
    except ValueError:
        return False
    if public is not None and named != public:
        return False
    return verify(named, statement(origin, head.seq, head.root, head.at), signature)


class Witness:
    """Signed heads as JSON lines, appended and flushed to disk. Keep the file where the database's owner cannot change it."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def add(self, origin: str, head: SignedHead) -> None:
        """Append one head. Raises `OSError`."""
        line = orjson.dumps({"origin": origin, **head._asdict()}) + b"\n"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            size = os.fstat(handle).st_size
            if size and os.pread(handle, 1, size - 1) != b"\n":
                line = b"\n" + line  # a crash cut the last line off
            os.write(handle, line)
            os.fsync(handle)
        finally:
            os.close(handle)

    def heads(self) -> Iterator[tuple[str, SignedHead]]:
        """Origin and head of every line that can be read, oldest first."""
        if not self.path.exists():
            return
        with self.path.open("rb") as lines:
            for line in lines:
                found = _parsed(line)
                if found:
                    yield found

    def last(self) -> tuple[str, SignedHead] | None:
        """Origin and head of the last line that can be read."""
        if not self.path.exists():
            return None
        with self.path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 65536))  # a line has about 330 bytes
            for line in reversed(file.read().splitlines()):
                found = _parsed(line)
                if found:
                    return found
        return None


def _parsed(line: bytes) -> tuple[str, SignedHead] | None:
    try:
        value = orjson.loads(line)
        return value["origin"], SignedHead(value["seq"], value["at"], value["root"], value["key"], value["signature"])
    except (ValueError, KeyError, TypeError):
        return None
