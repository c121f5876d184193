"""The same question in other words: when two inputs of text mean the same, so that one result answers both.

Texts are compared by hashed n-grams of words and letters, the little words weighing little (no model, no download). That cannot tell what only a
reader can, so it is held back. What is not prose (ids, numbers, choices) must be equal. Inside of the prose must be the same: each word that says
something (but for its ending; in the same order where a word such as `from` or `than` turns on it), the numbers, the negations, what is asked for
(how, why, when …), whose things and whom it speaks of. So it takes one text for another in other dress, order and little words, never one with
another word in it: synonyms and slips of the pen are left alone.
Source: feature hashing, K. Weinberger et al. (2009); contractions and thresholds measured with `python -m bench.meaning`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
import orjson

ALIKE = 0.85  # similarity from which two texts mean the same, where a skill does not say; measured: `python -m bench.meaning`
_DIMENSIONS = 1 << 15
_KEPT = 10_000  # texts remembered in a process


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


_LITTLE = _listed(
    "a an the i you we he she it they me my mine our your yours this that these those to of in on at for from with by as is am are was were be been being do "
    "does did have has had will would can could shall should may might must so very there here and or but if then get got need what which who whom how when "
    "where why not"
)
_ASIDE = _listed("please hi hello hey dear thanks thank kindly just really")  # say nothing at all
_OPENINGS = re.compile(
    r"^\W*(?:(?:hi|hello|hey|dear|please)\b(?: there\b)?\W*)*"
    r"(?:(?:can|could|would|will) you (?:please )?(?:tell me|let me know|explain(?: to me)?|help me understand)\b|(?:tell me|let me know)\b"
    r"|do you know\b|i (?:would like|want|need) to know\b|i was wondering\b)"
)  # what a question is dressed in, after a greeting or without
_ASKING = _listed("what which who whom how when where why")
_WHO = {"i": 1, "me": 1, "we": 1, "us": 1, "you": 2}
_WHOSE = {"my": "my", "mine": "my", "our": "my", "your": "your", "yours": "your"}
_TURNING = _listed(
    "from to into before after than by over under above below against instead and or if because who which that"
)  # what stands on which side matters
_NEGATIONS = _listed("not no never none nothing without cannot neither nor isnt dont wont cant")
_ENDINGS = ("ing", "ed", "es", "s", "e")  # of the same word in another form
_CONTRACTED = (
    (re.compile(r"\b(can)['’]?t\b"), r"\1 not"), (re.compile(r"\bwon['’]t\b"), "will not"), (re.compile(r"n['’]t\b"), " not"),
    (re.compile(r"['’]m\b"), " am"), (re.compile(r"['’]re\b"), " are"), (re.compile(r"['’]ve\b"), " have"), (re.compile(r"['’]ll\b"), " will"),
    (re.compile(r"['’]d\b"), " would"), (re.compile(r"\b(it|that|what|where|how|there|who)['’]s\b"), r"\1 is"), (re.compile(r"['’]s\b"), ""),
)  # fmt: skip
_WORD = re.compile(r"[^\W\d_]+|\d+(?:[.,]\d+)*")
_WHOLE, _PAIR, _LETTERS = 1.0, 0.6, 0.25  # what a word, a pair of words and a run of letters weigh


class Meaning(NamedTuple):
    """An input as it is compared: what must be equal, as a digest, and the direction of its prose (length 1)."""

    frame: bytes
    vector: tuple[np.ndarray, np.ndarray] | None  # places in order, and weights; None where there is no prose


def meaning(input: Any) -> Meaning:
    """The meaning of an input: a text, or data with texts in it."""
    prose: list[str] = []
    frame = _framed(input, prose)
    texts = [_words(text) for text in prose]
    body = orjson.dumps([frame, [_exact(words) for words in texts]], option=orjson.OPT_SORT_KEYS)
    return Meaning(blake2b(body, digest_size=16).digest(), _vector(texts))


def likeness(one: Meaning, other: Meaning) -> float:
    """How alike the prose of two inputs of one frame is, 0..1."""
    if one.vector is None or other.vector is None:
        return 0.0
    (places, weights), (others, theirs) = one.vector, other.vector
    _, mine, its = np.intersect1d(places, others, assume_unique=True, return_indices=True)
    return min(max(float(weights[mine] @ theirs[its]), 0.0), 1.0)


def _exact(words: list[str]) -> list[Any]:
    """What a text must share with another: its words that say something, its numbers, how often it negates, what it asks for, whose things it speaks of, and who does what to whom."""
    telling = [_stem(word) for word in words if word not in _LITTLE]
    return [
        telling if _TURNING.intersection(words) else sorted(set(telling)),
        sorted(word for word in words if word[0].isdigit()),
        sum(word in _NEGATIONS for word in words),
        sorted({word for word in words if word in _ASKING}),
        sorted({_WHOSE[word] for word in words if word in _WHOSE}),
        [_WHO[word] for word in words if word in _WHO],
    ]


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


def _framed(value: Any, prose: list[str]) -> Any:
    """A value with its prose taken out."""
    if isinstance(value, str) and " " in value.strip():
        prose.append(value)
        return None
    if isinstance(value, Mapping):
        return {name: _framed(value[name], prose) for name in sorted(value)}
    if isinstance(value, list | tuple):
        return [_framed(item, prose) for item in value]
    return value


def _words(text: str) -> list[str]:
    text = unicodedata.normalize("NFKC", text).lower()
    for pattern, plain in _CONTRACTED:
        text = pattern.sub(plain, text)
    return [word for word in _WORD.findall(_OPENINGS.sub("", text)) if word not in _ASIDE]


def _vector(texts: list[list[str]]) -> tuple[np.ndarray, np.ndarray] | None:
    sums: dict[int, float] = {}

    def add(feature: str, weight: float) -> None:
        digest = int.from_bytes(blake2b(feature.encode(), digest_size=5).digest())
        place, sign = digest % _DIMENSIONS, 1.0 if digest >> 39 else -1.0
        sums[place] = sums.get(place, 0.0) + sign * weight

    for number, words in enumerate(texts):
        weights = [0.2 if word in _LITTLE else 1.0 for word in words]
        stems = [_stem(word) for word in words]
        for word, weight in zip(stems, weights, strict=True):
            add(f"{number} {word}", _WHOLE * weight)
            edged = f"<{word}>"
            if weight == 1.0:
                for start in range(len(edged) - 2):
                    add(f"{number} #{edged[start : start + 3]}", _LETTERS)
        for place in range(len(stems) - 1):
            add(f"{number} {stems[place]} {stems[place + 1]}", _PAIR * (weights[place] * weights[place + 1]) ** 0.5)
    length = sum(weight * weight for weight in sums.values()) ** 0.5
    if length == 0.0:
        return None
    places = np.fromiter(sorted(sums), dtype=np.int64, count=len(sums))
    return places, np.array([sums[place] for place in places.tolist()]) / length


class Meanings:
    """The inputs of work that is under way or fresh, so that the same question in other words is found. Kept in this process only."""

    def __init__(self) -> None:
        self._groups: OrderedDict[tuple[str, str | None, bytes], OrderedDict[str, Meaning]] = OrderedDict()
        self._count = 0

    def find(self, skill: str, subject: str | None, key: str, input: Any, alike: float, usable: Callable[[str], bool]) -> tuple[str, float] | None:
        """The work that answers this input in other words (its key, and how alike they are); else the input is remembered under `key`.

        `usable` says whether a piece of work is under way or fresh. Work for the very same input is not looked past.
        """
        if usable(key):
            return None
        mine = meaning(input)
        group = (skill, subject, mine.frame)
        known = self._groups.setdefault(group, OrderedDict())
        self._groups.move_to_end(group)
        best: tuple[str, float] | None = None
        for other in list(known):
            if not usable(other):
                self._count -= known.pop(other, None) is not None
                continue
            found = likeness(mine, known[other])
            if found >= alike and (best is None or found > best[1]):
                best = other, found
        if best is None and mine.vector is not None:
            self._count += key not in known
            known[key] = mine
            while self._count > _KEPT:
                self._drop()
        return best

    def forget(self, subject: str) -> None:
        """Drop what is kept of a subject's words, and of those of which nobody knows whose they are."""
        for group in [group for group in self._groups if group[1] in (subject, None)]:
            self._count -= len(self._groups.pop(group))

    def _drop(self) -> None:
        group, known = next(iter(self._groups.items()))
        if known:
            known.popitem(last=False)
            self._count -= 1
        if not known:
            del self._groups[group]
