"""`python -m bench.meaning --data DIR`: work that coalescing by meaning saves, and what it merges that it should not.

DIR holds texts with labels: banking77/dev.csv (id, text, label) and clinc150/dev.jsonl ({"text", "label"}), or any of the two. Two texts of different
labels that are merged count as a false merge; many of these are one question under two labels, so `--show` prints them to be read. Recall is measured
on texts in other dress (case, marks, greetings, openings, contractions, plain plurals), made here from a seed; what a person would say in quite other
words is not caught, and not claimed.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from tutti.intake import ALIKE, Meanings

_OPENINGS = ("please tell me ", "could you tell me ", "hi, ", "hello, ", "can you explain ", "do you know ", "")
_CONTRACTIONS = (
    (" is not ", " isn't "),
    (" do not ", " don't "),
    (" don't ", " do not "),
    (" can't ", " can not "),
    (" i'm ", " i am "),
    (" what is ", " what's "),
)


def texts_of(folder: Path) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each set of texts with their labels."""
    banking, clinc = folder / "banking77" / "dev.csv", folder / "clinc150" / "dev.jsonl"
    if banking.exists():
        with banking.open(encoding="utf-8") as file:
            yield "banking77", [(row["text"], row["label"]) for row in csv.DictReader(file)]
    if clinc.exists():
        rows = map(json.loads, clinc.read_text(encoding="utf-8").splitlines())
        yield "clinc150", [(row["text"], row["label"]) for row in rows if not row["label"].startswith("oos")]


def dressed(text: str, rng: random.Random) -> str:
    """The same text as somebody else would type it."""
    said = f" {text.strip().lower()} "
    for plain, other in rng.sample(_CONTRACTIONS, len(_CONTRACTIONS)):
        if plain in said and rng.random() < 0.7:
            said = said.replace(plain, other, 1)
            break
    said = re.sub(r"[?.!]+$", "", said.strip())
    return f"{rng.choice(_OPENINGS)}{said}{rng.choice(('', '?', '!', '.', ' please', ' thanks'))}"


def merge(requests: list[str], alike: float) -> list[int | None]:
    """For each request the earlier one whose result it gets, or None."""
    meanings, into = Meanings(), []
    for number, text in enumerate(requests):
        found = meanings.find("s", None, str(number), text, alike, lambda key, now=number: int(key) < now)  # type: ignore[misc]
        into.append(None if found is None else int(found[0]))
    return into


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.meaning", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of the data")
    parser.add_argument("--requests", type=int, default=1000, help="in one stream, three of ten being repeats in other dress (1000)")
    parser.add_argument("--streams", type=int, default=5, help="streams, each from a seed of its own (5)")
    parser.add_argument("--show", action="store_true", help="print the merges of different labels")
    arguments = parser.parse_args()
    for name, rows in texts_of(arguments.data):
        for alike in sorted({0.7, 0.8, ALIKE, 0.95}):
            told = measured(rows, alike, arguments.requests, arguments.streams, show=arguments.show and alike == ALIKE)
            print(json.dumps({"set": name, "alike": alike, **told}))
    return 0


def measured(rows: list[tuple[str, str]], alike: float, requests: int, streams: int, *, show: bool) -> dict[str, float]:
    """Share of the repeats that were caught, merges that were none, and what one request took."""
    repeats = caught = merges = false = other = 0
    spent = 0.0
    for seed in range(streams):
        rng = random.Random(seed)
        first = rng.sample(rows, requests - requests * 3 // 10)
        stream = [(text, label, text) for text, label in first]
        stream += [(dressed(text, rng), label, text) for text, label in rng.sample(first, requests * 3 // 10)]
        started = time.process_time()
        into = merge([text for text, _, _ in stream], alike)
        spent += time.process_time() - started
        for number, target in enumerate(into):
            text, label, source = stream[number]
            repeats += number >= len(first)
            if target is None:
                continue
            merges += 1
            right = stream[target][2] == source
            caught += number >= len(first) and (right or stream[target][1] == label)
            other += not right
            if stream[target][1] != label:
                false += 1
                if show:
                    print(f"  {label}: {text!r} | {stream[target][1]}: {stream[target][0]!r}", file=sys.stderr)
    return {
        "repeats": repeats, "caught": round(caught / repeats, 4), "merges": merges, "of_another_text": other, "of_another_label": false,
        "precision": round(1 - false / max(merges, 1), 4), "us_a_request": round(spent / (requests * streams) * 1e6, 1),
    }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
