"""Reception: what comes in, made ready for one append. Signals find their subscriptions, inputs are sealed, equal work is found."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple

from tutti import intake, telemetry
from tutti.clock import MICROS, micros
from tutti.errors import Invalid
from tutti.house import House
from tutti.journal import Payload
from tutti.model.agent import Nature, Skill
from tutti.model.fact import Draft, Fact
from tutti.model.money import to_millionths
from tutti.model.view import AtMost, Thing

log = logging.getLogger("tutti")

HOP_LIMIT = 8  # signals that may lead from one to the next before a circle is assumed
_UNDECIDED = 16  # subscriptions that a signal's fact names because their condition could not be evaluated; there may be as many as subscriptions
_WORKS = 100_000  # pieces of work remembered for coalescing; what is forgotten is read from the view


@dataclass(slots=True)
class Bundle:
    """One append in the making."""

    drafts: list[Draft] = field(default_factory=list)
    payloads: list[Payload] = field(default_factory=list)
    expect: dict[Thing, int] = field(default_factory=dict)
    within: list[AtMost] = field(default_factory=list)
    finished: dict[str, tuple[str, str, int]] = field(default_factory=dict)  # work key → (task, output, fresh until) that this append finishes

    def add(self, draft: Draft) -> int:
        """Add a draft; returns its place, for `since`."""
        self.drafts.append(draft)
        return len(self.drafts) - 1

    def since(self, place: int) -> int:
        """The `cause` of the next draft, when the draft at `place` led to it."""
        return place - len(self.drafts)


class Origin(NamedTuple):
    """Where something came from: who brought it, which fact led to it, and how far down the chain it is."""

    by: str
    department: str = ""
    cause: int | None = None
    hops: int = 0
    parent: str | None = None
    signal: str | None = None
    agent: str | None = None  # the agent (or person, or signal source) whose end started it


@dataclass(slots=True)
class _Work:
    task: str
    version: int
    fresh_until: int | None = None  # None while it is under way; 0 when it came to nothing
    output: str | None = None


Declare = Callable[[Bundle, str, Skill, Any, str | None, Sequence[Any], Origin], None]


class Reception:
    """Prepares appends; it never appends."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._works: OrderedDict[str, _Work] = OrderedDict()
        self._meanings = intake.Meanings()
        self._secret = house.journal.keys.subject
        self.undecided: Counter[tuple[str, str]] = Counter()  # (subscription, why its condition could not be evaluated) → signals since the process began
        self.declare: Declare | None = None  # says what an action means to touch, in the append that takes it in

    # --- signals ------------------------------------------------------------------------------------------------

    def signal_key(self, source: str, id: str) -> str:
        """What makes a second delivery a duplicate: a keyed digest of (source, id)."""
        return intake.work_key(self._secret, "signal", source, id)

    def signal(self, bundle: Bundle, event: Mapping[str, Any], origin: Origin) -> tuple[str, list[str]]:
        """Take in a checked event; returns the signal's id and the tasks it calls for."""
        house = self._house
        id = house.ids.new("s")
        subject = event.get("subject")
        hops = max(origin.hops, int(event.get("hops", 0)))
        payload = house.journal.seal(dict(event), subject)
        bundle.payloads.append(payload)
        department = origin.department or str(event.get("department", ""))
        key = self.signal_key(event["source"], event["id"])
        data: dict[str, Any] = {"key": key, "type": event["type"], "event": payload.id, "hops": hops}
        if payload.subject:
            data["subject"] = payload.subject
        if origin.parent:
            data["task"] = origin.parent
        if department:
            data["department"] = department
        bundle.expect["signal", (key,)] = 0
        matches, undecided = house.subscriptions.match(event)
        if undecided:
            data["undecided"] = [[subscription.id, why] for subscription, why in undecided[:_UNDECIDED]]
        if hops > HOP_LIMIT and matches:
            data["stopped"] = f"more than {HOP_LIMIT} signals led from one to the next"
            matches = []
        place = bundle.add(Draft("signal.received", id, origin.by, data, origin.cause))
        tasks = []
        for match in matches:
            source = Origin(origin.by, department, bundle.since(place), hops, origin.parent, id, origin.agent or "signal")
            priority = match.priority + int(event.get("priority", 0))
            deadline_at = None if match.deadline is None else house.clock.now() + micros(match.deadline)
            reference = f"{payload.id}#data"
            joins = []
            for name, skill in match.gather:
                source = Origin(origin.by, department, bundle.since(place), hops, origin.parent, id, origin.agent or "signal")
                joins.append(
                    (name, self.task(bundle, skill, event.get("data"), subject, source, reference=reference, priority=priority, deadline_at=deadline_at))
                )
            source = Origin(origin.by, department, bundle.since(place), hops, origin.parent, id, origin.agent or "signal")
            tasks.append(
                self.task(bundle, match.skill, event.get("data"), subject, source, reference=reference, priority=priority, deadline_at=deadline_at, joins=joins)
            )
        return id, tasks

    # --- tasks --------------------------------------------------------------------------------------------------

    def task(
        self, bundle: Bundle, skill_name: str, input: Any, subject: str | None, origin: Origin, *, reference: str | None = None, priority: int = 0,
        deadline_at: int | None = None, joins: Sequence[tuple[str, str]] = (), id: str | None = None, action: bool = False, to: str = "",
        alternatives: Sequence[Any] = (),
    ) -> str:  # fmt: skip
        """Take in a task; returns its id. `reference` is the payload id of the input where it is sealed already; `to` names the agent that it is for.

        `alternatives` are other inputs that would do for an action, should this one collide with another.
        """
        house = self._house
        card = house.registry.offer(skill_name)
        skill = card.skills[skill_name] if card else None
        department = card.department if card else origin.department
        if reference is None:
            payload = house.journal.seal(input, subject)
            bundle.payloads.append(payload)
            reference = payload.id
        id = id or house.ids.new("t")
        bundle.expect["task", (id,)] = 0
        nature = skill.nature if skill else Nature.ACTION if action else Nature.ADVICE
        amount = amount_of(skill, input) if skill else None
        ask = intake.Ask(
            id, skill_name, nature.value, department, reference, house.journal.pseudonym(subject) if subject else None, priority, deadline_at, origin.hops,
            origin.parent, origin.signal, origin.agent, amount, skill.currency if skill and amount is not None else None,
            origin.department or None, tuple(joins), to or None, self._trace(origin),
        )  # fmt: skip
        if skill is None or skill.fresh_for is None or joins or to:
            bundle.add(intake.submission(ask, origin.by, origin.cause))
            if skill is not None and skill.intends and self.declare is not None:
                self.declare(bundle, id, skill, input, subject, alternatives, origin)
            return id
        key = intake.work_key(self._secret, skill_name, ask.subject, input)
        said = None
        if skill.alike is not None:
            said = self._meanings.find(skill_name, None if skill.alike_across else ask.subject, key, input, skill.alike, self._usable)
        self._coalesce(bundle, ask, origin, *(said or (key, None)))
        return id

    def _usable(self, key: str) -> bool:
        """Whether a piece of work is under way or fresh."""
        work = self._works.get(key)
        return work is not None and (work.fresh_until is None or work.fresh_until > self._house.clock.now())

    def _trace(self, origin: Origin) -> str | None:
        """The trace context of a task that comes in: the one it is asked for in, or its parent's where that has ended meanwhile."""
        if not telemetry.on():
            return None
        now = telemetry.current()
        parent = self._house.journal.hot.table("task").get((origin.parent,)) if origin.parent else None
        return telemetry.nearer(now, parent["trace"]) if parent else now

    def _coalesce(self, bundle: Bundle, ask: intake.Ask, origin: Origin, key: str, similarity: float | None = None) -> None:
        """Find the same work under way or fresh, and let this task have its result; else make this the one that does it.

        With `similarity` it is the work of an input that says the same in other words.
        """
        work = self._works.get(key)
        now = self._house.clock.now()
        bundle.expect["work", (key,)] = work.version if work else 0
        if key in bundle.finished:
            task, output, until = bundle.finished[key]
            work = _Work(task, 0, until, output)
        if work is None or (work.fresh_until is not None and work.fresh_until <= now):
            bundle.add(intake.submission(ask, origin.by, origin.cause, key=key))
            return
        place = bundle.add(intake.submission(ask, origin.by, origin.cause, key=key, coalesced=True))
        data: dict[str, Any] = {"into": work.task, "key": key}
        if similarity is not None:
            data["similarity"] = round(similarity * MICROS)
        place = bundle.add(Draft("task.coalesced", ask.id, "tutti", data, bundle.since(place)))
        if work.fresh_until is not None:
            bundle.add(Draft("task.completed", ask.id, "tutti", {"output": work.output}, bundle.since(place)))

    async def refresh(self, key: str) -> None:
        """Read again what is known of a piece of work, after an append was refused because of it."""
        row = await self._house.journal.row("work", (key,))
        if row is None:
            self._works.pop(key, None)
            return
        work = _Work(row["task"], row["version"], row["fresh_until"])
        first = await self._house.journal.row("task", (work.task,))
        if first is not None and first["open"] == 0:
            work.output = first["output"]
            if work.fresh_until is None:
                work.fresh_until = 0
        self._keep(key, work)

    def learn(self, facts: list[Fact]) -> None:
        """Follow the work that has just been taken in, finished or given up, and conditions that could not be evaluated."""
        for fact in facts:
            if fact.kind == "subject.erased":
                self._meanings.forget(fact.data["subject"])
            elif fact.kind == "task.submitted" and "key" in fact.data and fact.data["stage"] != "coalesced":
                key = fact.data["key"]
                known = self._works.get(key)
                self._keep(key, _Work(fact.about, known.version + 1 if known else 1))
            elif fact.kind == "task.completed" and "work_key" in fact.data:
                known = self._works.get(fact.data["work_key"])
                if known is not None:  # not always its task: where that came to nothing, one that followed it did the work
                    known.version += 1
                    known.task, known.fresh_until, known.output = fact.about, fact.data["fresh_until"], fact.data["output"]
            elif fact.kind == "signal.received" and "undecided" in fact.data:
                for id, why in fact.data["undecided"]:
                    self._tell_undecided(id, why)

    def _tell_undecided(self, id: str, why: str) -> None:
        """Count it, and log the first of its kind: a field that some signals do not have must not fill the log."""
        self.undecided[id, why] += 1
        if self.undecided[id, why] == 1:
            row = self._house.journal.hot.table("subscription")[id,]
            log.warning(
                'fleet.on("%s", do="%s", when="%s"): its condition could not be evaluated on a signal: %s; more of these are not logged',
                row["type"], row["skill"], row["condition"], why,
            )  # fmt: skip

    def forsake(self, key: str | None, task: str) -> None:
        """The task that did this work came to nothing; the next asker does it anew."""
        work = self._works.get(key or "")
        if work is not None and work.task == task and work.fresh_until is None:
            work.fresh_until = 0

    def _keep(self, key: str, work: _Work) -> None:
        self._works[key] = work
        self._works.move_to_end(key)
        if len(self._works) > _WORKS:
            self._works.popitem(last=False)


def fresh_until(skill: Skill, now: int) -> int:
    """Until when a result that is had now answers the same question again."""
    return now + micros(skill.fresh_for or timedelta())


def emitted(event_type: str, subject: str | None, data: Any, task: str, number: int, agent: str, hops: int, department: str) -> dict[str, Any]:
    """A signal that an agent sends, as a CloudEvent whose id is the same whenever the same run sends it."""
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": sha256(f"{task}/{number}".encode()).hexdigest()[:24],
        "source": f"/agents/{agent}",
        "type": event_type,
        "hops": hops,
        "department": department,
        "data": data,
    }
    if subject is not None:
        event["subject"] = subject
    return intake.read_event(event)


def amount_of(skill: Skill, input: Any) -> int | None:
    """The amount of an action in millionths, or None where the input states none that is a number."""
    if skill.amount is None or not isinstance(input, Mapping) or input.get(skill.amount) is None:
        return None
    try:
        return to_millionths(input[skill.amount], f"{skill.name}: {skill.amount}")
    except Invalid:
        return None
