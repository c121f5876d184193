"""Work: signals and tasks that come in, what becomes of them, and what people say of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, TypedDict, Unpack

from tutti import evaluation, intake, telemetry
from tutti.clock import MICROS, micros, to_text
from tutti.desk import listing
from tutti.desk.counter import OWNER, Counter, Row
from tutti.errors import Conflict, Invalid, NotFound, Refused
from tutti.model.fact import Draft
from tutti.model.outcome import Judgement, Source
from tutti.model.task import ENDED_STATES, OPEN_STATUSES, Stage, Status, is_retrying, status_of
from tutti.reception import Bundle, Origin

_INSTEAD = {  # what a task wants that is not parked, by its stage
    Stage.APPROVAL: "It waits for an approval: `tutti approve {id}`, or reject.", Stage.ASKING: "It asks a question: `tutti tasks answer {id} ANSWER`.",
}  # fmt: skip
_AGAIN_S = 5.0  # seconds that an answer waits for an agent to come to its question again
_LOOKS = 5  # times that an answer looks again at a task which moves meanwhile
_WAITS = {
    Stage.APPROVAL: "person", Stage.PARKED: "person", Stage.ASKING: "person", Stage.JOINING: "tasks", Stage.COALESCED: "task",
    Stage.READY: "agent", Stage.APPROVED: "agent", Stage.BACKOFF: "time", Stage.QUEUED: "lease",
}  # fmt: skip


_TOLD = (
    "id", "skill", "nature", "department", "priority", "state", "stage", "reason", "agent", "parent", "signal", "attempts", "currency", "approval", "caller",
)  # fmt: skip
_AT_A_TIME = 500  # plans that are looked up in one statement


class Wanted(TypedDict, total=False):
    """What else a list of tasks can be asked for: these statuses only, this agent's, this department's, one nature (advice or action), only those whose
    attempts failed, submitted from `since` on and before `until` (microseconds), and words: the beginning of an id, or a part of a skill or subject."""

    status: Collection[str] | None
    agent: str | None
    department: str | None
    nature: str | None
    retrying: bool
    since: int | None
    until: int | None
    q: str | None


class Work(Counter):
    """Signals and tasks."""

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
        checked: bool = False,
    ) -> str:
        """Take in a task for a skill. Returns its id when it is durable. `after` maps fields of the input to tasks whose outputs they get.

        `also` adds to the same append what belongs to the task; `checked` says that the input was held against the skill's form. Raises `Conflict` when there is a task with the `id` that is given.
        """
        house = self.corridor.house
        await self.corridor.present(skill)
        described = house.registry.skill(skill)
        if intake.too_deep(input):
            raise Invalid("The input is nested too deeply.", hint="Flatten it to at most 32 levels.")
        if not after and not checked:
            bound = house.border(skill)
            if bound is not None:
                bound.read(input)
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
            reason, detail = row["reason"], await self._text(row["detail"])
            said = f"{id} {row['state']}" + (f" ({reason})" if reason else "") + (f": {detail}" if detail else ".")
            raise Refused(said, hint=f"`tutti why {id}` says more.", state=row["state"], task=id)
        return (await self._journal.payloads([row["output"]])).get(row["output"])

    async def task(self, id: str) -> dict[str, Any]:
        """One task with its input and output."""
        row = await self._row("task", id, "task")
        (view,) = await self._task_views([row])
        reference, _, part = (row["input"] or "").partition("#")
        payloads = await self._journal.payloads([name for name in (reference, row["output"], row["detail"], row["question"]) if name])
        value = payloads.get(reference)
        view["input"] = value.get(part) if part and isinstance(value, Mapping) else value
        view["output"] = payloads.get(row["output"])
        view["detail"] = payloads.get(row["detail"])
        view["question"] = payloads.get(row["question"])
        view["erased"] = reference not in payloads
        card = self.corridor.house.registry.offer(row["skill"]) if row["state"] == "completed" else None
        view["undo"] = card.skills[row["skill"]].undo if card else None
        if id in self.corridor.runs.progress:
            view["progress"], view["doing"] = self.corridor.runs.progress[id]
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
        **wanted: Unpack[Wanted],
    ) -> dict[str, Any]:
        """A page of tasks, newest first; `after` is the `next` of the page before. `waiting` means: for a person, `caller`: asked for by them.

        `departments` leaves out all others'; None leaves out nothing. `Wanted` says what else can be asked for. A page looks at a bounded number of
        finished tasks: one of a rare kind may be short, or empty, and have a next one. Raises: `Invalid`.
        """
        tests, always, statuses = await self._tests(wanted | {"skill": skill, "subject": subject}, caller, departments)
        if state:
            tests.append(listing.equals("state", "state", state))
            if state not in ENDED_STATES:
                statuses = OPEN_STATUSES if statuses is None else statuses & OPEN_STATUSES
        if waiting:
            tests.append(listing.in_status(human := frozenset({Status.HUMAN})))
            statuses = human if statuses is None else statuses & human
        rows, following = await listing.Listing(self._journal.select, self._journal.hot.table("task")).page(
            [*always, *tests], statuses, after, max(1, min(limit, 1000))
        )
        return {"tasks": await self._task_views(rows), "next": following}

    async def task_counts(
        self, *, skill: str | None = None, subject: str | None = None, caller: str | None = None, departments: Collection[str] | None = None,
        **wanted: Unpack[Wanted],
    ) -> dict[str, Any]:  # fmt: skip
        """How many tasks pass the filters of `tasks`, by status, and how many would if one of the filters were dropped. Raises: `Invalid`.

        All open ones are counted; finished ones among the newest 50,000 tasks of the time asked for.
        """
        tests, always, _ = await self._tests(wanted | {"skill": skill, "subject": subject}, caller, departments)
        found = await listing.Listing(self._journal.survey, self._journal.hot.table("task")).counts(tests, always)
        return {"schema": "tutti.counts/1", **found, "from_at": None if found["from_at"] is None else to_text(found["from_at"])}

    async def _tests(
        self, wanted: Mapping[str, Any], caller: str | None, departments: Collection[str] | None
    ) -> tuple[list[listing.Filter], list[listing.Filter], frozenset[Status] | None]:
        """The filters that were asked for, those that hold in any case, and the statuses that can pass (None: any)."""
        always = [listing.equals("caller", "caller", caller)] if caller else []
        if departments is not None:
            always.append(listing.among("departments", "department", departments))
        tests = [listing.equals(name, name, wanted[name]) for name in ("agent", "department", "skill", "nature") if wanted.get(name)]
        statuses: frozenset[Status] | None = None
        if subject := wanted.get("subject"):
            tests.append(listing.equals("subject", "subject", self._journal.pseudonym(subject)))
        if said := wanted.get("status"):
            statuses = listing.statuses(said)
            tests.append(listing.in_status(statuses))
        if wanted.get("retrying"):
            tests.append(listing.retrying())
            statuses = OPEN_STATUSES if statuses is None else statuses & OPEN_STATUSES
        if (since := wanted.get("since")) is not None:
            tests.append(listing.since(since))
        if (until := wanted.get("until")) is not None:
            tests.append(listing.until(until))
        if (q := wanted.get("q")) and q.strip():
            tests.append(await listing.words(self._journal.survey, q))
        return tests, always, statuses

    async def _task_views(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Rows as they are told, with the names of the plans that they are steps of."""
        parents = sorted({row["parent"] for row in rows if row["parent"]})
        plans: dict[str, str] = {}
        for start in range(0, len(parents), _AT_A_TIME):
            found = await self._journal.rows("plan", {"task": parents[start : start + _AT_A_TIME]}, limit=_AT_A_TIME)
            plans |= {plan["task"]: plan["name"] for plan in found}
        return [await self._task_view(row, plans.get(row["parent"])) for row in rows]

    async def _task_view(self, row: Row, plan: str | None) -> dict[str, Any]:
        view: dict[str, Any] = {"schema": "tutti.task/1"}
        for name in _TOLD:
            view[name] = row[name]
        view["version"] = row["agent_version"]
        view["waiting_for"] = _WAITS.get(Stage(row["stage"]))
        view["status"] = status_of(row).value
        view["retrying"] = is_retrying(row)
        view["with"] = listing.holder(row, self._awaited)
        view["plan"] = plan
        view["cost"] = None if row["cost"] is None else row["cost"] / MICROS
        view["class"] = row["class"] or ""
        view["coalesced_into"] = row["into_task"]
        view["amount"] = None if row["amount"] is None else row["amount"] / MICROS
        view["quality"] = None if row["quality"] is None else row["quality"] / MICROS
        view["quality_source"] = row["quality_source"]
        view["subject"] = await self._journal.subject_name(row["subject"]) if row["subject"] else None
        for name in ("submitted_at", "started_at", "finished_at", "deadline_at"):
            view[name] = None if row[name] is None else to_text(row[name])
        return view

    def _awaited(self, id: str) -> str | None:
        """The first task that a joining one still waits for."""
        hot, number = self._journal.hot, 0
        while (join := hot.table("joins").get((id, number))) is not None:
            if (join["awaits"],) in hot.table("task"):
                return str(join["awaits"])
            number += 1
        return None

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
        raise Conflict(f"{id} asks nothing now.", hint=f"It is {row['state']}.")

    async def settle(self, id: str, how: str, *, by: str = OWNER, reason: str = "") -> dict[str, Any]:
        """Decide about a parked task: `again` (back on the road), `happened` (it is done), `drop` (cancel it)."""
        row = await self._open_row(id)
        if row["stage"] != Stage.PARKED:
            raise Conflict(f"{id} is not parked.", hint=_INSTEAD.get(row["stage"], "It is {state}.").format(id=id, state=row["state"]))
        if how == "again":
            bundle = Bundle(expect={("task", (id,)): row["version"]})
            stage = Stage.APPROVED if self.corridor.approved(row) else Stage.READY  # a yes that was not used stays good
            bundle.add(Draft("task.resumed", id, by, {"stage": stage.value, "reason": reason or "a person sent it on"}, row["seq"]))
            await self.corridor.record(bundle)
        elif how == "happened":
            bundle = Bundle()
            payload = self._journal.seal(reason or "settled by a person", await self.corridor.house.subject(row))
            bundle.payloads.append(payload)
            await self.corridor.end(row, "task.completed", {"output": payload.id}, bundle=bundle, by=by)
        elif how == "drop":
            bundle = Bundle()
            self.corridor.arbiter.ends.give_up(bundle, id)
            await self.corridor.end(row, "task.canceled", {"reason": reason or "dropped by a person"}, bundle=bundle, by=by)
        else:
            raise Invalid(f"{how!r} settles nothing.", hint="Say again, happened or drop.")
        return await self.task(id)

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
