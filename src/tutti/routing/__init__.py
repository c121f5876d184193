"""Routing: a task becomes a route. Offers, standings and load come in; the choice, what each scored and who was ruled out come out.
For many tasks at once: the assignment that is worth most (`assign`), and what each pair lacked (`shortfalls`). What agents claim of themselves
is read by how such claims have come out (`calibrate`).

It never asks whether the task may run, and never calls an agent.
"""

from tutti.routing.assignment import Assignment, assign, shortfalls
from tutti.routing.bids import calibrate
from tutti.routing.board import Board
from tutti.routing.folds import FOLDS, TABLES, as_fact
from tutti.routing.route import CONDITION_NAMES, Case, route, worths

__all__ = [
    "CONDITION_NAMES",
    "FOLDS",
    "TABLES",
    "Assignment",
    "Board",
    "Case",
    "as_fact",
    "assign",
    "calibrate",
    "route",
    "shortfalls",
    "worths",
]
