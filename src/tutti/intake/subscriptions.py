"""Which subscriptions a signal meets: an index by type, then each one's condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tutti.errors import Invalid
from tutti.model.signal import Subscription
from tutti.registry import Condition, prepared

NAMES = ("type", "subject", "data", "source", "time", "department", "priority")


class Matches(NamedTuple):
    """The subscriptions an event meets, highest priority first; and those whose condition could not be evaluated on it, each with why."""

    met: list[Subscription]
    undecided: list[tuple[Subscription, str]]


class Subscriptions:
    """Subscriptions by type. A pattern is an exact type, or a prefix that ends in `.*`, or `*` for all."""

    def __init__(self, subscriptions: Iterable[Subscription] = ()) -> None:
        self._exact: dict[str, list[tuple[Subscription, Condition | None]]] = {}
        self._prefix: dict[str, list[tuple[Subscription, Condition | None]]] = {}
        for subscription in subscriptions:
            self.add(subscription)

    def add(self, subscription: Subscription) -> None:
        """Compile and index one. Raises `Invalid` for a condition that is not CEL or a pattern that is not one."""
        where = f'fleet.on("{subscription.type}", when="{subscription.when}")'
        condition = None if subscription.when is None else Condition(subscription.when, NAMES, where, "data.urgency > 0.8")
        pattern = subscription.type
        if "*" in pattern and pattern != "*" and (not pattern.endswith(".*") or "*" in pattern[:-2]):
            raise Invalid(f"{pattern!r} is no type pattern.", hint="Write a type (ticket.opened), a prefix (ticket.*) or * for all.")
        if pattern.endswith("*"):
            self._prefix.setdefault(pattern[:-1], []).append((subscription, condition))
        else:
            self._exact.setdefault(pattern, []).append((subscription, condition))

    def match(self, event: Mapping[str, Any]) -> Matches:
        """What an event meets. A condition that cannot be evaluated is not met."""
        type_ = event["type"]
        found = self._exact.get(type_, ())
        if self._prefix:
            found = [*found, *(entry for prefix, entries in self._prefix.items() if type_.startswith(prefix) for entry in entries)]
        values, asked = None, False
        met: list[Subscription] = []
        undecided: list[tuple[Subscription, str]] = []
        for subscription, condition in found:
            if condition is not None:
                if not asked:
                    values, asked = prepared({name: event.get(name) for name in NAMES}), True
                unmet = condition.unmet(values)
                if unmet is not None:
                    if unmet.error:
                        undecided.append((subscription, unmet.error))
                    continue
            met.append(subscription)
        if len(met) > 1:
            met.sort(key=lambda subscription: -subscription.priority)
        return Matches(met, undecided)

    def __len__(self) -> int:
        return sum(map(len, self._exact.values())) + sum(map(len, self._prefix.values()))
