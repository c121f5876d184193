"""The record: why, what led to what, what is achieved, and proofs of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from tutti import arbiter, execution, explanation, mediation, observation, plans, routing
from tutti.clock import MICROS, micros, to_text
from tutti.desk.counter import OWNER, Row
from tutti.desk.deciding import Deciding
from tutti.errors import Conflict, NoRoute, NotFound
from tutti.journal import Proofs, Wanted, facts_page, leaves_page, seq_at, statement
from tutti.model.fact import Fact

_DEEP = 40  # levels that are followed, up or down
_FOLLOWED = 500  # tasks that a timeline shows
_AT_A_TIME = 400  # ids in one statement
_PAGE = 5000  # facts read at a time


class Record(Deciding):
    """Reading what happened."""

    async def why(self, id: str) -> dict[str, Any]:
        """Why a task (or an approval's task) went as it did, from the record alone; of a signal its lineage, of a conflict the conflict."""
        if id.startswith("c-"):
            return await self.conflict(id)
        if id.startswith("a-"):
            id = (await self._row("approval", id, "approval"))["task"]
        if id.startswith("s-"):
            return await self.lineage(id)
        row = await self._row("task", id, "task")
        asked = await self._journal.select("SELECT id FROM approval WHERE task = ?", (id,))
        facts = await self._journal.facts(about=[id, *(each["id"] for each in asked), *([row["ranking"]] if row["ranking"] else [])])
        at = next((fact for fact in reversed(facts) if fact.kind == "task.routed"), None) or next(
            (fact for fact in reversed(facts) if fact.kind == "task.gated"), None
        )
        leaf = None if at is None else (await self._journal.select("SELECT leaf FROM fact WHERE seq = ?", (at.seq,)))[0]["leaf"]
        inputs = [] if at is None else await self._inputs(row, at)
        health = await self._health(row) if (row["state"], row["reason"]) == ("failed", "deadline_passed") else ()
        told = explanation.explain(await self.task(id), facts, self._journal.head.seq, inputs, None if leaf is None else bytes(leaf).hex(), health)
        if met := await arbiter.of(self.corridor.house, id):
            told["conflicts"] = met
            told["sentence"] = " ".join([told["sentence"], *(arbiter.sentence_of(conflict, id) for conflict in met)])
        planned = await plans.told(self.corridor.house, row, facts)
        negotiation = await self._journal.row("negotiation", (id,)) if row["skill"] == mediation.MEDIATE else None
        if negotiation is not None:
            told["negotiation"] = await mediation.explained(self.corridor.house, negotiation)
            told["sentence"] = " ".join([told["sentence"], *told["negotiation"]])
        return told if planned is None else told | {"plan": planned}

    async def _health(self, row: Row) -> list[Fact]:
        """What became of the circuits of a skill's agents, retired ones too, from when the oldest tripped that can still have been open at a task's end."""
        after = await seq_at(self._journal.select, self._journal.head.seq, row["finished_at"] - micros(execution.LONGEST_REST))
        found = await self._journal.facts(after, kind=("agent.tripped", "agent.recovered"), limit=_PAGE)
        cards = [self.corridor.house.registry.card(fact.about, fact.data["version"]) for fact in found]
        return [fact for fact, card in zip(found, cards, strict=True) if card is not None and row["skill"] in card.skills]

    async def _inputs(self, row: Row, decision: Fact) -> list[dict[str, Any]]:
        """What went into a decision: the signal, outputs of other tasks, what was known of the subject; each with its age then. Erased ones are masked."""
        found: list[dict[str, Any]] = []

        def add(kind: str, name: str, value: Any, at: int | None, *, masked: bool, task: str | None = None) -> None:
            age = None if at is None else max(decision.at - at, 0) / 1000
            found.append({"kind": kind, "name": name, "value": None if masked else value, "age_ms": age, "masked": masked, "task": task})

        if row["subject"]:
            name = await self._journal.subject_name(row["subject"])
            add("subject", "subject", name, None, masked=name is None)
        if row["signal"]:
            for signal in await self._journal.select("SELECT type, event, at FROM signal WHERE id = ?", (row["signal"],)):
                event = await self._journal.payload(signal["event"])
                add("signal", signal["type"], event.get("data") if isinstance(event, dict) else None, signal["at"], masked=event is None)
        joins = await self._journal.select(
            "SELECT joins.field, task.id, task.output, task.finished_at FROM joins JOIN task ON task.id = joins.awaits WHERE joins.task = ? ORDER BY joins.number",
            (row["id"],),
        )
        case: dict[str, str] = decision.data.get("case", {})
        values = await self._journal.payloads([*(join["output"] for join in joins if join["output"]), *case.values()])
        for join in joins:
            add(
                "output",
                join["field"],
                values.get(join["output"]),
                join["finished_at"],
                masked=join["output"] is not None and join["output"] not in values,
                task=join["id"],
            )
        noted = {fact.data["value"]: fact for fact in await self._journal.facts(about=row["subject"], kind="note.shared")} if case and row["subject"] else {}
        for topic, payload in sorted(case.items()):
            note = noted.get(payload)
            add("case", topic, values.get(payload), note.at if note else None, masked=payload not in values, task=note.data["task"] if note else None)
        return found

    async def replay(self, id: str) -> dict[str, Any]:
        """A task's decision made again with today's policy, standings and agents, beside how it was made: a dry run, of which nothing is kept.

        Raises: `Conflict` where its input is not there any more, or nothing was decided.
        """
        if id.startswith("a-"):
            id = (await self._row("approval", id, "approval"))["task"]
        row = await self._row("task", id, "task")
        corridor = self.corridor
        asked = await self._journal.select("SELECT id FROM approval WHERE task = ?", (id,))
        facts = await self._journal.facts(about=[id, *(each["id"] for each in asked)])
        if not any(fact.kind in ("task.routed", "task.gated") for fact in facts):
            raise Conflict(f"Nothing was decided about {id}.", hint=f"It is {row['state']}.")
        routed = next((fact for fact in reversed(facts) if fact.kind == "task.routed"), facts[-1])
        left_ms = None if row["deadline_at"] is None else (row["deadline_at"] - routed.at) / 1000
        now = corridor.house.clock.now()
        try:
            skill = corridor.house.registry.skill(row["skill"])
            input = await corridor.house.input(row)
        except NoRoute as error:
            return explanation.replayed(id, facts, now, None, error.message, None)
        except NotFound as error:
            raise Conflict(error.message, hint="It cannot be decided again without its input.") from None
        route, verdict = await corridor.choices.rehearse(row, skill, input, left_ms)
        if route.chosen is None:
            rules = "; ".join(f"{out.agent}: {out.rule}" for out in route.ruled_out[:4])
            return explanation.replayed(id, facts, now, None, f"no agent may take it: {rules}" if rules else "no agent offers it", verdict)
        return explanation.replayed(id, facts, now, routing.as_fact(id, route, None, {}).data, "", verdict)

    async def timeline(self, id: str, *, readable: Callable[[Row], bool] = lambda row: True) -> dict[str, Any]:
        """When what happened to a task and to all that followed from it, at most 500 tasks of it, as far as it is `readable` (a task's row)."""
        row = await self._row("task", id, "task")
        placed, hidden, whole = await self._followed(row, readable)
        facts = await self._facts_of([place.row for place in placed])
        told = explanation.timeline(placed, facts, self.corridor.house.clock.now())
        top: Row = row
        for _ in range(_DEEP):
            above = await self._above(top)
            if above is None or not readable(above):
                break
            top = above
        return {**told, "root": top["id"], "hidden": hidden, "truncated": told["truncated"] or not whole}

    async def _followed(self, row: Row, readable: Callable[[Row], bool]) -> tuple[list[explanation.Placed], int, bool]:
        """A task and what followed from it, by children and by signals, depth first; how many branches the caller may not see; whether these are all."""
        below: dict[str, list[Row]] = {}
        level, known, hidden, left = [row["id"]], {row["id"]}, 0, _FOLLOWED - 1
        for _ in range(_DEEP):
            if not level or not left:
                break
            found = await self._next_level(level)
            fresh = [(above, child) for above, child in found if child["id"] not in known]
            seen = [(above, child) for above, child in fresh if readable(child)]
            hidden += len(fresh) - len(seen)
            seen, more = seen[:left], seen[left:]
            left -= len(seen)
            for its, child in seen:
                below.setdefault(its, []).append(child)
                known.add(child["id"])
            level = [child["id"] for _, child in seen]
            if more:
                left = 0
        placed: list[explanation.Placed] = []
        stack: list[tuple[Row, int, str | None]] = [(row, 0, None)]
        while stack:
            this, depth, above = stack.pop()
            placed.append(explanation.Placed(this, depth, above))
            stack += [(child, depth + 1, this["id"]) for child in reversed(below.get(this["id"], ()))]
        return placed, hidden, not level or bool(left)

    async def _next_level(self, ids: Sequence[str]) -> list[tuple[str, Row]]:
        """The tasks that followed directly from these, each with the one it followed from, in the order they came in."""
        marks = ", ".join("?" * len(ids))
        children = await self._journal.select(f"SELECT * FROM task WHERE parent IN ({marks}) AND signal IS NULL", ids)
        sent = await self._journal.select(
            f"SELECT task.*, signal.task AS sent_by FROM signal JOIN task ON task.signal = signal.id WHERE signal.task IN ({marks})", ids
        )
        found = [(child["parent"], child) for child in children] + [(child["sent_by"], child) for child in sent]
        return sorted(found, key=lambda pair: pair[1]["seq"])

    async def _above(self, row: Row) -> Row | None:
        """The task that this one followed from."""
        if row["signal"]:
            signals = await self._journal.select("SELECT task FROM signal WHERE id = ?", (row["signal"],))
            above = signals[0]["task"] if signals else None
        else:
            above = row["parent"]
        return None if above is None else await self._journal.row("task", (above,))

    async def _facts_of(self, rows: Sequence[Row]) -> list[Fact]:
        """The facts of these tasks, of their approvals and conflicts, in order."""
        ids = [row["id"] for row in rows]
        marks = ", ".join("?" * len(ids))
        asked = await self._journal.select(f"SELECT id FROM approval WHERE task IN ({marks})", ids)
        met = await self._journal.select(f"SELECT id FROM conflict WHERE task IN ({marks}) OR other IN ({marks})", [*ids, *ids])
        about = [*ids, *(row["id"] for row in (*asked, *met))]
        facts: list[Fact] = []
        for start in range(0, len(about), _AT_A_TIME):
            part, after = about[start : start + _AT_A_TIME], 0
            while True:
                page = await self._journal.facts(after=after, about=part, limit=_PAGE)
                facts += page
                if len(page) < _PAGE:
                    break
                after = page[-1].seq
        return sorted(facts, key=lambda fact: fact.seq)

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
        node: dict[str, Any] = {
            "signal": row["id"],
            "type": row["type"],
            "at": to_text(row["at"]),
            "stopped": row["stopped"],
            "undecided": self._undecided(row),
        }
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
        return await observation.measures(self._journal.survey)

    async def head(self) -> dict[str, Any]:
        """Where the journal stands."""
        head = self._journal.head
        return {"workspace": self._journal.workspace, "seq": head.seq, "root": head.root, "at": to_text(head.at) if head.at else None}

    async def facts(self, *, after: int = 0, about: str | None = None, kind: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """Facts in order."""
        facts, _ = await self.facts_page(after=after, about=about or "", kind=kind or "", limit=limit)
        return facts

    async def facts_page(
        self,
        *,
        after: int = 0,
        before: int | None = None,
        about: str = "",
        kind: str = "",
        kinds: Sequence[str] = (),
        by: str = "",
        since: int | None = None,
        until: int | None = None,
        limit: int = 100,
    ) -> tuple[list[dict[str, Any]], int | None]:
        """A page of facts in order, or newest first with `before`; and where to look on when too much had to be looked through for a whole one.

        `kinds` are beginnings of kinds; `by` is a name, or with a slash at its end the beginning of names. `since` counts, `until` does not.
        """
        select, head = self._journal.survey, self._journal.head.seq
        if since is not None:
            after = max(after, await seq_at(select, head, since))
        if until is not None:
            head = min(head, await seq_at(select, head, until))
        wanted = Wanted(about, kind, tuple(kinds), by)
        found, next_ = await facts_page(select, head, wanted, after=after, before=before, limit=max(1, min(limit, 1000)))
        return [
            {
                "seq": row["seq"], "at": to_text(row["at"]), "kind": row["kind"], "about": row["about"], "by": row["by"], "cause": row["cause"],
                "data": orjson.loads(row["data"]), "leaf": bytes(row["leaf"]).hex(),
            }
            for row in found
        ], next_  # fmt: skip

    async def leaves(self, *, after: int = 0, limit: int = 1000) -> dict[str, Any]:
        """The exact texts that were sealed, in order, and the newest signed head: enough to check both without this server."""
        leaves = await leaves_page(self._journal.survey, self._journal.workspace, after=after, limit=limit)
        heads = await self.heads(before=self._journal.head.seq + 1, limit=1)
        return {"schema": "tutti.leaves/1", "leaves": leaves, "head": heads[0] if heads else None}

    async def heads(self, *, after: int = 0, before: int | None = None, limit: int = 100) -> list[dict[str, Any]]:
        """Signed heads over more than `after` facts, in order; with `before` those over fewer than it, newest first.

        `key` is the journal's public key, `statement` the exact text that is signed.
        """
        held, params = ("seq > ?", [after]) if before is None else ("seq > ? AND seq < ?", [after, before])
        way = "" if before is None else " DESC"
        rows = await self._journal.select(
            f"SELECT seq, at, root, key, signature, (SELECT origin FROM head) AS origin FROM signed_head WHERE {held} ORDER BY seq{way}, at{way} LIMIT ?",
            (*params, limit),
        )
        return [{**row, "at": to_text(row["at"]), "statement": statement(row["origin"], row["seq"], row["root"], row["at"]).decode()} for row in rows]

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
