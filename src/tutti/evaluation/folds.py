"""Evaluation's fact on the task's row; what it does to a standing is feedback's."""

from __future__ import annotations

from collections.abc import Iterable

from tutti.model.fact import Fact
from tutti.model.view import Change, Fold, Set


def _judged(fact: Fact) -> Iterable[Change]:
    yield Set("task", (fact.about,), {"quality": fact.data["quality"], "quality_source": fact.data["source"]})


TABLES = ()
FOLDS: dict[str, Fold] = {"task.judged": _judged}
