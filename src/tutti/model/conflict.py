"""Intents, leases and conflicts: what an action means to touch, the right to touch it for a time, and two that cannot both be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from tutti.clock import micros
from tutti.model.view import Table


@dataclass(frozen=True, slots=True)
class Intent:
    """What an action means to touch, as a template over its input, so that the agent needs no code for it.

    `resource` is `class/{field}`: the fields come from the input ("price/{account}"). `effect` is what it does to the resource; without one it is
    the skill's name. The right to it begins when the action runs and stays for `lasts` after it is done; with `start` and `end`, which name
    fields that hold instants (ISO 8601), it is for that time instead. `units` and `value` are numbers, or name fields that hold one.
    """

    resource: str
    effect: str = ""
    lasts: timedelta = timedelta()
    units: int | str = 1
    value: float | str | None = None
    start: str = ""
    end: str = ""


class Need(NamedTuple):
    """One resource for a time: from `start` until before `end` (microseconds, or any whole numbers). `effect` is what is done to it."""

    resource: str
    start: int
    end: int
    effect: str = ""
    units: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for a class of resources.

    `capacity` is how many units may be held at a time (None: any number). `incompatible` are pairs of effects that must not overlap on one
    resource. `order` lists effects or skills, those that go first first. `exclusive` are classes: while one of their resources of the same
    name is held, this one is not. `waits` is how long an action without a deadline stands in line.
    """

    capacity: int | None = 1
    incompatible: frozenset[tuple[str, str]] = frozenset()
    order: tuple[str, ...] = ()
    exclusive: frozenset[str] = frozenset()
    waits: timedelta = timedelta(hours=1)

    def place(self, *names: str) -> int:
        """Where the first of these names stands in the order; behind all where none does."""
        return min((self.order.index(name) for name in names if name in self.order), default=len(self.order))

    def as_data(self) -> dict[str, Any]:
        """As JSON data, sorted."""
        return {
            "capacity": self.capacity, "incompatible": sorted(map(list, self.incompatible)), "order": list(self.order),
            "exclusive": sorted(self.exclusive), "waits": micros(self.waits),
        }  # fmt: skip

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Rule:
        """The inverse of `as_data`."""
        pairs = frozenset((one, other) for one, other in data["incompatible"])
        return cls(data["capacity"], pairs, tuple(data["order"]), frozenset(data["exclusive"]), timedelta(microseconds=data["waits"]))


class Rules(dict[str, Rule]):
    """Rules by class. A class that nobody declared holds one unit at a time, whatever its effect."""

    def __missing__(self, name: str) -> Rule:
        return _UNDECLARED

    def of(self, resource: str) -> Rule:
        """The rule for a resource, by its class."""
        return self[resource.partition("/")[0]]


_UNDECLARED = Rule()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to a resource, as the agent sees it. `token` grows with every lease of a workspace: who guards the resource refuses lower ones."""

    resource: str
    effect: str
    token: int
    until: int | None  # an instant once the action is done; None while it runs


RESOURCE_CLASSES = Table("resource_class", key=("name",), columns={"name": "text", "rule": "text"})

RESOURCES = Table(  # a resource that is held or was lately; its version is the fence between nodes that would both grant it
    "resource",
    key=("resource",),
    columns={"resource": "text", "token": "int"},
    closes=True,
)

INTENTS = Table(
    "intent",
    key=("task", "number"),
    columns={
        "task": "text", "number": "int", "resource": "text", "name": "text", "effect": "text", "skill": "text", "units": "int", "value": "int",
        "start_at": "int", "end_at": "int", "lasts": "int", "alternatives": "text", "declared_at": "int",
        "unsure": "int",  # of the first one: an attempt ended of which nobody knows what came of it
    },
    closes=True,
    indexes=(("resource",),),
)  # fmt: skip

LEASES = Table(
    "lease",
    key=("resource", "task"),
    columns={
        "resource": "text", "task": "text", "name": "text", "effect": "text", "skill": "text", "units": "int", "start_at": "int", "until_at": "int",
        "lasts": "int", "token": "int", "state": "text", "granted_at": "int",
    },
    closes=True,
    indexes=(("task",),),
)  # fmt: skip

CONFLICTS = Table(
    "conflict",
    key=("id",),
    columns={
        "id": "text", "task": "text", "other": "text", "resource": "text", "name": "text", "rule": "text", "effect": "text", "other_effect": "text",
        "skill": "text", "other_skill": "text", "state": "text", "rung": "text", "winner": "text", "outcome": "text", "reason": "text",
        "found_at": "int", "resolved_at": "int",
    },
    closes=True,
    indexes=(("task",), ("other",)),
)  # fmt: skip
