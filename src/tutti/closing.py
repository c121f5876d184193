"""Closing: what an attempt leaves, made ready for one append. The outcome, what follows it, its judgement, and all that the run proposed,
signalled and learned: together or not at all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import orjson

from tutti import evaluation, execution, gates
from tutti.clock import MICROS
from tutti.house import House
from tutti.model.agent import AgentCard, Skill
from tutti.model.fact import Draft
from tutti.model.outcome import Ending, Outcome
from tutti.model.task import Stage
from tutti.model.verdict import reserves_of
from tutti.reception import Bundle, Origin, Reception, emitted, fresh_until

log = logging.getLogger("tutti")
Row = Mapping[str, Any]


class Closing:
    """Prepares appends that end attempts; it never appends."""

    def __init__(self, house: House, reception: Reception, followers: Callable[[str], list[str]]) -> None:
        """`followers` names the tasks that wait for a task's result."""
        self._house = house
        self._reception = reception
        self._followers = followers
        self._tasks = house.journal.hot.table("task")

    async def attempt(
        self, task: Row, card: AgentCard, skill: Skill, attempt: int, outcome: Outcome, cause: int | None, changed: tuple[str, int] | None
    ) -> tuple[Bundle, execution.Step]:
        """How attempt number `attempt` ended, and what follows it. `changed` is what it did to the agent's breaker."""
        house, id = self._house, task["id"]
        if task["subject"] and await house.subject(task) is None:  # erased meanwhile: that it ended is kept, nothing of what it said
            outcome = replace(outcome, output=None, detail="", proposals=(), emissions=(), notes=())
        excluded = [name for name in (task["excluded"] or "").split(",") if name] + [card.id]
        meant = task["addressed"]  # nobody else may do what was sent to one
        rivals = any(offer.id not in excluded and (not meant or offer.name == meant) for offer in house.registry.offers(skill.name))
        step = execution.next_step(skill, task, outcome, attempt=attempt, rivals=rivals, now=house.clock.now(), rng=house.ids.rng)
        bundle = Bundle(expect={("task", (id,)): task["version"]})
        detail = await self.words(bundle, task, outcome.detail)
        data = _finished(task, card, skill, attempt, outcome, step, detail)
        if isinstance(step, execution.Fallback):
            data["excluded"] = ",".join(excluded)
        place = bundle.add(Draft("run.finished", id, f"agent/{card.name}", data, cause))
        if changed is not None:
            what, until = changed
            health = {"version": card.version} | ({"failures": house.breakers.failures((card.name, card.version)), "until": until} if what == "tripped" else {})
            bundle.add(Draft(f"agent.{what}", card.name, "tutti", health, -1))
        said = {"detail": detail} if detail else {}
        match step:
            case execution.Done():
                await self._complete(bundle, task, card, skill, outcome, place)
            case execution.Park(reason):
                bundle.add(Draft("task.parked", id, "tutti", {"reason": reason} | said, bundle.since(place)))
            case execution.Fail(reason):
                bundle.add(Draft("task.failed", id, "tutti", {"error": reason} | said, bundle.since(place)))
                self.unfollow(bundle, id)
        return bundle, step

    def unfollow(self, bundle: Bundle, id: str) -> None:
        """The work came to nothing: those who waited for its result do it themselves."""
        for follower in self._waiting(id):
            bundle.expect["task", (follower["id"],)] = follower["version"]
            bundle.add(Draft("task.resumed", follower["id"], "tutti", {"stage": Stage.READY.value, "reason": "the task it waited for came to nothing"}, -1))

    async def words(self, bundle: Bundle, task: Row, words: str) -> str | None:
        """Seal an agent's words: they may hold data of the subject."""
        if not words:
            return None
        payload = self._house.journal.seal(words, await self._house.subject(task))
        bundle.payloads.append(payload)
        return payload.id

    def _waiting(self, id: str) -> list[Row]:
        rows = (self._tasks.get((follower,)) for follower in sorted(self._followers(id)))
        return [row for row in rows if row is not None and row["stage"] == Stage.COALESCED]

    async def _complete(self, bundle: Bundle, task: Row, card: AgentCard, skill: Skill, outcome: Outcome, place: int) -> None:
        house, id = self._house, task["id"]
        subject = await house.subject(task)
        output = house.journal.seal(outcome.output, subject)
        bundle.payloads.append(output)
        data: dict[str, Any] = {"output": output.id}
        if task["work_key"]:
            until = fresh_until(skill, house.clock.now())
            data |= {"work_key": task["work_key"], "fresh_until": until}
            bundle.finished[task["work_key"]] = (id, output.id, until)
        done = bundle.add(Draft("task.completed", id, "tutti", data, bundle.since(place)))
        for follower in self._waiting(id):
            bundle.expect["task", (follower["id"],)] = follower["version"]
            bundle.add(Draft("task.completed", follower["id"], "tutti", {"output": output.id}, bundle.since(done)))
        if task["subject"] and subject is None:
            return
        await self._judge(bundle, task, skill, outcome, done)
        if task["subject"]:
            for topic, value in outcome.notes + (((skill.shares, outcome.output),) if skill.shares else ()):
                payload = house.journal.seal(value, subject)
                bundle.payloads.append(payload)
                bundle.add(Draft("note.shared", task["subject"], f"agent/{card.name}", {"topic": topic, "value": payload.id, "task": id}, bundle.since(done)))
        self._send_out(bundle, task, card, outcome, place, subject)

    async def _judge(self, bundle: Bundle, task: Row, skill: Skill, outcome: Outcome, done: int) -> None:
        checks = self._house.checks.get(skill.name)
        if not checks:
            return
        judgement = evaluation.judge(checks, await self._house.input(task), outcome.output)
        for error in judgement.errors if judgement else ():
            log.warning("a check of %s failed: %s", skill.name, error)
        if judgement is not None and judgement.check:
            fact = evaluation.as_fact(task, judgement, f"check/{judgement.check}", outcome.ms, bundle.since(done))
            if fact is not None:
                bundle.add(fact)

    def _send_out(self, bundle: Bundle, task: Row, card: AgentCard, outcome: Outcome, place: int, subject: str | None) -> None:
        """Proposals become gated tasks of their own, emissions become signals: in the same append, so each happens once."""
        id, by, department = task["id"], f"agent/{card.name}", task["department"]
        for proposal in outcome.proposals:
            origin = Origin(by, department, bundle.since(place), task["hops"], id, None, card.name)
            self._reception.task(
                bundle, proposal.skill, proposal.input, subject, origin, priority=task["priority"], deadline_at=task["deadline_at"], action=True,
                alternatives=proposal.alternatives,
            )  # fmt: skip
        for number, emission in enumerate(outcome.emissions):
            event = emitted(emission.type, emission.subject, emission.data, id, number, card.name, task["hops"] + 1, department)
            self._reception.signal(bundle, event, Origin(by, department, bundle.since(place), task["hops"] + 1, id, None, card.name))


def _finished(task: Row, card: AgentCard, skill: Skill, attempt: int, outcome: Outcome, step: execution.Step, detail: str | None) -> dict[str, Any]:
    """The data of `run.finished`."""
    data: dict[str, Any] = {
        "attempt": attempt,
        "agent": card.name,
        "outcome": outcome.ending.value,
        "next": type(step).__name__.lower(),
        "ms": round(outcome.ms, 3),
    }
    if outcome.cost:
        data["cost"] = round(outcome.cost * MICROS)
    if outcome.error:
        data["error"] = outcome.error
    if detail:
        data["detail"] = detail
    if isinstance(step, execution.Retry):
        data["run_at"] = step.at
    nothing_happened = outcome.ending in (Ending.FAILED, Ending.STOPPED) and not outcome.unsure
    if nothing_happened and not isinstance(step, execution.Retry) and task["reserve"]:
        data["release"] = gates.release(reserves_of(orjson.loads(task["reserve"])))
    if skill.is_action and outcome.ending is Ending.DONE:
        data["effect"] = 1
    return data
