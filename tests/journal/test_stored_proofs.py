"""Proofs made chunk by chunk are those of the whole tree, and the first one alone reads all leaves."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any

import pytest

from tutti.errors import Invalid
from tutti.journal import Proofs
from tutti.journal.merkle import consistency_proof, inclusion_proof, root_of, verify_consistency, verify_inclusion

LEAVES = [sha256(b"%d" % number).digest() for number in range(10_000)]


class Stored:
    """The leaves as a table, and how many were read."""

    def __init__(self) -> None:
        self.read = 0

    async def __call__(self, _: str, params: Sequence[Any]) -> list[dict[str, Any]]:
        first, last = params
        self.read += last - first
        return [{"leaf": leaf} for leaf in LEAVES[first:last]]


@pytest.mark.parametrize(("seq", "size"), [(1, 1), (1, 4096), (4096, 4097), (4097, 4097), (5000, 9999), (10_000, 10_000), (1, 10_000)])
async def test_inclusion(seq: int, size: int) -> None:
    proofs = Proofs(Stored())
    path = await proofs.inclusion(seq, size, 10_000)
    assert path == inclusion_proof(seq - 1, LEAVES[:size])
    assert verify_inclusion(seq - 1, size, LEAVES[seq - 1], path, await proofs.root(size))


@pytest.mark.parametrize(("first", "second"), [(1, 1), (1, 10_000), (4096, 10_000), (4097, 9000), (8192, 8193), (6000, 10_000), (9999, 10_000), (100, 5000)])
async def test_consistency(first: int, second: int) -> None:
    proofs = Proofs(Stored())
    path = await proofs.consistency(first, second, 10_000)
    assert path == consistency_proof(first, LEAVES[:second])
    assert verify_consistency(first, second, root_of(LEAVES[:first]), await proofs.root(second), path)


async def test_full_chunks_are_read_once() -> None:
    stored = Stored()
    proofs = Proofs(stored)
    await proofs.root(10_000)
    before = stored.read
    await proofs.root(10_000)
    assert stored.read - before == 10_000 - 8192


@pytest.mark.parametrize(("one", "two"), [(0, 5), (6, 5), (1, 11)])
async def test_what_is_not_there_is_told(one: int, two: int) -> None:
    proofs = Proofs(Stored())
    with pytest.raises(Invalid):
        await proofs.inclusion(one, two, 10)
    with pytest.raises(Invalid):
        await proofs.consistency(one, two, 10)
