"""The door to integer programmes: the same answers from HiGHS and, where it is installed, from CP-SAT."""

import itertools

import numpy as np
import pytest
from scipy.sparse import csr_array

from tutti import solver
from tutti.conflicts import Option, pack
from tutti.model.conflict import Need, Rule, Rules
from tutti.model.negotiation import Belief, Constraints, Limit, Utility
from tutti.negotiation import Space, settle
from tutti.solver import Outcome, Programme, solve

SOLVERS = ["highs", pytest.param("cp_sat", marks=pytest.mark.skipif(not solver.cp_sat(), reason="OR-tools is not installed (extra ortools)"))]
PATIENT = 30.0  # seconds for the solver, which needs a fraction of one: the machine may be busy


@pytest.fixture(params=SOLVERS)
def which(request, monkeypatch):
    monkeypatch.setattr(solver, "cp_sat", lambda: request.param == "cp_sat")
    return request.param


def a_programme(rng, *, columns=7, rows=4, fractions=False):
    numbers = rng.integers(-3, 6, size=(rows, columns)).astype(float)
    goal = rng.integers(-4, 9, size=columns).astype(float)
    if fractions:
        numbers, goal = numbers + rng.random(numbers.shape), goal + rng.random(columns)
    high = rng.uniform(1, 6, rows)
    return Programme(goal, csr_array(numbers), np.full(rows, -5.0), high, np.zeros(columns), np.ones(columns), np.ones(columns))


def tried(programme):
    """The best by trying all."""
    matrix, best = programme.rows.toarray(), -np.inf
    for x in itertools.product((0.0, 1.0), repeat=len(programme.goal)):
        sums = matrix @ x
        if (sums <= programme.high + 1e-9).all() and (sums >= programme.low - 1e-9).all():
            best = max(best, float(programme.goal @ x))
    return best


@pytest.mark.parametrize("fractions", [False, True])
def test_the_best_is_found_and_proven(which, fractions):
    rng = np.random.default_rng(3)
    for _ in range(12):
        programme = a_programme(rng, fractions=fractions)
        best, found = tried(programme), solve(programme, PATIENT)
        assert found.outcome is Outcome.PROVEN
        assert programme.goal @ np.round(found.x) == pytest.approx(best, abs=1e-6)
        assert best - 1e-9 <= found.bound <= best + 1e-5
        sums = programme.rows @ np.round(found.x)
        assert (sums <= programme.high + 1e-6).all()
        assert (sums >= programme.low - 1e-6).all()


def test_what_cannot_be_is_said_to_be_infeasible(which):
    one = np.ones(3)
    found = solve(Programme(one, csr_array(np.ones((1, 3))), np.array([2.5]), np.array([2.8]), 0 * one, one, one), PATIENT)
    assert (found.outcome, found.x) == (Outcome.INFEASIBLE, None)
    assert found.bound == -np.inf


def test_variables_that_are_not_whole_stand_between_those_that_are(which):
    # the most of y where y <= 0.3 + 0.45 a and y <= 1 - 0.31 b and a + b >= 1: a alone, y = 0.75
    rows = np.array([[-0.45, 0.0, 1.0], [0.0, 0.31, 1.0], [-1.0, -1.0, 0.0]])
    programme = Programme(
        np.array([0.0, 0.0, 1.0]), csr_array(rows), np.full(3, -np.inf), np.array([0.3, 1.0, -1.0]), np.zeros(3), np.array([1.0, 1.0, 2.0]), np.array([1, 1, 0])
    )
    found = solve(programme, PATIENT)
    assert found.x == pytest.approx([1.0, 0.0, 0.75], abs=1e-5)
    assert 0.75 - 1e-9 <= found.bound < 0.75 + 1e-5


def test_a_programme_without_whole_variables_is_linear(which):
    found = solve(Programme(np.array([1.0]), csr_array(np.array([[2.0]])), np.array([-np.inf]), np.array([1.0]), np.zeros(1), np.ones(1), np.zeros(1)), PATIENT)
    assert found.x == pytest.approx([0.5])
    assert found.bound == pytest.approx(0.5)


def test_packing_is_worth_the_same_whichever_solver_packs():
    rng = np.random.default_rng(8)
    rules = Rules({"room": Rule(2), "desk": Rule(1)})
    intents = {}
    for at in range(30):
        options = []
        for _ in range(3):
            start = int(rng.integers(0, 20))
            need = Need(f"{rng.choice(['room', 'desk'])}/{rng.integers(2)}", start, start + int(rng.integers(1, 6)), "use", 1)
            options.append(Option((need,), float(rng.uniform(1, 9))))
        intents[at] = options
    packed = _with_each(lambda: pack(intents, rules, within=PATIENT))
    assert all(each.gap < 1e-3 for each in packed)
    assert [each.value for each in packed] == pytest.approx([packed[0].value] * len(packed), rel=1e-4)


def test_a_space_too_large_to_list_is_settled_alike_whichever_solver_bounds_it():
    rng = np.random.default_rng(5)
    sizes = [4] * 10
    models = []
    for _ in range(5):
        share = rng.dirichlet(np.full(10, 2.0))
        contrib = tuple(tuple((share[at] * rng.random(4)).tolist()) for at in range(10))
        models.append(Utility(contrib, ((0, 1, 1, 2, 0.07), (3, 0, 6, 1, -0.05)), 0.3))
    policy = Constraints(pairs=(("apart", 0, 0, 1, 1),), limits=(Limit("budget", tuple(tuple(rng.random(4).tolist()) for _ in sizes), 5.0),))
    settled = _with_each(lambda: settle(Space(sizes, policy), [Belief((model,)) for model in models], [1.0, 2.0, 1.0, 1.5, 1.0], seconds=PATIENT))
    assert len({each.offer for each in settled}) == 1
    assert settled[0].offer is not None
    assert all(each.gap < 1e-4 for each in settled)


def _with_each(what):
    """What comes out with each solver that is installed."""
    out = []
    for chosen in ("highs", "cp_sat")[: 1 + solver.cp_sat()]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(solver, "cp_sat", lambda chosen=chosen: chosen == "cp_sat")
            out.append(what())
    return out
