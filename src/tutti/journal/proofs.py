"""Proofs for whoever keeps a head: that a fact is under it, and that a later head only added to it.

Roots of whole chunks are kept, so only the first proof reads all leaves. Source: RFC 6962 section 2.1.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tutti.errors import Invalid
from tutti.journal.merkle import consistency_proof, inclusion_proof, node_hash, root_of

Select = Callable[[str, Sequence[Any]], Awaitable[Sequence[Mapping[str, Any]]]]
_CHUNK = 4096  # leaves read at a time; a power of two, so that chunks are subtrees


class Proofs:
    """Proves on the stored leaves. `select` runs read-only SQL."""

    def __init__(self, select: Select) -> None:
        self._select = select
        self._roots: dict[int, bytes] = {}  # chunk → root, of chunks that are full

    async def root(self, size: int) -> bytes:
        """The root over the first `size` facts, from 1 up."""
        return await self._root(0, size)

    async def inclusion(self, seq: int, size: int, head: int) -> list[bytes]:
        """The hashes from fact `seq` to the root over the first `size` facts, lowest first. Raises: `Invalid` where head < size or size < seq."""
        if not 1 <= seq <= size <= head:
            raise Invalid(f"There is no fact {seq} under a head of {size} here.", hint=f"1 ≤ seq ≤ size ≤ {head}.")
        return await self._inclusion(seq - 1, 0, size)

    async def consistency(self, first: int, second: int, head: int) -> list[bytes]:
        """The hashes that show that the head over `second` facts only added to the one over `first`. Raises: `Invalid`."""
        if not 1 <= first <= second <= head:
            raise Invalid(f"There are no heads of {first} and {second} facts here.", hint=f"1 ≤ first ≤ second ≤ {head}.")
        return await self._consistency(first, 0, second, whole=True)

    async def _leaves(self, start: int, count: int) -> list[bytes]:
        rows = await self._select("SELECT leaf FROM fact WHERE seq > ? AND seq <= ? ORDER BY seq", (start, start + count))
        return [bytes(row["leaf"]) for row in rows]

    async def _root(self, start: int, count: int) -> bytes:
        if count > _CHUNK:
            middle = _split(count)
            return node_hash(await self._root(start, middle), await self._root(start + middle, count - middle))
        known = self._roots.get(start // _CHUNK) if count == _CHUNK else None
        if known is None:
            known = root_of(await self._leaves(start, count))
            if count == _CHUNK:
                self._roots[start // _CHUNK] = known
        return known

    async def _inclusion(self, index: int, start: int, count: int) -> list[bytes]:
        if count <= _CHUNK:
            return inclusion_proof(index, await self._leaves(start, count))
        middle = _split(count)
        if index < middle:
            return [*await self._inclusion(index, start, middle), await self._root(start + middle, count - middle)]
        return [*await self._inclusion(index - middle, start + middle, count - middle), await self._root(start, middle)]

    async def _consistency(self, size: int, start: int, count: int, *, whole: bool) -> list[bytes]:
        if size == count:
            return [] if whole else [await self._root(start, count)]
        if count <= _CHUNK and whole:
            return consistency_proof(size, await self._leaves(start, count))
        middle = _split(count)
        if size <= middle:
            return [*await self._consistency(size, start, middle, whole=whole), await self._root(start + middle, count - middle)]
        return [*await self._consistency(size - middle, start + middle, count - middle, whole=False), await self._root(start, middle)]


def _split(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1
