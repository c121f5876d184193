"""Churn forecasts: a rule, a logistic regression, and a calibrated blend of it with boosted trees.

All score one row in microseconds: the fitted trees are read into plain lists, since scikit-learn's own prediction
costs about a millisecond a call whatever the number of rows.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any

from tutti.fleets.lifecycle.company import digest

Facts = Mapping[str, float | str]
TreeSize = tuple[int, float, int]  # leaves, learning rate, trees

FOLDS = 4
LR_SHARES = (0.0, 0.25, 0.5, 0.75)
# the first suits few effects that add up, the second many that interact
TREE_SIZES: tuple[TreeSize, ...] = ((8, 0.05, 150), (31, 0.1, 100))


@dataclass(frozen=True, slots=True)
class Encoder:
    """Rows of facts as numbers: numeric columns as they are, one 0/1 column for each value of the others."""

    numbers: tuple[str, ...]
    values: tuple[tuple[str, str], ...]
    means: tuple[float, ...]

    @classmethod
    def fit(cls, rows: Sequence[Facts]) -> Encoder:
        numbers = tuple(name for name, value in rows[0].items() if not isinstance(value, str))
        values = sorted({(name, str(row[name])) for row in rows for name in rows[0] if name not in numbers})
        means = tuple(sum(float(row[name]) for row in rows) / len(rows) for name in numbers)
        return cls(numbers, tuple(values), means)

    def encode(self, row: Facts) -> list[float]:
        """Unknown values give zeros in all their columns, an absent number its mean."""
        found = [float(row.get(name, mean)) for name, mean in zip(self.numbers, self.means, strict=True)]
        found += [1.0 if row.get(name) == value else 0.0 for name, value in self.values]
        return found


@dataclass(frozen=True, slots=True)
class Logistic:
    """A logistic regression over encoded rows, the scaling folded into the weights."""

    weights: tuple[float, ...]
    intercept: float

    @classmethod
    def fit(cls, rows: Any, left: Any) -> Logistic:
        from sklearn.linear_model import LogisticRegression
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(rows)
        model = LogisticRegression(max_iter=1000).fit(scaler.transform(rows), left)
        weights = model.coef_[0] / scaler.scale_
        return cls(tuple(weights.tolist()), float(model.intercept_[0] - weights @ scaler.mean_))

    def score(self, row: Sequence[float]) -> float:
        return sigmoid(self.intercept + sum(map(mul, self.weights, row)))


@dataclass(frozen=True, slots=True)
class Trees:
    """Boosted trees as flat lists: node `i` sends a row left where `row[feature[i]] <= threshold[i]`; -1 is a leaf."""

    roots: tuple[int, ...]
    feature: tuple[int, ...]
    threshold: tuple[float, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]
    value: tuple[float, ...]
    start: float

    @classmethod
    def fit(cls, rows: Any, left: Any, size: TreeSize) -> Trees:
        """Fit with scikit-learn and read the trees out; raises `RuntimeError` if they do not score as the original."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        leaves, rate, count = size
        model = HistGradientBoostingClassifier(max_leaf_nodes=leaves, learning_rate=rate, max_iter=count, early_stopping=False, random_state=0).fit(rows, left)
        trees = cls._read(model)
        sure = model.predict_proba(rows[:50])[:, 1]
        if any(abs(trees.score(row.tolist()) - p) > 1e-9 for row, p in zip(rows[:50], sure, strict=True)):
            raise RuntimeError("this scikit-learn keeps its boosted trees in another form; use the version in the lock")
        return trees

    @classmethod
    def _read(cls, model: Any) -> Trees:
        roots: list[int] = []
        feature: list[int] = []
        threshold: list[float] = []
        left: list[int] = []
        right: list[int] = []
        value: list[float] = []
        for (tree,) in model._predictors:
            at = len(feature)
            roots.append(at)
            for node in tree.nodes:
                leaf = bool(node["is_leaf"])
                feature.append(-1 if leaf else int(node["feature_idx"]))
                threshold.append(float(node["num_threshold"]))
                left.append(at + int(node["left"]))
                right.append(at + int(node["right"]))
                value.append(float(node["value"]))
        start = float(model._baseline_prediction.ravel()[0])
        return cls(tuple(roots), tuple(feature), tuple(threshold), tuple(left), tuple(right), tuple(value), start)

    def score(self, row: Sequence[float]) -> float:
        feature, threshold, left, right = self.feature, self.threshold, self.left, self.right
        total = self.start
        for root in self.roots:
            node = root
            while (column := feature[node]) >= 0:
                node = left[node] if row[column] <= threshold[node] else right[node]
            total += self.value[node]
        return sigmoid(total)


@dataclass(frozen=True, slots=True)
class Curve:
    """A rising curve through points, level outside them: a fitted isotonic calibration."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]

    @classmethod
    def fit(cls, scores: Any, left: Any) -> Curve:
        from sklearn.isotonic import IsotonicRegression

        model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(scores, left)
        return cls(tuple(model.X_thresholds_.tolist()), tuple(model.y_thresholds_.tolist()))

    def at(self, x: float) -> float:
        xs, ys = self.xs, self.ys
        n = bisect_right(xs, x)
        if n == 0 or n == len(xs):
            return ys[min(n, len(ys) - 1)]
        part = (x - xs[n - 1]) / (xs[n] - xs[n - 1])
        return ys[n - 1] + part * (ys[n] - ys[n - 1])


@dataclass(frozen=True, slots=True)
class Churn:
    """Everything fitted for one kind of account."""

    kind: str
    encoder: Encoder
    logistic: Logistic
    trees: Trees
    share: float
    curve: Curve
    base: float
    rows: int

    def by_rule(self, facts: Facts) -> float:
        """What a person would say from a column or two, and far too sure of it."""
        if self.kind == "telco":
            gone = facts["Contract"] == "Month-to-month" and float(facts["tenure"]) < 12
        elif self.kind == "usage":
            gone = bool(facts["complains"]) or float(facts["subscription_length"]) < 12
        else:
            gone = float(facts["complaints"]) > 1 or float(facts["tenure"]) < 6
        return 0.95 if gone else 0.05

    def by_logistic(self, facts: Facts) -> float:
        return self.logistic.score(self.encoder.encode(facts))

    def by_blend(self, facts: Facts) -> float:
        """Logistic regression and trees averaged, then half calibrated: the mean keeps the order within a step."""
        row = self.encoder.encode(facts)
        raw = self.share * self.logistic.score(row) + (1 - self.share) * self.trees.score(row)
        return (raw + self.curve.at(raw)) / 2

    def reasons(self, facts: Facts, most: int = 3) -> list[str]:
        """The columns that raise the logistic forecast most against the average account."""
        row = self.encoder.encode(facts)
        names = [*self.encoder.numbers, *(f"{name}: {value}" for name, value in self.encoder.values)]
        centre = [*self.encoder.means, *(0.0 for _ in self.encoder.values)]
        pushes = sorted(
            ((weight * (x - mean), name) for weight, x, mean, name in zip(self.logistic.weights, row, centre, names, strict=True)),
            reverse=True,
        )
        return [name for push, name in pushes[:most] if push > 0]


def fit(kind: str, rows: Sequence[Facts], left: Sequence[bool]) -> Churn:
    """Fit all on the training rows of one kind.

    Folds are cut by the hash of a row's facts, so equal rows stay together. Out of these folds come the share of the
    logistic regression, the size of the trees (least log loss) and the calibration.

    Raises:
        ValueError: fewer than 40 rows, or all with the same label.
    """
    if len(rows) < 40 or len(set(left)) < 2:
        raise ValueError(f"{kind}: {len(rows)} training accounts with {len(set(left))} outcomes; 40 and 2 are needed")
    import numpy as np
    import sklearn.ensemble  # noqa: F401  loads the thread pools: limits do not reach what is loaded after them
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    encoder = Encoder.fit(rows)
    x = np.array([encoder.encode(row) for row in rows])
    y = np.array(left, dtype=float)
    fold = np.array([digest(dict(row)) % FOLDS for row in rows])
    with threadpool_limits(1):  # on two shared cores more threads cost seconds, not save them
        lines, woods = np.zeros(len(y)), np.zeros(len(y))
        size: TreeSize = TREE_SIZES[0]
        sizes: tuple[TreeSize, ...] = TREE_SIZES
        for n in range(FOLDS):
            train, held = fold != n, fold == n
            line = Logistic.fit(x[train], y[train])
            lines[held] = [line.score(row) for row in x[held].tolist()]
            options = {}
            for option in sizes:  # the first fold alone chooses the size: the larger trees are most of the time
                wood = Trees.fit(x[train], y[train], option)
                options[option] = np.array([wood.score(row) for row in x[held].tolist()])
            size = min(options, key=lambda option: best_share(lines[held], options[option], y[held])[0])
            woods[held], sizes = options[size], (size,)
        _, share = best_share(lines, woods, y)
        curve = Curve.fit(share * lines + (1 - share) * woods, y)
        logistic = Logistic.fit(x, y)
        trees = Trees.fit(x, y, size)
    return Churn(kind, encoder, logistic, trees, share, curve, float(y.mean()), len(rows))


def best_share(lines: Any, woods: Any, left: Any) -> tuple[float, float]:
    """The least log loss of a blend, and the logistic regression's share in it."""
    return min((log_loss(share * lines + (1 - share) * woods, left), share) for share in LR_SHARES)


def log_loss(scores: Any, left: Any) -> float:
    import numpy as np

    sure = np.clip(np.where(left > 0, scores, 1 - scores), 1e-6, 1)
    return float(-np.log(sure).mean())


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
