"""Models of text: a word-list rule, VADER with fitted thresholds, and TF-IDF with a balanced logistic regression."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from tutti.fleets.lifecycle.company import MOODS, URGENCIES, digest

READ = 400  # characters that VADER reads of a text: it costs about 2 ms for each 1,000
URGENT = frozenset(("asap", "blocked", "blocker", "crash", "critical", "down", "emergency", "fails", "immediately", "outage", "stopped", "urgent"))
CALM = frozenset(("cosmetic", "idea", "improve", "minor", "nice", "question", "request", "suggestion", "typo", "update", "whenever", "wish"))
ANGRY = frozenset(("angry", "awful", "bad", "broken", "disappointed", "fail", "frustrated", "hate", "terrible", "unacceptable", "useless", "worst"))
HAPPY = frozenset(("awesome", "enjoy", "excellent", "glad", "good", "great", "happy", "helpful", "love", "nice", "perfect", "pleased", "thanks"))
WORD = re.compile(r"[a-z]+")


def urgency_by_words(text: str) -> str:
    found = set(WORD.findall(text.lower()))
    return "high" if found & URGENT else "low" if found & CALM else "normal"


def mood_by_words(text: str) -> str:
    found = set(WORD.findall(text.lower()))
    lean = len(found & HAPPY) - len(found & ANGRY)
    return "positive" if lean > 0 else "negative" if lean < 0 else "neutral"


@dataclass(frozen=True)
class TextModel:
    """TF-IDF over words and pairs of words, with a softmax regression. `majority` alone where nothing can be learnt."""

    majority: str
    labels: tuple[str, ...]
    rows: int
    vocabulary: Mapping[str, int]
    idf: Any
    weights: Any
    intercept: Any
    analyse: Callable[[str], Sequence[str]]

    @classmethod
    def fit(cls, texts: Sequence[str], labels: Sequence[str]) -> TextModel:
        """Classes weigh the same however rare they are. Fewer than 20 rows or one class: the majority only."""
        counts = Counter(labels)
        majority = min(counts, key=lambda label: (-counts[label], label)) if counts else ""
        if len(texts) < 20 or len(counts) < 2:
            return cls(majority, (majority,), len(texts), {}, None, None, None, str.split)
        import numpy as np
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        tfidf = TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=20_000, sublinear_tf=True)
        with threadpool_limits(1):
            model = LogisticRegression(C=5.0, class_weight="balanced", max_iter=300)
            model.fit(tfidf.fit_transform(texts), list(labels))
        weights, intercept = model.coef_.T, model.intercept_
        if len(model.classes_) == 2:  # one column: make it the difference of two
            weights, intercept = np.hstack([-weights / 2, weights / 2]), np.array([-intercept[0], intercept[0]]) / 2
        return cls(
            majority,
            tuple(str(label) for label in model.classes_),
            len(texts),
            tfidf.vocabulary_,
            tfidf.idf_,
            np.ascontiguousarray(weights),
            intercept,
            tfidf.build_analyzer(),
        )

    def best(self, text: str) -> tuple[str, float]:
        """The likeliest label and its probability."""
        if self.weights is None:
            return self.majority, 1.0
        import numpy as np

        counts = Counter(n for term in self.analyse(text) if (n := self.vocabulary.get(term)) is not None)
        if not counts:
            return self.majority, 1.0 / len(self.labels)
        at = list(counts)
        values = np.log(np.fromiter(counts.values(), float, len(counts))) + 1.0
        values *= self.idf[at]
        scores = values @ self.weights[at] / math.sqrt(float(values @ values)) + self.intercept
        odds = np.exp(scores - scores.max())
        first = int(odds.argmax())
        return self.labels[first], float(odds[first] / odds.sum())


@dataclass(frozen=True, slots=True)
class Cuts:
    """Two cuts of VADER's compound score that part it into three ordered classes."""

    low: float
    high: float
    classes: tuple[str, str, str]

    @classmethod
    def fit(cls, texts: Sequence[str], labels: Sequence[str], classes: tuple[str, str, str], most: int = 400) -> Cuts:
        """The cuts with the best macro-F1 over at most `most` rows, the first by hash."""
        rows = sorted(zip(texts, labels, strict=True), key=lambda row: digest(row[0]))[:most]
        scores = [compound(text) for text, _ in rows]
        truth = [label for _, label in rows]
        grid = [n / 10 for n in range(-9, 10)]
        options = [cls(low, high, classes) for low in grid for high in grid if low <= high]
        return max(options, key=lambda cuts: macro_f1(truth, [cuts.part(score) for score in scores]))

    def part(self, score: float) -> str:
        return self.classes[0 if score <= self.low else 2 if score > self.high else 1]


USUAL_MOOD = Cuts(-0.05, 0.05, ("negative", "neutral", "positive"))  # Source: VADER's own documentation


@cache
def _vader() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


def compound(text: str) -> float:
    """VADER's compound score, -1 to 1, of the first 400 characters."""
    return float(_vader().polarity_scores(text[:READ])["compound"])


def macro_f1(truth: Sequence[str], said: Sequence[str]) -> float:
    """The mean F1 over the labels that occur in the truth."""
    right, true, claimed = Counter(t for t, s in zip(truth, said, strict=True) if t == s), Counter(truth), Counter(said)
    return sum(2 * right[label] / (true[label] + claimed[label]) for label in true) / len(true) if true else 0.0


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything fitted for the tickets of one channel."""

    urgency: TextModel
    queue: TextModel
    urgency_cuts: Cuts


def fit_desk(texts: Sequence[str], urgencies: Mapping[int, str], queues: Mapping[int, str]) -> Desk:
    """Fit on the training tickets of a channel; labels by row, rows without one are left out."""
    urgent = [texts[row] for row in urgencies]
    return Desk(
        urgency=TextModel.fit(urgent, list(urgencies.values())),
        queue=TextModel.fit([texts[row] for row in queues], list(queues.values())),
        # an angry text is an urgent one: the scale runs against the score
        urgency_cuts=Cuts.fit(urgent, list(urgencies.values()), (URGENCIES[2], URGENCIES[1], URGENCIES[0])),
    )


def fit_mood(rows: Sequence[tuple[str, str]]) -> tuple[TextModel, Cuts]:
    """Mood models from labelled texts; without any, VADER's own cuts and no model."""
    texts, moods = [text for text, _ in rows], [mood for _, mood in rows]
    cuts = Cuts.fit(texts, moods, (MOODS[0], MOODS[1], MOODS[2])) if rows else USUAL_MOOD
    return TextModel.fit(texts, moods), cuts
