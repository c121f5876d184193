"""Evaluation: an outcome becomes a judgement. Input, output and the declared checks go in; quality 0..1 with its source comes out.

It never changes a standing, and never reads a clock. `measures` sums up what the view holds.
"""

from tutti.evaluation.folds import FOLDS, TABLES
from tutti.evaluation.judge import Check, as_fact, judge
from tutti.evaluation.measures import measures

__all__ = ["FOLDS", "TABLES", "Check", "as_fact", "judge", "measures"]
