"""Evaluation: an outcome becomes a judgement. Input, output and the declared checks go in; quality 0..1 with its source comes out.

It never changes a standing, and never reads a clock.
"""

from tutti.evaluation.folds import FOLDS, TABLES
from tutti.evaluation.judge import Check, as_fact, judge

__all__ = ["FOLDS", "TABLES", "Check", "as_fact", "judge"]
