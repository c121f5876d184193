"""What an action would do, in sentences, for the person who says yes or no: from its card, its exact parameters and the budgets, never guessed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tutti.clock import MICROS
from tutti.model.agent import Skill


class Touch(NamedTuple):
    """A resource that an action means to touch, and for how long it is its own after it is done (microseconds)."""

    resource: str
    effect: str
    lasts: int


class Left(NamedTuple):
    """What a budget has left before the action; None where it counts no money, or no times."""

    name: str
    period: str
    money: int | None
    times: int | None


_SPOKEN = {"hour": "this hour", "day": "today", "month": "this month", "ever": "in all"}


def consequences(skill: Skill, amount: int | None, currency: str | None, touches: Iterable[Touch], budgets: Sequence[Left]) -> list[str]:
    """Sentences on what a yes would lead to."""
    said = [skill.description.rstrip(".") + "."] if skill.description else []
    money = "" if amount is None else f"{abs(amount) / MICROS:.2f} {currency or ''}".rstrip()
    if money:
        said.append(f"It is over {money}.")
    for touch in touches:
        lasts = f" and keeps it for {_span(touch.lasts)} afterwards" if touch.lasts else ""
        said.append(f"It touches {touch.resource} ({touch.effect}){lasts}.")
    for budget in budgets:
        when = _SPOKEN[budget.period]
        if budget.money is not None and amount is not None:
            said.append(f"Budget {budget.name} has {budget.money / MICROS:.2f} left {when}; after it {(budget.money - abs(amount)) / MICROS:.2f}.")
        if budget.times is not None:
            said.append(f"Budget {budget.name} allows it {budget.times} more {'time' if budget.times == 1 else 'times'} {when}.")
    if skill.undo:
        said.append(f"It can be undone: {skill.undo}.")
    elif skill.reversible:
        said.append("It can be undone, though no agent here offers to.")
    else:
        said.append("It cannot be undone.")
    if not skill.idempotent:
        said.append("Where nobody knows whether it happened, it is not tried again: a person decides then.")
    return said


def on_expiry(expires_at: int, deadline_at: int | None) -> str:
    """What happens where nobody answers in time."""
    if deadline_at is not None and deadline_at <= expires_at:
        return "Nothing is done: its deadline is over then, and it fails."
    return "Nothing is done: it is parked then, and a person sends it on again or drops it."


def _span(micros: int) -> str:
    seconds = micros / MICROS
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            number = round(seconds / size, 1)
            return f"{number:g} {word}{'' if number == 1 else 's'}"
    return f"{seconds:g} seconds"
