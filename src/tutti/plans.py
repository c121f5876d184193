"""Plans on the road: a plan runs as a task of the house's own agent `planner`, its steps are that task's children.

Nothing is lost when the process dies: the plan as it stands is kept with the task, children are found again by their steps' names, timers and
questions by theirs. What was decided is recorded as `plan.made`, `plan.changed` and `plan.ended`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import orjson

from tutti import gates, planning
from tutti.clock import MICROS
from tutti.errors import AgentFailed, Conflict, Invalid, NoRoute
from tutti.house import House, Own, own
from tutti.ids import derived
from tutti.model.fact import Draft, Fact
from tutti.model.money import to_millionths
from tutti.model.plan import Goal, Plan, Playbook, Reference, Step, goal_from_json, goal_to_json, plan_from_json, plan_to_json, references
from tutti.model.verdict import Ruling
from tutti.reception import Bundle
from tutti.registry import card_to_json
from tutti.transports import Bound, Context

if TYPE_CHECKING:
    from tutti.orchestrator import Orchestrator

log = logging.getLogger("tutti")
RUN = "plan.run"  # the skill of the planner
REPLANS = 3  # times that a plan is made anew, where its task does not say
_PROPOSALS = 3  # answers that a planner in words may give until one can run
_TIMEOUT = timedelta(minutes=5)  # of the planner's own work; waiting for steps does not count
_ATTEMPTS = 100  # processes that may end while a plan runs: one that waits for weeks sees many; a plan that fails is not tried again
_MEMO = "plan"
_ROWS = 1000

Row = Mapping[str, Any]
Ask = Callable[[dict[str, Any], str], Awaitable[Any]]  # (question, name) → what the planner in words answers


# --- planning ---------------------------------------------------------------------------------------------------------


def offers_of(house: House) -> list[planning.Offer]:
    """What the fleet offers a plan: each skill with the agent that weighs least. The house's own agents and planners are left out."""
    prices = planning.Prices()
    found = []
    for name in house.registry.skills():
        if name in house.owns or name == planning.SKILL:
            continue
        board = house.board(name, "")
        offers = []
        for number, card in enumerate(board.cards):
            skill = card.skills[name]
            offers.append(
                planning.Offer(
                    name, skill.input_schema, skill.output_schema, board.cost[number], board.latency_ms[number], board.mean[number], skill.attempts, skill.is_action,
                    skill.description,
                )
            )  # fmt: skip
        if offers:
            found.append(min(offers, key=prices.burden))
    return found


def permit_of(house: House) -> planning.Permit:
    """Which skills the gates may allow now: those that an agent which is here, and well, may do for some amount."""
    book, now = house.book(), house.clock.now()
    shut = house.breakers.shut(now)
    said: dict[str, str | None] = {}

    def permit(skill: str) -> str | None:
        if skill not in said:
            said[skill] = _rule(skill)
        return said[skill]

    def _rule(name: str) -> str | None:
        rule = f"no agent offers {name}"
        for card in house.registry.offers(name):
            key, skill = (card.name, card.version), card.skills[name]
            gone = house.absent(name).get(key) or shut.get(key)
            if gone:
                rule = f"{card.id}: {gone}"
                continue
            nothing = None if skill.amount is None else 0  # the amount is known when the step runs; then it is asked again
            verdict = gates.decide(gates.Question(card, skill, "", "task", 0, now, nothing, skill.currency if skill.amount else None), book)
            if verdict.ruling is not Ruling.DENY:
                return None
            rule = verdict.reasons[0]
        return rule

    return permit


async def preview(house: House, goal: Goal, input: Any, ask: Ask, *, subject: str | None = None, money: float | None = None) -> dict[str, Any]:
    """The plan for a goal as it would run now, or why there is none. `ask` puts a goal in words to a planner that is a language model."""
    offers, permit = offers_of(house), permit_of(house)
    notes = {topic: value for topic, (_, value) in (await house.notes.about(house.journal.pseudonym(subject) if subject else None)).items()}
    bounds = planning.Bounds(money=money)
    if goal.want:
        planned = planning.plan(goal, offers, planning.given_form(goal, offers, input), permit=permit, notes=notes, bounds=bounds)
    else:
        planned = await _proposed(house, ask, goal, input, offers, permit, bounds)
    made = planned.plan
    return {
        "schema": "tutti.planned/1",
        "goal": goal_to_json(goal),
        "plan": None if made is None else plan_to_json(made),
        "expected": None if made is None else {"cost": round(made.cost, 6), "latency_ms": round(made.latency_ms, 3), "success": round(made.success, 6)},
        "missing": list(planned.missing),
        "ruled_out": [{"skill": skill, "rule": rule} for skill, rule in planned.ruled_out],
        "instead_of": _instead(planned),
        "optimal": planned.optimal,
    }


def _instead(planned: planning.Planned) -> dict[str, list[dict[str, Any]]]:
    return {step: [{"skill": skill, "burden": burden} for skill, burden in rivals] for step, rivals in planned.instead_of.items()}


async def _proposed(
    house: House, ask: Ask, goal: Goal, input: Any, offers: Sequence[planning.Offer], permit: planning.Permit, bounds: planning.Bounds, stem: str = "propose"
) -> planning.Planned:
    """A plan for a goal in words. What does not check goes back with its problems, and never runs."""
    if not goal.text:
        raise Invalid("The goal wants nothing.", hint='Name a skill or a type in `want`, for example {"want": ["Refund"]}.')
    if house.registry.offer(planning.SKILL) is None:
        raise Invalid("A goal in words needs a planner that is a language model.", hint="Declare one: fleet.planner(model=…).")
    problems: list[str] = []
    for number in range(_PROPOSALS):
        answer = await ask(planning.question(goal.text, input, offers, permit, problems), f"{stem}/{number}")
        try:
            made = replace(plan_from_json(answer), goal=goal)
            problems = planning.check_plan(made, offers, permit=permit, given=planning.form_of(input), bounds=bounds)
        except Invalid as error:
            problems = [error.message]
        if not problems:
            by_name = {offer.skill: offer for offer in offers}
            return planning.Planned(replace(made, steps=tuple(_priced(step, by_name) for step in made.steps)), optimal=False)
    return planning.Planned(None, tuple(f"the planner's answer cannot run: {problem}" for problem in problems), optimal=False)


def _priced(step: Step, offers: Mapping[str, planning.Offer]) -> Step:
    offer = offers.get(step.skill)
    return step if offer is None else replace(step, cost=offer.cost * offer.tries, latency_ms=offer.latency_ms * offer.tries, success=offer.success)


# --- agents that run plans --------------------------------------------------------------------------------------------


def planner(corridor: Orchestrator) -> Own:
    """The house's own agent that runs plans."""

    async def run(input: dict[str, Any], ctx: Context) -> Any:
        """Run a plan, or plan for a goal and run that: {"plan" or "goal", "input", "money", "replans"}."""
        return await _Run(corridor, ctx, _order(input), "planner").go()

    made = own("planner", {RUN: run}, timeout=_TIMEOUT)
    card = replace(made.card, skills={RUN: replace(made.card.skills[RUN], attempts=_ATTEMPTS)})
    return made._replace(card=replace(card, digest=sha256(card_to_json(card).encode()).hexdigest()[:16]))


def played(corridor: Orchestrator, playbooks: Mapping[tuple[str, str, str], Playbook], functions: Mapping[tuple[str, str, str], Bound]) -> dict[Any, Bound]:
    """The functions of playbooks, bound to the corridor that runs their steps."""

    def function(agent: str, playbook: Playbook) -> Callable[[Any, Context], Awaitable[Any]]:
        async def play(input: Any, ctx: Context) -> Any:
            from pydantic_core import to_jsonable_python

            said = to_jsonable_python(input)  # with a declared type it comes as that type; templates speak of its fields
            order = _Order(playbook.plan, None, said, playbook.money, 0, "playbook")
            return await _Run(corridor, ctx, order, agent).go()

        return play

    return {key: replace(functions[key], function=function(key[0], playbook)) for key, playbook in playbooks.items()}


@dataclass(frozen=True, slots=True)
class _Order:
    """What a task asks to have run."""

    plan: Plan | None
    goal: Goal | None
    input: Any
    money: float | None
    replans: int
    kind: str


def _order(said: Mapping[str, Any]) -> _Order:
    unknown = sorted(set(said) - {"plan", "goal", "input", "money", "replans"})
    if unknown or ("plan" in said) == ("goal" in said):
        raise _wrong(f"There is no {unknown[0]!r} in it." if unknown else "It needs a plan or a goal.")
    money, replans = said.get("money"), said.get("replans", REPLANS)
    if money is not None and (isinstance(money, bool) or not isinstance(money, int | float) or money < 0):
        raise _wrong(f"money is {money!r}.")
    if isinstance(replans, bool) or not isinstance(replans, int) or not 0 <= replans <= 20:
        raise _wrong(f"replans is {replans!r}; it is from 0 to 20.")
    try:
        if "plan" in said:
            made = plan_from_json(said["plan"])
            return _Order(made, made.goal, said.get("input"), money, replans, "goal" if made.goal else "plan")
        return _Order(None, goal_from_json(said["goal"]), said.get("input"), money, replans, "goal")
    except Invalid as error:
        raise _wrong(error.message) from None


def _wrong(message: str) -> Invalid:
    return Invalid(f"{RUN}: {message}", hint='For example {"goal": {"want": ["Refund"]}, "input": {"account": "a1"}}.', code="invalid_input")


class _Failed(Exception):
    """The plan cannot go on; the code says why in the record, the words say more to whoever asked."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words


@dataclass(slots=True)
class _Kept:
    """The plan as it stands, with what led to it: what is kept for the run that takes this one's place."""

    plan: Plan
    number: int = 0  # times it was made anew
    failed: dict[str, str] = field(default_factory=dict)  # skill → how a step with it failed
    names: list[str] = field(default_factory=list)  # of steps that had begun: no other step may have them, since results are found by them
    why: str = ""
    ruled_out: list[list[str]] = field(default_factory=list)
    instead_of: dict[str, Any] = field(default_factory=dict)
    optimal: bool = True

    def to_json(self) -> dict[str, Any]:
        return {
            "plan": plan_to_json(self.plan), "number": self.number, "failed": self.failed, "names": self.names, "why": self.why, "ruled_out": self.ruled_out,
            "instead_of": self.instead_of, "optimal": self.optimal,
        }  # fmt: skip

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> _Kept:
        return cls(**{**data, "plan": plan_from_json(data["plan"])})


class _Run:
    """One run of a plan, from its making to its end."""

    def __init__(self, corridor: Orchestrator, ctx: Context, order: _Order, agent: str) -> None:
        self._corridor = corridor
        self._house = corridor.house
        self._ctx = ctx
        self._order = order
        self._agent = agent
        self._row: Row = self._house.journal.hot.table("task")[ctx.task,]
        self._progress = planning.Progress()
        self._under_way: dict[str, asyncio.Task[Any]] = {}
        self._steps: dict[str, Step] = {}  # of those under way; the plan may have changed meanwhile
        self._begun: set[str] = set()
        self._notes: dict[str, Any] = {}
        self._news = asyncio.Event()
        self._asking = asyncio.Lock()
        self._kept: _Kept
        self._priced: int | None = None  # what the steps that have ended cost; None: to be summed up again

    async def go(self) -> Any:
        """Run it. Raises: `AgentFailed`, `Invalid`."""
        journal = self._house.journal
        self._notes = await self._read_notes()
        try:
            await self._make()
        except _Failed as failed:
            raise self._as_failure(failed) from None
        journal.on_facts.append(self._follow)
        try:
            async with asyncio.timeout(self._left()):
                await self._walk()
            output = planning.result(self._kept.plan, self._progress, self._order.input, self._notes)
            await self._end("completed", "")
            return output
        except _Failed as failed:
            await self._stop("failed", failed.code)
            raise self._as_failure(failed) from None
        except TimeoutError:
            await self._stop("failed", "deadline_passed")
            raise AgentFailed("The deadline of the plan has passed.", retry=False, held_back=True) from None
        except asyncio.CancelledError:
            if (self._ctx.task,) not in journal.hot.table("task"):  # a person canceled it; otherwise the process stops, and all goes on later
                await self._stop("canceled", "canceled")
            raise
        finally:
            journal.on_facts.remove(self._follow)
            await self._drop()

    def _left(self) -> float | None:
        deadline = self._row["deadline_at"]
        return None if deadline is None else max((deadline - self._house.clock.now()) / MICROS, 0.0)

    def _as_failure(self, failed: _Failed) -> AgentFailed:
        return AgentFailed(failed.words, hint=f"`tutti why {self._ctx.task}` says more.", retry=False, held_back=True)

    # --- making the plan ----------------------------------------------------------------------------------------

    async def _make(self) -> None:
        kept = await self._ctx.kept(_MEMO)
        if kept is not None:
            self._kept = _Kept.from_json(kept)
            self._begun.update(self._kept.names)
            for step in self._kept.plan.steps:
                if step.skill and await self._house.journal.row("task", (derived("t", self._ctx.task, step.name, step.skill),)) is not None:
                    self._begun.add(step.name)
            return
        order = self._order
        offers, permit = offers_of(self._house), permit_of(self._house)
        if order.plan is not None:
            problems = planning.check_plan(
                order.plan, None if order.kind == "playbook" else offers, permit=permit, given=planning.form_of(order.input), bounds=planning.Bounds(order.money)
            )  # fmt: skip
            if problems:
                raise _Failed("plan_invalid", f"The plan cannot run: {'; '.join(problems)}")
            by_name = {offer.skill: offer for offer in offers}
            planned = planning.Planned(replace(order.plan, steps=tuple(_priced(step, by_name) for step in order.plan.steps)))
        else:
            planned = await self._planned(offers, permit, {}, {}, order.money)
            if planned.plan is None:
                raise _Failed("no_plan", f"There is no plan: {'; '.join(planned.missing)}")
        await self._keep(planned, "", {"kind": order.kind, "name": planned.plan.name if planned.plan and order.kind == "playbook" else ""})

    async def _planned(
        self, offers: list[planning.Offer], permit: planning.Permit, failed: Mapping[str, str], done: Mapping[str, tuple[str, Any]], money: float | None,
        taken: Sequence[str] = (), number: int = 0,
    ) -> planning.Planned:  # fmt: skip
        goal = self._order.goal
        assert goal is not None
        given = planning.given_form(goal, offers, self._order.input)

        def allowed(skill: str) -> str | None:
            return f"it failed in this plan: {failed[skill]}" if skill in failed else permit(skill)

        if goal.want:
            return planning.plan(goal, offers, given, permit=allowed, notes=self._notes, done=done, taken=taken, bounds=planning.Bounds(money))

        async def ask(question: dict[str, Any], name: str) -> Any:
            return await self._ctx.ask(planning.SKILL, question, name=name)

        told = replace(goal, text=goal.text + _so_far(failed, {name: self._progress.outputs.get(name) for name in done}))
        planned = await _proposed(self._house, ask, told, self._order.input, offers, allowed, planning.Bounds(money), f"propose/{number}")
        return replace(planned, plan=None if planned.plan is None else replace(planned.plan, goal=goal))

    async def _keep(self, planned: planning.Planned, why: str, data: dict[str, Any]) -> None:
        """Record the plan as it now stands, and keep it for a run that takes this one's place: in one append."""
        made = planned.plan
        assert made is not None
        before = getattr(self, "_kept", None)
        self._kept = _Kept(
            made, before.number + 1 if before else 0, dict(before.failed) if before else {}, sorted(self._begun),
            why, [list(out) for out in planned.ruled_out], _instead(planned), planned.optimal,
        )  # fmt: skip
        if data.get("skill"):
            self._kept.failed[data["skill"]] = why
        journal, task = self._house.journal, self._ctx.task
        payload = journal.seal(self._kept.to_json(), await self._house.subject(self._row))
        by = f"agent/{self._agent}"
        told = {**data, "plan": payload.id, "skills": [step.skill for step in made.steps], "cost": round(made.cost * MICROS)}
        if before:
            told["number"] = self._kept.number
        elif self._order.money is not None:
            told["money"] = to_millionths(self._order.money, "money")
        bundle = Bundle(payloads=[payload])
        seq = self._row["seq"]
        bundle.add(Draft("plan.changed", task, by, told, seq) if before else Draft("plan.made", task, by, told, seq))
        bundle.add(Draft("run.noted", task, by, {"name": _MEMO, "value": payload.id}, -1))
        await self._corridor.record(bundle)

    # --- running its steps --------------------------------------------------------------------------------------

    async def _walk(self) -> None:
        while True:
            if self._news.is_set():
                await self._learn()
            for step, input in planning.begin(self._kept.plan, self._progress, self._under_way, self._order.input, self._notes):
                await self._afford(step)
                self._steps[step.name] = step
                self._begun.add(step.name)
                self._under_way[step.name] = asyncio.create_task(self._do(step, input), name=f"{self._ctx.task}/{step.name}")
            if not self._under_way:
                return
            news = asyncio.create_task(self._news.wait())
            try:
                await asyncio.wait([*self._under_way.values(), news], return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
            for name in [name for name, done in self._under_way.items() if done.done()]:
                await self._take(name)

    async def _do(self, step: Step, input: Any) -> Any:
        if step.wait_ms is not None:
            return await self._wait(step)
        if step.question is not None:
            return await self._question(step, str(input))
        return await self._ctx.ask(step.skill, input, name=step.name, to=step.to)

    async def _wait(self, step: Step) -> None:
        """Wait until an instant that is kept, so that a run which starts again waits for what is left."""
        until = await self._ctx.kept(f"wait/{step.name}")
        if until is None:
            until = self._house.clock.now() + (step.wait_ms or 0) * 1000
            await self._ctx.keep(f"wait/{step.name}", until)
        with self._ctx._open_line().paused():
            await asyncio.sleep(max(until - self._house.clock.now(), 0) / MICROS)

    async def _question(self, step: Step, text: str) -> Any:
        """Ask a person. One question at a time; each step's has its own number, whatever the order in a run that starts again."""
        async with self._asking:
            number = await self._ctx.kept(f"question/{step.name}")
            if number is None:
                number = 1 + int(await self._ctx.kept("questions") or 0)
                await self._ctx.keep("questions", number)
                await self._ctx.keep(f"question/{step.name}", number)
            return await self._ctx._open_line().question(text, number)

    async def _take(self, name: str) -> None:
        """Take in how a step ended."""
        done, step = self._under_way.pop(name), self._steps.pop(name)
        self._priced = None
        known = any(each.name == name for each in self._kept.plan.steps)
        try:
            output = done.result()
        except (AgentFailed, NoRoute, Conflict) as error:
            if not known:
                return
            if step.optional:
                self._progress.skipped[name] = f"it failed: {error.message}"
                return
            await self._again("step_failed", {"step": name, "skill": step.skill}, error.message)
            return
        if known:
            self._progress.outputs[name] = output

    async def _afford(self, step: Step) -> None:
        """Stop before a step that would take the plan beyond its money."""
        money = self._order.money
        if money is None or not step.skill:
            return
        if self._priced is None:
            self._priced = await self._spent()
        expected = self._priced / MICROS + step.cost + sum(each.cost for each in self._steps.values())
        if expected > money + 1e-9:
            raise _Failed("money", f"Step {step.name} would take the plan to {expected:g}, and it may cost {money:g}.")

    async def _spent(self) -> int:
        """What the plan's tasks, and all that follows from them, have cost so far, in millionths: every attempt that was paid."""
        ids = [row["id"] for row in await self._children()]
        total = 0
        for start in range(0, len(ids), _ROWS):
            after = 0
            while facts := await self._house.journal.facts(after=after, about=ids[start : start + _ROWS], kind="run.finished", limit=_ROWS):
                total += sum(fact.data.get("cost", 0) for fact in facts)
                after = facts[-1].seq
        return total

    async def _children(self) -> Sequence[Row]:
        rows: Sequence[Row] = await self._house.journal.select(
            "WITH RECURSIVE below(id, open) AS (SELECT id, open FROM task WHERE parent = ? "
            "UNION ALL SELECT task.id, task.open FROM task JOIN below ON task.parent = below.id) SELECT id, open FROM below",
            (self._ctx.task,),
        )
        return rows

    # --- planning anew ------------------------------------------------------------------------------------------

    def _follow(self, facts: list[Fact]) -> None:
        """Hear of notes about the subject that somebody else has changed."""
        for fact in facts:
            if fact.kind == "note.shared" and self._row["subject"] and fact.about == self._row["subject"]:
                self._news.set()

    async def _read_notes(self) -> dict[str, Any]:
        return {topic: value for topic, (_, value) in (await self._house.notes.about(self._row["subject"])).items()}

    async def _learn(self) -> None:
        """Take in what is now known of the subject. A plan for a goal is made anew where it rests on what has changed."""
        self._news.clear()
        before, self._notes = self._notes, await self._read_notes()
        topics = {topic for topic in {*before, *self._notes} if before.get(topic) != self._notes.get(topic)}
        plan = self._kept.plan
        if not topics or self._order.goal is None or not self._left_to_do():
            return
        taken = planning.stale(plan, self._progress, self._under_way, topics, {offer.skill for offer in offers_of(self._house) if offer.is_action})
        coming = {r.path[0] for step in plan.steps if not self._progress.ended(step.name) for r in _notes_of(step)}
        if taken or topics & (coming | set(plan.watch)):
            await self._again("note_changed", {"topics": sorted(topics)}, f"what is known has changed: {', '.join(sorted(topics))}", stale=taken)

    def _left_to_do(self) -> bool:
        return any(not self._progress.ended(step.name) for step in self._kept.plan.steps)

    async def _again(self, reason: str, about: dict[str, Any], why: str, *, stale: set[str] = frozenset()) -> None:  # type: ignore[assignment]
        """Make the plan anew from where it stands, or give up."""
        kept, order = self._kept, self._order
        if order.goal is None or kept.number >= order.replans:
            if reason == "note_changed":
                return
            times = f" It was planned anew {kept.number} times already." if order.goal is not None else ""
            raise _Failed(reason, f"Step {about['step']} failed: {why}.{times}")
        offers, permit = offers_of(self._house), permit_of(self._house)
        gives = {offer.skill: planning.form(offer.output_schema) for offer in offers}
        failed = kept.failed | ({about["skill"]: why} if about.get("skill") else {})
        stays = [step for step in kept.plan.steps if step.name not in stale and (step.name in self._progress.outputs or step.name in self._under_way)]
        done = {step.name: (step.skill, gives.get(step.skill, planning.form({}))) for step in stays}
        money = None if order.money is None else max(order.money - await self._spent() / MICROS - sum(step.cost for step in self._steps.values()), 0.0)
        planned = await self._planned(offers, permit, failed, done, money, sorted(self._begun), kept.number + 1)
        if planned.plan is None:
            raise _Failed("no_plan", f"{why}. There is no other plan: {'; '.join(planned.missing)}")
        new = planned.plan
        left = [step for step in kept.plan.steps if step not in stays and step.name not in stale and step.name != about.get("step")]
        if reason == "note_changed" and not stale and [(s.skill, s.input) for s in new.steps] == [(s.skill, s.input) for s in left]:
            return
        for name in stale:
            self._progress.outputs.pop(name, None)
        planned = replace(planned, plan=replace(new, steps=(*stays, *new.steps), name=kept.plan.name, watch=kept.plan.watch))
        self._progress.skipped.clear()
        await self._keep(planned, why, {"reason": reason, **about})

    # --- ending -------------------------------------------------------------------------------------------------

    async def _end(self, state: str, reason: str) -> None:
        journal, task = self._house.journal, self._ctx.task
        row = await journal.row("plan", (task,))
        if row is None or not row["open"]:
            return
        data: dict[str, Any] = {"state": state, "done": sorted(self._progress.outputs), "skipped": sorted(self._progress.skipped), "spent": await self._spent()}
        if reason:
            data["reason"] = reason
        bundle = Bundle(expect={("plan", (task,)): row["version"]})
        bundle.add(Draft("plan.ended", task, f"agent/{self._agent}", data, self._row["seq"]))
        try:
            await self._corridor.record(bundle)
        except Conflict:
            log.debug("plan %s has been ended elsewhere", task)

    async def _stop(self, state: str, reason: str) -> None:
        """End the plan before its end: what is under way is canceled, since nobody waits for it any more."""
        await self._drop()
        await self._end(state, reason)  # first: appends are made in order, so a child that was just being submitted is there after this
        for child in await self._children():
            while child["open"] and (row := self._house.journal.hot.table("task").get((child["id"],))) is not None:
                try:
                    await self._corridor.end(row, "task.canceled", {"reason": "the plan that it is a step of has ended"})
                    self._corridor.traffic.cancel(child["id"])
                except Conflict:
                    await asyncio.sleep(0)  # it moved on just now; look again

    async def _drop(self) -> None:
        """Wait for no step any more."""
        for task in self._under_way.values():
            task.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way.values())
            for task in self._under_way.values():
                if not task.cancelled():
                    task.exception()  # it is nobody's any more
        self._under_way.clear()


def _notes_of(step: Step) -> list[Reference]:
    return [taken for taken in references(step.template) if taken.root == "notes" and taken.path]


def _so_far(failed: Mapping[str, str], outputs: Mapping[str, Any]) -> str:
    """What a planner in words is told of a plan that has begun."""
    said = ""
    if outputs:
        said += f"\nThese steps are done; their outputs can be taken, and they are not to be done again: {orjson.dumps(outputs).decode()}"
    return said + "".join(f"\nIt was tried with {skill}, which failed: {why}" for skill, why in failed.items())


# --- telling ----------------------------------------------------------------------------------------------------------


async def told(house: House, task: Row, facts: Sequence[Fact]) -> dict[str, Any] | None:
    """How a task's plan was made, changed and done, from the record alone; None where it runs none."""
    mine = [fact for fact in facts if fact.kind in ("plan.made", "plan.changed")]
    if not mine:
        return None
    kept = await house.journal.payloads([fact.data["plan"] for fact in mine])
    versions = [kept.get(fact.data["plan"]) for fact in mine]
    ended = next((fact for fact in facts if fact.kind == "plan.ended"), None)
    last = versions[-1]
    return {
        "kind": mine[0].data["kind"],
        "name": mine[0].data.get("name", ""),
        "expected_cost": mine[0].data["cost"] / MICROS,
        "money": None if mine[0].data.get("money") is None else mine[0].data["money"] / MICROS,
        "spent": None if ended is None else ended.data["spent"] / MICROS,
        "state": "running" if ended is None else ended.data["state"],
        "reason": "" if ended is None else ended.data.get("reason", ""),
        "changes": [
            {
                "reason": fact.data["reason"],
                "step": fact.data.get("step", ""),
                "topics": fact.data.get("topics", []),
                "why": "" if version is None else version["why"],
            }
            for fact, version in zip(mine[1:], versions[1:], strict=True)
        ],
        "ruled_out": [] if last is None else [{"skill": skill, "rule": rule} for skill, rule in last["ruled_out"]],
        "instead_of": {} if versions[0] is None else versions[0]["instead_of"],
        "steps": [] if last is None else [await _step_told(house, task["id"], step, ended) for step in last["plan"]["steps"]],
    }


async def _step_told(house: House, task: str, step: Mapping[str, Any], ended: Fact | None) -> dict[str, Any]:
    said = {"name": step["name"], "skill": step.get("skill", ""), "after": step.get("after", []), "when": step.get("when"), "input": step.get("input")}
    said |= {"question": step.get("question"), "wait_ms": step.get("wait_ms"), "task": None, "agent": None, "reason": None}
    if step.get("skill"):
        id = derived("t", task, step["name"], step["skill"])
        row = await house.journal.row("task", (id,))
        if row is not None:
            return said | {"task": id, "agent": row["agent"], "state": row["state"], "reason": row["reason"]}
    over = None if ended is None else ended.data
    state = "waiting" if over is None else "completed" if step["name"] in over["done"] else "skipped" if step["name"] in over["skipped"] else "not begun"
    return said | {"state": state}
