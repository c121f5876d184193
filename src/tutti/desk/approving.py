"""Approving: what waits for a person's yes, what there is to know before one says it, and the three answers: yes, no, and not so but so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson

from tutti import access, conflicts, explanation, gates, intake
from tutti.clock import MICROS, to_text
from tutti.desk.counter import OWNER, Row
from tutti.desk.deciding import Deciding
from tutti.errors import Conflict, Invalid, NotFound, Refused
from tutti.model.agent import Skill
from tutti.model.caller import OWNER as THE_OWNER
from tutti.model.caller import Caller
from tutti.model.fact import Draft
from tutti.model.task import Stage
from tutti.reception import Bundle
from tutti.security import sign_approval, verify_approval

_LISTS = {"answered": "answered_at IS NOT NULL", "expired": "state = 'expired' AND answered_at IS NULL", "all": "1 = 1"}
_ANSWERS = {"approved": "approve", "used": "approve", "expired": "approve", "rejected": "reject", "changed": "change"}  # a yes that was not used expires too
_PRECEDENTS = 40  # answered approvals of a skill that are looked back at
_EVIDENCE = 8  # outputs that are shown with one approval
_SHOWN = 4000  # characters of JSON of one such output; longer ones are cut
_ANEW_S = 5.0  # seconds that a change waits until it is decided anew

Readable = Callable[[Row], bool]


class Approving(Deciding):
    """Approvals."""

    async def approvals(
        self,
        *,
        state: str = "open",
        departments: Collection[str] | None = None,
        limit: int = 100,
        after: str | None = None,
        readable: Readable = lambda row: True,
    ) -> list[dict[str, Any]]:
        """Approvals of a state: open ones oldest first; those answered, expired or all newest first. `after` is the id of the last one of the page before.

        With `departments`, only of their tasks; what was found before is shown as evidence as far as it is `readable` (a task's row). Raises: `Invalid`.
        """
        if state != "open" and state not in _LISTS:
            raise Invalid(f"{state!r} is no state of approvals.", hint="States are open, answered, expired and all.")
        last = await self._row("approval", after, "approval") if after else None
        if state == "open":
            rows: list[Row] = [row for row in self._journal.hot.table("approval").values() if row["state"] == "open"]
            tasks = self._journal.hot.table("task")
            if departments is not None:
                rows = [row for row in rows if (task := tasks.get((row["task"],))) is not None and task["department"] in departments]
            rows = sorted(rows, key=_age)
            if last is not None:
                rows = [row for row in rows if _age(row) > _age(last)]
            return await self._approval_views(rows[:limit], readable)
        held, params = [_LISTS[state]], []
        if departments is not None:
            held.append(f"department IN ({', '.join('?' * len(departments))})" if departments else "1 = 0")
            params += sorted(departments)
        if last is not None:
            held.append("rowid < (SELECT rowid FROM approval WHERE id = ?)")
            params.append(last["id"])
        found = await self._journal.select(f"SELECT * FROM approval WHERE {' AND '.join(held)} ORDER BY rowid DESC LIMIT ?", (*params, limit))
        return await self._approval_views(found, readable)

    async def approval(self, id: str, *, readable: Readable = lambda row: True) -> dict[str, Any]:
        """One approval, by its id or by its task's: what will happen, whether it can be undone, why it asks, until when."""
        row = await self._asked(id)
        (view,) = await self._approval_views([row], readable)
        return view | {"conflicts": (await self.conflicts(task=row["task"]))["conflicts"]}

    async def _asked(self, id: str) -> dict[str, Any]:
        if id.startswith("t-"):
            row = await self._row("task", id, "task")
            if not row["approval"]:
                raise NotFound(f"{id} asks for no approval.", hint=f"It is {row['state']}: {row['reason'] or row['stage']}.")
            id = row["approval"]
        return await self._row("approval", id, "approval")

    # --- what there is to know ----------------------------------------------------------------------------------

    async def _approval_views(self, rows: Sequence[Row], readable: Readable) -> list[dict[str, Any]]:
        precedents: dict[str, dict[str, Any]] = {}
        views = []
        for row in rows:
            task = await self._row("task", row["task"], "task")
            parent = await self._journal.row("task", (task["parent"],)) if task["parent"] else None
            if task["skill"] not in precedents:
                precedents[task["skill"]] = await self._precedent(task["skill"])
            view = await self._approval_view(row, task)
            view["asked_by"] = parent["agent"] if parent is not None else task["caller"]
            view["evidence"] = await self._evidence(task, parent, readable)
            view["precedent"] = precedents[task["skill"]]
            views.append(view)
        return views

    async def _approval_view(self, row: Row, task: Row) -> dict[str, Any]:
        house = self.corridor.house
        card = house.registry.card(row["agent"], row["agent_version"])
        skill = card.skills.get(task["skill"]) if card else None
        input = await self._part(row["input"])
        amount = row["amount"] if row["amount"] is not None else task["amount"] if row["input"] == task["input"] else None
        return {
            "schema": "tutti.approval/1", "id": row["id"], "task": row["task"], "skill": task["skill"], "state": row["state"], "question": explanation.question(skill, {**task, "amount": amount}, input),
            "input": input, "agent": row["agent"], "version": row["agent_version"], "policy": row["policy"], "nonce": row["nonce"], "digest": row["input"],
            "reversible": bool(skill and (skill.reversible or skill.undo)), "reasons": orjson.loads(row["reasons"]), "asked_at": to_text(row["asked_at"]),
            "expires_at": to_text(row["expires_at"]), "expires_at_us": row["expires_at"], "answered_by": row["answered_by"], "workspace": self._journal.workspace,
            "department": task["department"], "subject": await self._journal.subject_name(task["subject"]) if task["subject"] else None,
            "amount": None if amount is None else amount / MICROS, "currency": row["currency"] or task["currency"] if amount is not None else None,
            "parent": task["parent"], "handed_to": row["handed_to"], "answered_at": None if row["answered_at"] is None else to_text(row["answered_at"]),
            "answer": _ANSWERS.get(row["state"]) if row["answered_at"] is not None else None, "note": await self._text(row["note"]) if row["note"] else None, "undo": skill.undo if skill else None,
            "on_expiry": explanation.on_expiry(row["expires_at"], task["deadline_at"]), "effects": self._effects(skill, input, amount, row) if skill else [],
        }  # fmt: skip

    async def _part(self, reference: str) -> Any:
        payload, _, part = reference.partition("#")
        value = (await self._journal.payloads([payload])).get(payload)
        return value.get(part) if part and isinstance(value, Mapping) else value

    def _effects(self, skill: Skill, input: Any, amount: int | None, row: Row) -> list[str]:
        touches = []
        with suppress(Invalid):  # what it would touch is not in its parameters: nothing is said of it
            touches = [explanation.Touch(want.resource, want.effect, want.lasts) for want in conflicts.wanted(skill, input)]
        return explanation.consequences(skill, amount, row["currency"] or skill.currency, touches, list(self._left(skill.name)) if row["open"] else ())

    def _left(self, skill: str) -> Iterable[explanation.Left]:
        hot, now = self._journal.hot, self.corridor.house.clock.now()
        for (name,), budget in hot.table("budget").items():
            if budget["action"] != skill:
                continue
            spent = hot.table("spending").get((name, gates.period_of(budget["per"], now)), {"money": 0, "count": 0})
            left = {column: None if budget[column] is None else budget[column] - spent[column] for column in ("money", "count")}
            yield explanation.Left(name, budget["per"], left["money"], left["count"])

    async def _evidence(self, task: Row, parent: Row | None, readable: Readable) -> list[dict[str, Any]]:
        """What the task that proposed it, and the tasks that this one asked, gave."""
        if parent is None:
            return []
        beside = await self._journal.rows("task", {"parent": parent["id"], "state": "completed", "nature": "advice"}, limit=_EVIDENCE)
        rows = [row for row in (parent, *beside) if row["output"] and row["id"] != task["id"] and readable(row)][:_EVIDENCE]
        outputs = await self._journal.payloads([row["output"] for row in rows])
        found = []
        for row in rows:
            output = outputs.get(row["output"])
            text = orjson.dumps(output).decode()
            cut = len(text) > _SHOWN
            found.append({"task": row["id"], "skill": row["skill"], "agent": row["agent"], "output": text[:_SHOWN] if cut else output, "cut": cut})
        return found

    async def _precedent(self, skill: str) -> dict[str, Any]:
        """How the last approvals of a skill were answered."""
        rows = await self._journal.select(
            "SELECT state, COUNT(*) AS n FROM (SELECT state FROM approval WHERE skill = ? AND answered_at IS NOT NULL ORDER BY rowid DESC LIMIT ?) AS last GROUP BY state",
            (skill, _PRECEDENTS),
        )
        counts = {row["state"]: row["n"] for row in rows}
        return {
            "approved": sum(counts.get(state, 0) for state, answer in _ANSWERS.items() if answer == "approve"), "rejected": counts.get("rejected", 0), "changed": counts.get("changed", 0),
            "of": sum(counts.values()), "skill": skill,
        }  # fmt: skip

    # --- answering ----------------------------------------------------------------------------------------------

    async def answer_approval(self, id: str, answer: str, signature: str, *, note: str = "", by: str = OWNER) -> dict[str, Any]:
        """Take a person's signed answer (`approve` or `reject`) to an approval. Raises `Refused` when the signature does not hold."""
        if answer not in ("approve", "reject"):
            raise Invalid(f"{answer!r} is no answer.", hint="Answer approve or reject; other parameters are given with `change_approval`.")
        row, task = await self._answerable(id)
        if not verify_approval(self._journal.keys.owner.public, gates.signed(self._journal.workspace, row, answer), signature):
            raise Refused("The signature does not hold for this answer.", hint="Answer with the owner's key of this workspace.")
        bundle = await self._answered(row, task, {"answer": answer, "signature": signature}, note, by)
        if answer == "reject":
            bundle.add(Draft("task.rejected", row["task"], by, {"reason": "a person said no"}, -1))
        await self.corridor.record(bundle)
        return (await self._approval_views([await self._row("approval", row["id"], "approval")], lambda _: True))[0]

    async def _answerable(self, id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """An approval that is still asked, and its task. Raises: `Conflict`."""
        row = await self._asked(id)
        if row["state"] != "open":
            said = "approved" if row["state"] == "used" else row["state"]
            raise Conflict(f"{row['id']} was answered already: {said} by {row['answered_by'] or 'nobody'}.", hint=f"`tutti why {row['task']}` says more.")
        if self.corridor.house.clock.now() > row["expires_at"]:
            raise Conflict(f"{row['id']} has expired.", hint="Send its task on again with `tutti tasks settle ID again`.")
        task = await self._row("task", row["task"], "task")
        if not task["open"] or task["stage"] != Stage.APPROVAL or task["approval"] != row["id"]:
            raise Conflict(f"{row['id']} is not asked any more: its task is {task['state']}.", hint=f"`tutti why {row['task']}` says how.")
        return row, task

    async def _answered(self, row: Row, task: Row, answer: dict[str, Any], note: str, by: str) -> Bundle:
        """The append of an answer: nobody else's can be in it, nor come after it."""
        bundle = Bundle(expect={("approval", (row["id"],)): row["version"], ("task", (row["task"],)): task["version"]})
        data = {"task": row["task"], "input": row["input"], "key": self._journal.keys.owner.public.hex()[:16], **answer}
        if note:
            payload = self._journal.seal(note, await self.corridor.house.subject(task))
            bundle.payloads.append(payload)
            data["note"] = payload.id
        bundle.add(Draft("approval.answered", row["id"], by, data, task["seq"]))
        return bundle

    async def answer_as_owner(self, id: str, answer: str, *, note: str = "", by: str = OWNER) -> dict[str, Any]:
        """Sign an answer with the owner's key of this process and give it, for a person that a door knows. `id` is an approval's or its task's."""
        row = await self._asked(id)
        signature = sign_approval(self._journal.keys.owner, gates.signed(self._journal.workspace, row, answer)) if answer in ("approve", "reject") else ""
        return await self.answer_approval(row["id"], answer, signature, note=note, by=by)

    async def change_approval(self, id: str, input: Any, *, note: str = "", by: str = OWNER) -> dict[str, Any]:
        """Give an action that is asked about other parameters: the approval is answered so, and the action is decided anew, as if it came in with these.

        One append ends the old question, takes the new parameters and says what they touch; it is signed like any answer, over both. Where the gates ask
        again, the new approval is returned; where they do not, the old one. Raises: `Invalid` for parameters that do not fit, `Conflict`, `NotFound`.
        """
        row, task = await self._answerable(id)
        house, journal = self.corridor.house, self._journal
        if await house.input(task) == input:
            raise Invalid("These are the parameters that it asks about.", hint="Approve it, or say what is to be different.")
        skill = self._fitting(row, task, input)
        subject = await house.subject(task)
        payload = journal.seal(input, subject)
        signature = sign_approval(journal.keys.owner, gates.signed(journal.workspace, row, "change", payload.id))
        bundle = await self._answered(row, task, {"answer": "change", "signature": signature, "changed": payload.id}, note, by)
        bundle.payloads.append(payload)
        self.corridor.closing.unfollow(bundle, task["id"])
        data = {"input": payload.id, "option": 0, "reason": "a person changed the parameters"} | ({"work_key": task["work_key"]} if task["work_key"] else {})
        bundle.add(Draft("task.amended", task["id"], by, data, bundle.since(0)))
        self.corridor.arbiter.intents.declare_anew(bundle, task["id"], skill, input, subject, (), "a person changed the other one's parameters")
        await self.corridor.record(bundle)
        self.corridor.reception.forsake(task["work_key"], task["id"])
        return (await self._approval_views([await self._anew(row)], lambda _: True))[0]

    def _fitting(self, row: Row, task: Row, input: Any) -> Skill:
        """The skill whose parameters these are. Raises: `Invalid` where they are not."""
        if intake.too_deep(input):
            raise Invalid("The parameters are nested too deeply.", hint="Flatten them to at most 32 levels.")
        house, name = self.corridor.house, task["skill"]
        bound = house.functions.get((row["agent"], row["agent_version"], name)) or next((one for key, one in house.functions.items() if key[2] == name), None)
        if bound is None:
            raise Conflict(f"No agent of this process offers {name}.", hint="Its parameters can be checked where `tutti up` runs.")
        bound.read(input)
        card = house.registry.card(row["agent"], row["agent_version"])
        return card.skills[name] if card is not None else house.registry.skill(name)

    async def _anew(self, row: Row) -> dict[str, Any]:
        """The approval that a changed action asks for now; the old one where it asks for none, or is not decided yet."""
        if self.corridor.traffic.open:
            with suppress(TimeoutError):
                async with asyncio.timeout(_ANEW_S):
                    while True:
                        moved = self.corridor.traffic.wait("any")
                        task = await self._row("task", row["task"], "task")
                        if task["stage"] != Stage.READY:
                            break
                        await moved
        task = await self._row("task", row["task"], "task")
        return await self._row("approval", task["approval"] or row["id"], "approval")

    # --- handing over -------------------------------------------------------------------------------------------

    async def hand_over(self, id: str, to: str, *, note: str = "", by: str = OWNER) -> dict[str, Any]:
        """Leave an open approval to somebody: a person's account (`person/ben`) or a department. It says who is meant to answer, and lets nobody do more.

        Raises: `Invalid` where there is no such person or department, or they may not answer it; `Conflict`.
        """
        row, task = await self._answerable(id)
        to = self._addressee(to, row["id"], task["department"])
        bundle = Bundle(expect={("approval", (row["id"],)): row["version"]})
        data: dict[str, Any] = {"task": row["task"], "to": to}
        if note:
            payload = self._journal.seal(note, await self.corridor.house.subject(task))
            bundle.payloads.append(payload)
            data["note"] = payload.id
        bundle.add(Draft("approval.handed", row["id"], by, data, task["seq"]))
        await self.corridor.record(bundle)
        return (await self._approval_views([await self._row("approval", row["id"], "approval")], lambda _: True))[0]

    def _addressee(self, to: str, approval: str, department: str) -> str:
        accounts = self._journal.hot.table("account")
        for name in (to, f"person/{to}"):
            row = accounts.get((name,))
            if name == THE_OWNER.id:
                return name
            if row is not None and row["state"] == "active" and name.startswith("person/"):
                caller = Caller(name, tuple(orjson.loads(row["roles"])), tuple(orjson.loads(row["departments"])))
                if not access.decide(caller, "approvals:answer", access.Resource("approvals", approval, department)).allowed:
                    raise Invalid(f"{name} may not answer it.", hint=f"Name somebody who approves in {department}.")
                return name
        house = self.corridor.house
        if to in house.departments or any(card.department == to for card in house.registry.live()):
            return to
        raise Invalid(f"There is no person or department {to}.", hint="Name a person's account (person/ben) or a department.")


def _age(row: Row) -> tuple[int, str]:
    return row["asked_at"], row["id"]
