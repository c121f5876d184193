"""What becomes of actions that touch things: declared, granted in the append that starts them, decided between where two collide, let go of."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tutti import conflicts
from tutti.arbiter.standing import CONTESTED, RUNNING, Standing, held_need, kind_of, live, name_of, pair
from tutti.arbiter.telling import proposer
from tutti.clock import MICROS, micros, to_text
from tutti.conflicts import Claim, Fate, Held, Met, Option, Resolution, Wanted
from tutti.errors import Conflict, Invalid, NoRoute, NotFound, Overloaded, StorageFailed
from tutti.ids import derived
from tutti.model.agent import Skill
from tutti.model.conflict import Lease, Need
from tutti.model.fact import Draft, Fact
from tutti.model.outcome import Ending, Outcome
from tutti.model.task import ENDED_STATES, Stage
from tutti.reception import HOP_LIMIT, Bundle, Origin, emitted

if TYPE_CHECKING:
    from tutti.orchestrator import Orchestrator

log = logging.getLogger("tutti")
Row = Mapping[str, Any]
AGE = 60 * MICROS  # what one step of priority is worth in waiting: who has waited a minute longer stands as high as one of the next priority
_CROWD = 12  # actions that are packed together; in a larger crowd only the line decides, so that a turn costs little
_LOOK = 60 * MICROS  # after which one in line looks again at the latest
_TOGETHER = 200  # leases that expire in one append
_IDLE = 256  # resources nobody holds any more that memory keeps
_PAUSE = 1.0  # seconds before leases are expired again after the database refused
_TALK = 60 * MICROS  # that a negotiation about who goes first may take
_ANSWER = "negotiation.answer"  # the skill of agents that take part in negotiations
_ENDS = frozenset(f"task.{state.value}" for state in ENDED_STATES)
_HEARD = _ENDS | {
    "intent.declared", "intent.closed", "lease.granted", "lease.acted", "lease.released", "lease.expired", "conflict.found", "conflict.resolved", "resource.set",
}  # fmt: skip
_UNDER_WAY = (Stage.RUNNING, Stage.ASKING, Stage.BACKOFF)


class Arbiter:
    """Intents, leases and conflicts of one workspace in this process. It records through the corridor."""

    def __init__(self, corridor: Orchestrator) -> None:
        self._corridor = corridor
        self._house = corridor.house
        hot = corridor.house.journal.hot
        self._open = Standing(corridor.house)
        self._tasks, self._leases = hot.table("task"), hot.table("lease")
        self._conflicts, self._resources = hot.table("conflict"), hot.table("resource")
        self._behind: dict[str, set[str]] = {}  # task that stands in line → tasks that it lets go first
        self._said: dict[str, tuple[Any, ...]] = {}  # what was last recorded of a task in line, so that a second look says nothing twice
        self._talks: dict[str, set[str]] = {}  # negotiation about who goes first → the tasks that wait for it
        self.mediator = ""  # the skill that negotiates; empty where nobody does
        self._timer: asyncio.TimerHandle | None = None
        self._chore: asyncio.Task[None] | None = None

    # --- following ----------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Take in what is open."""
        self._open.load()

    def start(self) -> None:
        """Begin to expire what runs out."""
        self._wind()

    def learn(self, facts: Iterable[Fact]) -> None:
        """Follow the facts that have just been committed; who stands in line for what became free looks again."""
        for fact in facts:
            kind = fact.kind
            if kind not in _HEARD:
                continue
            if kind in _ENDS:
                for task in sorted(self._talks.pop(fact.about, ())):
                    if (task,) in self._tasks:
                        self._corridor.traffic.later(task, 0.0)
                continue
            for resource in self._open.learn(fact):
                self._wake(resource)
            if kind == "intent.closed":
                self._behind.pop(fact.about, None)
                self._said.pop(fact.about, None)
            elif kind == "lease.acted":
                self._wind()

    def _wake(self, resource: str) -> None:
        """Let those look again that stand in line for a resource, or for one that it excludes."""
        for near in self._open.beside(resource):
            for task in sorted(self._open.meaning.get(near, ())):
                row = self._tasks.get((task,))
                if row is not None and row["stage"] == Stage.QUEUED:
                    self._corridor.traffic.later(task, 0.0)

    # --- declaring ----------------------------------------------------------------------------------------------

    def declare(self, bundle: Bundle, id: str, skill: Skill, input: Any, subject: str | None, alternatives: Sequence[Any], origin: Origin) -> None:
        """Say in the append that takes an action in what it means to touch, and whom it meets there: before any of them has acted."""
        try:
            wants = conflicts.wanted(skill, input)
        except Invalid:  # what it lacks another task may bring; before it runs it is asked again
            return
        sealed = None
        if alternatives:
            payload = self._house.journal.seal(list(alternatives), subject)
            bundle.payloads.append(payload)
            sealed = payload.id
        before = [draft for draft in bundle.drafts if draft.kind == "intent.declared"]
        drawn = self._declared(bundle, id, skill, wants, subject, sealed, -1)
        self._foresee(bundle, id, skill, drawn, before, origin)

    def _declared(self, bundle: Bundle, id: str, skill: Skill, wants: Sequence[Wanted], subject: str | None, alternatives: str | None, cause: int) -> Draft:
        rows = []
        for want in wants:
            payload = self._house.journal.seal(want.resource, subject)
            bundle.payloads.append(payload)
            value = None if want.value is None else round(want.value * MICROS)
            rows.append([self._open.key(want.resource), payload.id, want.effect, want.units, value, want.start, want.end, want.lasts])
        data: dict[str, Any] = {"skill": skill.name, "intents": rows}
        if alternatives:
            data["alternatives"] = alternatives
        draft = Draft("intent.declared", id, "tutti", data, cause)
        bundle.add(draft)
        return draft

    def _foresee(self, bundle: Bundle, id: str, skill: Skill, drawn: Draft, before: Sequence[Draft], origin: Origin) -> None:
        now, found = self._house.clock.now(), dict[str, tuple[str, str, str, str, str]]()
        own = {origin.parent, *self._open.ancestors(origin.parent)} | {id}
        for resource, name, effect, units, _, start, end, lasts in drawn.data["intents"]:
            need = Wanted(resource, effect, units, None, start, end, lasts).need(now, micros(skill.timeout))
            for task, other_skill, other in self._open.around(resource, now):
                if task not in own and (rule := conflicts.collide(need, other, self._open.rules)):
                    found.setdefault(task, (rule, name, effect, other.effect, other_skill))
            for draft in before:
                for there, _, other_effect, other_units, _, starts, ends, stays in draft.data["intents"]:
                    other = Wanted(there, other_effect, other_units, None, starts, ends, stays).need(now, RUNNING)
                    if draft.about not in own and (rule := conflicts.collide(need, other, self._open.rules)):
                        found.setdefault(draft.about, (rule, name, effect, other_effect, draft.data["skill"]))
        for task, (rule, name, effect, other_effect, other_skill) in found.items():
            resource = drawn.data["intents"][0][0]
            data = {"task": id, "other": task, "resource": resource, "name": name, "rule": rule, "effect": effect, "other_effect": other_effect}
            bundle.add(Draft("conflict.found", pair(id, task), "tutti", data | {"skill": skill.name, "other_skill": other_skill}, -1))

    # --- leases -------------------------------------------------------------------------------------------------

    async def leases(self, task: str) -> tuple[Lease, ...]:
        """What a task holds, with its tokens, for the agent that runs it."""
        rows = self._open.mine(task, self._house.clock.now())
        names = await self._house.journal.payloads([row["name"] for row in rows])
        return tuple(Lease(str(names.get(row["name"], row["resource"])), row["effect"], row["token"], row["until_at"]) for row in rows)

    async def claim(self, bundle: Bundle, task: Row, skill: Skill, *, grant: bool = True) -> bool:
        """Whether the action may begin: its leases are then in the bundle that starts it, all or none, fenced by the resources' versions.

        Where it may not, what becomes of it is recorded here: it takes an alternative, stands in line, is parked for a person, or is rejected
        with the reason. With `grant=False` only what is held already stops it, and nothing is granted: before a person is asked for nothing.
        """
        house, id, now = self._house, task["id"], self._house.clock.now()
        try:
            wants = conflicts.wanted(skill, await house.input(task))
        except Invalid as error:
            await self._corridor.end(task, "task.failed", {"error": "invalid_input"}, f"{error.message} {error.hint}".strip())
            return False
        keyed = [want._replace(resource=self._open.key(want.resource)) for want in wants]
        if len({want.resource for want in keyed}) < len(keyed):
            await self._corridor.end(task, "task.failed", {"error": "invalid_input"}, f"{skill.name} touches one resource by two intents.")
            return False
        held = {row["resource"] for row in self._open.mine(id, now)}
        if held >= {want.resource for want in keyed}:  # it began before the process went away, and nobody took its place
            return True
        over = next((want for want in keyed if want.end is not None and want.end <= now), None)
        if over is not None:
            await self._corridor.end(task, "task.rejected", {"reason": f"its time on {kind_of(over.resource)} was over at {to_text(over.end or 0)}"})
            return False
        near = {beside: await self._version(beside) for want in keyed for beside in self._open.beside(want.resource)}  # before looking at who holds them
        resolution = await self._resolve(task, skill, keyed, now)
        if not grant:
            if resolution.fate is Fate.GOES or resolution.rung != "lease":
                return True
            bundle = Bundle()
        if resolution.fate is Fate.ASKS and await self._negotiating(task, resolution, now):
            return False
        if resolution.fate is Fate.ASKS and (agreed := await self._agreed(id, resolution)):
            fate = Fate.GOES if agreed == id else Fate.WAITS
            resolution = Resolution(fate, "negotiation", met=resolution.met, reason="those who proposed the two have agreed so")
        if resolution.fate is Fate.WAITS and self._circle(id, resolution):
            resolution = Resolution(Fate.GOES, "line", met=resolution.met, reason="each waited for the next in a circle, and it came first to its turn")
        resolution = await self._recalled(task, resolution)
        if resolution.fate is Fate.GOES:
            await self._grant(bundle, task, skill, wants, keyed, resolution, now)
            bundle.expect |= {("resource", (resource,)): version for resource, version in near.items()}
            return True
        bundle = Bundle(expect={("task", (id,)): task["version"]})
        match resolution.fate:
            case Fate.TAKES:
                await self._amend(bundle, task, skill, resolution)
            case Fate.WAITS:
                await self._stand(bundle, task, skill, resolution, now)
            case Fate.ASKS:
                await self._ask(bundle, task, skill, resolution)
        return False

    async def _grant(self, bundle: Bundle, task: Row, skill: Skill, wants: Sequence[Wanted], keyed: Sequence[Wanted], resolution: Resolution, now: int) -> None:
        id = task["id"]
        cause = -1 if bundle.drafts else task["seq"]
        known = self._open.rows(id)
        if [row["resource"] for row in known] != [want.resource for want in keyed]:
            subject = await self._house.subject(task)
            draft = self._declared(bundle, id, skill, wants, subject, known[0]["alternatives"] if known else None, cause)
            names, cause = [values[1] for values in draft.data["intents"]], -1
        else:
            names = [row["name"] for row in known]
        for met in resolution.met:
            self._settled(bundle, task, skill, met, resolution, id, "goes")
        for want, name in zip(keyed, names, strict=True):
            data = {
                "resource": want.resource, "name": name, "effect": want.effect, "skill": skill.name, "units": want.units,
                "start_at": now if want.start is None else want.start, "until_at": want.end, "lasts": want.lasts,
            }  # fmt: skip
            bundle.add(Draft("lease.granted", id, "tutti", data, -1 if bundle.drafts else cause))
            for near in self._open.beside(want.resource):
                bundle.expect["resource", (near,)] = await self._version(near)

    async def _version(self, resource: str) -> int:
        """The version of a resource that belongs to the leases in memory. Raises: `Conflict` where memory has not heard of the last one yet."""
        row = self._resources.get((resource,))
        if row is not None:
            return int(row["version"])
        stored = await self._house.journal.row("resource", (resource,))
        if stored is None:
            return 0
        if stored["open"]:
            raise Conflict(f"{resource} was taken just now", hint="look again", thing=("resource", (resource,)))
        return int(stored["version"])

    # --- the ladder ---------------------------------------------------------------------------------------------

    async def _resolve(self, task: Row, skill: Skill, keyed: Sequence[Wanted], now: int) -> Resolution:
        id = task["id"]
        own = self._open.ancestors(id) | ({task["parent"]} if task["parent"] else set())
        near = sorted({beside for want in keyed for beside in self._open.beside(want.resource)})
        held, rivals = list[Held](), set[str]()
        for resource in near:
            for other in sorted(self._open.holding.get(resource, ())):
                row = self._leases.get((resource, other))
                if other not in own and row is not None and live(row, now):
                    held.append(Held(other, row["skill"], held_need(row, now)))
            for other in self._open.meaning.get(resource, ()):
                if other not in own and not self._open.holds(other, now) and self._open.contends(other) and id not in self._open.ancestors(other):
                    rivals.add(other)
        if not held and not rivals:
            return Resolution(Fate.GOES, "")
        rows = {other: self._open.rows(other) for other in sorted(rivals)}
        sealed = [row[0]["alternatives"] for row in (self._open.rows(id), *rows.values()) if row and row[0]["alternatives"]]
        inputs = await self._house.journal.payloads(sealed) if sealed else {}
        mine = self._claim(task, skill, keyed, inputs.get(self._open.alternatives(id) or "", ()), now)
        claims = [claim for other, intents in rows.items() if (claim := self._rival(other, intents, inputs, now)) is not None]
        if len(claims) > _CROWD:
            claims = [Claim(one.task, one.skill, one.options[:1], one.rank, one.moves) for one in claims]
            mine = Claim(mine.task, mine.skill, mine.options, mine.rank, mine.moves)
        ruled = await self._ruled(id, claims)
        yielding = {claim.task for claim in claims if id in self._behind.get(claim.task, ())}
        return conflicts.resolve(mine, claims, held, self._open.rules, ruled=ruled, yielding=yielding)

    def _claim(self, task: Row, skill: Skill, keyed: Sequence[Wanted], alternatives: Sequence[Any], now: int) -> Claim:
        running = micros(skill.timeout)
        wants = [list(keyed)]
        for input in alternatives:
            try:
                wants.append([want._replace(resource=self._open.key(want.resource)) for want in conflicts.wanted(skill, input)])
            except Invalid:  # one that cannot be done has no needs and no value
                wants.append([])
        worths = [conflicts.worth(option) for option in wants]
        valued = all(worth is not None for worth, option in zip(worths, wants, strict=True) if option)
        options = tuple(
            Option(tuple(want.need(now, running) for want in option) or (_NOWHERE,), float(worth or 0.0)) for option, worth in zip(wants, worths, strict=True)
        )
        moves = task["stage"] in (Stage.READY, Stage.APPROVED, Stage.QUEUED, Stage.BACKOFF)
        return Claim(task["id"], skill.name, options, (task["submitted_at"] - task["priority"] * AGE, task["id"]), moves, valued)

    def _rival(self, task: str, rows: Sequence[Row], inputs: Mapping[str, Any], now: int) -> Claim | None:
        row = self._tasks.get((task,))
        if row is None or not rows:
            return None
        keyed = [
            Wanted(one["resource"], one["effect"], one["units"], None if one["value"] is None else one["value"] / MICROS, one["start_at"], one["end_at"], one["lasts"])
            for one in rows
        ]  # fmt: skip
        try:
            skill = self._house.registry.skill(row["skill"])
        except NoRoute:
            return None
        return self._claim(row, skill, keyed, inputs.get(rows[0]["alternatives"] or "", ()), now)

    async def _ruled(self, id: str, claims: Sequence[Claim]) -> dict[str, bool]:
        """What a person has decided between this action and others."""
        ruled = {}
        for claim in claims:
            row = await self._house.journal.row("conflict", (pair(id, claim.task),))
            if row is not None and row["state"] == "resolved" and row["rung"] == "authority" and row["winner"] in (id, claim.task):
                ruled[claim.task] = row["winner"] == id
        return ruled

    def _circle(self, id: str, resolution: Resolution) -> bool:
        """Whether those it would wait for wait for it, one behind the other. A lease never waits: who holds one acts or has acted."""
        if resolution.rung == "lease":
            return False
        seen: set[str] = set()
        look = [met.task for met in resolution.behind]
        while look:
            task = look.pop()
            if task == id:
                return True
            if task not in seen:
                seen.add(task)
                row = self._tasks.get((task,))
                if row is not None and row["stage"] == Stage.QUEUED:
                    look += self._behind.get(task, ())
        return False

    # --- what those who proposed agree on ------------------------------------------------------------------------

    async def _negotiating(self, task: Row, resolution: Resolution, now: int) -> bool:
        """Whether the agents that proposed the two are asked who goes first: opened where both take part in negotiations, and waited for, in line."""
        corridor, house, other = self._corridor, self._house, resolution.behind[0]
        talk = _talk(task["id"], other.task)
        row = await house.journal.row("task", (talk,))
        if row is None:
            rival = self._tasks.get((other.task,))
            parties = (await proposer(self._house, task), await proposer(self._house, rival)) if rival is not None else ()
            offers = {card.name for card in house.registry.offers(_ANSWER)} if self.mediator else set()
            if len(resolution.behind) > 1 or len(set(parties)) < 2 or not set(parties) <= offers:
                return False
        elif not row["open"]:
            return False
        limit = self._limit(task, resolution, now)
        if now >= limit:
            return False
        if row is None:
            await corridor.present(self.mediator)
            opening = {
                "issues": {"first": sorted((f"{task['skill']} {task['id']}", f"{other.skill} {other.task}"))}, "parties": dict.fromkeys(parties), "deadline_ms": min(_TALK, limit - now) // 1000 or 1,
                "about": {"rule": other.rule, "resource": kind_of(other.resource), task["id"]: other.mine, other.task: other.effect},
            }  # fmt: skip
            origin = Origin("tutti", task["department"], task["seq"], task["hops"] + 1, None, None, "tutti")
            with suppress(Conflict):  # the other one has opened it just now
                await corridor.bring(lambda bundle: corridor.reception.task(bundle, self.mediator, opening, None, origin, id=talk))
        self._talks.setdefault(talk, set()).update((task["id"], other.task))
        if task["stage"] != Stage.QUEUED:
            bundle = Bundle(expect={("task", (task["id"],)): task["version"]})
            reason = f"{_words(resolution)}; those who proposed the two negotiate who goes first ({talk})"
            bundle.add(Draft("task.queued", task["id"], "tutti", {"reason": reason, "until": limit}, task["seq"]))
            await corridor.record(bundle)
        corridor.traffic.later(task["id"], (min(limit, now + _LOOK) - now) / MICROS + 0.001)
        return True

    async def _agreed(self, id: str, resolution: Resolution) -> str:
        """Which task goes first by what those who proposed agreed on; empty where they have not."""
        other = resolution.behind[0].task
        row = await self._house.journal.row("task", (_talk(id, other),))
        if row is None or row["state"] != "completed":
            return ""
        settled = (await self._house.journal.payloads([row["output"]])).get(row["output"])
        first = (settled["outcome"] or {}).get("first") if settled is not None and settled["how"] == "settled" else None
        winner = str(first).rpartition(" ")[2]  # a value says the skill as well, for the parties to read
        return winner if winner in (id, other) else ""

    # --- what becomes of it -------------------------------------------------------------------------------------

    def _settled(self, bundle: Bundle, task: Row, skill: Skill, met: Met, resolution: Resolution, winner: str, outcome: str) -> None:
        """Record how a conflict was resolved. No person is needed any more: the other side goes on, where it was parked for one."""
        id = pair(task["id"], met.task)
        if id not in self._open.met.get(task["id"], ()):
            self._find(bundle, task, skill, met)
        rival = self._tasks.get((met.task,))
        if rival is not None:  # it may be about to be parked for the very question that is answered here
            bundle.expect.setdefault(("task", (met.task,)), rival["version"])
        data = {"task": task["id"], "other": met.task, "rung": resolution.rung, "winner": winner, "outcome": outcome, "reason": resolution.reason}
        place = bundle.add(Draft("conflict.resolved", id, "tutti", data, -1 if bundle.drafts else task["seq"]))
        self._resume(bundle, met.task, place)

    async def _recalled(self, task: Row, resolution: Resolution) -> Resolution:
        """Where the ladder decided between two before, and now a lease or the line says so, that rung and its reason stay."""
        if resolution.rung not in ("lease", "line") or not resolution.met:
            return resolution
        first = resolution.met[0].task
        row = await self._house.journal.row("conflict", (pair(task["id"], first),))
        if row is None or row["rung"] is None or row["winner"] != (task["id"] if resolution.fate is Fate.GOES else first):
            return resolution
        return replace(resolution, rung=row["rung"], reason=row["reason"])

    def _find(self, bundle: Bundle, task: Row, skill: Skill, met: Met) -> None:
        rows = self._open.rows(task["id"])
        name = next((row["name"] for row in rows if name_of(row["resource"]) == name_of(met.resource)), rows[0]["name"] if rows else None)
        data = {
            "task": task["id"], "other": met.task, "resource": met.resource, "name": name, "rule": met.rule, "effect": met.mine, "other_effect": met.effect,
            "skill": skill.name, "other_skill": met.skill,
        }  # fmt: skip
        bundle.add(Draft("conflict.found", pair(task["id"], met.task), "tutti", data, -1 if bundle.drafts else task["seq"]))

    async def _amend(self, bundle: Bundle, task: Row, skill: Skill, resolution: Resolution) -> None:
        """Let it take an alternative that it brought: exact parameters, so it goes through the gates as if they were its first."""
        id, journal = task["id"], self._house.journal
        alternatives = (await journal.payloads([self._open.alternatives(id) or ""])).get(self._open.alternatives(id) or "", ())
        if len(alternatives) < resolution.option:
            raise NotFound(f"The alternatives of {id} were erased.", hint="Nothing can be done with it any more.")
        subject = await self._house.subject(task)
        payload = journal.seal(alternatives[resolution.option - 1], subject)
        bundle.payloads.append(payload)
        for met in resolution.behind:
            self._settled(bundle, task, skill, met, resolution, met.task, "amended")
        self._expire_approval(bundle, task)
        bundle.add(Draft("task.amended", id, "tutti", {"input": payload.id, "option": resolution.option, "reason": resolution.reason}, -1))
        rest = [input for number, input in enumerate(alternatives, 1) if number != resolution.option]
        self.declare_anew(bundle, id, skill, alternatives[resolution.option - 1], subject, rest, "the other one took an alternative")
        await self._corridor.record(bundle)

    def declare_anew(self, bundle: Bundle, id: str, skill: Skill, input: Any, subject: str | None, alternatives: Sequence[Any], why: str) -> None:
        """Say, in the append whose last draft gave a waiting action other parameters, what it means to touch now. It leaves its conflicts.

        Raises: `Invalid` where the parameters do not say what it would touch.
        """
        if not skill.intends:
            return
        place, wants = len(bundle.drafts) - 1, conflicts.wanted(skill, input)
        self._leave(bundle, id, place, why)
        sealed = None
        if alternatives:
            left = self._house.journal.seal(list(alternatives), subject)
            bundle.payloads.append(left)
            sealed = left.id
        if count := len(self._open.rows(id)):
            bundle.add(Draft("intent.closed", id, "tutti", {"count": count}, -1))
        self._declared(bundle, id, skill, wants, subject, sealed, -1)

    def _expire_approval(self, bundle: Bundle, task: Row) -> None:
        if task["approval"] and (task["approval"],) in self._house.journal.hot.table("approval"):
            bundle.add(Draft("approval.expired", task["approval"], "tutti", {"task": task["id"]}, -1 if bundle.drafts else task["seq"]))

    async def _stand(self, bundle: Bundle, task: Row, skill: Skill, resolution: Resolution, now: int) -> None:
        """Stand in line until what is in its way is gone, if that can be in time; else it is rejected, with the reason."""
        id = task["id"]
        limit = self._limit(task, resolution, now)
        frees_at = [self._frees_at(met, now) for met in resolution.behind]
        known = [instant for instant in frees_at if instant is not None]
        if now >= limit or (known and max(known) >= limit):
            return await self._reject(bundle, task, skill, resolution, max(known, default=None))
        self._behind[id] = {met.task for met in resolution.behind}
        said = (resolution.rung, *((met.task, met.rule) for met in resolution.behind))
        if task["stage"] != Stage.QUEUED or self._said.get(id) != said:
            for met in resolution.behind:
                self._settled(bundle, task, skill, met, resolution, met.task, "waits")
            bundle.add(Draft("task.queued", id, "tutti", {"reason": _words(resolution), "until": limit}, -1))
            await self._corridor.record(bundle)
            self._said[id] = said
        again = min(limit, now + _LOOK, *(instant for instant in known if instant > now))
        self._corridor.traffic.later(id, (again - now) / MICROS + 0.001)
        return None

    def _limit(self, task: Row, resolution: Resolution, now: int) -> int:
        """Until when a task stands in line: its deadline, else as long as the resource's rule says, from when it began to."""
        if task["stage"] == Stage.QUEUED:
            return int(task["run_at"])
        if task["deadline_at"] is not None:
            return int(task["deadline_at"])
        return now + max(micros(self._open.rules.of(met.resource).waits) for met in resolution.behind)

    def _frees_at(self, met: Met, now: int) -> int | None:
        """When a lease that was met runs out; None where nobody knows."""
        row = self._leases.get((met.resource, met.task))
        return row["until_at"] if row is not None and row["state"] == "acted" and live(row, now) else None

    async def run_out(self, task: Row) -> None:
        """The deadline of a task in line has come."""
        await self._corridor.end(task, "task.rejected", {"reason": f"{task['reason']}; its deadline came first"})

    async def _reject(self, bundle: Bundle, task: Row, skill: Skill, resolution: Resolution, frees_at: int | None) -> None:
        """End it, and tell who proposed it: why, and what it may do instead."""
        instead = f"it may be proposed again after {to_text(frees_at)}" if frees_at is not None else "it may be proposed again once that one has ended"
        words = f"{_words(resolution)}; {instead}"
        for met in resolution.behind:
            self._settled(bundle, task, skill, met, resolution, met.task, "rejected")
        await self._tell(bundle, task, skill, resolution, frees_at)
        await self._corridor.end(task, "task.rejected", {"reason": words}, bundle=bundle)

    async def _tell(self, bundle: Bundle, task: Row, skill: Skill, resolution: Resolution, frees_at: int | None) -> None:
        """A signal `conflict.lost`, where somebody wants it: what was lost, to whom, why, and from when it may be proposed again."""
        house, id, subject = self._house, task["id"], await self._house.subject(task)
        if task["subject"] and subject is None:
            return
        first = resolution.behind[0]
        data = {
            "task": id, "skill": skill.name, "input": await house.input(task), "proposed_by": await proposer(self._house, task), "resource": kind_of(first.resource),
            "effect": first.mine, "lost_to": {"task": first.task, "skill": first.skill, "effect": first.effect}, "rung": resolution.rung,
            "reason": resolution.reason, "again_after": None if frees_at is None else to_text(frees_at),
        }  # fmt: skip
        event = emitted("conflict.lost", subject, data, id, 0, "tutti", task["hops"] + 1, task["department"])
        if task["hops"] < HOP_LIMIT and house.subscriptions.match(event):
            origin = Origin("tutti", task["department"], -1 if bundle.drafts else task["seq"], task["hops"] + 1, id, None, "tutti")
            self._corridor.reception.signal(bundle, event, origin)

    async def _ask(self, bundle: Bundle, task: Row, skill: Skill, resolution: Resolution) -> None:
        """Park it for a person, who sees both sides. An approval that it has already stays good."""
        for met in resolution.behind:
            rival = self._tasks.get((met.task,))
            if rival is None:
                raise Conflict(f"{met.task} has ended just now", hint="look again", thing=("task", (met.task,)))
            bundle.expect["task", (met.task,)] = rival["version"]  # where the other one begins or ends in this moment, nobody is asked
            if pair(task["id"], met.task) not in self._open.met.get(task["id"], ()):
                self._find(bundle, task, skill, met)
            bundle.add(Draft("conflict.asked", pair(task["id"], met.task), "tutti", {"reason": resolution.reason}, -1 if bundle.drafts else task["seq"]))
        id = pair(task["id"], resolution.behind[0].task)
        reason = f"{CONTESTED} {id}: {_words(resolution)}; a person decides who goes first"
        bundle.add(Draft("task.parked", task["id"], "tutti", {"reason": reason}, -1))
        await self._corridor.record(bundle)

    # --- ends ---------------------------------------------------------------------------------------------------

    def attend(self, bundle: Bundle) -> None:
        """Add to an append what the end of an action in it does to what the action meant to touch or held."""
        if not self._open.touched:
            return
        for place, draft in enumerate(list(bundle.drafts)):
            if draft.about not in self._open.touched:
                continue
            if draft.kind in _ENDS:
                self._ended(bundle, draft, place)
            elif (
                draft.kind == "run.finished"
                and draft.data["next"] in ("retry", "fallback", "park")
                and _nothing_happened(draft.data)
                and not self._open.unsure(draft.about)
            ):
                self._let_go(bundle, draft.about, place, "nothing happened")

    def _ended(self, bundle: Bundle, draft: Draft, place: int) -> None:
        id, now = draft.about, self._house.clock.now()
        task = self._tasks.get((id,))
        stage = task["stage"] if task is not None else Stage.ENDED
        done = draft.kind == "task.completed"
        maybe = draft.kind in ("task.canceled", "task.failed") and (
            self._open.unsure(id) or (stage in _UNDER_WAY and (stage != Stage.RUNNING or draft.kind == "task.canceled"))
        )
        if done or maybe:
            said = {other.data["resource"] for other in bundle.drafts if other.kind == "lease.released" and other.about == id}
            for row in (row for row in self._open.mine(id, now) if row["resource"] not in said):
                until = row["until_at"] if row["until_at"] is not None else now + row["lasts"]
                if until > now:
                    bundle.add(Draft("lease.acted", id, "tutti", {"resource": row["resource"], "until": until}, bundle.since(place)))
                else:
                    bundle.add(Draft("lease.released", id, "tutti", {"resource": row["resource"], "reason": "it is done"}, bundle.since(place)))
        else:
            self._let_go(bundle, id, place, draft.kind.removeprefix("task."))
        if done and task is not None and task["parent"] and id == undo_id(task["parent"], task["skill"]):
            self._let_go(bundle, task["parent"], place, "undone", acted=True)
        count = len(self._open.rows(id))
        if count:
            bundle.add(Draft("intent.closed", id, "tutti", {"count": count}, bundle.since(place)))
        self._leave(bundle, id, place, "the other one has ended")

    def give_up(self, bundle: Bundle, id: str) -> None:
        """Let go of what a task holds, because a person says that nothing came of it."""
        for row in self._open.mine(id, self._house.clock.now()):
            bundle.add(Draft("lease.released", id, "tutti", {"resource": row["resource"], "reason": "a person says that nothing happened"}, row["token"]))

    def _let_go(self, bundle: Bundle, id: str, place: int, reason: str, *, acted: bool = False) -> None:
        for resource in sorted(self._open.touched.get(id, ())):
            row = self._leases.get((resource, id))
            if row is not None and (acted or row["state"] == "held"):
                bundle.add(Draft("lease.released", id, "tutti", {"resource": resource, "reason": reason}, bundle.since(place)))

    def _leave(self, bundle: Bundle, id: str, place: int, reason: str) -> None:
        """Take a task out of its open conflicts: the other sides go on, where they were parked for a person to decide."""
        settled = {draft.about for draft in bundle.drafts if draft.kind == "conflict.resolved"}
        for conflict in sorted(self._open.met.get(id, ())):
            row = self._conflicts.get((conflict,))
            if row is None:
                continue
            other = row["other"] if row["task"] == id else row["task"]
            if conflict not in settled:
                data = {"task": row["task"], "other": row["other"], "rung": "ended", "winner": other, "outcome": "goes", "reason": reason}
                bundle.add(Draft("conflict.resolved", conflict, "tutti", data, bundle.since(place)))
            self._resume(bundle, other, place)

    def _resume(self, bundle: Bundle, id: str, place: int) -> None:
        """Send a task on that was parked for a person to decide between it and another."""
        task = self._tasks.get((id,))
        if task is None or task["stage"] != Stage.PARKED or not str(task["reason"]).startswith(CONTESTED):
            return
        if any(draft.kind == "task.resumed" and draft.about == id for draft in bundle.drafts):
            return
        bundle.expect["task", (id,)] = task["version"]
        approval = self._house.journal.hot.table("approval").get((task["approval"],))
        stage = Stage.APPROVED if approval is not None and approval["state"] == "approved" else Stage.READY
        data = {"stage": stage.value, "reason": "the conflict it was in is decided"}
        bundle.add(Draft("task.resumed", id, "tutti", data, bundle.since(place)))

    # --- what runs out ------------------------------------------------------------------------------------------

    def _wind(self) -> None:
        """Set the timer to the next lease that runs out."""
        if not self._corridor.traffic.open:
            return
        nearest = min((row["until_at"] for row in self._leases.values() if row["state"] == "acted"), default=None)
        if nearest is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        delay = max((nearest - self._house.clock.now()) / MICROS, 0.0)
        self._timer = asyncio.get_running_loop().call_later(min(delay, 3600.0) + 0.001, self._ring)

    def _ring(self) -> None:
        if self._corridor.traffic.open and (self._chore is None or self._chore.done()):
            self._chore = asyncio.get_running_loop().create_task(self._expire())

    async def _expire(self) -> None:
        """Record that leases have run out, and let go of resources that nobody holds."""
        now = self._house.clock.now()
        over = [row for row in self._leases.values() if row["state"] == "acted" and not live(row, now)][:_TOGETHER]
        bundle = Bundle()
        for row in over:
            bundle.expect["lease", (row["resource"], row["task"])] = row["version"]
            bundle.add(Draft("lease.expired", row["task"], "tutti", {"resource": row["resource"]}))
        gone = {(row["resource"], row["task"]) for row in over}
        idle = [
            row for resource, row in list(self._resources.items())
            if all((resource[0], task) in gone for task in self._open.holding.get(resource[0], ()))
        ]  # fmt: skip
        for row in idle if over or len(idle) >= _IDLE else ():
            bundle.expect["resource", (row["resource"],)] = row["version"]
            bundle.add(Draft("resource.idle", row["resource"], "tutti", {}))
        try:
            if bundle.drafts:
                await self._corridor.record(bundle)
        except (Conflict, StorageFailed, Overloaded):  # another node did it, or somebody took one of them just now
            await self._house.journal.catch_up()
            if self._corridor.traffic.open:
                self._timer = asyncio.get_running_loop().call_later(_PAUSE, self._ring)
            return
        self._wind()

    async def stop(self) -> None:
        """Stop expiring."""
        if self._timer is not None:
            self._timer.cancel()
        if self._chore is not None and not self._chore.done():
            self._chore.cancel()
            await asyncio.wait([self._chore])

    # --- for people ---------------------------------------------------------------------------------------------

    async def rule(self, id: str, winner: str, by: str) -> None:
        """Take a person's decision who goes first in a conflict. Raises: `NotFound`, `Conflict`, `Invalid`."""
        row = await self._house.journal.row("conflict", (id,))
        if row is None:
            raise NotFound(f"There is no conflict {id}.", hint="`tutti conflicts` lists them.")
        if winner not in (row["task"], row["other"]):
            raise Invalid(f"{winner} is no side of {id}.", hint=f"Say {row['task']} or {row['other']}.")
        if not row["open"]:
            raise Conflict(f"{id} is resolved already: {row['winner']} goes first.", hint=f"`tutti why {row['task']}` says more.")
        bundle = Bundle(expect={("conflict", (id,)): row["version"]})
        data = {"task": row["task"], "other": row["other"], "rung": "authority", "winner": winner, "outcome": "goes", "reason": "a person decided so"}
        place = bundle.add(Draft("conflict.resolved", id, by, data))
        for task in (winner, row["other"] if winner == row["task"] else row["task"]):
            self._resume(bundle, task, place)
        await self._corridor.record(bundle)


_NOWHERE = Need("/", 0, 0)


def _nothing_happened(data: Mapping[str, Any]) -> bool:
    outcome = Outcome(Ending(data["outcome"]), error=data.get("error", ""))
    return outcome.ending in (Ending.FAILED, Ending.STOPPED) and not outcome.unsure


def _words(resolution: Resolution) -> str:
    """Why an action is not first, without a name of anything that it touches."""
    first = resolution.behind[0]
    rules = {
        "incompatible": f"{first.mine} must not meet {first.effect}", "capacity": "there is no more room", "exclusive": f"{kind_of(first.resource)} is taken",
    }  # fmt: skip
    return f"{kind_of(first.resource)}: {rules[first.rule]} by {first.skill} ({first.task}); {resolution.reason}"


def undo_id(task: str, skill: str) -> str:
    """The id of the task that undoes another: there is one."""
    return derived("t", task, "undo", skill)


def _talk(one: str, other: str) -> str:
    """The id of the task in which two agents negotiate which of their two goes first."""
    return derived("t", pair(one, other), "negotiate")
