"""What is open of intents, leases and conflicts, in memory: who means to touch what, who holds it, who met whom. It decides nothing."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

import orjson

from tutti.clock import MICROS, micros
from tutti.conflicts import Wanted
from tutti.errors import NoRoute
from tutti.house import House
from tutti.ids import derived
from tutti.model.conflict import Need, Rule, Rules
from tutti.model.fact import Fact
from tutti.model.task import Stage

Row = Mapping[str, Any]
CONTESTED = "conflict"  # how the reason of a task begins that is parked for a person to decide who goes first
RUNNING = 30 * MICROS  # how long an action may run whose skill nobody offers any more
_FAR = 1 << 62


class Standing:
    """The open rows by resource and by task, kept current by the facts that go by."""

    def __init__(self, house: House) -> None:
        self._house = house
        hot = house.journal.hot
        self._tasks, self._intents, self._leases = hot.table("task"), hot.table("intent"), hot.table("lease")
        self._conflicts, self._classes = hot.table("conflict"), hot.table("resource_class")
        self._secret = house.journal.keys.subject
        self._rules: Rules | None = None
        self.meaning: dict[str, set[str]] = {}  # resource → tasks that mean to touch it
        self.holding: dict[str, set[str]] = {}  # resource → tasks that hold it
        self.touched: dict[str, set[str]] = {}  # task → resources that it means to touch or holds
        self.met: dict[str, set[str]] = {}  # task → its open conflicts

    def load(self) -> None:
        """Take in what is open."""
        for row in self._intents.values():
            self.note(self.meaning, row["task"], row["resource"])
        for row in self._leases.values():
            self.note(self.holding, row["task"], row["resource"])
        for row in self._conflicts.values():
            for task in (row["task"], row["other"]):
                self.met.setdefault(task, set()).add(row["id"])

    def learn(self, fact: Fact) -> list[str]:
        """Follow a fact that has just been committed; returns the resources that it may have made free."""
        kind, freed = fact.kind, list[str]()
        if kind == "intent.declared":
            for values in fact.data["intents"]:
                self.note(self.meaning, fact.about, values[0])
        elif kind == "intent.closed":
            freed = sorted(self.touched.get(fact.about, ()))
            for resource in freed:
                self.forget(self.meaning, fact.about, resource)
        elif kind == "lease.granted":
            self.note(self.holding, fact.about, fact.data["resource"])
        elif kind in ("lease.released", "lease.expired"):
            self.forget(self.holding, fact.about, fact.data["resource"])
            freed = [fact.data["resource"]]
        elif kind == "lease.acted":
            freed = [fact.data["resource"]]
        elif kind == "conflict.found":
            for task in (fact.data["task"], fact.data["other"]):
                self.met.setdefault(task, set()).add(fact.about)
        elif kind == "conflict.resolved":
            for task in (fact.data["task"], fact.data["other"]):
                self.met.get(task, set()).discard(fact.about)
                if not self.met.get(task):
                    self.met.pop(task, None)
        elif kind == "resource.set":
            self._rules = None
        return freed

    def note(self, index: dict[str, set[str]], task: str, resource: str) -> None:
        """Enter a task under a resource."""
        index.setdefault(resource, set()).add(task)
        self.touched.setdefault(task, set()).add(resource)

    def forget(self, index: dict[str, set[str]], task: str, resource: str) -> None:
        """Take a task out from under a resource."""
        there = index.get(resource)
        if there is not None:
            there.discard(task)
            if not there:
                del index[resource]
        if task not in self.meaning.get(resource, ()) and task not in self.holding.get(resource, ()) and task in self.touched:
            self.touched[task].discard(resource)
            if not self.touched[task]:
                del self.touched[task]

    @property
    def rules(self) -> Rules:
        """The rules of all classes of resources."""
        if self._rules is None:
            self._rules = Rules({row["name"]: Rule.from_data(orjson.loads(row["rule"])) for row in self._classes.values()})
        return self._rules

    def beside(self, resource: str) -> list[str]:
        """A resource, and those that it excludes or that exclude it."""
        kind, _, name = resource.partition("/")
        rules = self.rules
        others = rules[kind].exclusive | {other for other, rule in rules.items() if kind in rule.exclusive}
        return [resource, *(f"{other}/{name}" for other in sorted(others) if other != kind)]

    def key(self, resource: str) -> str:
        """What stands for a resource in facts: its class, and a keyed digest of its name, which may be a subject's."""
        kind, _, name = resource.partition("/")
        return f"{kind}/{hmac.new(self._secret, name.encode(), sha256).hexdigest()[:24]}"

    def rows(self, task: str) -> list[Row]:
        """The open intents of a task, in order."""
        rows: list[Row] = []
        while (row := self._intents.get((task, len(rows)))) is not None:
            rows.append(row)
        return rows

    def need(self, row: Row, now: int) -> Need:
        """An intent as a need of an action that would begin now."""
        want = Wanted(row["resource"], row["effect"], row["units"], None, row["start_at"], row["end_at"], row["lasts"])
        return want.need(now, self._timeout(row["skill"]))

    def _timeout(self, skill: str) -> int:
        try:
            return micros(self._house.registry.skill(skill).timeout)
        except NoRoute:
            return RUNNING

    def mine(self, task: str, now: int) -> list[Row]:
        """The leases of a task that still count."""
        rows = [self._leases.get((resource, task)) for resource in sorted(self.touched.get(task, ()))]
        return [row for row in rows if row is not None and live(row, now)]

    def holds(self, task: str, now: int) -> bool:
        """Whether a task holds anything."""
        return bool(self.mine(task, now))

    def unsure(self, task: str) -> bool:
        """Whether an earlier attempt may have had its effect."""
        row = self._intents.get((task, 0))
        return row is not None and bool(row["unsure"])

    def alternatives(self, task: str) -> str | None:
        """The payload of the alternatives that a task brought; None where it has none."""
        row = self._intents.get((task, 0))
        return row["alternatives"] if row is not None else None

    def contends(self, task: str) -> bool:
        """Whether a task may still act by itself or by an approval; one that is parked for another reason comes back to the gates first."""
        row = self._tasks.get((task,))
        return row is not None and (row["stage"] != Stage.PARKED or str(row["reason"]).startswith(CONTESTED))

    def ancestors(self, task: str | None) -> set[str]:
        """The tasks that led to this one and are still open: what they hold they hold for it as well."""
        found: set[str] = set()
        while task is not None and task not in found:
            found.add(task)
            row = self._tasks.get((task,))
            task = row["parent"] if row is not None else None
        return found

    def around(self, resource: str, now: int) -> Iterable[tuple[str, str, Need]]:
        """What others mean to do with a resource and with those it excludes, and what they hold: (task, skill, need)."""
        for near in self.beside(resource):
            for task in sorted(self.holding.get(near, ())):
                row = self._leases.get((near, task))
                if row is not None and live(row, now):
                    yield task, row["skill"], held_need(row, now)
            for task in sorted(self.meaning.get(near, ())):
                if not self.holds(task, now) and self.contends(task):
                    for intent in self.rows(task):
                        if intent["resource"] == near:
                            yield task, intent["skill"], self.need(intent, now)


def pair(one: str, other: str) -> str:
    """A conflict's id: the same for both sides."""
    return derived("c", *sorted((one, other)))


def kind_of(resource: str) -> str:
    """The class of a resource."""
    return resource.partition("/")[0]


def name_of(resource: str) -> str:
    """What stands for a resource's name."""
    return resource.partition("/")[2]


def live(row: Row, now: int) -> bool:
    """Whether a lease still counts. One that is held does so until its action has ended, however long that takes."""
    return bool(row["state"] == "held" or (row["state"] == "acted" and row["until_at"] > now))


def held_need(row: Row, now: int) -> Need:
    """What a lease takes: until it runs out, or for good while nobody knows when that is."""
    until = row["until_at"]
    return Need(row["resource"], row["start_at"], _FAR if until is None or until <= now else until, row["effect"], row["units"])
