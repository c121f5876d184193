"""Execution: an allowed task becomes an outcome. `run` is one attempt; `next_step` decides what follows it; `Queue` decides who is next;
`rank` makes one order of tasks out of several departments'.

It never chooses an agent, never judges what came back, and never appends.
"""

from tutti.execution.breakers import LONGEST_REST, Breakers
from tutti.execution.folds import FOLDS, TABLES
from tutti.execution.queue import Queue
from tutti.execution.ranking import Ranking, as_fact, rank
from tutti.execution.run import Limit, run
from tutti.execution.steps import Done, Fail, Fallback, Park, Retry, Step, next_step

__all__ = [
    "FOLDS",
    "LONGEST_REST",
    "TABLES",
    "Breakers",
    "Done",
    "Fail",
    "Fallback",
    "Limit",
    "Park",
    "Queue",
    "Ranking",
    "Retry",
    "Step",
    "as_fact",
    "next_step",
    "rank",
    "run",
]
