"""The corridor's end of an agent's line: other agents are asked, people are asked, and the run's clock stands still meanwhile; calls to
models are held against their caps."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tutti import execution, gates
from tutti.corridor import Corridor
from tutti.errors import AgentFailed, Conflict, Refused
from tutti.ids import derived
from tutti.model.agent import AgentCard, Skill
from tutti.model.fact import Draft
from tutti.model.outcome import HELD_BACK
from tutti.model.task import Stage, State
from tutti.model.usage import Held, Spent
from tutti.reception import HOP_LIMIT, Bundle, Origin
from tutti.transports import Outside

log = logging.getLogger("tutti")


class Line:
    """What a running agent reaches the fleet through. Children and questions are numbered, so a run that starts again finds its own."""

    def __init__(self, corridor: Corridor, card: AgentCard, task: str, told: Callable[[float, str], None]) -> None:
        """`told` hears how far the run says it is."""
        self._corridor = corridor
        self._told = told
        self._card = card
        self._task = task
        self._waits = 0
        self._calls = 0
        self._root = ""
        self.limit: execution.Limit | None = None

    async def ask(self, skill: str, input: Any, name: str, *, to: str = "", deadline_at: int | None = None) -> Any:
        """Have another agent do a skill; its task is the same one whenever this run starts again."""
        corridor, house = self._corridor, self._corridor.house
        task = house.journal.hot.table("task")[self._task,]
        if task["hops"] >= HOP_LIMIT:
            raise AgentFailed(f"{skill} was not asked: {HOP_LIMIT} agents ask one another already.", hint="Look for agents that ask in a circle.")
        await corridor.present(skill)
        house.registry.skill(skill)
        id = derived("t", self._task, name, skill)
        origin = Origin(f"agent/{self._card.name}", task["department"], task["seq"], task["hops"] + 1, self._task, task["signal"], self._card.name)
        subject = await house.subject(task)
        ends = [instant for instant in (task["deadline_at"], deadline_at) if instant is not None]
        if await house.journal.row("task", (id,)) is None:
            prepare = lambda bundle: corridor.reception.task(  # noqa: E731
                bundle, skill, input, subject, origin, priority=task["priority"], deadline_at=min(ends) if ends else None, id=id, to=to
            )
            try:
                await corridor.take_in(prepare)
            except Conflict:
                log.debug("task %s had asked for %s before", self._task, id)
        with self.paused(id):
            row = await corridor.result(id)
        if row["state"] != State.COMPLETED:
            held_back = row["state"] in (State.REJECTED, State.CANCELED) or row["reason"] == HELD_BACK
            raise AgentFailed(f"{skill} ({id}) {row['state']}: {row['reason'] or ''}", retry=False, held_back=held_back)
        return (await house.journal.payloads([row["output"]])).get(row["output"])

    async def question(self, text: str, number: int, *, auth: bool = False) -> Any:
        """Have a person or another agent answer; an answer given before is given again. `auth`: it is about being let in somewhere."""
        journal, traffic = self._corridor.house.journal, self._corridor.traffic
        known = await journal.row("answer", (self._task, number))
        if known is None or known["answer"] is None:
            task = journal.hot.table("task")[self._task,]
            answered = traffic.wait(f"{self._task}/{number}")
            if task["stage"] != Stage.ASKING:
                bundle = Bundle(expect={("task", (self._task,)): task["version"]})
                payload = journal.seal(str(text), await self._corridor.house.subject(task))
                bundle.payloads.append(payload)
                data = {"question": payload.id, "number": number} | ({"auth": True} if auth else {})
                bundle.add(Draft("task.asked", self._task, f"agent/{self._card.name}", data, task["seq"]))
                await self._corridor.record(bundle)
            with self.paused():
                await answered
            known = await journal.row("answer", (self._task, number))
            assert known is not None
        return (await journal.payloads([known["answer"]])).get(known["answer"])

    async def keep(self, name: str, value: Any) -> None:
        """Keep something for the run that takes this one's place if the process ends. Durable when it returns."""
        journal = self._corridor.house.journal
        task = journal.hot.table("task")[self._task,]
        payload = journal.seal(value, await self._corridor.house.subject(task))
        bundle = Bundle(payloads=[payload])
        bundle.add(Draft("run.noted", self._task, f"agent/{self._card.name}", {"name": name, "value": payload.id}, task["seq"]))
        await self._corridor.record(bundle)

    async def kept(self, name: str) -> Any:
        """What an earlier run of this task kept under a name; None where it kept nothing."""
        return await self._corridor.house.memo(self._task, name)

    # --- calls to models ----------------------------------------------------------------------------------------

    @property
    def outside(self) -> Outside:
        """What calls that leave this process go through."""
        return self._corridor.house.outside

    @property
    def caller(self) -> str:
        """Who asked for this task from outside; empty where it follows from something else."""
        return self._corridor.house.journal.hot.table("task")[self._task,]["caller"] or ""

    def skill(self, name: str) -> Skill:
        """A skill as the fleet offers it now, for an agent that is given it as a tool. Raises: `NoRoute`."""
        return self._corridor.house.registry.skill(name)

    async def reserve(self, model: str, most: Spent) -> Held:
        """Reserve what a call to a model takes at most from every cap it falls under. Durable when it returns.

        Raises: `AgentFailed`, not to be tried again, that names the cap which the call might exceed.
        """
        house, card = self._corridor.house, self._card
        task, now = house.journal.hot.table("task")[self._task,], house.clock.now()
        if not self._root:
            self._root = await self._first()
        self._calls += 1
        about = {
            "agent": card.name, "version": card.version, "department": card.department, "model": model, "number": self._calls, "attempt": task["attempts"],
            "day": gates.period_of("day", now),
        }  # fmt: skip
        caps = house.journal.hot.table("cap")
        taken, limits, problem = gates.claims(caps.values(), card.name, card.department, self._root, most, now)
        if problem:
            raise AgentFailed(f"{problem}: {model}", hint="Give the agent its price=(per million in, per million out).", retry=False, held_back=True)
        if not taken:
            return Held(about, most, (), task["seq"])
        bundle = Bundle(within=limits)
        bundle.add(gates.reserved(self._task, f"agent/{card.name}", about, most, taken, task["seq"]))
        try:
            facts = await self._corridor.record(bundle)
        except Refused as refused:
            (name, *_), column = refused.about["thing"][1], refused.about["column"]
            words = gates.over(caps[name,], column, refused.about["value"])
            raise AgentFailed(words, hint="Raise it in the fleet, or wait for its next period.", retry=False, cap=name, held_back=True) from None
        return Held(about, most, tuple(taken), facts[-1].seq)

    async def settle(self, held: Held, spent: Spent, *, error: str = "", keep: tuple[str, Any] | None = None) -> None:
        """Record what a call took, and give back what it held beyond that. `error`: it failed and took nothing; `keep` as in the method `keep`."""
        journal = self._corridor.house.journal
        by = f"agent/{self._card.name}"
        bundle = Bundle()
        bundle.add(gates.called(self._task, by, held.about, spent, held.most, held.claims, held.cause, error))
        task = journal.hot.table("task").get((self._task,))
        if keep is not None and task is not None:
            payload = journal.seal(keep[1], await self._corridor.house.subject(task))
            bundle.payloads.append(payload)
            bundle.add(Draft("run.noted", self._task, by, {"name": keep[0], "value": payload.id}, -1))
        await self._corridor.record(bundle)

    async def _first(self) -> str:
        """The first task of the chain that this one belongs to."""
        journal, id = self._corridor.house.journal, self._task
        while True:
            row = journal.hot.table("task").get((id,)) or await journal.row("task", (id,))
            if row is None or not row["parent"]:
                return id
            id = row["parent"]

    # --- while it runs ------------------------------------------------------------------------------------------

    def progress(self, share: float, text: str) -> None:
        """Keep how far the run is, for whoever looks."""
        self._told(min(max(float(share), 0.0), 1.0), str(text)[:200])

    @contextmanager
    def paused(self, awaited: str = "") -> Iterator[None]:
        """Stop the clock of the attempt, and let others have the slot and the agent's capacity. A run may wait for several at once."""
        corridor = self._corridor
        assert self.limit is not None
        with self.limit.paused():
            self._waits += 1
            if self._waits == 1:
                corridor.house.occupy(self._card, -1)  # before the rest begins, which lets others have what is free
            corridor.traffic.rest(self._task, awaited)
            try:
                yield
            finally:
                self._waits -= 1
                if not self._waits:
                    corridor.house.occupy(self._card, 1)
                corridor.traffic.rise(self._task, awaited, last=not self._waits)
