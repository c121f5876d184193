"""The house, built once: a `Workspace` opens a fleet on a journal and runs it.

async with Workspace(fleet) as workspace:
    sent = await workspace.send({...})
    print(await workspace.result(sent["tasks"][0]))
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import orjson
from yarl import URL

from tutti import (
    access,
    conflicts,
    context,
    dialogue,
    evaluation,
    execution,
    feedback,
    gates,
    intake,
    mediation,
    negotiation,
    planning,
    plans,
    registry,
    routing,
    telemetry,
)
from tutti.accounts import Accounts
from tutti.clock import Clock, SystemClock, micros
from tutti.desk import Desk
from tutti.errors import Invalid, Refused, TuttiError
from tutti.fleet import Fleet, Remote
from tutti.gates import parse_policies
from tutti.house import Declared, House, Own
from tutti.ids import Ids
from tutti.journal import Journal, open_journal
from tutti.model.agent import AgentCard
from tutti.model.fact import Draft
from tutti.model.signal import Subscription
from tutti.model.view import Fold, Table
from tutti.orchestrator import Orchestrator
from tutti.reception import Bundle
from tutti.security import Egress, Keys, Secrets, certified
from tutti.settings import Settings
from tutti.transports import Outside

log = logging.getLogger("tutti")
_FOLLOW_S = 0.25  # how often a node looks for what other nodes wrote; also its delay in hearing of it
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_GREETING_S = 5.0  # how long an agent outside may take to say who it is
_RETRY_S = 5.0  # until one that did not answer is asked again
_NEWS_S = 0.5  # between an agent's word that it has changed and asking it: some say it several times
_LOOK_S = 60.0  # until all are asked whether their card has changed
_ROOMS: tuple[Any, ...] = (intake, routing, gates, execution, evaluation, feedback, dialogue, negotiation, conflicts, planning, registry, context, access)
_OWN: tuple[Callable[[Orchestrator], Own], ...] = (mediation.mediator, plans.planner)  # agents of the house itself
TABLES: tuple[Table, ...] = tuple(table for room in _ROOMS for table in room.TABLES)


def _folds() -> dict[str, tuple[Fold, ...]]:
    folds: dict[str, tuple[Fold, ...]] = {}
    for room in _ROOMS:
        for kind, fold in room.FOLDS.items():
            folds[kind] = (*folds.get(kind, ()), fold)
    return folds


FOLDS = _folds()


def journal_for(settings: Settings, *, clock: Clock | None = None, ids: Ids | None = None, threaded: bool = True) -> Journal:
    """The journal of a workspace with the house's tables and folds; not started."""
    clock = clock or SystemClock()
    ids = ids or Ids(clock)
    settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # first and by itself: `parents` would make it open to others
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    keys = Keys.load_or_create(settings.home, ids)
    return open_journal(
        settings.place, settings.workspace, clock=clock, ids=ids, keys=keys, tables=TABLES, folds=FOLDS, witness=settings.witness, threaded=threaded
    )


def collect_seldom() -> None:
    """For a process that does nothing but run a workspace: look for garbage less often.

    What is loaded by now never becomes garbage, and looking for it every 700 objects took a tenth of a task's time (measured at 100 in flight).
    A library must not do this to its host, so `Workspace` does not call it; `tutti up`, `tutti demo` and the bench do.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


class Workspace(Desk):
    """One tenant's journal, open in this process, with the fleet that runs on it.

    Without a fleet (or with `run=False`) it takes things in and answers, and no agent runs: what an offline command needs.
    """

    def __init__(
        self,
        fleet: Fleet | None = None,
        settings: Settings | None = None,
        *,
        run: bool = True,
        clock: Clock | None = None,
        ids: Ids | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.fleet = fleet
        self.settings = settings or Settings(fleet.name if fleet else "default")
        self.clock = clock or SystemClock()
        self.ids = ids or Ids(self.clock)
        self.journal = journal or journal_for(self.settings, clock=self.clock, ids=self.ids)
        self._run = run and fleet is not None
        self._executors: dict[str, Executor] = {}
        declared = (
            Declared() if fleet is None else Declared(fleet.functions, fleet.checks, fleet.classes, fleet.departments, fleet.weights, fleet.scorers, fleet.bids)
        )
        self.outside = Outside(Egress(self.settings.egress, tls=certified(self.settings.client_cert)), Secrets(self.settings.secrets), self.clock, self.ids)
        self.house = House(self.journal, declared, self.clock, self.ids, self.outside)
        self._chores: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Workspace:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self, *, check_witness: bool = True) -> None:
        """Start the journal, publish what the fleet declares, and take up what an earlier process left open.

        Raises: `Conflict` when another process has the workspace, `JournalBroken`, `StorageFailed`.
        """
        telemetry.start(self.settings.telemetry, self.settings.workspace)
        await self.journal.start(check_witness=check_witness)
        try:
            self.corridor = Orchestrator(self.house, slots=self.settings.slots, executor=self._executor)
            for own in _OWN:
                self.house.adopt(own(self.corridor))
            if self.fleet is not None:
                self.house.functions |= plans.played(self.corridor, self.fleet.playbooks, self.fleet.functions)
            self.corridor.arbiter.talks.mediator = mediation.MEDIATE
            self.house.load()
            self.accounts = Accounts(self)
            self.outside.token_for = self.accounts.token_for
            self.journal.on_facts.append(self.corridor.follow)
            if self.fleet is not None:
                await self._publish(self.fleet)
                self.house.load()
            if self._run:
                await self.corridor.start()
                if not self.journal.alone:
                    self._chores.append(asyncio.create_task(self._follow_others()))
            if self._run and self.fleet is not None:
                await self._meet(self.fleet)
        except BaseException:
            await self.journal.close()
            raise

    async def close(self) -> None:
        """Let running agents finish (for `settings.grace`), then close the journal. Twice is fine."""
        for chore in self._chores:
            chore.cancel()
        if self._chores:
            await asyncio.wait(self._chores)
            self._chores.clear()
        if self._run:
            await self.corridor.traffic.stop(self.settings.grace.total_seconds())
            await self.corridor.arbiter.expiry.stop()
        await self.outside.close()
        await self.journal.close()
        for executor in self._executors.values():
            executor.shutdown(wait=False, cancel_futures=True)

    async def quiet(self) -> None:
        """Wait until every open task waits for a person (or nobody): nothing moves by itself any more."""
        await self.corridor.traffic.quiet()

    async def _follow_others(self) -> None:
        """Fold what other nodes write, or a task that one of them ended would stay open here."""
        away = False
        while True:
            await asyncio.sleep(_FOLLOW_S)
            try:
                await self.journal.catch_up()
            except TuttiError as error:
                if not away:
                    log.warning("other nodes cannot be followed just now: %s", error.message)
                away = True
                continue
            if away:
                log.warning("other nodes are followed again")
            away = False

    # --- agents outside -----------------------------------------------------------------------------------------

    async def _meet(self, fleet: Fleet) -> None:
        """Ask the agents outside who they are. One that does not answer now is asked again later; its last card serves meanwhile."""
        declared = {(remote.endpoint.transport, remote.endpoint.url) for remote in fleet.remotes}
        for card in self.house.registry.outside():
            assert card.endpoint is not None
            if card.endpoint.by == "fleet" and (card.endpoint.transport, card.endpoint.url) not in declared:
                await self.retire(card.name, card.version, reason="no longer declared", by="fleet")
        for remote in fleet.remotes:
            for origin in _written_down(remote.endpoint.url):
                self.outside.egress.allow(origin)
        await asyncio.gather(*(self._greet(remote) for remote in fleet.remotes))
        self._chores.append(asyncio.create_task(self._look_again(fleet)))

    async def _greet(self, remote: Remote, *, again: bool = False) -> bool:
        """Take in one agent that the fleet declares. `again`: that it does not answer was said before."""
        try:
            async with asyncio.timeout(_GREETING_S):
                await self.register(
                    remote.endpoint, department=remote.department, owner=remote.owner, name=remote.name, concurrency=remote.concurrency, by="fleet"
                )
        except (TuttiError, TimeoutError) as error:
            words = error.message if isinstance(error, TuttiError) else "no answer"
            log.log(logging.DEBUG if again else logging.WARNING, "agent %s is not reached, it is tried again: %s", remote.endpoint.url, words)
            return False
        return True

    async def _look_again(self, fleet: Fleet) -> None:
        """Follow what agents outside say of themselves: a card that changes is a new version. Who did not answer at first is asked more often."""
        missing = {remote.endpoint.url for remote in fleet.remotes} - {card.endpoint.url for card in self.house.registry.outside() if card.endpoint}
        loop = asyncio.get_running_loop()
        all_at = loop.time() + _LOOK_S
        while True:
            rest = max(all_at - loop.time(), 0.0)
            told = await self._news(min(_RETRY_S, rest) if missing else rest)
            everybody = told or loop.time() >= all_at
            for remote in fleet.remotes:
                url = remote.endpoint.url
                if (everybody or url in missing) and await self._greet(remote, again=url in missing):
                    missing.discard(url)
            if everybody:
                await self._look_at_registered()
                all_at = loop.time() + _LOOK_S
            await self._retire_drained()

    async def _look_at_registered(self) -> None:
        """The same for the agents that the fleet does not declare: a person took them in, or they have come by themselves with a key."""
        await asyncio.gather(*(self._look_at(card) for card in self.house.registry.live() if card.endpoint is not None and card.endpoint.by != "fleet"))

    async def _look_at(self, card: AgentCard) -> None:
        assert card.endpoint is not None
        try:
            async with asyncio.timeout(_GREETING_S):
                await self.register(
                    card.endpoint, department=card.department, owner=card.owner, name=card.name, concurrency=card.concurrency, by=card.endpoint.by,
                    after=card.version,
                )  # fmt: skip
        except (Invalid, Refused) as error:
            log.warning("agent %s at %s is not followed: %s", card.name, card.endpoint.url, error.message)
        except (TuttiError, TimeoutError) as error:
            log.debug("agent %s does not answer: %s", card.id, error)

    async def _news(self, seconds: float) -> bool:
        """Wait so long, or until an agent says that what it offers has changed."""
        try:
            async with asyncio.timeout(seconds):
                await self.outside.news.wait()
        except TimeoutError:
            return False
        await asyncio.sleep(_NEWS_S)
        self.outside.news.clear()
        return True

    async def _retire_drained(self) -> None:
        """Take out the versions that have finished all they had begun."""
        busy = {(row["agent"], row["agent_version"]) for row in self.journal.hot.table("task").values()}
        for row in list(self.journal.hot.table("agent").values()):
            if row["state"] == "draining" and (row["name"], row["agent_version"]) not in busy:
                try:
                    await self.retire(row["name"], row["agent_version"], reason="it has finished what it had begun", by="tutti")
                except TuttiError as error:
                    log.warning("%s %s stays for now: %s", row["name"], row["agent_version"], error.message)

    def _executor(self, mode: str) -> Executor | None:
        executor = self._executors.get(mode)
        if executor is None:
            if mode == "process":
                import multiprocessing

                executor = ProcessPoolExecutor(self.settings.processes, mp_context=multiprocessing.get_context("spawn"))
            else:
                executor = ThreadPoolExecutor(self.settings.threads, thread_name_prefix="tutti-agent")
            self._executors[mode] = executor
        return executor

    async def _publish(self, fleet: Fleet) -> None:
        """Append what the fleet declares and the journal does not know yet."""
        hot = self.journal.hot
        drafts: list[Draft] = []
        if self.journal.head.seq == 0:
            drafts.append(Draft("workspace.created", self.settings.workspace, "fleet", {"name": self.settings.workspace, "schema": 1}))
        subscriptions = {s.id: _subscription_data(s) for s in fleet.subscriptions.values()}
        known = {name for name, _ in hot.table("agent")}
        cards = [*fleet.cards.values(), *(card for card in self.house.owns.values() if card.name in known)]
        drafts += registry.changes_of(cards, hot.table("agent"), subscriptions, hot.table("subscription"))
        drafts += self._governance(fleet)
        for name, goal in fleet.goals.items():
            weights = orjson.dumps(goal["weights"], option=orjson.OPT_SORT_KEYS).decode()
            row = hot.table("goal").get((name,))
            if row is None or (row["kpi"], row["target"], row["weights"]) != (goal["kpi"], goal["target"], weights):
                drafts.append(Draft("goal.set", name, "fleet", {**goal, "weights": weights}))
        if drafts:
            await self.corridor.record(Bundle(drafts))

    def _governance(self, fleet: Fleet) -> Iterable[Draft]:
        hot = self.journal.hot
        policies = parse_policies(fleet.policy_text, "the fleet's policies")
        current = max(hot.table("policy").values(), key=lambda row: row["current"], default=None)
        if current is None or current["digest"] != policies.digest:
            yield Draft("policy.published", policies.digest, "fleet", {"digest": policies.digest, "text": policies.text})
        for level in fleet.levels.values():
            row = hot.table("autonomy").get((level.skill,))
            if row is None or row["declared"] != f"{level.level.value}/{level.up_to}":  # what a person set stays until the declaration changes
                data = {"level": level.level.value, "up_to": level.up_to, "reason": "declared by the fleet", "was": row["level"] if row else None}
                yield Draft("autonomy.changed", level.skill, "fleet", data)
        for budget in fleet.budgets.values():
            data = {"action": budget.action, "money": budget.money, "count": budget.count, "per": budget.per, "currency": budget.currency}
            row = hot.table("budget").get((budget.name,))
            if row is None or any(row[name] != value for name, value in data.items()):
                yield Draft("budget.set", budget.name, "fleet", data)
        known = hot.table("resource_class")
        for name, rule in fleet.resources.items():
            text = orjson.dumps(rule.as_data(), option=orjson.OPT_SORT_KEYS).decode()
            if (name,) not in known or known[name,]["rule"] != text:
                yield Draft("resource.set", name, "fleet", {"rule": rule.as_data()})
        yield from gates.cap_changes(fleet.caps.values(), hot.table("cap"))


def _written_down(url: str) -> list[str]:
    """The origins that the operator means by an address: itself, and on loopback all names of this machine, since cards often say localhost."""
    host = URL(url)
    if host.host in _LOOPBACK:
        return [f"{f'[{name}]' if ':' in name else name}:{host.port}" for name in _LOOPBACK]
    return [url]


def _subscription_data(subscription: Subscription) -> dict[str, Any]:
    return {
        "type": subscription.type,
        "condition": subscription.when,
        "skill": subscription.skill,
        "priority": subscription.priority,
        "gather": orjson.dumps([list(pair) for pair in subscription.gather]).decode(),
        "deadline_ms": None if subscription.deadline is None else micros(subscription.deadline) // 1000,
    }
