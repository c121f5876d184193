"""Playbooks as users write them: steps in Python, and the skill that they become."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, Literal

import orjson

from tutti.clock import micros
from tutti.errors import Invalid
from tutti.model.plan import Plan, Playbook, Step, plan_to_json
from tutti.planning import check_plan
from tutti.transports import Bound, Context, bind


def step(
    name: str,
    skill: str = "",
    *,
    input: Any = "{input}",
    after: str | Sequence[str] = (),
    when: str | None = None,
    join: Literal["all", "any"] = "all",
    wait: timedelta | None = None,
    question: str | None = None,
    to: str = "",
    optional: bool = False,
) -> Step:
    """A step of a playbook: it does a `skill`, or waits for a time (`wait`), or asks a person (`question`).

    `input` is a template: "{input}", "{input.account}", "{steps.triage.urgency}" and "{notes.risk}" stand for values, alone or inside of a text;
    "{steps.triage.urgency?}" may be absent. A step begins when those whose outputs it takes, those that `when` speaks of and those it
    comes `after` have ended; with join="any" when the first of `after` has completed. `when` is CEL over input, steps and notes: where it does not hold the step is skipped,
    and with it the steps that take its output. `optional` lets the playbook go on when the step fails; `to` names the agent that is to do it.
    """
    after = (after,) if isinstance(after, str) else tuple(after)
    if wait is not None and not isinstance(wait, timedelta):
        raise Invalid(f"Step {name}: wait is a timedelta.", hint="For example wait=timedelta(days=3).")
    wait_ms = None if wait is None else micros(wait) // 1000
    return Step(name, skill, input if skill else None, after, when, join, wait_ms, question, to, optional)


def playbook_of(skill: str, steps: Sequence[Step], returns: Any, money: float | None, description: str) -> Playbook:
    """A playbook, checked as far as it can be before the fleet is known. Raises: `Invalid`."""
    if not all(isinstance(each, Step) for each in steps):
        raise Invalid(f"Playbook {skill}: its steps are made by step(…).", hint='For example step("triage", "ticket.triage", input={"text": "{input.text}"}).')
    plan = Plan(tuple(steps), skill, returns=returns)
    problems = [*(["it has no step"] if not steps else []), *check_plan(plan)]
    if money is not None and not 0 <= money < math.inf:
        problems.append("money is 0 or more")
    if problems:
        raise Invalid(
            f"Playbook {skill}: {'; '.join(problem.rstrip('.') for problem in problems)}.",
            hint='For example step("triage", "ticket.triage", input={"text": "{input.text}"}).',
        )
    return Playbook(skill, plan, money, description)


def border(playbook: Playbook, input: Any) -> Bound:
    """The border of a playbook: what comes in and what goes out. The workspace puts in the function that runs its steps."""

    async def unopened(input: Any, ctx: Context) -> Any:
        raise Invalid(f"{playbook.skill} runs in a workspace.", hint="Open the fleet in a Workspace.")

    unopened.__annotations__ = {"input": input, "ctx": Context, "return": Any}
    return bind(unopened, where=f"playbook {playbook.skill}")


def digest_of(playbook: Playbook, digest: str) -> str:
    """A card's digest with all that makes the playbook what it is."""
    told: Mapping[str, Any] = {"card": digest, "plan": plan_to_json(playbook.plan), "money": playbook.money}
    return sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
