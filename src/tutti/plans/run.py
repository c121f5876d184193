"""One run of a plan: its steps side by side as far as they may begin, planned anew where one fails or what is known changes, and its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tutti import planning
from tutti.clock import MICROS
from tutti.corridor import Corridor
from tutti.errors import AgentFailed, Conflict, Invalid, NoRoute
from tutti.model.fact import Draft, Fact
from tutti.model.money import to_millionths
from tutti.model.plan import Plan, Reference, Step, plan_from_json, plan_to_json, references
from tutti.plans.making import SoFar, instead_of, offers_of, permit_of, plan_for, priced
from tutti.plans.order import Order
from tutti.plans.steps import Row, Steps
from tutti.reception import Bundle
from tutti.transports import Context

log = logging.getLogger("tutti")
_MEMO = "plan"


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


class Run:
    """One run of a plan, from its making to its end."""

    def __init__(self, corridor: Corridor, ctx: Context, order: Order, agent: str) -> None:
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
        self._road = Steps(corridor.house, ctx)
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
                if step.skill and await self._road.begun(step):
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
            planned = planning.Planned(priced(order.plan, offers))
        else:
            planned = await self._planned(offers, permit, order.money, SoFar())
            if planned.plan is None:
                raise _Failed("no_plan", f"There is no plan: {'; '.join(planned.missing)}")
        await self._keep(planned, "", {"kind": order.kind, "name": planned.plan.name if planned.plan and order.kind == "playbook" else ""})

    async def _planned(self, offers: list[planning.Offer], permit: planning.Permit, money: float | None, so_far: SoFar) -> planning.Planned:
        goal = self._order.goal
        assert goal is not None
        if not goal.want:
            planning.given_form(goal, offers, self._order.input)  # what runs is of the type that its goal names, though words alone may plan it

        async def ask(question: dict[str, Any], name: str) -> Any:
            return await self._ctx.ask(planning.SKILL, question, name=name)

        return await plan_for(self._house, goal, self._order.input, self._notes, offers, permit, planning.Bounds(money), ask, so_far)

    async def _keep(self, planned: planning.Planned, why: str, data: dict[str, Any]) -> None:
        """Record the plan as it now stands, and keep it for a run that takes this one's place: in one append."""
        made = planned.plan
        assert made is not None
        before = getattr(self, "_kept", None)
        self._kept = _Kept(
            made, before.number + 1 if before else 0, dict(before.failed) if before else {}, sorted(self._begun),
            why, [list(out) for out in planned.ruled_out], instead_of(planned), planned.optimal,
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
            for step, input in self._begin():
                await self._afford(step)
                self._steps[step.name] = step
                self._begun.add(step.name)
                self._under_way[step.name] = asyncio.create_task(self._road.do(step, input), name=f"{self._ctx.task}/{step.name}")
            if not self._under_way:
                return
            news = asyncio.create_task(self._news.wait())
            try:
                await asyncio.wait([*self._under_way.values(), news], return_when=asyncio.FIRST_COMPLETED)
            finally:
                news.cancel()
            for name in [name for name, done in self._under_way.items() if done.done()]:
                await self._take(name)

    def _begin(self) -> list[tuple[Step, Any]]:
        try:
            return planning.begin(self._kept.plan, self._progress, self._under_way, self._order.input, self._notes)
        except Invalid as error:
            raise _Failed("value_missing", error.words) from None

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
            self._priced = await self._road.spent()
        expected = self._priced / MICROS + step.cost + sum(each.cost for each in self._steps.values())
        if expected > money + 1e-9:
            raise _Failed("money", f"Step {step.name} would take the plan to {expected:g}, and it may cost {money:g}.")

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

    async def _again(self, reason: str, about: dict[str, Any], why: str, *, stale: Collection[str] = ()) -> None:
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
        money = None if order.money is None else max(order.money - await self._road.spent() / MICROS - sum(step.cost for step in self._steps.values()), 0.0)
        outputs = {name: self._progress.outputs.get(name) for name in done}
        planned = await self._planned(offers, permit, money, SoFar(kept.number + 1, failed, done, outputs, sorted(self._begun)))
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
        data: dict[str, Any] = {
            "state": state,
            "done": sorted(self._progress.outputs),
            "skipped": sorted(self._progress.skipped),
            "spent": await self._road.spent(),
        }
        if reason:
            data["reason"] = reason
        bundle = Bundle(expect={("plan", (task,)): row["version"]})
        subject = await self._house.subject(self._row)
        if self._progress.skipped and (subject or not self._row["subject"]):  # what names somebody who was erased meanwhile is not kept
            payload = journal.seal(self._progress.skipped, subject)
            bundle.payloads.append(payload)
            data["why"] = payload.id
        bundle.add(Draft("plan.ended", task, f"agent/{self._agent}", data, self._row["seq"]))
        try:
            await self._corridor.record(bundle)
        except Conflict:
            log.debug("plan %s has been ended elsewhere", task)

    async def _stop(self, state: str, reason: str) -> None:
        """End the plan before its end: what is under way is canceled, since nobody waits for it any more."""
        await self._drop()
        await self._end(state, reason)  # first: appends are made in order, so a child that was just being submitted is there after this
        for child in await self._road.children():
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
