"""The console checks the journal in the browser: what it computes is held against these vectors, made here. Run this file to write them anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from tutti.journal.heads import Head, head_is_genuine, sign_head, statement
from tutti.journal.merkle import Frontier, leaf_hash
from tutti.security.keys import SigningKey

VECTORS = Path(__file__).parents[2] / "src/tutti/console/src/views/audit/vectors.json"
_SIZES = (1, 2, 3, 4, 5, 7, 8, 13, 16, 21)
_WORDS = ("plain", 'a "quote"', "zażółć €", "新しい\u2028線", "a\\b\tc", "🎼")  # what texts differ in between two languages' JSON
_ORIGIN = "o-vectors"


def _contents() -> list[bytes]:
    found = []
    for seq in range(1, max(_SIZES) + 1):
        word = _WORDS[seq % len(_WORDS)]
        header = orjson.dumps([seq, 1_795_000_000_000_000 + seq, "acme", "note.shared", f"n-{seq}", "person/owner", seq - 1 or None])
        found.append(header + b"\n" + orjson.dumps({"text": word, "n": seq / 8}, option=orjson.OPT_SORT_KEYS))
    return found


def make() -> dict[str, Any]:
    """Leaves with their hashes, the root at several sizes, and a signed head at each."""
    key = SigningKey(bytes(range(32)))
    frontier, leaves, heads = Frontier(), [], []
    for seq, content in enumerate(_contents(), 1):
        leaf = leaf_hash(content)
        frontier.add(leaf)
        leaves.append({"seq": seq, "content": content.decode(), "leaf": leaf.hex()})
        if seq in _SIZES:
            head = Head(seq, frontier.root().hex(), 1_795_000_000_000_000 + seq)
            signed = sign_head(key, _ORIGIN, head)
            assert head_is_genuine(_ORIGIN, signed, key.public)
            heads.append(
                {**signed._asdict(), "at": "2026-11-18T11:06:40.000Z", "origin": _ORIGIN, "statement": statement(_ORIGIN, *head[:2], head.at).decode()}
            )
    return {"empty": Frontier().root().hex(), "leaves": leaves, "heads": heads}


def test_the_console_is_held_against_what_the_journal_makes() -> None:
    assert orjson.loads(VECTORS.read_bytes()) == make()


if __name__ == "__main__":
    VECTORS.write_bytes(orjson.dumps(make(), option=orjson.OPT_INDENT_2) + b"\n")
