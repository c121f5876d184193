"""One door to integer programmes: CP-SAT where OR-tools is installed (the extra `ortools`), else HiGHS, which comes with scipy.

Comes in: a programme as arrays. Goes out: the best solution found in time and a bound that holds. It never decides what a programme means.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]

_FINE = 1e13  # what the largest number of a row is made, where CP-SAT, which only knows whole numbers, must count what is none
_STEP = 1e-7  # a continuous variable's grain there
_LARGEST = 1e17  # that a row or the goal may come to there: ten times as much still fits into 63 bits


class Outcome(StrEnum):
    """How a search ended."""

    PROVEN = "proven"  # nothing is better
    FOUND = "found"  # time was up; something may be better, by no more than the bound says
    NOTHING = "nothing"  # time was up before anything was found
    INFEASIBLE = "infeasible"


@dataclass(frozen=True, slots=True)
class Programme:
    """Most of `goal` @ x where `low` <= `rows` @ x <= `high` and `least` <= x <= `most`, with whole numbers where `whole` is 1. `rows` is a sparse array of scipy's."""

    goal: Numbers
    rows: Any
    low: Numbers
    high: Numbers
    least: Numbers
    most: Numbers
    whole: Numbers


@dataclass(frozen=True, slots=True)
class Solved:
    """What was found (None: nothing), no solution's worth is above `bound` (plus infinity: not known)."""

    x: Numbers | None
    bound: float
    outcome: Outcome


def solve(programme: Programme, seconds: float, *, gap: float = 0.0, hint: Numbers | None = None) -> Solved:
    """The best solution within so many seconds of the solver's clock, content with a relative `gap`; `hint` is a solution to begin with, where the solver takes one.

    A programme with no whole variable is HiGHS's in any case. CP-SAT rounds what is not whole to a grain of a ten-millionth, outward: what it finds may break
    a row by that much, and its bound holds. The answer is the same for the same programme as long as the solver comes to its end in time.
    """
    if programme.whole.any() and cp_sat():
        return _with_cp_sat(programme, seconds, gap, hint)
    return _with_highs(programme, seconds, gap)


@cache
def cp_sat() -> bool:
    """Whether OR-tools is installed."""
    return find_spec("ortools") is not None


def _with_highs(programme: Programme, seconds: float, gap: float) -> Solved:
    from scipy.optimize import Bounds, LinearConstraint, milp

    rows = LinearConstraint(programme.rows, programme.low, programme.high)
    found: Any = milp(
        -programme.goal,
        constraints=rows,
        integrality=programme.whole,
        bounds=Bounds(programme.least, programme.most),
        options={"time_limit": seconds, "mip_rel_gap": gap},
    )
    if found.status == 2:
        return Solved(None, float("-inf"), Outcome.INFEASIBLE)
    above = found.fun if found.status == 0 and not programme.whole.any() else found.mip_dual_bound
    bound = float("inf") if above is None or not np.isfinite(above) else -float(above)
    if found.x is None:
        return Solved(None, bound, Outcome.NOTHING)
    return Solved(np.asarray(found.x, dtype=float), bound, Outcome.PROVEN if found.status == 0 else Outcome.FOUND)


def _with_cp_sat(programme: Programme, seconds: float, gap: float, hint: Numbers | None) -> Solved:
    from ortools.sat.python import cp_model

    grain = np.where(programme.whole > 0, 1.0, _STEP)
    least, most = np.ceil(programme.least / grain - 1e-9), np.floor(programme.most / grain + 1e-9)
    if (least > most).any():
        return Solved(None, float("-inf"), Outcome.INFEASIBLE)
    model = cp_model.CpModel()
    columns = [model.new_bool_var("") if (low, high) == (0, 1) else model.new_int_var(int(low), int(high), "") for low, high in zip(least, most, strict=True)]
    matrix = programme.rows.tocsr()
    for at in range(matrix.shape[0]):
        places = matrix.indices[matrix.indptr[at] : matrix.indptr[at + 1]]
        numbers = matrix.data[matrix.indptr[at] : matrix.indptr[at + 1]] * grain[places]
        if (numbers == 1.0).all() and programme.high[at] == 1.0 and programme.low[at] <= 0.0 and (most[places] <= 1).all():
            model.add_at_most_one(columns[place] for place in places)
            continue
        whole, low, high = _whole(numbers, grain[places] < 1, (least[places], most[places]), (float(programme.low[at]), float(programme.high[at])))
        model.add_linear_constraint(cp_model.LinearExpr.weighted_sum([columns[place] for place in places], whole), low, high)
    numbers = programme.goal * grain
    scale = _scale(numbers, least, most)
    weights = np.rint(numbers * scale)
    model.maximize(cp_model.LinearExpr.weighted_sum(columns, weights.astype(np.int64).tolist()))
    if hint is not None:
        for column, number, unit in zip(columns, hint, grain, strict=True):
            model.add_hint(column, round(float(number) / unit))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.num_workers = 1
    solver.parameters.relative_gap_limit = gap
    solver.parameters.random_seed = 1
    solver.parameters.linearization_level = 2  # else eight times as long for 250 intents, measured
    status = solver.solve(model)
    if status == cp_model.INFEASIBLE:
        return Solved(None, float("-inf"), Outcome.INFEASIBLE)
    blur = float((np.abs(weights - numbers * scale) * np.maximum(np.abs(least), np.abs(most))).sum()) / scale + float(np.abs(numbers[grain < 1]).sum())
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Solved(None, solver.best_objective_bound / scale + blur if status == cp_model.UNKNOWN else float("inf"), Outcome.NOTHING)
    x = np.array([solver.value(column) for column in columns], dtype=float) * grain
    return Solved(x, solver.best_objective_bound / scale + blur, Outcome.PROVEN if status == cp_model.OPTIMAL else Outcome.FOUND)


def _scale(numbers: Numbers, least: Numbers, most: Numbers) -> float:
    """By how much these are multiplied to be counted in whole numbers; 1 where they are whole, and no sum becomes too large."""
    if (numbers == np.rint(numbers)).all():
        return 1.0
    reach = float((np.abs(numbers) * np.maximum(np.abs(least), np.abs(most))).sum())
    return float(min(_FINE / max(float(np.abs(numbers).max()), 1e-300), _LARGEST / max(reach, 1e-300)))


def _whole(numbers: Numbers, grained: npt.NDArray[np.bool_], reach: tuple[Numbers, Numbers], limits: tuple[float, float]) -> tuple[list[int], int, int]:
    """A row in whole numbers, its limits moved outward by what rounding may come to, and by a grain of each variable that has one."""
    scale = _scale(numbers, *reach)
    rounded = np.rint(numbers * scale)
    blur = float((np.abs(rounded - numbers * scale) * np.maximum(np.abs(reach[0]), np.abs(reach[1]))).sum()) + float(np.abs(numbers[grained]).sum()) * scale
    low, high = (int(-10 * _LARGEST) if limit == -np.inf else int(10 * _LARGEST) if limit == np.inf else limit * scale for limit in limits)
    slack = blur + 1e-9 * scale
    return rounded.astype(np.int64).tolist(), int(np.ceil(low - slack)), int(np.floor(high + slack))
