"""The corridor: it walks a task from room to room and records what they decide. Nothing else appends.

    READY ── route, gate ──> RUNNING ── judge ──> ENDED
      ▲          └─ ask ──> APPROVAL ──> APPROVED ──┘ (gated once more, then run)
      └── JOINING, COALESCED (others first) · BACKOFF (tried again) · ASKING (a person answers) · PARKED (a person decides)

`advance` is one step of one task. It never holds a transaction while an agent works, and a step is durable before the next begins.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from functools import partial
from typing import Any

from tutti import execution, gates, routing, transports
from tutti.arbiter import Arbiter
from tutti.choices import Choices
from tutti.clock import MICROS
from tutti.closing import Closing
from tutti.errors import Conflict, Invalid, NoRoute, NotFound, Overloaded, Refused, StorageFailed
from tutti.house import House
from tutti.model.agent import AgentCard, Skill
from tutti.model.fact import Draft, Fact
from tutti.model.outcome import Ending, Outcome
from tutti.model.route import Route
from tutti.model.task import Stage, State
from tutti.model.verdict import Ruling, Verdict
from tutti.model.view import AtMost
from tutti.reception import Bundle, Reception
from tutti.registry import registration
from tutti.runs import Runs
from tutti.security import open_body
from tutti.traffic import Traffic

log = logging.getLogger("tutti")
Row = Mapping[str, Any]
_PAUSE = 1.0  # seconds before an outcome is recorded again that the database refused
_TOGETHER = 1000  # tasks taken up at a time after a restart
_BUSY = 0.05  # seconds before a task is routed again that met busy agents only


def _started(id: str, card: AgentCard, attempt: int, cause: int | None) -> Draft:
    return Draft("run.started", id, "tutti", {"attempt": attempt, "agent": card.name, "version": card.version, "key": id}, cause)


class Orchestrator:
    """Advances the tasks of one workspace in this process; `traffic` says which, and when."""

    def __init__(self, house: House, *, slots: int = 256, executor: Callable[[transports.Mode], Executor | None] = lambda mode: None) -> None:
        self.house = house
        self.reception = Reception(house)
        self.traffic = Traffic(house, self.advance, self.give_up, slots=slots)
        self.closing = Closing(house, self.reception, self.traffic.followers)
        self.choices = Choices(house, self.traffic)
        self.market = self.choices.market
        self.traffic.gathers = self.market.gathers
        self.arbiter = Arbiter(self)
        self.arbiter.load()
        self.reception.declare = self.arbiter.intents.declare
        self._tasks = house.journal.hot.table("task")
        self.runs = Runs(self, executor, self.arbiter.leases)

    def follow(self, facts: list[Fact]) -> None:
        """Take in facts that have just been committed: what is known first, then who goes on."""
        self.house.learn(facts)
        self.reception.learn(facts)
        self.arbiter.learn(facts)
        self.traffic.follow(facts)

    # --- appending ----------------------------------------------------------------------------------------------

    async def record(self, bundle: Bundle) -> list[Fact]:
        """Append what was decided. The only place in the house that appends."""
        self.arbiter.ends.attend(bundle)
        return await self.house.journal.append(bundle.drafts, bundle.payloads, bundle.expect, bundle.within)

    async def bring(self, prepare: Callable[[Bundle], Any]) -> tuple[Any, list[Fact]]:
        """Prepare an append and record it; prepare it anew when equal work was taken in at the same moment."""
        while True:
            bundle = Bundle()
            result = prepare(bundle)
            try:
                return result, await self.record(bundle)
            except Conflict as conflict:
                await self._refresh(conflict)

    async def _refresh(self, conflict: Conflict) -> None:
        """Look again at the work that was taken in meanwhile; any other conflict is raised again."""
        table, key = conflict.about["thing"]
        if table != "work":
            raise conflict
        await self.reception.refresh(key[0])

    async def take_in(self, prepare: Callable[[Bundle], str]) -> str:
        """Take in the task that `prepare` makes. Where it may run and nobody is before it, it starts in the same append: one of three is saved."""
        at_once = True
        while True:
            bundle = Bundle()
            id = prepare(bundle)
            card = await self._begin(bundle, id) if at_once else None
            try:
                facts = await self.record(bundle)
            except BaseException as error:
                if card is not None:
                    self.house.occupy(card, -1)
                    self.traffic.give_slot()
                if card is not None and (isinstance(error, Refused) or (isinstance(error, Conflict) and error.about["thing"][0] == "kill")):
                    at_once = False  # another task took what was left of a budget, or somebody threw a switch: it is taken in, and decided anew
                elif isinstance(error, Conflict):
                    await self._refresh(error)
                else:
                    raise
                continue
            if card is not None:
                self.traffic.walk(id, partial(self._go, id, card, facts[-1].seq))
            return id

    async def _begin(self, bundle: Bundle, id: str) -> AgentCard | None:
        """Add to a task's submission that it is routed, may run, and starts; its slot and its agent are taken then. None where it has to wait, or may not."""
        house = self.house
        place = next(place for place, draft in enumerate(bundle.drafts) if draft.about == id and draft.kind == "task.submitted")
        data = bundle.drafts[place].data
        if data["stage"] != Stage.READY or not (offers := house.registry.offers(data["skill"])) or offers[0].skills[data["skill"]].intends:
            return None
        if not self.traffic.take_slot(data["skill"]):
            return None
        try:
            task = house.journal.foreseen(bundle.drafts, ("task", (id,)))
            sealed = next((payload for payload in bundle.payloads if payload.id == task["input"]), None)
            card = None
            if (
                sealed is not None
                and not self._late(task)
                and not self.choices.misfit(skill := house.registry.skill(task["skill"]), input := open_body(sealed.body))
            ):
                choice = await self.choices.make(task, skill, input)
                if choice.card is not None and choice.verdict.ruling is Ruling.ALLOW:
                    card = choice.card
                    bundle.add(routing.as_fact(id, choice.route, bundle.since(place), choice.known))
                    bundle.add(gates.as_fact(id, choice.verdict, choice.question, -1))
                    self._fence(bundle, skill, choice.verdict)
                    bundle.add(_started(id, card, 1, -1))
        except BaseException:
            self.traffic.give_slot()
            raise
        if card is None:
            self.traffic.give_slot()
        else:
            house.occupy(card, 1)
        return card

    async def _go(self, id: str, card: AgentCard, cause: int) -> None:
        """Run a task that started as it was taken in."""
        try:
            if (task := self._tasks.get((id,))) is not None:
                await self._run(id, card, card.skills[task["skill"]], 1, cause)
        finally:
            self.house.occupy(card, -1)

    async def present(self, skill: str) -> None:
        """Register the house's own agent that offers a skill, where it is not yet. Any other skill is let be."""
        card = self.house.owns.get(skill)
        if card is None:
            return
        agents, key = self.house.journal.hot.table("agent"), (card.name, card.version)
        while (row := agents.get(key)) is None or row["state"] != "live" or row["digest"] != card.digest:
            try:
                await self.record(Bundle([registration(card, "tutti")], expect={("agent", key): row["version"] if row else 0}))
            except Conflict:  # another node was quicker
                await self.house.journal.catch_up()

    # --- the walk -----------------------------------------------------------------------------------------------

    async def advance(self, task: Row) -> None:
        """One step of one task, as far as its stage says."""
        try:
            await self._step(task)
        except NotFound as error:  # its input was erased
            if (now := self._tasks.get((task["id"],))) is not None:
                await self.end(now, "task.parked", {"reason": error.message})
        finally:
            self.market.redeem(task["id"])  # whatever became of it: no place is held for it any more

    async def _step(self, task: Row) -> None:
        match task["stage"]:
            case Stage.JOINING:
                await self._join(task)
            case Stage.COALESCED:
                await self._take_over(task)
            case Stage.READY:
                await self._dispatch(task)
            case Stage.APPROVED:
                await self._dispatch_approved(task)
            case Stage.QUEUED if self._late(task):
                await self.arbiter.run_out(task)
            case Stage.QUEUED:
                await (self._dispatch_approved(task) if self.approved(task) else self._dispatch(task))
            case Stage.BACKOFF | Stage.ASKING:
                await self._start(task, Bundle(), task["attempts"] + (task["stage"] == Stage.BACKOFF))
            case Stage.RUNNING if await self._answered_early(task):
                await self._start(task, Bundle(), task["attempts"])

    def approved(self, task: Row) -> bool:
        """Whether a person's yes to it has not been used yet."""
        approval = self.house.journal.hot.table("approval").get((task["approval"],))
        return approval is not None and approval["state"] == "approved"

    async def _answered_early(self, task: Row) -> bool:
        """Whether it was answered after a restart and before its run was taken up again, so that nobody runs it."""
        said = await self.house.journal.facts(about=task["id"], kind=("run.started", "task.answered"))
        return bool(said) and said[-1].kind == "task.answered"

    async def give_up(self, task: Row) -> None:
        """A defect of ours met this task: park it, so that it does not stand in the way and nothing is lost."""
        await self.end(task, "task.parked", {"reason": "Tutti could not advance it; its log says why"})

    # --- route and gate -----------------------------------------------------------------------------------------

    async def _dispatch(self, task: Row) -> None:
        house, id = self.house, task["id"]
        try:
            skill = house.registry.skill(task["skill"])
        except NoRoute as error:
            return await self.end(task, "task.parked", {"reason": error.message})
        if self._late(task):
            return await self.end(task, "task.failed", {"error": "deadline_passed"})
        input = await self.house.input(task)
        problem = self.choices.misfit(skill, input)
        if problem:
            return await self.end(task, "task.failed", {"error": "invalid_input"}, problem)
        choice = await self.choices.make(task, skill, input)
        if choice.card is None:
            return await self._nobody(task, choice.route, choice.verdicts)
        bundle = Bundle()
        bundle.add(routing.as_fact(id, choice.route, task["seq"], choice.known))
        bundle.add(gates.as_fact(id, choice.verdict, choice.question, -1))
        if choice.verdict.ruling is Ruling.ASK:
            if skill.intends and not await self.arbiter.claim(bundle, task, skill, grant=False):
                return None
            bundle.add(gates.as_request(house.ids.new("a"), task, choice.verdict, choice.question, house.ids.bytes(16).hex(), -1))
            bundle.expect["task", (id,)] = task["version"]
            await self.record(bundle)
            return None
        return await self._start(task, bundle, 1 + (task["attempts"] or 0), choice.card, choice.verdict)

    async def _dispatch_approved(self, task: Row) -> None:
        house = self.house
        card = house.registry.card(task["agent"], task["agent_version"])
        if card is None or (card.name, card.version, task["skill"]) not in house.functions:
            return await self.end(task, "task.parked", {"reason": f"{task['agent']}@{task['agent_version']} was approved and is not here"})
        if card.endpoint is not None and card not in house.registry.versions(card.name):  # behind the address somebody else answers now
            return await self.end(task, "task.parked", {"reason": f"{card.id} was approved, and another version has taken its place"})
        approval = house.journal.hot.table("approval").get((task["approval"],))
        problem = gates.check_answer(approval, task, card.id, house.clock.now()) or await self._forged(task, approval)
        if problem:
            return await self.end(task, "task.parked", {"reason": problem})
        question = self.choices.question(card, card.skills[task["skill"]], task, await self.house.input(task), task["approval"])
        verdict = gates.decide(question, house.book(task["policy"]))
        bundle = Bundle()
        bundle.add(gates.as_fact(task["id"], verdict, question, task["seq"]))
        if verdict.ruling is not Ruling.ALLOW:
            return await self._deny(task, bundle, verdict)
        return await self._start(task, bundle, 1, card, verdict)

    async def _nobody(self, task: Row, route: Route, verdicts: list[tuple[gates.Question, Verdict]]) -> None:
        """Nobody can take it now: wait where waiting helps, else end it with the reasons."""
        now = self.house.clock.now()
        opens_at = self.house.breakers.opens_at(now, ((card.name, card.version) for card in self.house.registry.offers(task["skill"])))
        if route.busy or opens_at is not None:
            self.traffic.later(task["id"], _BUSY if opens_at is None or route.busy else (opens_at - now) / MICROS + 0.001)
            return None
        if verdicts and all(verdict.ruling is Ruling.DENY for _, verdict in verdicts):
            question, verdict = verdicts[0]
            bundle = Bundle()
            bundle.add(gates.as_fact(task["id"], verdict, question, task["seq"]))
            return await self._deny(task, bundle, verdict)
        meant = [out for out in route.ruled_out if out.agent.startswith(f"{task['addressed']}@")]  # that it was sent to this one says nothing of why not
        rules = "; ".join(f"{out.agent}: {out.rule}" for out in (meant or route.ruled_out)[:4])
        return await self.end(task, "task.parked", {"reason": f"no agent may take it: {rules}"})

    async def _deny(self, task: Row, bundle: Bundle, verdict: Verdict) -> None:
        kind = "task.parked" if verdict.stopped else "task.rejected"
        await self.end(task, kind, {"reason": verdict.reasons[0]}, bundle=bundle)

    async def _forged(self, task: Row, approval: Row | None) -> str:
        """Recompute what the approval rests on: the parameters as stored, and the person's signature over them."""
        assert approval is not None
        keys, workspace = self.house.journal.keys, self.house.journal.workspace
        if not await self.house.journal.intact(task["input"].partition("#")[0]):
            return "the parameters are not those that were approved"
        if not approval["signature"] or not gates.signature_holds(keys.owner.public, workspace, approval):
            return "the approval's signature does not hold"
        return ""

    # --- run and judge ------------------------------------------------------------------------------------------

    async def _start(self, task: Row, bundle: Bundle, attempt: int, card: AgentCard | None = None, verdict: Verdict | None = None) -> None:
        """Make the start durable, then make the attempt."""
        house, id = self.house, task["id"]
        card = card or house.registry.card(task["agent"], task["agent_version"])
        if card is None or (card.name, card.version, task["skill"]) not in house.functions:
            return await self.end(task, "task.parked", {"reason": f"{task['agent']}@{task['agent_version']} started it and is not here"})
        skill = card.skills[task["skill"]]
        stopped = gates.stopped_by(house.book(task["policy"]).kills, card, skill)
        if stopped:
            return await self.end(task, "task.parked", {"reason": stopped}, bundle=bundle)
        if skill.intends and not await self.arbiter.claim(bundle, task, skill):
            return None
        cause = -1 if bundle.drafts else task["seq"]
        bundle.add(_started(id, card, attempt, cause))
        bundle.expect["task", (id,)] = task["version"]
        self._fence(bundle, skill, verdict)
        self.market.redeem(id)  # its run takes the place
        self.traffic.arrived(id)
        house.occupy(card, 1)
        try:
            facts = await self.record(bundle)
            await self._run(id, card, skill, attempt, facts[-1].seq)
        except Refused as refused:  # another task took what was left of the budget: decide anew on what is true now
            raise Conflict(refused.message, **refused.about) from refused
        finally:
            house.occupy(card, -1)

    def _fence(self, bundle: Bundle, skill: Skill, verdict: Verdict | None) -> None:
        """Hold the start of an action against switches thrown and budgets spent meanwhile."""
        if skill.is_action:
            switches = self.house.journal.hot.table("kill").get(("any", ""))
            bundle.expect["kill", ("any", "")] = switches["version"] if switches else 0
        for reserve in verdict.reserves if verdict else ():
            for column, limit in (("money", reserve.money_limit), ("count", reserve.count_limit)):
                if limit is not None:
                    bundle.within.append(AtMost("spending", (reserve.budget, reserve.period), column, limit))

    async def _run(self, id: str, card: AgentCard, skill: Skill, attempt: int, cause: int) -> None:
        house = self.house
        task = self._tasks.get((id,))
        if task is None or task["stage"] != Stage.RUNNING:
            return None
        key = (card.name, card.version)
        house.breakers.started(key)
        try:
            outcome = await self.runs.attempt(task, card, skill, attempt)
        except BaseException:
            house.breakers.unfinished(key)
            raise
        changed = house.breakers.ended(key, outcome, house.clock.now())
        self.runs.progress.pop(id, None)
        while (task := self._tasks.get((id,))) is not None and task["stage"] in (Stage.RUNNING, Stage.ASKING):
            try:
                return await self._finish(task, card, skill, attempt, outcome, cause, changed)
            except Conflict as conflict:
                table, thing = conflict.about["thing"]
                if table == "work":
                    await self.reception.refresh(thing[0])
                await asyncio.sleep(0)
            except Invalid as error:
                outcome = Outcome(Ending.FAILED, error="wrong_output", detail=error.words, ms=outcome.ms)
            except (StorageFailed, Overloaded) as error:
                log.warning("the outcome of task %s waits for the database: %s", id, error.message)
                await asyncio.sleep(_PAUSE)
        return None

    async def _finish(
        self, task: Row, card: AgentCard, skill: Skill, attempt: int, outcome: Outcome, cause: int | None, changed: tuple[str, int] | None
    ) -> None:
        """Record how an attempt ended and what follows, with all the run proposed, signalled and learned, in one append."""
        id = task["id"]
        bundle, step = await self.closing.attempt(task, card, skill, attempt, outcome, cause, changed)
        await self.record(bundle)
        if isinstance(step, execution.Fail):
            self.reception.forsake(task["work_key"], id)
        if isinstance(step, execution.Retry):
            self.traffic.later(id, max((step.at - self.house.clock.now()) / MICROS, 0.0))

    # --- joins, ends --------------------------------------------------------------------------------------------

    async def _join(self, task: Row) -> None:
        """Put the results of the tasks it waited for into its input, once all of them have ended."""
        joins = self.house.journal.hot.table("joins")
        awaited: list[Row] = []
        while (row := joins.get((task["id"], len(awaited)))) is not None:
            awaited.append(row)
        ended: list[Row] = []
        for join in awaited:
            first = await self.house.journal.row("task", (join["awaits"],))
            if first is None or first["open"]:
                return
            ended.append(first)
        outputs = await self.house.journal.payloads([first["output"] for first in ended if first["output"]])
        value = await self.house.input(task)
        value = dict(value) if isinstance(value, Mapping) else {"data": value}
        for join, done in zip(awaited, ended, strict=True):
            value[join["field"]] = outputs.get(done["output"])
        bundle = Bundle(expect={("task", (task["id"],)): task["version"]})
        payload = self.house.journal.seal(value, await self.house.subject(task))
        bundle.payloads.append(payload)
        last = max(ended, key=lambda row: row["finished_at"])
        bundle.add(Draft("task.joined", task["id"], "tutti", {"input": payload.id, "joins": len(awaited), "from_agent": last["agent"]}, last["seq"]))
        await self.record(bundle)

    async def _take_over(self, task: Row) -> None:
        """The task whose result this one waits for has ended without it: at the same moment, or as the process went away."""
        first = await self.house.journal.row("task", (task["into_task"],))
        if first is not None and first["open"]:
            return None
        if first is not None and first["state"] == State.COMPLETED:
            return await self.end(task, "task.completed", {"output": first["output"]})
        bundle = Bundle(expect={("task", (task["id"],)): task["version"]})
        bundle.add(Draft("task.resumed", task["id"], "tutti", {"stage": Stage.READY.value, "reason": "the task it waited for came to nothing"}, task["seq"]))
        await self.record(bundle)
        return None

    async def end(self, task: Row, kind: str, data: dict[str, Any], detail: str = "", bundle: Bundle | None = None, by: str = "tutti") -> None:
        """End or park a task, and let those go on that waited for its result."""
        bundle = bundle or Bundle()
        bundle.expect["task", (task["id"],)] = task["version"]
        if task["approval"] and (task["approval"],) in self.house.journal.hot.table("approval"):  # neither the question nor an unused yes outlives it
            bundle.add(Draft("approval.expired", task["approval"], "tutti", {"task": task["id"]}, -1 if bundle.drafts else task["seq"]))
        sealed = await self.closing.words(bundle, task, detail)
        if sealed:
            data = data | {"detail": sealed}
        bundle.add(Draft(kind, task["id"], by, data, -1 if bundle.drafts else task["seq"]))
        if kind != "task.parked":
            self.closing.unfollow(bundle, task["id"])
        await self.record(bundle)
        if kind not in ("task.parked", "task.completed"):
            self.reception.forsake(task["work_key"], task["id"])

    def _late(self, task: Row) -> bool:
        return task["deadline_at"] is not None and self.house.clock.now() >= task["deadline_at"]

    async def result(self, id: str) -> Row:
        """A task's row once it has ended: how it ended and with what. Raises `NotFound`."""
        while True:
            row = self._tasks.get((id,))
            if row is not None:
                end = await self.traffic.wait(id)
                if end is not None:  # the fact says all of it; reading the row back would cost more than the rest of the wait
                    return dict(row) | {name: value for change in execution.FOLDS[end.kind](end) if change[0] == "task" for name, value in change[2].items()}
            row = await self.house.journal.row("task", (id,))
            if row is None:
                raise NotFound(f"There is no task {id}.", hint="`tutti tasks` lists them.")
            if not row["open"]:
                return row

    # --- starting, and what runs out ----------------------------------------------------------------------------

    async def start(self) -> None:
        """Take up what an earlier process left open, then begin to walk."""
        running = [row for row in self._tasks.values() if row["stage"] == Stage.RUNNING]
        for start in range(0, len(running), _TOGETHER):
            await asyncio.gather(*(self._take_up(row) for row in running[start : start + _TOGETHER]))
        self.traffic.start(self._run_out)
        self.arbiter.expiry.wind()

    async def _take_up(self, task: Row) -> None:
        """A run that nobody saw end: its outcome is not known."""
        card = self.house.registry.card(task["agent"], task["agent_version"])
        skill = card.skills.get(task["skill"]) if card else None
        if card is None or skill is None:
            return await self.end(task, "task.parked", {"reason": f"{task['agent']}@{task['agent_version']} started it and is not known any more"})
        outcome = Outcome(Ending.UNKNOWN, error="process_ended")
        return await self._finish(task, card, skill, task["attempts"], outcome, task["seq"], None)

    async def _run_out(self, id: str, what: str) -> None:
        """A deadline or an approval has run out. A run under way has a timeout of its own."""
        task = self._tasks.get((id,))
        if task is None or task["stage"] in (Stage.RUNNING, Stage.PARKED):
            return
        if what == "deadline" and task["stage"] == Stage.QUEUED:
            await self.arbiter.run_out(task)
            self.traffic.cancel(id)
        elif what == "deadline":
            await self.end(task, "task.failed", {"error": "deadline_passed"})
            self.traffic.cancel(id)
        elif task["stage"] == Stage.APPROVAL:
            await self.end(task, "task.parked", {"reason": "nobody answered before the approval expired"})
