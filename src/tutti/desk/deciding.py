"""Deciding together: plans, priorities, negotiations, conflicts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

from tutti import arbiter, execution, explanation, mediation, plans
from tutti.desk.counter import OWNER
from tutti.desk.work import Work
from tutti.errors import AgentFailed, Conflict, Invalid, NotFound, Refused
from tutti.model.party import opening_of
from tutti.model.plan import goal_from_json
from tutti.model.task import Stage
from tutti.planning import SKILL
from tutti.reception import Bundle, Origin

_UNDECIDED = (Stage.READY, Stage.JOINING, Stage.COALESCED, Stage.BACKOFF, Stage.APPROVAL, Stage.APPROVED, Stage.QUEUED)  # stages of tasks not begun
_BEGUN = (Stage.RUNNING, Stage.ASKING, Stage.ENDED)  # a place in an order means nothing to them any more
_RANKED = 200  # tasks that are ranked at a time: what departments can say something of


class Deciding(Work):
    """What several agents or departments decide."""

    async def plan(self, goal: Any, input: Any = None, *, subject: str | None = None, money: float | None = None, by: str = OWNER) -> dict[str, Any]:
        """The plan that reaches a goal from an input, as it would run now; `plan` is None where there is none, and `missing` says why.

        `goal` is a skill's name, a type's title, a list of these, or an object with `want`, `have` (the input's type) or `text` (free words, for
        a planner that is a language model). Give the plan to `run_plan` to have it run. Raises: `Invalid`, `AgentFailed` (the planner did not answer), `Refused`.
        """
        read = goal_from_json(goal)

        async def ask(question: dict[str, Any], name: str) -> Any:
            try:
                return await self.result(await self.submit(SKILL, question, subject=subject, by=by))
            except Refused as error:
                if error.about["state"] != "failed":
                    raise
                raise AgentFailed(error.message, hint=error.hint, **error.about) from error

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
        departments keep their shares of the work. Raises: `Invalid` for ballots and precedences that cannot be, `NotFound`, `Conflict` where some of
        the tasks run or have ended.
        """
        hot = self._journal.hot.table("task")
        if (tasks is None) == (skill is None):
            raise Invalid("Say which tasks are ranked: their ids, or a skill.", hint="Give one of both.")
        if tasks is None:
            tasks = [row["id"] for row in sorted(hot.values(), key=lambda row: row["seq"]) if row["skill"] == skill and row["stage"] in _UNDECIDED]
        rows = [hot.get((id,)) or await self._row("task", id, "task") for id in dict.fromkeys(tasks)]
        if begun := [f"{row['id']} is {row['state']}" for row in rows if row["stage"] in _BEGUN]:
            raise Conflict(
                f"{len(begun)} of {len(rows)} tasks cannot be ranked: {', '.join(begun)}.", hint="Leave them out: no order counts for what has begun."
            )
        if not tasks and skill is not None:
            raise Invalid(f"No task of {skill} waits.", hint="What has begun is not ranked; `tutti tasks` lists what there is.")
        if not 0 < len(tasks) <= _RANKED:
            raise Invalid(f"{len(tasks)} tasks cannot be ranked.", hint=f"Rank 1 to {_RANKED} of them.")
        for voter in weights or {}:
            if voter not in ballots:
                raise Invalid(f"{voter} has a weight and no ballot.", hint=f"Ballots are those of: {', '.join(sorted(ballots))}.")
        pairs = [(first, second) for first, second in must_precede]
        given = {voter: float((weights or {}).get(voter, self.corridor.house.departments.get(voter, 1.0))) for voter in ballots}
        ranking = await asyncio.to_thread(execution.rank, tasks, ballots, weights=given, must_precede=pairs, most=most)
        bundle = Bundle()
        bundle.add(execution.as_fact(self.corridor.house.ids.new("o"), ranking, ballots, given, most, pairs, by))
        (fact,) = await self.corridor.record(bundle)
        return explanation.priorities(fact)

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
        opening = opening_of(
            issues, parties, policy=policy, approval=approval, fallback=fallback, deadline=deadline, messages=messages, turns=turns, money=money, about=about,
            protocol=protocol,
        )  # fmt: skip
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

    async def take_over(self, id: str, outcome: Mapping[str, Any] | None, *, note: str = "", by: str = OWNER) -> dict[str, Any]:
        """End a negotiation that goes on as a person says: with this outcome, or (None) with the fallback. Durable when it returns.

        Raises: `Refused` for what policy rules out, with the rules; `Invalid` for what is no outcome of it; `Conflict` when it has ended.
        """
        await mediation.take_over(self.corridor, id, outcome, note, by)
        return await self.negotiation(id)

    async def needs_approval(self, id: str, outcome: Mapping[str, Any] | None) -> tuple[str, ...]:
        """The rules of an open negotiation for which a person must approve this outcome. Raises as `take_over` does."""
        return await mediation.needs(self.corridor.house, id, outcome)

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
        """Propose the action that undoes a completed one, with the same input; returns its task. It goes through the gates.

        However often it is asked for, there is one task, unless that came to nothing: then the next.
        """
        row = await self._row("task", id, "task")
        inverse = self.corridor.house.registry.skill(row["skill"]).undo
        if inverse is None:
            raise Conflict(f"{row['skill']} has no inverse.", hint='Declare one: fleet.action(..., undo="the.inverse").')
        if row["state"] != "completed":
            raise Conflict(f"{id} has not been done: it is {row['state']}.", hint="Only what was done can be undone.")
        undo = await self._next_undo(id, inverse)
        subject = await self.corridor.house.subject(row)
        input = await self.corridor.house.input(row)
        origin = Origin(by, row["department"], row["seq"], row["hops"], id, None, "person" if by.startswith("person/") else by)
        if await self._journal.row("task", (undo,)) is None:
            with suppress(Conflict):  # somebody else was quicker
                await self.corridor.bring(lambda bundle: self.corridor.reception.task(bundle, inverse, input, subject, origin, id=undo, action=True))
        return undo

    async def _next_undo(self, id: str, inverse: str) -> str:
        for undo in arbiter.undo_ids(id, inverse):
            row = await self._journal.row("task", (undo,))
            if row is None or row["state"] not in ("failed", "rejected", "canceled"):
                return undo
        raise Conflict(f"{inverse} has come to nothing for {id} too often.", hint=f"`tutti why {undo}` says what was in the way of the last.")
