"""What the corridor reads while it walks: registry, functions, standings, notes, gates' book, health. Kept current by the facts that go by."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from typing import Any, NamedTuple

import numpy as np
import orjson

from tutti.clock import Clock
from tutti.context import Notes
from tutti.errors import Invalid, NotFound
from tutti.evaluation import Check
from tutti.execution import Breakers
from tutti.gates import Book, Gatekeeper, parse_policies
from tutti.ids import Ids
from tutti.intake import Subscriptions
from tutti.journal import Journal
from tutti.model.agent import AgentCard, Nature, Skill
from tutti.model.dialogue import MESSAGE
from tutti.model.fact import Fact
from tutti.model.party import Outcome
from tutti.model.route import Bidder, Weights
from tutti.model.signal import Subscription
from tutti.model.task import ENDED_STATES
from tutti.registry import Condition, Registry, Undecidable, card_to_json
from tutti.routing import CONDITION_NAMES, Board, Case
from tutti.security import Egress, Secrets
from tutti.transports import Bound, Outside, bind, reach

log = logging.getLogger("tutti")

Row = Mapping[str, Any]
Scorer = Callable[[Sequence[Outcome | None], Any], Sequence[float]]  # a party's numbers for outcomes of a negotiation, and what that is about
_BOUND: dict[tuple[object, str], Bound] = {}  # of the house's own agents: reading a function's types took 5 ms, for each workspace that opens
_OWN_ATTEMPTS = 20  # of the house's own agents: each is a process that went away, and they go on where they were
_ENDS = frozenset(f"task.{state.value}" for state in ENDED_STATES)


@dataclass(slots=True)
class Declared:
    """What a fleet's code brings that no journal can hold: functions, checks, compiled classes, shares and weights."""

    functions: dict[tuple[str, str, str], Bound] = field(default_factory=dict)
    checks: Mapping[str, list[Check]] = field(default_factory=dict)
    classes: Mapping[str, Condition] = field(default_factory=dict)
    departments: Mapping[str, float] = field(default_factory=dict)
    weights: Weights = field(default_factory=Weights)
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    bids: Mapping[tuple[str, str, str], Bidder] = field(default_factory=dict)


class Own(NamedTuple):
    """An agent of the house itself. Its functions are in every process; its card is registered when it is first needed."""

    card: AgentCard
    functions: dict[tuple[str, str, str], Bound]  # as in `Declared`


def own(name: str, functions: Mapping[str, Callable[..., Any]], *, timeout: timedelta, actions: Mapping[str, str] | None = None, concurrency: int = 256) -> Own:
    """An agent of the department "tutti" with async functions by skill; their docstrings describe the skills.

    They give advice, but for those in `actions`, which have an effect here (and have it once): it holds the question that a person is asked.
    """
    bound = {skill: _bound(function, skill) for skill, function in functions.items()}
    skills = {}
    for skill, border in bound.items():
        says = (actions or {}).get(skill)
        skills[skill] = Skill(
            skill, Nature.ADVICE if says is None else Nature.ACTION, border.input_schema, border.output_schema,
            (border.function.__doc__ or "").partition("\n")[0], quality=0.9, timeout=timeout, attempts=_OWN_ATTEMPTS, says=says,
        )  # fmt: skip
    card = AgentCard(name, "1", "tutti", "tutti", skills, concurrency)
    card = replace(card, digest=sha256(card_to_json(card).encode()).hexdigest()[:16])
    return Own(card, {(name, card.version, skill): border for skill, border in bound.items()})


def _bound(function: Callable[..., Any], skill: str) -> Bound:
    """A function as an agent. Functions of the same code have the same types, and these are read once."""
    key = (getattr(function, "__code__", None), skill)
    known = _BOUND.get(key)
    if known is None:
        known = _BOUND[key] = replace(bind(function, where=skill), function=bool)  # the first one is not held on to
    return replace(known, function=function)


class House:
    """The live state of one workspace in this process."""

    def __init__(self, journal: Journal, declared: Declared, clock: Clock, ids: Ids, outside: Outside | None = None) -> None:
        self.outside = outside or Outside(Egress(), Secrets(), clock, ids)
        self.journal = journal
        self.clock = clock
        self.ids = ids
        self.registry = Registry()
        self.functions = dict(declared.functions)
        self.owns: dict[str, AgentCard] = {}  # cards of the house's own agents, by skill
        self.checks = declared.checks
        self.classes = declared.classes
        self.departments = declared.departments
        self.weights = self._declared_weights = declared.weights
        self.bidders = declared.bids
        self.scorers = declared.scorers
        self.subscriptions = Subscriptions()
        self.notes = Notes(journal)
        self.breakers = Breakers()
        self.draws = np.random.default_rng(ids.rng.getrandbits(64))
        self.running: dict[tuple[str, str], int] = {}
        self._books: dict[str, Book] = {}
        self._current: str | None = None
        self._gatekeeper = Gatekeeper()
        self._boards: dict[str, dict[str, Board]] = {}
        self._conditions: dict[str, dict[tuple[str, str], Condition]] = {}
        self._capacity: dict[str, int] = {}
        self._busy: dict[str, int] = {}
        self._absent: dict[str, dict[tuple[str, str], str]] = {}
        self._unclassified: set[tuple[str, str]] = set()  # (skill, why no class was found): said once each
        # Memos of open tasks that came in while this process had the journal: complete, so a look in the database is saved.
        self._memos: dict[str, dict[str, str]] = {}

    def adopt(self, own: Own) -> None:
        """Have an agent of the house itself in this process. Nobody sees it before its card is registered. Raises: `Invalid` when its name is taken."""
        if any(name == own.card.name for name, _, _ in self.functions):
            raise Invalid(f"{own.card.name} is an agent of Tutti itself.", hint="Give yours another name=.")
        self.functions |= own.functions
        self.owns |= dict.fromkeys(own.card.skills, own.card)

    def load(self) -> None:
        """Take the registry and the subscriptions from memory; again after one of them has changed."""
        hot = self.journal.hot
        self._weigh()
        self.registry = Registry()
        self.registry.load(hot.table("agent").values())
        self._reach()
        self.subscriptions = Subscriptions(_subscription(row) for row in hot.table("subscription").values() if row["state"] == "live")
        self._boards.clear()
        self._conditions.clear()
        self._capacity.clear()
        self._absent.clear()
        self._busy.clear()
        for (name, version), runs in self.running.items():
            card = self.registry.card(name, version)
            for skill in card.skills if card else ():
                self._busy[skill] = self._busy.get(skill, 0) + runs

    def _reach(self) -> None:
        """Make the skills of registered agents outside callable."""
        for card in self.registry.outside():
            for name, skill in card.skills.items():
                key = (card.name, card.version, name)
                known = self.functions.get(key)
                if known is None:
                    self.functions[key] = reach(card, skill, self.outside)

    def learn(self, facts: list[Fact]) -> None:
        """Follow the facts that have just been committed."""
        standings = self.journal.hot.table("standing")
        reload = False
        for fact in facts:
            kind = fact.kind
            if kind == "task.judged":
                data = fact.data
                key = (data["skill"], data["class"] or "", data["agent"], data["version"])
                board = self._boards.get(key[0], {}).get(key[1])
                if board is not None:
                    board.learn(key[2], key[3], standings[key])
            elif kind in ("agent.registered", "agent.drained", "agent.retired", "subscription.set", "subscription.removed"):
                reload = True
            elif kind == "task.submitted":
                if self.journal.alone:
                    self._memos[fact.about] = {}
            elif kind in _ENDS:
                self._memos.pop(fact.about, None)
            elif kind == "run.noted":
                if fact.about in self._memos:
                    self._memos[fact.about][fact.data["name"]] = fact.data["value"]
            elif kind == "message.received":
                if fact.about in self._memos and not fact.data["number"]:
                    self._memos[fact.about][MESSAGE] = fact.data["message"]
            elif kind == "goal.set":
                self._weigh()
            elif kind == "policy.published":
                self._current = None
            elif kind == "subject.erased":
                self.notes.forget(fact.data["subject"])
            elif kind == "note.shared":
                self.notes.forget(fact.about)
        if reload:
            self.load()

    def _weigh(self) -> None:
        """Let the goals say how much each part of a score counts."""
        weights = self._declared_weights
        for row in self.journal.hot.table("goal").values():
            weights = replace(weights, **{name: value for name, value in orjson.loads(row["weights"]).items() if "/" not in name})
        self.weights = weights

    def counts(self, name: str, department: str) -> float:
        """How much a party counts by the goals that speak of it, or of its department where none does; 1 where none does either."""
        found: dict[str, float] = {}
        for row in self.journal.hot.table("goal").values():
            for key, value in orjson.loads(row["weights"]).items():
                found[key] = found.get(key, 0.0) + value
        return found.get(f"party/{name}") or found.get(f"party/{department}") or 1.0

    # --- what a task is about -----------------------------------------------------------------------------------

    async def input(self, task: Row) -> Any:
        """A task's input. Raises `NotFound` when its subject was erased."""
        reference, _, part = (task["input"] or "").partition("#")
        values = await self.journal.payloads([reference])
        if reference not in values:
            raise NotFound(f"The input of {task['id']} was erased.", hint="Nothing can be done with it any more.")
        value = values[reference]
        return value.get(part) if part else value

    async def subject(self, task: Row) -> str | None:
        """The name of a task's subject; None where it has none, or was erased."""
        return await self.journal.subject_name(task["subject"]) if task["subject"] else None

    async def memo(self, task: str, name: str) -> Any:
        """What a task was given, or a run of it kept, under a name; None where there is nothing."""
        known = self._memos.get(task)
        if known is None:
            row = await self.journal.row("memo", (task, name))
            value = None if row is None else row["value"]
        else:
            value = known.get(name)
        return None if value is None else (await self.journal.payloads([value])).get(value)

    # --- routing ------------------------------------------------------------------------------------------------

    def board(self, skill: str, task_class: str) -> Board:
        """The board of a skill in a class of tasks."""
        boards = self._boards.setdefault(skill, {})
        board = boards.get(task_class)
        if board is None:
            standings = self.journal.hot.table("standing")
            board = Board(skill, self.registry.offers(skill), lambda name, version: standings.get((skill, task_class, name, version)), self.running)
            boards[task_class] = board
        return board

    def conditions(self, skill: str) -> dict[tuple[str, str], Condition]:
        """The compiled `when` of the agents that have one."""
        found = self._conditions.get(skill)
        if found is None:
            found = {}
            for card in self.registry.offers(skill):
                when = card.skills[skill].when
                if when:
                    found[card.name, card.version] = Condition(when, CONDITION_NAMES, f"{card.id}: when", "has(case.risk)")
            self._conditions[skill] = found
        return found

    def border(self, skill: str) -> Bound | None:
        """How inputs and outputs of a skill pass the border, as its first agent with code in this process has it."""
        for card in self.registry.offers(skill):
            bound = self.functions.get((card.name, card.version, skill))
            if bound is not None:
                return bound
        return None

    def absent(self, skill: str) -> dict[tuple[str, str], str]:
        """Registered versions whose code is not in this process."""
        found = self._absent.get(skill)
        if found is None:
            cards = self.registry.offers(skill)
            found = {(c.name, c.version): "its code is not in this process" for c in cards if (c.name, c.version, skill) not in self.functions}
            self._absent[skill] = found
        return found

    def elsewhere(self, task: Row) -> dict[tuple[str, str], str]:
        """Versions of other agents than the one that a task was sent to."""
        name = task["addressed"]
        if not name:
            return {}
        return {(card.name, card.version): f"it was sent to {name}" for card in self.registry.offers(task["skill"]) if card.name != name}

    async def case(self, task: Row, skill: str, input: Any) -> tuple[Case, dict[str, str], str]:
        """What a route may look at, the payload ids of what is known, and the task's class."""
        condition = self.classes.get(skill)
        known: dict[str, tuple[str, Any]] = {}
        if condition is not None or self.conditions(skill):
            known = await self.notes.about(task["subject"])
        left = None if task["deadline_at"] is None else (task["deadline_at"] - self.clock.now()) / 1000
        case = Case(input, {topic: value for topic, (_, value) in known.items()}, task["subject"], task["priority"], left)
        task_class = "" if condition is None else self._class_of(skill, condition, case)
        return case, {topic: id for topic, (id, _) in known.items()}, task_class

    def _class_of(self, skill: str, condition: Condition, case: Case) -> str:
        """The class that an expression gives a task; empty where it gives none, which is logged once for each reason."""
        try:
            found = condition.value(case.values(skill))
            if isinstance(found, str | int | bool):
                return str(found)[:60]
            why = "it gives no text, whole number or truth value"
        except Undecidable as undecidable:
            why = str(undecidable)
        if (skill, why) not in self._unclassified:
            self._unclassified.add((skill, why))
            log.warning(
                'fleet.classify("%s", "%s"): it could not be evaluated on a task: %s; such tasks are in no class, and more of these are not logged',
                skill,
                condition.text,
                why,
            )
        return ""

    def occupy(self, card: AgentCard, runs: int) -> None:
        """Count a run of a card that starts (1) or ends (-1)."""
        key = (card.name, card.version)
        self.running[key] = self.running.get(key, 0) + runs
        for skill in card.skills:
            self._busy[skill] = self._busy.get(skill, 0) + runs
            for board in self._boards.get(skill, {}).values():
                board.occupy(card.name, card.version, runs)

    def free(self, skill: str, coming: int = 0) -> bool:
        """Whether a run of this skill could start now beside `coming` others, or nobody offers it (then there is nothing to wait for)."""
        capacity = self._room(skill)
        return capacity == 0 or self._busy.get(skill, 0) + coming < capacity

    def spare(self, skill: str) -> int:
        """How many runs of this skill could start now."""
        return max(self._room(skill) - self._busy.get(skill, 0), 0)

    def _room(self, skill: str) -> int:
        capacity = self._capacity.get(skill)
        if capacity is None:
            capacity = self._capacity[skill] = sum(card.concurrency for card in self.registry.offers(skill))
        return capacity

    # --- gates --------------------------------------------------------------------------------------------------

    def book(self, digest: str | None = None) -> Book:
        """What the gates read now; the policy is the current one, or the one a task started with. Each is parsed once, and stands beside the live rows."""
        hot = self.journal.hot
        if digest is None:
            if self._current is None:
                rows = hot.table("policy").values()
                self._current = max(rows, key=lambda row: row["current"])["digest"] if rows else ""
            digest = self._current
        found = self._books.get(digest)
        if found is None:
            row = hot.table("policy").get((digest,))
            if row is None:
                raise Invalid("No policy is published in this workspace.", hint="Start it once with `tutti up fleet.py`.")
            policies = parse_policies(row["text"], f"policy {digest}")
            tables = (hot.table(name) for name in ("autonomy", "budget", "spending", "kill"))
            found = self._books[digest] = Book(policies, self._gatekeeper, *tables)
        return found


def _subscription(row: Row) -> Subscription:
    deadline = None if row["deadline_ms"] is None else timedelta(milliseconds=row["deadline_ms"])
    gather = tuple((field, skill) for field, skill in orjson.loads(row["gather"]))
    return Subscription(row["id"], row["type"], row["skill"], row["condition"], row["priority"], deadline, gather)
