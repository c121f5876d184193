"""Folding the stored facts anew: to fill a view table whose shape is new, and to check that the view says what the facts say."""

from __future__ import annotations

from collections.abc import Mapping

from tutti.journal.batch import Folds, Plan, Planner
from tutti.journal.engine import Engine
from tutti.journal.tables import Shape
from tutti.journal.writer import FACT_COLUMNS, fact_of

_CHUNK = 5000  # facts in memory at once


def fill(engine: Engine, tables: Mapping[str, Shape], folds: Folds) -> None:
    """Fold all facts into these (empty) view tables, in the transaction that is open."""
    planner = Planner("", tables, folds, engine.read)
    after = 0
    while stored := engine.query(f"SELECT {FACT_COLUMNS} FROM fact WHERE seq > ? ORDER BY seq LIMIT {_CHUNK}", (after,)):
        plan = Plan(after)
        for row in stored:
            fact = fact_of(row)
            for fold in folds.get(fact.kind, ()):
                planner.merge(plan, [change for change in fold(fact) if change[0] in tables])
        engine.change(tables, plan.merged)
        after = stored[-1][0]
