"""What a task asks to have run: a plan, or a goal to be planned for; from what, for how much, and how often anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tutti.errors import Invalid
from tutti.model.plan import Goal, Plan, goal_from_json, plan_from_json

RUN = "plan.run"  # the skill of the planner
REPLANS = 3  # times that a plan is made anew, where its task does not say


@dataclass(frozen=True, slots=True)
class Order:
    """What a task asks to have run."""

    plan: Plan | None
    goal: Goal | None
    input: Any
    money: float | None
    replans: int
    kind: str


def order_of(said: Mapping[str, Any]) -> Order:
    """What a task of the planner asks for. Raises: `Invalid`."""
    unknown = sorted(set(said) - {"plan", "goal", "input", "money", "replans"})
    if unknown or ("plan" in said) == ("goal" in said):
        raise _wrong(f"There is no {unknown[0]!r} in it." if unknown else "It needs a plan or a goal.")
    money, replans = said.get("money"), said.get("replans", REPLANS)
    if money is not None and (isinstance(money, bool) or not isinstance(money, int | float) or money < 0):
        raise _wrong(f"money is {money!r}.")
    if isinstance(replans, bool) or not isinstance(replans, int) or not 0 <= replans <= 20:
        raise _wrong(f"replans is {replans!r}; it is from 0 to 20.")
    try:
        if "plan" in said:
            made = plan_from_json(said["plan"])
            return Order(made, made.goal, said.get("input"), money, replans, "goal" if made.goal else "plan")
        return Order(None, goal_from_json(said["goal"]), said.get("input"), money, replans, "goal")
    except Invalid as error:
        raise _wrong(error.message) from None


def _wrong(message: str) -> Invalid:
    return Invalid(f"{RUN}: {message}", hint='For example {"goal": {"want": ["Refund"]}, "input": {"account": "a1"}}.', code="invalid_input")
