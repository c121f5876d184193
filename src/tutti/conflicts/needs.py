"""What an action means to touch, read from its input by its skill's templates."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from tutti.clock import from_datetime, micros
from tutti.errors import Invalid
from tutti.model.agent import Skill
from tutti.model.conflict import Intent, Need, Rules

_FIELD = re.compile(r"\{([A-Za-z_][\w.]*)\}")
_CLASS = re.compile(r"^[A-Za-z][\w.-]*/[^/]")


class Wanted(NamedTuple):
    """One intent of an action: the resource by name, and for when. `start` and `end` are None where it is for as long as the action and `lasts`."""

    resource: str
    effect: str
    units: int
    value: float | None
    start: int | None
    end: int | None
    lasts: int

    def need(self, now: int, running: int) -> Need:
        """As a need of an action that would begin now and take `running` microseconds at most."""
        if self.start is not None and self.end is not None:
            return Need(self.resource, self.start, self.end, self.effect, self.units)
        return Need(self.resource, now, now + running + max(self.lasts, 1), self.effect, self.units)


def check_intent(intent: Intent, schema: Mapping[str, Any], where: str) -> None:
    """Refuse a template that no input can fit. Raises: `Invalid`."""
    if not _CLASS.match(intent.resource):
        raise Invalid(f"{where}: {intent.resource!r} names no resource.", hint='Write class/{field}, for example Intent("price/{account}").')
    if bool(intent.start) != bool(intent.end):
        raise Invalid(
            f"{where}: an intent has start and end, or neither.", hint="Without them it begins when the action runs, and lasts= says how long it stays."
        )
    if not isinstance(intent.units, str) and (intent.units < 1 or intent.units % 1):
        raise Invalid(f"{where}: units are a whole number, 1 or more, or the field that holds it.")
    if not isinstance(intent.lasts, timedelta):
        raise Invalid(f"{where}: lasts is a timedelta.", hint="For example lasts=timedelta(days=30).")
    if intent.lasts < timedelta():
        raise Invalid(f"{where}: lasts is no time before the effect.")
    known = schema.get("properties")
    named = [*_FIELD.findall(intent.resource), intent.start, intent.end, *(part for part in (intent.units, intent.value) if isinstance(part, str))]
    for field in named:
        if field and known is not None and field.partition(".")[0] not in known:
            raise Invalid(f"{where}: the input has no field {field!r}.", hint=f"Its fields are: {', '.join(known)}.")


def wanted(skill: Skill, input: Any) -> tuple[Wanted, ...]:
    """The intents of an action with this input. Raises: `Invalid` (code invalid_input) where the input lacks what a template names."""
    return tuple(_wanted(intent, skill, input) for intent in skill.intends)


def _wanted(intent: Intent, skill: Skill, input: Any) -> Wanted:
    where = f"{skill.name} on {intent.resource}"
    kind, _, rest = intent.resource.partition("/")
    name = _FIELD.sub(lambda match: _text(input, match[1], where), rest)
    start, end = (_instant(input, field, where) if field else None for field in (intent.start, intent.end))
    if start is not None and end is not None and end <= start:
        raise Invalid(f"{where}: it ends before it starts.", code="invalid_input")
    units = _number(input, intent.units, where)
    if units < 1 or units % 1:
        raise Invalid(f"{where}: {units} units.", hint="Ask for a whole number, 1 or more.", code="invalid_input")
    value = None if intent.value is None or _left_out(input, intent.value) else _number(input, intent.value, where)
    return Wanted(f"{kind}/{name}", intent.effect or skill.name, int(units), value, start, end, micros(intent.lasts))


def _left_out(input: Any, given: float | str) -> bool:
    """Whether the input does not say this: an action may come without a value, then its value decides nothing."""
    value = input
    for part in given.split(".") if isinstance(given, str) else ():
        value = value.get(part) if isinstance(value, Mapping) else None
    return isinstance(given, str) and value is None


def _part(input: Any, field: str, where: str) -> Any:
    value = input
    for part in field.split("."):
        if not isinstance(value, Mapping) or value.get(part) is None:
            raise Invalid(f"{where}: the input says no {field}.", code="invalid_input")
        value = value[part]
    return value


def _text(input: Any, field: str, where: str) -> str:
    value = _part(input, field, where)
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise Invalid(f"{where}: {field} is no name.", hint="Name resources by text or whole numbers.", code="invalid_input")
    return str(value)


def _number(input: Any, given: float | str, where: str) -> float:
    value = _part(input, given, where) if isinstance(given, str) else given
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < 1e12:
        raise Invalid(f"{where}: {given} is no number.", code="invalid_input")
    return value


def _instant(input: Any, field: str, where: str) -> int:
    value = _part(input, field, where)
    try:
        return from_datetime(datetime.fromisoformat(value))
    except (TypeError, ValueError) as error:
        raise Invalid(f"{where}: {field} is no instant.", hint="Write it as 2026-11-22T10:00:00Z.", code="invalid_input") from error


def check_room(wants: Sequence[Wanted], skill: Skill, rules: Rules) -> None:
    """Refuse what asks for more units than there are at any time. Raises: `Invalid` (code invalid_input).

    Of a class that nobody declared one action is done at a time, so units say nothing there.
    """
    for want, intent in zip(wants, skill.intends, strict=True):
        kind = intent.resource.partition("/")[0]
        capacity = rules[kind].capacity
        if kind in rules and capacity is not None and want.units > capacity:
            words = f"{skill.name} on {intent.resource}: it takes {want.units} units of {capacity}."
            raise Invalid(words, hint=f"Ask for fewer, or raise the capacity of {kind}.", code="invalid_input")


def worth(wants: Sequence[Wanted]) -> float | None:
    """What an option is worth: the sum of its intents' values; None where one of them has none."""
    values = [want.value for want in wants]
    return None if not values or None in values else float(sum(value for value in values if value is not None))
