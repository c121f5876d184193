"""What follows an attempt: done, try again, another agent, park for a person, or fail."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tutti.clock import MICROS
from tutti.model.agent import Skill
from tutti.model.outcome import Ending, Outcome

FIRST_PAUSE = 0.2  # seconds before the second attempt; doubles each time
LONGEST_PAUSE = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """The outcome stands."""


@dataclass(frozen=True, slots=True)
class Retry:
    """The same agent again, not before `at`."""

    at: int


@dataclass(frozen=True, slots=True)
class Fallback:
    """Another agent; this one is left out."""


@dataclass(frozen=True, slots=True)
class Park:
    """A person must decide what becomes of it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Fail:
    """Nothing more can be tried."""

    reason: str


Step = Done | Retry | Fallback | Park | Fail


def next_step(skill: Skill, task: Mapping[str, Any], outcome: Outcome, *, attempt: int, rivals: bool, now: int, rng: random.Random) -> Step:
    """Decide what follows attempt number `attempt` (from 1) of a task whose skill other live agents (`rivals`) may offer.

    An action that is not idempotent is never tried again after an outcome nobody knows: it may have happened.
    """
    ending = outcome.ending
    if ending is Ending.DONE:
        return Done()
    if ending is Ending.STOPPED:
        return Park(outcome.detail or "stopped by a kill switch")
    if ending is Ending.CANCELED:
        return Park(outcome.detail)
    unsure = outcome.unsure
    if skill.is_action and unsure and not skill.idempotent:
        return Park("nobody knows whether it happened, and the agent does not promise to do it once")
    late = task["deadline_at"] is not None and now >= task["deadline_at"]
    if late:
        return Park("the deadline passed while the outcome was unknown") if skill.is_action and unsure else Fail("deadline_passed")
    if ending is Ending.UNKNOWN and attempt >= skill.attempts:
        return Park(f"the process went away {attempt} times while this task ran")
    may_repeat = outcome.retry or ending in (Ending.TIMED_OUT, Ending.UNKNOWN)
    if may_repeat and attempt < skill.attempts:
        pause = min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE) * (0.5 + rng.random())
        return Retry(now + int(pause * MICROS))
    if skill.is_action and unsure:
        return Park(f"nobody knows whether it happened, after {attempt} attempts")
    if rivals and outcome.error != "invalid_input":
        return Fallback()
    return Fail(outcome.error or "agent_failed")
