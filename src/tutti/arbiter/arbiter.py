"""What becomes of actions that touch things: declared, granted in the append that starts them, decided between where two collide, let go of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tutti import conflicts
from tutti.arbiter.ends import ENDS, Ends
from tutti.arbiter.expiry import Expiry
from tutti.arbiter.intents import Intents
from tutti.arbiter.ladder import Ladder
from tutti.arbiter.standing import CONTESTED, Standing, kind_of, live, name_of, pair
from tutti.arbiter.talks import LOOK, Talks
from tutti.arbiter.telling import proposer, words_of
from tutti.clock import MICROS, micros, to_text
from tutti.conflicts import Fate, Met, Resolution, Wanted
from tutti.corridor import Corridor
from tutti.errors import Conflict, Invalid, NotFound
from tutti.model.agent import Skill
from tutti.model.conflict import Lease
from tutti.model.fact import Draft, Fact
from tutti.model.task import Stage
from tutti.reception import HOP_LIMIT, Bundle, Origin, emitted

Row = Mapping[str, Any]
_HEARD = ENDS | {
    "intent.declared", "intent.closed", "lease.granted", "lease.acted", "lease.released", "lease.expired", "conflict.found", "conflict.resolved", "resource.set",
}  # fmt: skip


class Arbiter:
    """Intents, leases and conflicts of one workspace in this process. It records through the corridor."""

    def __init__(self, corridor: Corridor) -> None:
        self._corridor = corridor
        self._house = corridor.house
        hot = corridor.house.journal.hot
        self._open = Standing(corridor.house)
        self._tasks, self._leases, self._resources, self._conflicts = (hot.table(name) for name in ("task", "lease", "resource", "conflict"))
        self.ends = Ends(corridor.house, self._open)
        self.intents = Intents(corridor.house, self._open, self.ends)
        self.talks = Talks(corridor)
        self.expiry = Expiry(corridor, self._open)
        self._ladder = Ladder(corridor.house, self._open)
        self._said: dict[str, tuple[Any, ...]] = {}  # what was last recorded of a task in line, so that a second look says nothing twice

    # --- following ----------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Take in what is open."""
        self._open.load()

    def learn(self, facts: Iterable[Fact]) -> None:
        """Follow the facts that have just been committed; who stands in line for what became free looks again."""
        for fact in facts:
            kind = fact.kind
            if kind not in _HEARD:
                continue
            if kind in ENDS:
                self.talks.over(fact.about)
                continue
            for resource in self._open.learn(fact):
                self._wake(resource)
            if kind == "intent.closed":
                self._ladder.behind.pop(fact.about, None)
                self._said.pop(fact.about, None)
            elif kind == "lease.acted":
                self.expiry.wind()

    def _wake(self, resource: str) -> None:
        """Let those look again that stand in line for a resource, or for one that it excludes."""
        for near in self._open.beside(resource):
            for task in sorted(self._open.meaning.get(near, ())):
                row = self._tasks.get((task,))
                if row is not None and row["stage"] == Stage.QUEUED:
                    self._corridor.traffic.later(task, 0.0)

    # --- leases -------------------------------------------------------------------------------------------------

    async def leases(self, task: str) -> tuple[Lease, ...]:
        """What a task holds, with its tokens, for the agent that runs it: in the order of its skill's intents, in which they were granted."""
        rows = sorted(self._open.mine(task, self._house.clock.now()), key=lambda row: row["token"])
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
            conflicts.check_room(wants, skill, self._open.rules)
        except Invalid as error:
            await self._corridor.end(task, "task.failed", {"error": "invalid_input"}, error.words)
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
        resolution = await self._ladder.resolve(task, skill, keyed, now)
        if not grant:
            if resolution.fate is Fate.GOES or resolution.rung != "lease":
                return True
            bundle = Bundle()
        if resolution.fate is Fate.ASKS and await self.talks.under_way(task, resolution, self._limit(task, resolution, now), now):
            return False
        resolution = await self._after_all(task, resolution)
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

    async def _after_all(self, task: Row, resolution: Resolution) -> Resolution:
        """What the ladder says, as it stands after what was agreed, in a circle of those who wait, and beside what it said before."""
        if resolution.fate is Fate.ASKS and (agreed := await self.talks.agreed(task["id"], resolution)):
            fate = Fate.GOES if agreed == task["id"] else Fate.WAITS
            resolution = Resolution(fate, "negotiation", met=resolution.met, reason="those who proposed the two have agreed so")
        if resolution.fate is Fate.WAITS and self._ladder.circle(task["id"], resolution):
            resolution = Resolution(Fate.GOES, "line", met=resolution.met, reason="each waited for the next in a circle, and it came first to its turn")
        return await self._ladder.recalled(task, resolution)

    async def _grant(self, bundle: Bundle, task: Row, skill: Skill, wants: Sequence[Wanted], keyed: Sequence[Wanted], resolution: Resolution, now: int) -> None:
        id = task["id"]
        cause = -1 if bundle.drafts else task["seq"]
        known = self._open.rows(id)
        if [row["resource"] for row in known] != [want.resource for want in keyed]:
            subject = await self._house.subject(task)
            draft = self.intents.add(bundle, id, skill, wants, subject, known[0]["alternatives"] if known else None, cause)
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
        self.ends.resume(bundle, met.task, place)

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
        self.intents.declare_anew(bundle, id, skill, alternatives[resolution.option - 1], subject, rest, "the other one took an alternative")
        await self._corridor.record(bundle)

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
        self._ladder.behind[id] = {met.task for met in resolution.behind}
        said = (resolution.rung, *((met.task, met.rule) for met in resolution.behind))
        if task["stage"] != Stage.QUEUED or self._said.get(id) != said:
            for met in resolution.behind:
                self._settled(bundle, task, skill, met, resolution, met.task, "waits")
            bundle.add(Draft("task.queued", id, "tutti", {"reason": words_of(resolution), "until": limit}, -1))
            await self._corridor.record(bundle)
            self._said[id] = said
        again = min(limit, now + LOOK, *(instant for instant in known if instant > now))
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
        words = f"{words_of(resolution)}; {instead}"
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
            "task": id, "skill": skill.name, "input": await house.input(task), "proposed_by": await proposer(house, task), "resource": kind_of(first.resource),
            "effect": first.mine, "lost_to": {"task": first.task, "skill": first.skill, "effect": first.effect}, "rung": resolution.rung,
            "reason": resolution.reason, "again_after": None if frees_at is None else to_text(frees_at),
        }  # fmt: skip
        event = emitted("conflict.lost", subject, data, id, 0, "tutti", task["hops"] + 1, task["department"])
        if task["hops"] < HOP_LIMIT and any(house.subscriptions.match(event)):  # met, or not to be decided: then the record says so
            origin = Origin("tutti", task["department"], -1 if bundle.drafts else task["seq"], task["hops"] + 1, id, None, "tutti")
            self._corridor.reception.signal(bundle, event, origin)

    async def _ask(self, bundle: Bundle, task: Row, skill: Skill, resolution: Resolution) -> None:
        """Park it for a person, who sees both sides. An approval that it has already stays good."""
        for met in resolution.behind:
            rival = self._tasks.get((met.task,))
            if rival is None:
                raise Conflict(f"{met.task} has ended just now", hint="look again", thing=("task", (met.task,)))
            bundle.expect["task", (met.task,)] = rival["version"]  # where the other one begins or ends in this moment, nobody is asked
            conflict = pair(task["id"], met.task)
            if conflict in self._open.met.get(task["id"], ()):  # where a person decides in this moment, nobody is asked either
                bundle.expect["conflict", (conflict,)] = self._conflicts[conflict,]["version"]
            else:
                self._find(bundle, task, skill, met)
            bundle.add(Draft("conflict.asked", conflict, "tutti", {"reason": resolution.reason}, -1 if bundle.drafts else task["seq"]))
        id = pair(task["id"], resolution.behind[0].task)
        reason = f"{CONTESTED} {id}: {words_of(resolution)}; a person decides who goes first"
        bundle.add(Draft("task.parked", task["id"], "tutti", {"reason": reason}, -1))
        await self._corridor.record(bundle)

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
            self.ends.resume(bundle, task, place)
        await self._corridor.record(bundle)
