"""The desk: everything a door can ask of a workspace. Doors (CLI, HTTP, Python) call these, and print what comes back.

All answers are JSON data. Ids of tasks begin with `t-`, signals `s-`, approvals `a-`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from tutti import arbiter, evaluation, execution, explanation, gates, intake, mediation, plans, telemetry
from tutti.clock import MICROS, micros, to_text
from tutti.errors import Conflict, Invalid, NotFound, Refused
from tutti.feedback import interval
from tutti.journal import Proofs
from tutti.model.agent import AgentCard, Endpoint
from tutti.model.fact import Draft
from tutti.model.money import to_millionths
from tutti.model.outcome import Judgement, Source
from tutti.model.plan import goal_from_json
from tutti.model.request import Once
from tutti.model.task import Stage
from tutti.model.verdict import Level
from tutti.orchestrator import Orchestrator
from tutti.planning import SKILL
from tutti.reception import Bundle, Origin
from tutti.registry import card_to_json, offered, registration
from tutti.security import sign_approval, verify_approval
from tutti.transports import discover

Row = Mapping[str, Any]
OWNER = "person/owner"
_AGAIN_S = 5.0  # seconds that an answer waits for an agent to come to its question again
_LOOKS = 5  # times that an answer looks again at a task which moves meanwhile
_WAITS = {
    Stage.APPROVAL: "person", Stage.PARKED: "person", Stage.ASKING: "person", Stage.JOINING: "tasks", Stage.COALESCED: "task",
    Stage.READY: "agent", Stage.APPROVED: "agent", Stage.BACKOFF: "time", Stage.QUEUED: "lease",
}  # fmt: skip


_UNDECIDED = (Stage.READY, Stage.JOINING, Stage.COALESCED, Stage.BACKOFF, Stage.APPROVAL, Stage.APPROVED, Stage.QUEUED)  # stages of tasks not begun
_RANKED = 200  # tasks that are ranked at a time: what departments can say something of


class Desk:
    """Operations on one open workspace."""

    corridor: Orchestrator

    @property
    def _journal(self) -> Any:
        return self.corridor.house.journal

    # --- signals and tasks --------------------------------------------------------------------------------------

    async def send(self, event: Any, *, by: str = OWNER, also: Callable[[Bundle, str, list[str]], None] | None = None) -> dict[str, Any]:
        """Take in a CloudEvent. Returns when it is durable: the signal's id, its tasks, and whether it was a duplicate.

        `also` adds to the same append what belongs to the signal.
        """
        checked = intake.read_event(event)
        origin = Origin(by, str(checked.get("department", "")), hops=int(checked.get("hops", 0)))

        def prepare(bundle: Bundle) -> tuple[str, list[str]]:
            id, tasks = self.corridor.reception.signal(bundle, checked, origin)
            if also is not None:
                also(bundle, id, tasks)
            return id, tasks

        try:
            with telemetry.span("invoke_workflow signal", "invoke_workflow"):
                (id, tasks), _ = await self.corridor.bring(prepare)
        except Conflict as conflict:
            table, key = conflict.about["thing"]
            if table != "signal":
                raise
            row = await self._journal.row("signal", key)
            return {"signal": row["id"], "tasks": [], "duplicate": True}
        return {"signal": id, "tasks": tasks, "duplicate": False}

    async def submit(
        self,
        skill: str,
        input: Any,
        *,
        subject: str | None = None,
        priority: int = 0,
        deadline: timedelta | None = None,
        after: Mapping[str, str] | None = None,
        id: str | None = None,
        also: Callable[[Bundle, str], None] | None = None,
        by: str = OWNER,
    ) -> str:
        """Take in a task for a skill. Returns its id when it is durable. `after` maps fields of the input to tasks whose outputs they get.

        `also` adds to the same append what belongs to the task. Raises `Conflict` when there is a task with the `id` that is given.
        """
        house = self.corridor.house
        await self.corridor.present(skill)
        described = house.registry.skill(skill)
        if intake.too_deep(input):
            raise Invalid("The input is nested too deeply.", hint="Flatten it to at most 32 levels.")
        if not after:
            for (_, _, name), bound in house.functions.items():
                if name == skill:
                    bound.read(input)
                    break
        for awaited in (after or {}).values():
            if await self._journal.row("task", (awaited,)) is None:
                raise NotFound(f"There is no task {awaited} to wait for.", hint="`tutti tasks` lists them.")
        deadline_at = None if deadline is None else house.clock.now() + micros(deadline)
        joins = tuple((after or {}).items())
        origin = Origin(by, agent="person" if by.startswith("person/") else by)

        def prepare(bundle: Bundle) -> str:
            taken = self.corridor.reception.task(
                bundle, skill, input, subject, origin, priority=priority, deadline_at=deadline_at, joins=joins, id=id, action=described.is_action
            )
            if also is not None:
                also(bundle, taken)
            return taken

        with telemetry.span(f"invoke_workflow {skill}", "invoke_workflow", {"tutti.skill": skill}):
            return await self.corridor.take_in(prepare)

    async def result(self, id: str) -> Any:
        """A task's output, once it has ended. Raises `Refused` when it did not complete."""
        row = await self.corridor.result(id)
        if row["state"] != "completed":
            detail = await self._text(row["detail"])
            raise Refused(f"{id} {row['state']}: {row['reason'] or ''} {detail}".strip(), hint=f"`tutti why {id}` says more.", state=row["state"], task=id)
        return (await self._journal.payloads([row["output"]])).get(row["output"])

    async def task(self, id: str) -> dict[str, Any]:
        """One task with its input and output."""
        row = await self._row("task", id, "task")
        view = await self._task_view(row)
        reference, _, part = (row["input"] or "").partition("#")
        payloads = await self._journal.payloads([name for name in (reference, row["output"], row["detail"], row["question"]) if name])
        value = payloads.get(reference)
        view["input"] = value.get(part) if part and isinstance(value, Mapping) else value
        view["output"] = payloads.get(row["output"])
        view["detail"] = payloads.get(row["detail"])
        view["question"] = payloads.get(row["question"])
        view["erased"] = reference not in payloads
        if id in self.corridor.progress:
            view["progress"], view["doing"] = self.corridor.progress[id]
        return view

    async def tasks(
        self,
        *,
        state: str | None = None,
        waiting: bool = False,
        skill: str | None = None,
        subject: str | None = None,
        caller: str | None = None,
        departments: Collection[str] | None = None,
        limit: int = 50,
        after: int | None = None,
    ) -> dict[str, Any]:
        """A page of tasks, newest first; `after` is the `next` of the page before. `waiting` means: for a person, `caller`: asked for by them.

        `departments` leaves out all others'; None leaves out nothing.
        """
        where: dict[str, Any] = {}
        if caller:
            where["caller"] = caller
        if departments is not None:
            where["department"] = sorted(departments)
        if state:
            where["state"] = state
        if waiting:
            where |= {"stage": [Stage.APPROVAL.value, Stage.PARKED.value, Stage.ASKING.value], "open": 1}
        if skill:
            where["skill"] = skill
        if subject:
            where["subject"] = self._journal.pseudonym(subject)
        limit = max(1, min(limit, 1000))
        rows = await self._journal.rows("task", where, after=after, descending=True, limit=limit)
        return {"tasks": [await self._task_view(row) for row in rows], "next": rows[-1]["rowid"] if len(rows) == limit else None}

    async def _task_view(self, row: Row) -> dict[str, Any]:
        view: dict[str, Any] = {"schema": "tutti.task/1"}
        for name in (
            "id",
            "skill",
            "nature",
            "department",
            "priority",
            "state",
            "stage",
            "reason",
            "agent",
            "parent",
            "signal",
            "attempts",
            "currency",
            "approval",
            "caller",
        ):
            view[name] = row[name]
        view["version"] = row["agent_version"]
        view["waiting_for"] = _WAITS.get(Stage(row["stage"]))
        view["class"] = row["class"] or ""
        view["coalesced_into"] = row["into_task"]
        view["amount"] = None if row["amount"] is None else row["amount"] / MICROS
        view["quality"] = None if row["quality"] is None else row["quality"] / MICROS
        view["quality_source"] = row["quality_source"]
        view["subject"] = await self._journal.subject_name(row["subject"]) if row["subject"] else None
        for name in ("submitted_at", "started_at", "finished_at", "deadline_at"):
            view[name] = None if row[name] is None else to_text(row[name])
        return view

    async def cancel(self, id: str, *, reason: str = "", by: str = OWNER) -> dict[str, Any]:
        """Cancel an open task. What already happened outside stays."""
        while True:
            row = await self._open_row(id)
            try:
                await self.corridor.end(row, "task.canceled", {"reason": reason or "canceled by a person"}, by=by)
            except Conflict as conflict:  # it moved on just now; wherever it is, it is canceled there
                if conflict.about.get("thing", ("",))[0] != "task":
                    raise
            else:
                break
        self.corridor.traffic.cancel(id)
        return await self.task(id)

    async def answer(self, id: str, value: Any, *, also: Callable[[Bundle, int], None] | None = None, by: str = OWNER) -> dict[str, Any]:
        """Answer what a running agent asks. `also` adds to the same append what belongs to the answer to that question.

        A task whose run is taken up again after a restart has not come to its question yet: then this waits for it, some seconds.
        Raises: `Conflict` when it asks nothing, or somebody else has answered.
        """
        meant: int | None = None  # which question: a later one is not what this is the answer to
        for _ in range(_LOOKS):
            row, meant = await self._asking(id, meant)
            bundle = Bundle(expect={("task", (id,)): row["version"]})
            payload = self._journal.seal(value, await self.corridor.house.subject(row))
            bundle.payloads.append(payload)
            bundle.add(Draft("task.answered", id, by, {"answer": payload.id, "number": meant}, row["seq"]))
            if also is not None:
                also(bundle, meant)
            try:
                await self.corridor.record(bundle)
            except Conflict as conflict:  # it moved on just now: its run was taken up again, or somebody else has answered
                if conflict.about.get("thing", ("",))[0] != "task":
                    raise
            else:
                return await self.task(id)
        raise Conflict(f"{id} does not stand still.", hint="Answer again.")

    async def _asking(self, id: str, meant: int | None) -> tuple[dict[str, Any], int]:
        """A task that asks, and its question's number: `meant`, where that is known. One on its way to that question again is waited for."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_AGAIN_S):
                while True:
                    moved = self.corridor.traffic.wait("any")
                    row = await self._open_row(id)
                    asked = await self._journal.select("SELECT MAX(number) AS number FROM answer WHERE task = ? AND answer IS NULL", (id,))
                    number: int | None = asked[0]["number"]
                    if meant is not None and number != meant:
                        raise Conflict(f"{id} was answered by somebody else.", hint=f"It is {row['state']}.")
                    if number is None or row["stage"] not in (Stage.ASKING, Stage.RUNNING):
                        break
                    if row["stage"] == Stage.ASKING:
                        return row, number
                    meant = number
                    await moved
        raise Conflict(f"{id} asks nothing now.", hint=f"It is {(await self._open_row(id))['state']}.")

    async def settle(self, id: str, how: str, *, by: str = OWNER, reason: str = "") -> dict[str, Any]:
        """Decide about a parked task: `again` (back on the road), `happened` (it is done), `drop` (cancel it)."""
        row = await self._open_row(id)
        if row["stage"] != Stage.PARKED:
            raise Conflict(f"{id} is not parked.", hint=f"It is {row['state']}.")
        if how == "again":
            bundle = Bundle(expect={("task", (id,)): row["version"]})
            bundle.add(Draft("task.resumed", id, by, {"stage": Stage.READY.value, "reason": reason or "a person sent it on"}, row["seq"]))
            await self.corridor.record(bundle)
        elif how == "happened":
            bundle = Bundle()
            payload = self._journal.seal(reason or "settled by a person", await self.corridor.house.subject(row))
            bundle.payloads.append(payload)
            await self.corridor.end(row, "task.completed", {"output": payload.id}, bundle=bundle, by=by)
        elif how == "drop":
            bundle = Bundle()
            self.corridor.arbiter.give_up(bundle, id)
            await self.corridor.end(row, "task.canceled", {"reason": reason or "dropped by a person"}, bundle=bundle, by=by)
        else:
            raise Invalid(f"{how!r} settles nothing.", hint="Say again, happened or drop.")
        return await self.task(id)

    # --- plans --------------------------------------------------------------------------------------------------

    async def plan(self, goal: Any, input: Any = None, *, subject: str | None = None, money: float | None = None, by: str = OWNER) -> dict[str, Any]:
        """The plan that reaches a goal from an input, as it would run now; `plan` is None where there is none, and `missing` says why.

        `goal` is a skill's name, a type's title, a list of these, or an object with `want`, `have` (the input's type) or `text` (free words, for
        a planner that is a language model). Give the plan to `run_plan` to have it run. Raises: `Invalid`, `Refused` (the planner did not answer).
        """
        read = goal_from_json(goal)

        async def ask(question: dict[str, Any], name: str) -> Any:
            return await self.result(await self.submit(SKILL, question, subject=subject, by=by))

        return await plans.preview(self.corridor.house, read, input, ask, subject=subject, money=money)

    async def run_plan(
        self,
        plan: Any = None,
        input: Any = None,
        *,
        goal: Any = None,
        subject: str | None = None,
        money: float | None = None,
        replans: int | None = None,
        deadline: timedelta | None = None,
        priority: int = 0,
        by: str = OWNER,
    ) -> str:
        """Run a plan as `plan` gave it, or plan for a `goal` and run that. Returns the id of the task that runs it, whose children are the steps."""
        order = {"input": input, "money": money, "replans": replans} | ({"plan": plan} if goal is None else {"goal": goal})
        asked = {name: value for name, value in order.items() if value is not None}
        return await self.submit(plans.RUN, asked, subject=subject, deadline=deadline, priority=priority, by=by)

    # --- priorities ---------------------------------------------------------------------------------------------

    async def prioritise(
        self,
        tasks: Sequence[str] | None = None,
        *,
        skill: str | None = None,
        ballots: Mapping[str, Sequence[str]],
        weights: Mapping[str, float] | None = None,
        must_precede: Iterable[tuple[str, str]] = (),
        most: float = 0.5,
        by: str = OWNER,
    ) -> dict[str, Any]:
        """Put waiting tasks (these, or all of a skill) into one order out of several departments' ballots: who is before whom among equal priority.

        A ballot names tasks, the most urgent first; of those it leaves out its department wants nothing in particular. Weights default to the
        departments' shares; none counts for more than the share `most` of all. Tasks with a deadline go by it once half of their time is used, and
        departments keep their shares of the work. Raises: `Invalid` for ballots and precedences that cannot be, `NotFound`, `Conflict`.
        """
        hot = self._journal.hot.table("task")
        if (tasks is None) == (skill is None):
            raise Invalid("Say which tasks are ranked: their ids, or a skill.", hint="Give one of both.")
        if tasks is None:
            tasks = [row["id"] for row in sorted(hot.values(), key=lambda row: row["seq"]) if row["skill"] == skill and row["stage"] in _UNDECIDED]
        for id in tasks:
            if (id,) not in hot:
                await self._open_row(id)
        if not 0 < len(tasks) <= _RANKED:
            raise Invalid(f"{len(tasks)} tasks cannot be ranked.", hint=f"Rank 1 to {_RANKED} of them.")
        pairs = [(first, second) for first, second in must_precede]
        given = {voter: float((weights or {}).get(voter, self.corridor.house.departments.get(voter, 1.0))) for voter in ballots}
        ranking = await asyncio.to_thread(execution.rank, tasks, ballots, weights=given, must_precede=pairs, most=most)
        bundle = Bundle()
        bundle.add(execution.as_fact(self.corridor.house.ids.new("o"), ranking, ballots, given, most, pairs, by))
        (fact,) = await self.corridor.record(bundle)
        return explanation.priorities(fact)

    # --- approvals ----------------------------------------------------------------------------------------------

    async def approvals(self, *, departments: Collection[str] | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """Open approvals, oldest first; with `departments`, only of their tasks."""
        tasks = self._journal.hot.table("task")
        rows = [row for row in self._journal.hot.table("approval").values() if row["state"] == "open"]
        if departments is not None:
            rows = [row for row in rows if (task := tasks.get((row["task"],))) is not None and task["department"] in departments]
        return [await self._approval_view(row) for row in sorted(rows, key=lambda row: row["asked_at"])[:limit]]

    async def approval(self, id: str) -> dict[str, Any]:
        """One approval, by its id or by its task's: what will happen, whether it can be undone, why it asks, until when."""
        if id.startswith("t-"):
            row = await self._row("task", id, "task")
            if not row["approval"]:
                raise NotFound(f"{id} asks for no approval.", hint=f"It is {row['state']}: {row['reason'] or row['stage']}.")
            id = row["approval"]
        row = await self._row("approval", id, "approval")
        return await self._approval_view(row) | {"conflicts": (await self.conflicts(task=row["task"]))["conflicts"]}

    async def _approval_view(self, row: Row) -> dict[str, Any]:
        task = await self._row("task", row["task"], "task")
        house = self.corridor.house
        card = house.registry.card(row["agent"], row["agent_version"])
        skill = card.skills.get(task["skill"]) if card else None
        reference, _, part = row["input"].partition("#")
        input = (await self._journal.payloads([reference])).get(reference)
        input = input.get(part) if part and isinstance(input, Mapping) else input
        return {
            "schema": "tutti.approval/1", "id": row["id"], "task": row["task"], "skill": task["skill"], "state": row["state"], "question": explanation.question(skill, task, input),
            "input": input, "agent": row["agent"], "version": row["agent_version"], "policy": row["policy"], "nonce": row["nonce"], "digest": row["input"],
            "reversible": bool(skill and skill.reversible), "reasons": orjson.loads(row["reasons"]), "asked_at": to_text(row["asked_at"]),
            "expires_at": to_text(row["expires_at"]), "expires_at_us": row["expires_at"], "answered_by": row["answered_by"], "workspace": self._journal.workspace,
        }  # fmt: skip

    async def answer_approval(self, id: str, answer: str, signature: str, *, note: str = "", by: str = OWNER) -> dict[str, Any]:
        """Take a person's signed answer (`approve` or `reject`) to an approval. Raises `Refused` when the signature does not hold."""
        row = await self._row("approval", id, "approval")
        if row["state"] != "open":
            said = "approved" if row["state"] == "used" else row["state"]
            raise Conflict(f"{id} was answered already: {said} by {row['answered_by'] or 'nobody'}.", hint=f"`tutti why {row['task']}` says more.")
        house = self.corridor.house
        if house.clock.now() > row["expires_at"]:
            raise Conflict(f"{id} has expired.", hint="Send its task on again with `tutti tasks settle ID again`.")
        if not verify_approval(self._journal.keys.owner.public, gates.signed(self._journal.workspace, row, answer), signature):
            raise Refused("The signature does not hold for this answer.", hint="Answer with the owner's key of this workspace.")
        task = await self._row("task", row["task"], "task")
        if not task["open"] or task["stage"] != Stage.APPROVAL or task["approval"] != id:
            raise Conflict(f"{id} is not asked any more: its task is {task['state']}.", hint=f"`tutti why {row['task']}` says how.")
        bundle = Bundle(expect={("approval", (id,)): row["version"], ("task", (row["task"],)): task["version"]})
        data = {"task": row["task"], "answer": answer, "input": row["input"], "signature": signature, "key": self._journal.keys.owner.public.hex()[:16]}
        if note:
            payload = self._journal.seal(note, await self.corridor.house.subject(task))
            bundle.payloads.append(payload)
            data["note"] = payload.id
        bundle.add(Draft("approval.answered", id, by, data, task["seq"]))
        if answer == "reject":
            bundle.add(Draft("task.rejected", row["task"], by, {"reason": "a person said no"}, -1))
        await self.corridor.record(bundle)
        return await self._approval_view(await self._row("approval", id, "approval"))

    async def answer_as_owner(self, id: str, answer: str, *, note: str = "", by: str = OWNER) -> dict[str, Any]:
        """Sign an answer with the owner's key of this process and give it, for a person that a door knows. `id` is an approval's or its task's."""
        view = await self.approval(id)
        row = await self._row("approval", view["id"], "approval")
        signature = sign_approval(self._journal.keys.owner, gates.signed(self._journal.workspace, row, answer))
        return await self.answer_approval(row["id"], answer, signature, note=note, by=by)

    async def answered(self, once: Once) -> tuple[int, Any] | None:
        """What a request was answered before: status and body; None when it is new. Raises: `Conflict` when its key belongs to another request."""
        row = await self._journal.row("request", (once.key,))
        if row is None:
            return None
        if row["digest"] != once.digest:
            raise Conflict("This Idempotency-Key was used for another request.", hint="Use a new key for each request.", request=True)
        kept = (await self._journal.payloads([row["answer"]])).get(row["answer"])
        if kept is None:
            raise Conflict("This request was answered before, and the answer has been erased.", hint="Do not repeat it.")
        return row["status"], kept

    async def keep_answer(self, once: Once, status: int, body: Any, subject: str | None, *, by: str = OWNER) -> None:
        """Keep what a request was answered, for its repetitions. Once more is fine."""
        bundle = Bundle()
        self.keep(bundle, once, status, body, subject, by=by)
        with suppress(Conflict):  # a repetition was quicker
            await self.corridor.record(bundle)

    def keep(self, bundle: Bundle, once: Once, status: int, body: Any, subject: str | None, *, by: str = OWNER) -> None:
        """Put a request's answer into the append of its effect; it is refused (`Conflict` about a "request") when the request was answered before."""
        payload = self._journal.seal(body, subject)
        bundle.payloads.append(payload)
        bundle.expect["request", (once.key,)] = 0
        bundle.add(Draft("request.answered", once.key, by, {"digest": once.digest, "answer": payload.id, "status": status}))

    # --- negotiations -------------------------------------------------------------------------------------------

    async def negotiate(
        self,
        *,
        issues: Mapping[str, Sequence[Any]],
        parties: Mapping[str, Any] | Sequence[str],
        policy: Sequence[Any] = (),
        approval: Sequence[Any] = (),
        fallback: Mapping[str, Any] | None = None,
        deadline: timedelta = timedelta(seconds=60),
        messages: int = 6,
        turns: int = 20,
        money: float | None = None,
        about: Any = None,
        protocol: str = "mediated",
        subject: str | None = None,
        priority: int = 0,
        also: Callable[[Bundle, str], None] | None = None,
        by: str = OWNER,
    ) -> str:
        """Open a negotiation; returns its id, which is its task's, when it is durable. `result(id)` gives what it ends with, by its deadline.

        `parties` are agents, with weights or without (then the goals say). `policy` and `approval` hold rules: {"rule": name} with "forbid", "cost" and
        "limit", or "when" (CEL, true for what is ruled out). With `protocol` "alternating" the parties take turns with offers. Raises: `Invalid`.
        """
        named = dict(parties) if isinstance(parties, Mapping) else dict.fromkeys(parties)
        opening = {
            "issues": {name: list(values) for name, values in issues.items()}, "parties": named, "policy": list(policy), "approval": list(approval),
            "fallback": fallback, "deadline_ms": max(micros(deadline) // 1000, 1), "messages": messages, "turns": turns, "money": money, "about": about,
            "protocol": protocol,
        }  # fmt: skip
        mediation.prepare(self.corridor.house, opening, "new")
        return await self.submit(mediation.MEDIATE, opening, subject=subject, priority=priority, also=also, by=by)

    async def negotiations(self, *, departments: Collection[str] | None = None, limit: int = 50, after: int | None = None) -> dict[str, Any]:
        """A page of negotiations, newest first; `after` is the `next` of the page before. `departments` leaves out all others'."""
        where = {} if departments is None else {"department": sorted(departments)}
        limit = max(1, min(limit, 1000))
        rows = await self._journal.rows("negotiation", where, after=after, descending=True, limit=limit)
        found = [mediation.brief(row, (await self._row("task", row["id"], "task"))["state"]) for row in rows]
        return {"negotiations": found, "next": rows[-1]["rowid"] if len(rows) == limit else None}

    async def negotiation(self, id: str) -> dict[str, Any]:
        """One negotiation: what it is about, all that was said, what it ended with and why."""
        row = await self._journal.row("negotiation", (id,))
        if row is None:
            raise NotFound(f"There is no negotiation {id}.", hint="`tutti negotiations` lists them.")
        return await mediation.told(self.corridor.house, row, (await self._row("task", id, "task"))["state"])

    # --- conflicts ----------------------------------------------------------------------------------------------

    async def conflicts(
        self, *, state: str | None = None, task: str | None = None, departments: Collection[str] | None = None, limit: int = 50, after: int | None = None
    ) -> dict[str, Any]:
        """A page of conflicts, newest first, each with both sides; without a state those that are not resolved yet. States: open, asked, resolved, all.

        `task` leaves only those of one task, `departments` those of which one side is theirs.
        """
        if state not in (None, "open", "asked", "resolved", "all"):
            raise Invalid(f"{state!r} is no state of a conflict.", hint="States are open, asked, resolved and all.")
        limit = max(1, min(limit, 200))
        where: dict[str, Any] = {"open": 1} if state is None else {} if state == "all" else {"state": state}
        if task is not None:
            found = [
                view for view in await arbiter.of(self.corridor.house, task) if state == "all" or view["state"] in ((state,) if state else ("open", "asked"))
            ]
            return {"conflicts": found[:limit], "next": None}
        rows = await self._journal.rows("conflict", where, after=after, descending=True, limit=limit)
        views = [await arbiter.view(self.corridor.house, row) for row in rows]
        if departments is not None:
            views = [view for view in views if any(side["department"] in departments for side in view["sides"])]
        return {"conflicts": views, "next": rows[-1]["rowid"] if len(rows) == limit else None}

    async def conflict(self, id: str) -> dict[str, Any]:
        """One conflict with both sides, the rule, the rung that decided it and the reason."""
        row = await self._journal.row("conflict", (id,))
        if row is None:
            raise NotFound(f"There is no conflict {id}.", hint="`tutti conflicts` lists them.")
        return await arbiter.view(self.corridor.house, row)

    async def settle_conflict(self, id: str, winner: str, *, by: str = OWNER) -> dict[str, Any]:
        """Decide which task goes first in a conflict; the other one waits for it, takes an alternative, or is told why it cannot be."""
        await self.corridor.arbiter.rule(id, winner, by)
        return await self.conflict(id)

    async def undo(self, id: str, *, by: str = OWNER) -> str:
        """Propose the action that undoes a completed one, with the same input; returns its task, the same one however often. It goes through the gates."""
        row = await self._row("task", id, "task")
        inverse = self.corridor.house.registry.skill(row["skill"]).undo
        if inverse is None:
            raise Conflict(f"{row['skill']} has no inverse.", hint='Declare one: fleet.action(..., undo="the.inverse").')
        if row["state"] != "completed":
            raise Conflict(f"{id} has not been done: it is {row['state']}.", hint="Only what was done can be undone.")
        undo = arbiter.undo_id(id, inverse)
        subject = await self.corridor.house.subject(row)
        input = await self.corridor.house.input(row)
        origin = Origin(by, row["department"], row["seq"], row["hops"], id, None, "person" if by.startswith("person/") else by)
        if await self._journal.row("task", (undo,)) is None:
            with suppress(Conflict):  # somebody else was quicker
                await self.corridor.bring(lambda bundle: self.corridor.reception.task(bundle, inverse, input, subject, origin, id=undo, action=True))
        return undo

    # --- judging ------------------------------------------------------------------------------------------------

    async def rate(self, id: str, quality: float, *, note: str = "", by: str = OWNER) -> dict[str, Any]:
        """A person's rating of a finished task, 0..1; it takes the place of what checks said, and moves the next route."""
        if not isinstance(quality, int | float) or isinstance(quality, bool) or not 0 <= quality <= 1:
            raise Invalid(f"{quality!r} is no rating.", hint="Rate from 0 (useless) to 1 (perfect).")
        row = await self._row("task", id, "task")
        if row["agent"] is None or row["finished_at"] is None:
            raise Conflict(f"{id} cannot be rated: no agent has finished it.", hint=f"It is {row['state']}.")
        bundle = Bundle(expect={("task", (id,)): row["version"]})
        sealed = None
        if note:
            payload = self._journal.seal(note, await self.corridor.house.subject(row))
            bundle.payloads.append(payload)
            sealed = payload.id
        ms = (row["finished_at"] - (row["started_at"] or row["finished_at"])) / 1000
        fact = evaluation.as_fact(row, Judgement(float(quality), Source.PERSON), by, ms, row["seq"], sealed)
        assert fact is not None
        bundle.add(fact)
        await self.corridor.record(bundle)
        return await self.task(id)

    # --- the fleet ----------------------------------------------------------------------------------------------

    async def agents(self, *, departments: Collection[str] | None = None) -> list[dict[str, Any]]:
        """Live agents (of these departments) with what is believed of them at each skill, as mean and 95 % interval."""
        house, standings = self.corridor.house, self._journal.hot.table("standing")
        shut = house.breakers.shut(house.clock.now())
        sums: dict[tuple[str, str, str], list[int]] = {}
        for row in standings.values():
            total = sums.setdefault((row["skill"], row["agent"], row["agent_version"]), [0, 0, 0, 0, 0])
            for place, name in enumerate(("good", "bad", "judged", "ms", "runs")):
                total[place] += row[name]
        found = []
        for card in sorted(house.registry.live(), key=lambda card: (card.department, card.name, card.version)):
            if departments is not None and card.department not in departments:
                continue
            for skill in card.skills.values():
                good, bad, judged, ms, runs = sums.get((skill.name, card.name, card.version), [0, 0, 0, 0, 0])
                mean, low, high = interval(good / MICROS, bad / MICROS)
                cell = self._journal.hot.table("autonomy").get((skill.name,))
                found.append({
                    "schema": "tutti.agent/1", "name": card.name, "version": card.version, "department": card.department, "owner": card.owner, "skill": skill.name,
                    "nature": skill.nature.value, "quality": round(mean, 4), "low": round(low, 4), "high": round(high, 4), "judged": judged,
                    "mean_ms": round(ms / runs, 2) if runs else None, "running": house.running.get((card.name, card.version), 0), "concurrency": card.concurrency,
                    "level": (cell["level"] if cell else Level.APPROVE.value) if skill.is_action else None,
                    "up_to": cell["up_to"] / MICROS if cell and cell["up_to"] is not None else None, "health": shut.get((card.name, card.version), "ok"),
                })  # fmt: skip
        return found

    async def card(self, name: str) -> dict[str, Any]:
        """The cards of all versions of an agent, retired ones too."""
        rows = await self._journal.rows("agent", {"name": name})
        if not rows:
            raise NotFound(f"There is no agent {name}.", hint="`tutti agents` lists them.")
        return {
            "name": name,
            "versions": [{"state": row["state"], "since": to_text(row["since"]), "digest": row["digest"], **orjson.loads(row["card"])} for row in rows],
        }

    async def register(
        self,
        endpoint: Endpoint,
        *,
        department: str,
        owner: str = "",
        name: str = "",
        concurrency: int = 16,
        by: str = OWNER,
    ) -> dict[str, Any]:
        """Take an agent outside into the fleet, or its new version when its card has changed: then the old one gets nothing new and finishes.

        Raises: `Conflict` when the name belongs to another agent, `AgentFailed` when it does not answer, `Invalid`, `Refused` (egress).
        """
        house = self.corridor.house
        if name:  # an MCP server's tools are called after it
            endpoint = replace(endpoint, options={**endpoint.options, "name": name})
        found = await discover(endpoint, house.outside)
        endpoint = replace(endpoint, options={**endpoint.options, **found.options}, by=by)
        skills = offered(found.skills, endpoint.options.get("skills") or {})
        for skill in skills.values():
            rivals = [card.skills[skill.name] for card in house.registry.offers(skill.name)]
            if rivals and rivals[0].nature is not skill.nature:
                raise Invalid(f"{skill.name} is {rivals[0].nature} in this fleet, and {skill.nature} of {found.name}.", hint="Name it otherwise with as_=.")
        card = AgentCard(name or found.name, "", department, owner, skills, concurrency, endpoint=endpoint)
        digest = sha256((card_to_json(card) + found.fingerprint).encode()).hexdigest()[:16]
        card = replace(card, version=f"{found.version}+{digest[:8]}", digest=digest)
        house.registry.check_name(card)
        pinned = self._journal.hot.table("agent_key").get((card.name,))
        if pinned is not None and pinned["state"] == "active" and pinned["key"] != endpoint.key:
            raise Conflict(
                f"{card.name} is bound to another key.", hint=f"Give it another name, or let go of the key: `tutti accounts remove agent/{card.name}`."
            )
        agents = self._journal.hot.table("agent")
        row = agents.get((card.name, card.version))
        new = row is None or row["state"] != "live"
        if new:
            bundle = Bundle(expect={("agent", (card.name, card.version)): row["version"] if row else 0})
            bundle.add(registration(card, by))
            for old in house.registry.versions(card.name):
                if old.version != card.version:
                    bundle.add(Draft("agent.drained", card.name, by, {"version": old.version, "reason": f"{card.version} took its place"}))
            await self.corridor.record(bundle)
        return {"schema": "tutti.registered/1", "name": card.name, "version": card.version, "digest": digest, "skills": sorted(skills), "new": new}

    async def drain(self, name: str, version: str = "", *, reason: str = "", by: str = OWNER) -> dict[str, Any]:
        """Give an agent's version (all of them without one) nothing new; what it has begun it finishes."""
        return await self._dismiss("agent.drained", name, version, reason or "drained", by, ("live",))

    async def retire(self, name: str, version: str = "", *, reason: str = "", by: str = OWNER) -> dict[str, Any]:
        """Take an agent's version (all of them without one) out of the fleet."""
        return await self._dismiss("agent.retired", name, version, reason or "retired", by, ("live", "draining"))

    async def _dismiss(self, kind: str, name: str, version: str, reason: str, by: str, states: tuple[str, ...]) -> dict[str, Any]:
        rows = [row for row in self._journal.hot.table("agent").values() if row["name"] == name and version in ("", row["agent_version"])]
        if not rows:
            raise NotFound(f"There is no agent {name}{' ' + version if version else ''}.", hint="`tutti agents` lists them.")
        rows = [row for row in rows if row["state"] in states]
        if not rows:
            raise Conflict(f"{name} takes nothing new already.", hint="`tutti agents show NAME` shows its versions.")
        bundle = Bundle(expect={("agent", (name, row["agent_version"])): row["version"] for row in rows})
        for row in rows:
            bundle.add(Draft(kind, name, by, {"version": row["agent_version"], "reason": reason}))
        await self.corridor.record(bundle)
        return await self.card(name)

    async def set_level(self, skill: str, level: str, *, up_to: float | None = None, reason: str = "", by: str = OWNER) -> dict[str, Any]:
        """Set how far an action goes alone, from the next decision on."""
        if level not in ("approve", "act"):
            raise Invalid(f"{level!r} is no level.", hint="Levels are approve and act.")
        if not self.corridor.house.registry.skill(skill).is_action:
            raise Invalid(f"{skill} is advice; levels are for actions.")
        cell = self._journal.hot.table("autonomy").get((skill,))
        data = {
            "level": Level[level.upper()].value,
            "up_to": None if up_to is None else to_millionths(up_to, "up_to"),
            "reason": reason,
            "was": cell["level"] if cell else 2,
        }
        bundle = Bundle(expect={("autonomy", (skill,)): cell["version"] if cell else 0})
        bundle.add(Draft("autonomy.changed", skill, by, data))
        await self.corridor.record(bundle)
        return {"skill": skill, "level": level, "up_to": up_to}

    async def kill(self, scope: str, name: str = "", *, reason: str = "", by: str = OWNER) -> dict[str, Any]:
        """Throw a kill switch (scope agent, action or workspace): when this returns, no effect starts any more, and what ran is canceled."""
        self._check_scope(scope, name)
        bundle = Bundle()
        bundle.add(Draft("kill.thrown", f"{scope}/{name}", by, {"scope": scope, "name": name, "reason": reason}))
        await self.corridor.record(bundle)
        return {"scope": scope, "name": name, "on": True, "stopped": self.corridor.stop_running(scope, name)}

    async def lift(self, scope: str, name: str = "", *, reason: str = "", by: str = OWNER) -> dict[str, Any]:
        """Lift a kill switch. Tasks it parked before they began go on."""
        self._check_scope(scope, name)
        row = self._journal.hot.table("kill").get((scope, name))
        if row is None or not row["on"]:
            raise NotFound(f"No kill switch is on for {scope} {name}.".replace(" .", "."))
        bundle = Bundle()
        bundle.add(Draft("kill.lifted", f"{scope}/{name}", by, {"scope": scope, "name": name, "reason": reason}))
        parked = [row for row in self._journal.hot.table("task").values() if row["stage"] == Stage.PARKED and (row["reason"] or "").startswith(gates.STOPPED)]
        for row in parked:
            bundle.expect["task", (row["id"],)] = row["version"]
            bundle.add(Draft("task.resumed", row["id"], "tutti", {"stage": Stage.READY.value, "reason": "the kill switch was lifted"}, -1))
        await self.corridor.record(bundle)
        return {"scope": scope, "name": name, "on": False, "resumed": len(parked)}

    def _check_scope(self, scope: str, name: str) -> None:
        if scope not in ("agent", "action", "workspace") or (scope == "workspace") == bool(name):
            raise Invalid(f"There is no kill switch for {scope} {name}.".replace(" .", "."), hint="Say agent NAME, action SKILL, or workspace.")

    async def goals(self) -> list[dict[str, Any]]:
        """What people want: each goal with its KPI, target, and how much it makes quality, latency, cost and load count."""
        rows = self._journal.hot.table("goal").values()
        return [{name: row[name] for name in ("name", "kpi", "target", "note")} | {"weights": orjson.loads(row["weights"])} for row in rows]

    async def set_goal(
        self, name: str, *, kpi: str = "", target: float | None = None, weights: Mapping[str, float] | None = None, note: str = "", by: str = OWNER
    ) -> dict[str, Any]:
        """State what people want; its weights count from the next route on."""
        if set(weights or {}) - {"quality", "latency", "cost", "load"} or any(not 0 <= value <= 1000 for value in (weights or {}).values()):
            raise Invalid(f"Goal {name}: weights are quality, latency, cost and load, from 0 up.", hint='For example {"quality": 0.8, "cost": 0.2}.')
        row = self._journal.hot.table("goal").get((name,))
        data = {"kpi": kpi, "target": "" if target is None else str(target), "note": note}
        data["weights"] = orjson.dumps({key: float(value) for key, value in (weights or {}).items()}, option=orjson.OPT_SORT_KEYS).decode()
        bundle = Bundle(expect={("goal", (name,)): row["version"] if row else 0})
        bundle.add(Draft("goal.set", name, by, data))
        await self.corridor.record(bundle)
        return next(goal for goal in await self.goals() if goal["name"] == name)

    # --- knowing why --------------------------------------------------------------------------------------------

    async def why(self, id: str) -> dict[str, Any]:
        """Why a task went as it did, from the record alone."""
        if id.startswith("a-"):
            id = (await self._row("approval", id, "approval"))["task"]
        if id.startswith("s-"):
            return await self.lineage(id)
        row = await self._row("task", id, "task")
        facts = await self._journal.facts(about=[id, *([row["approval"]] if row["approval"] else []), *([row["ranking"]] if row["ranking"] else [])])
        told = explanation.explain(await self.task(id), facts, self._journal.head.seq)
        if met := await arbiter.of(self.corridor.house, id):
            told["conflicts"] = met
            told["sentence"] = " ".join([told["sentence"], *(arbiter.sentence_of(conflict, id) for conflict in met)])
        planned = await plans.told(self.corridor.house, row, facts)
        negotiation = await self._journal.row("negotiation", (id,)) if row["skill"] == mediation.MEDIATE else None
        if negotiation is not None:
            told["negotiation"] = await mediation.explained(self.corridor.house, negotiation)
            told["sentence"] = " ".join([told["sentence"], *told["negotiation"]])
        return told if planned is None else told | {"plan": planned}

    async def lineage(self, id: str) -> dict[str, Any]:
        """What a signal (or a task) led to, as a tree; and what led to it."""
        if id.startswith("s-"):
            rows = await self._journal.select("SELECT * FROM signal WHERE id = ?", (id,))
            if not rows:
                raise NotFound(f"There is no signal {id}.", hint="`tutti tasks` shows the signals that tasks came from.")
            return {"schema": "tutti.lineage/1", "tree": await self._signal_tree(rows[0], 0)}
        row = await self._row("task", id, "task")
        top = row
        while top["parent"]:
            top = await self._row("task", top["parent"], "task")
        return {"schema": "tutti.lineage/1", "signal": top["signal"], "tree": await self._task_tree(row, 0)}

    async def _signal_tree(self, row: Row, depth: int) -> dict[str, Any]:
        node: dict[str, Any] = {"signal": row["id"], "type": row["type"], "at": to_text(row["at"]), "stopped": row["stopped"]}
        node["subject"] = await self._journal.subject_name(row["subject"]) if row["subject"] else None
        tasks = await self._journal.select("SELECT * FROM task WHERE signal = ? ORDER BY seq", (row["id"],))
        node["led_to"] = [await self._task_tree(task, depth + 1) for task in tasks] if depth < 40 else []
        return node

    async def _task_tree(self, row: Row, depth: int) -> dict[str, Any]:
        keys = ("id", "skill", "state", "agent", "nature", "reason")
        node: dict[str, Any] = {
            "task": row["id"],
            **{name: row[name] for name in keys[1:]},
            "amount": None if row["amount"] is None else row["amount"] / MICROS,
        }
        children = await self._journal.select("SELECT * FROM task WHERE parent = ? AND signal IS NULL ORDER BY seq", (row["id"],))
        signals = await self._journal.select("SELECT * FROM signal WHERE task = ? ORDER BY seq", (row["id"],))
        node["led_to"] = [await self._task_tree(child, depth + 1) for child in children] if depth < 40 else []
        node["led_to"] += [await self._signal_tree(signal, depth + 1) for signal in signals] if depth < 40 else []
        return node

    async def measures(self) -> dict[str, Any]:
        """Tasks by state, autonomy ratio, latency per pair, resolution quality, share of work, coalesced tasks, approvals waiting."""
        return await evaluation.measures(self._journal.select)

    # --- the record ---------------------------------------------------------------------------------------------

    async def head(self) -> dict[str, Any]:
        """Where the journal stands."""
        head = self._journal.head
        return {"workspace": self._journal.workspace, "seq": head.seq, "root": head.root, "at": to_text(head.at) if head.at else None}

    async def facts(self, *, after: int = 0, about: str | None = None, kind: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """Facts in order."""
        facts = await self._journal.facts(after=after, about=about, kind=kind, limit=max(1, min(limit, 1000)))
        return [{"seq": f.seq, "at": to_text(f.at), "kind": f.kind, "about": f.about, "by": f.by, "cause": f.cause, "data": f.data} for f in facts]

    async def heads(self, *, after: int = 0, limit: int = 100) -> list[dict[str, Any]]:
        """Signed heads over more than `after` facts, in order; `key` is the journal's public key."""
        rows = await self._journal.select("SELECT seq, at, root, key, signature FROM signed_head WHERE seq > ? ORDER BY seq, at LIMIT ?", (after, limit))
        return [{**row, "at": to_text(row["at"])} for row in rows]

    async def prove_inclusion(self, seq: int, size: int) -> dict[str, Any]:
        """That fact `seq` is among the first `size`: hashes in hex, lowest first. Raises: `Invalid`."""
        path = await self._proofs.inclusion(seq, size, self._journal.head.seq)
        leaf = (await self._journal.select("SELECT leaf FROM fact WHERE seq = ?", (seq,)))[0]["leaf"]
        root = (await self._proofs.root(size)).hex()
        return {"schema": "tutti.inclusion/1", "seq": seq, "size": size, "leaf": bytes(leaf).hex(), "root": root, "path": [step.hex() for step in path]}

    async def prove_consistency(self, first: int, second: int) -> dict[str, Any]:
        """That the first `second` facts begin with the first `first`: hashes in hex. Raises: `Invalid`."""
        path = await self._proofs.consistency(first, second, self._journal.head.seq)
        roots = {"first_root": (await self._proofs.root(first)).hex(), "second_root": (await self._proofs.root(second)).hex()}
        return {"schema": "tutti.consistency/1", "first": first, "second": second, **roots, "path": [step.hex() for step in path]}

    @cached_property
    def _proofs(self) -> Proofs:
        return Proofs(self._journal.select)

    async def erase(self, subject: str, *, by: str = OWNER) -> dict[str, Any]:
        """Erase everything a subject's name or data stands in. The record still verifies."""
        return {"subject": subject, "payloads": await self._journal.erase(subject, by)}

    async def backup(self, path: str) -> dict[str, Any]:
        """Copy the journal while it is written to."""
        await self._journal.backup(Path(path))
        return {"path": str(path), **await self.head()}

    # --- small ones ---------------------------------------------------------------------------------------------

    async def _row(self, table: str, id: str, what: str) -> dict[str, Any]:
        row = await self._journal.row(table, (id,))
        if row is None:
            raise NotFound(f"There is no {what} {id}.", hint="`tutti tasks` lists tasks, `tutti tasks --waiting` what waits for you.")
        return dict(row)

    async def _open_row(self, id: str) -> dict[str, Any]:
        row = await self._row("task", id, "task")
        if not row["open"]:
            raise Conflict(f"{id} has ended: {row['state']}.", hint=f"`tutti why {id}` says how.")
        return row

    async def _text(self, payload: str | None) -> str:
        return str((await self._journal.payloads([payload])).get(payload, "")) if payload else ""
