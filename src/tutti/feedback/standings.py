"""Standings: a Beta posterior per (skill, class of tasks, agent version), kept as millionths so that sums are exact."""

from __future__ import annotations

from collections.abc import Iterable

from tutti.model.fact import Fact
from tutti.model.outcome import STANDINGS
from tutti.model.view import Add, Change, Fold

_MILLION = 1_000_000


def _judged(fact: Fact) -> Iterable[Change]:
    data = fact.data
    key = (data["skill"], data["class"] or "", data["agent"], data["version"])
    quality = data["quality"]
    if "was" in data:  # a stronger source takes the place of the weaker one
        change = quality - data["was"]
        yield Add("standing", key, {"good": change, "bad": -change})
    else:
        yield Add("standing", key, {"good": quality, "bad": _MILLION - quality, "judged": 1, "ms": data["ms"], "runs": 1})


def interval(good: float, bad: float) -> tuple[float, float, float]:
    """Mean and 95 % interval of a standing with a flat prior, as (mean, low, high).

    Source: equal-tailed interval of Beta(1 + good, 1 + bad); with nothing judged it is 0.025 to 0.975.
    """
    from scipy.special import betaincinv

    a, b = 1.0 + max(good, 0.0), 1.0 + max(bad, 0.0)
    return a / (a + b), float(betaincinv(a, b, 0.025)), float(betaincinv(a, b, 0.975))


TABLES = (STANDINGS,)
FOLDS: dict[str, Fold] = {"task.judged": _judged}
