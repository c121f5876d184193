"""Seeds: a company's day with crashes. `python -m tests.simulation --seeds 1000` runs more of them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from sim_run import PLACES, Result, broken, run_seed

from tutti import execution, transports
from tutti.journal.batch import Append, Planner
from tutti.orchestrator import Orchestrator
from tutti.runs import Runs

FEW = range(24)
MANY = 1000
SABOTAGED = range(30)  # at least one of these fails when a safeguard is taken away


def hold(results: list[Result]) -> None:
    """No seed broke a promise, and the seeds were worth running."""
    assert {result.seed: result.violations for result in results if result.violations} == {}
    crashes = sum((result.crashes for result in results), Counter())
    assert set(crashes) == set(PLACES) - {"none"}
    stages = set(sum((result.stages for result in results), Counter()))
    assert {"running", "ready", "approval", "parked", "joining", "coalesced", "backoff", "asking"} <= stages
    assert sum(result.effects for result in results) > 3 * len(results)


def test_few_seeds():
    hold([run_seed(seed) for seed in FEW])


@pytest.mark.slow
def test_many_seeds():
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        hold(list(pool.map(run_seed, range(1000, 1000 + MANY), chunksize=10)))


def test_a_seed_is_the_same_run_every_time_and_everywhere():
    roots = [run_seed(seed).root for seed in (3, 4)]
    assert [run_seed(seed).root for seed in (3, 4)] == roots
    code = "import sys; sys.path.insert(0, sys.argv[1]); from sim_run import run_seed; print(*[run_seed(seed).root for seed in (3, 4)])"
    environment = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(sys.path)}
    other = subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent)], env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.split() == roots


# --- the simulation bites: without each safeguard a seed fails ----------------------------------------------------


bites = partial(broken, run_seed, SABOTAGED)


def test_it_bites_without_the_durable_start(monkeypatch):
    """The action is made first, and its start recorded afterwards."""
    start, attempt = Orchestrator._start, Runs.attempt
    made: dict[str, Any] = {}

    async def start_late(self: Any, task: Any, bundle: Any, number: int, card: Any = None, verdict: Any = None) -> None:
        agent = card or self.house.registry.card(task["agent"], task["agent_version"])
        if agent is not None and agent.skills[task["skill"]].is_action:
            made[task["id"]] = await attempt(self.runs, task, agent, agent.skills[task["skill"]], number)
        await start(self, task, bundle, number, card, verdict)

    async def attempt_once(self: Any, task: Any, card: Any, skill: Any, number: int) -> Any:
        return made.pop(task["id"]) if task["id"] in made else await attempt(self, task, card, skill, number)

    monkeypatch.setattr(Orchestrator, "_start", start_late)
    monkeypatch.setattr(Runs, "attempt", attempt_once)
    assert bites("before its run was recorded", "is not idempotent and was called")


def without_fence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks at the versions that an append expects, nor at the limits it must stay within."""
    take = Planner._take

    def take_all(self: Any, plan: Any, append: Append, bodies: Any, at: int) -> Any:
        return take(self, plan, append._replace(expect={}, within=()), bodies, at)

    monkeypatch.setattr(Planner, "_take", take_all)


def test_it_bites_without_the_fence(monkeypatch):
    without_fence(monkeypatch)
    assert bites("a signal was taken in 2 times", "budget ")


@pytest.mark.slow
def test_without_the_fence_tasks_go_on_after_their_end(monkeypatch):
    without_fence(monkeypatch)
    assert broken(run_seed, range(150), "went on after its end")  # one seed in twelve


def test_it_bites_without_a_stable_key(monkeypatch):
    """Each attempt has a key of its own."""
    context = transports.Context

    def with_other_key(task: str, skill: str, key: str, attempt: int, *rest: Any) -> Any:
        return context(task, skill, f"{key}/{attempt}", attempt, *rest)

    monkeypatch.setattr(transports, "Context", with_other_key)
    assert bites("refund.pay")


def test_it_bites_when_unknown_outcomes_are_tried_again(monkeypatch):
    """An action that is not idempotent is treated as if it were."""
    following = execution.next_step

    def careless(skill: Any, task: Any, outcome: Any, **about: Any) -> Any:
        step = following(skill, task, outcome, **about)
        if isinstance(step, execution.Park) and "nobody knows" in step.reason and about["attempt"] < skill.attempts:
            return execution.Retry(about["now"] + 100_000)
        return step

    monkeypatch.setattr(execution, "next_step", careless)
    assert bites("is not idempotent and was called")


def test_it_bites_when_a_kill_switch_is_not_asked(monkeypatch):
    """The switch is recorded, and no gate looks at it."""
    monkeypatch.setattr(Runs, "stop", lambda self, scope, name: 0)
    monkeypatch.setattr("tutti.gates.stopped_by", lambda *_: "")
    monkeypatch.setattr(sys.modules["tutti.gates.decide"], "stopped_by", lambda *_: "")
    assert bites("after the kill switch")


async def test_the_command_line_tells_what_it_ran():
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "2", "--processes", "1"]
    process = await asyncio.create_subprocess_exec(*command, cwd=Path(__file__).parents[2], env=environment, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert output.decode().startswith("2 seeds, 0 failed;")
