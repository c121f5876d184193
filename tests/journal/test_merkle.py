"""The tree against RFC 6962's own recursive definition, exhaustively to 40 leaves."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tutti.journal.merkle import (
    EMPTY,
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
    verify_consistency,
    verify_inclusion,
)  # fmt: skip

LEAVES = [leaf_hash(str(n).encode()) for n in range(40)]


def defined(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962 section 2.1 writes it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(defined(leaves[:split]), defined(leaves[split:]))


ROOTS = [defined(LEAVES[:n]) for n in range(41)]


def test_known_roots() -> None:
    """The test vectors of the certificate-transparency implementation."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    leaves = [leaf_hash(bytes.fromhex(text)) for text in inputs]
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert root_of(leaves[:1]).hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert root_of(leaves[:3]).hex() == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"
    assert root_of(leaves).hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_the_frontier_is_the_tree() -> None:
    frontier = Frontier()
    for count in range(41):
        assert frontier.root() == ROOTS[count] == root_of(LEAVES[:count])
        stored = Frontier.from_bytes(frontier.to_bytes())
        assert (stored.size, stored.peaks) == (frontier.size, frontier.peaks)
        if count < 40:
            frontier.add(LEAVES[count])


def test_a_frontier_of_the_wrong_length() -> None:
    for wrong in (b"", (3).to_bytes(8) + bytes(32), (1).to_bytes(8) + bytes(33)):
        if wrong:
            with pytest.raises(ValueError, match="leaves"):
                Frontier.from_bytes(wrong)


def test_every_inclusion_proof_holds_for_its_place_only() -> None:
    for size in range(1, 41):
        for index in range(size):
            proof = inclusion_proof(index, LEAVES[:size])
            for other in range(size):
                assert verify_inclusion(other, size, LEAVES[index], proof, ROOTS[size]) == (other == index)
            assert not verify_inclusion(index, size, LEAVES[(index + 1) % 40], proof, ROOTS[size])
            assert not verify_inclusion(index, size, LEAVES[index], [*proof, EMPTY], ROOTS[size])


def test_every_consistency_proof_holds_for_its_sizes_only() -> None:
    for new in range(1, 41):
        for old in range(1, new + 1):
            proof = consistency_proof(old, LEAVES[:new])
            for other in range(1, 41):
                assert verify_consistency(other, new, ROOTS[old], ROOTS[new], proof) == (other == old)
            assert not verify_consistency(old, new, EMPTY, ROOTS[new], proof)
            assert not verify_consistency(old, new, ROOTS[old], EMPTY, proof)


def test_proofs_of_what_is_not_there() -> None:
    for wrong in (-1, 3):
        with pytest.raises(ValueError, match="no leaf"):
            inclusion_proof(wrong, LEAVES[:3])
    for wrong in (0, 4):
        with pytest.raises(ValueError, match="no beginning"):
            consistency_proof(wrong, LEAVES[:3])


@given(st.lists(st.binary(max_size=8), min_size=1, max_size=200), st.data())
def test_proofs_of_any_tree(contents: list[bytes], data: st.DataObject) -> None:
    leaves = [leaf_hash(content) for content in contents]
    root = root_of(leaves)
    index = data.draw(st.integers(0, len(leaves) - 1))
    proof = inclusion_proof(index, leaves)
    assert verify_inclusion(index, len(leaves), leaves[index], proof, root)
    old = data.draw(st.integers(1, len(leaves)))
    steps = consistency_proof(old, leaves)
    assert verify_consistency(old, len(leaves), root_of(leaves[:old]), root, steps)
    for hashes, check in ((proof, lambda p: verify_inclusion(index, len(leaves), leaves[index], p, root)),
                          (steps, lambda p: verify_consistency(old, len(leaves), root_of(leaves[:old]), root, p))):  # fmt: skip
        if hashes:
            place = data.draw(st.integers(0, len(hashes) - 1))
            flipped = bytes([hashes[place][0] ^ 1]) + hashes[place][1:]
            assert not check([*hashes[:place], flipped, *hashes[place + 1 :]])
            assert not check(hashes[:-1])
