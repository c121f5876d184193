"""Who is in an action's way, put to the ladder of the room `conflicts` with all that it asks for. It reads, and records nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tutti import conflicts
from tutti.arbiter.standing import Standing, held_need, live, pair
from tutti.clock import MICROS, micros
from tutti.conflicts import Claim, Fate, Held, Option, Resolution, Wanted
from tutti.errors import Invalid, NoRoute
from tutti.house import House
from tutti.model.agent import Skill
from tutti.model.task import Stage

Row = Mapping[str, Any]
_AGE = 60 * MICROS  # what one step of priority is worth in waiting: who has waited a minute longer stands as high as one of the next priority
_CROWD = 12  # actions that are packed together; in a larger crowd only the line decides, so that a turn costs little


class Ladder:
    """Asks for an action whether it may go first, and remembers who stands in line behind whom."""

    def __init__(self, house: House, standing: Standing) -> None:
        self._house = house
        self._open = standing
        self._tasks, self._leases = house.journal.hot.table("task"), house.journal.hot.table("lease")
        self.behind: dict[str, set[str]] = {}  # task that stands in line → tasks that it lets go first

    async def resolve(self, task: Row, skill: Skill, keyed: Sequence[Wanted], now: int) -> Resolution:
        """Whether an action may go first, and by which rung; `keyed` is what it wants, by the resources' keys."""
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
        yielding = {claim.task for claim in claims if id in self.behind.get(claim.task, ())}
        return conflicts.resolve(mine, claims, held, self._open.rules, ruled=ruled, yielding=yielding)

    def _claim(self, task: Row, skill: Skill, keyed: Sequence[Wanted], alternatives: Sequence[Any], now: int) -> Claim:
        running = micros(skill.timeout)
        wants = [list(keyed)]
        wants += [self._wanted(skill, input, now) for input in alternatives]
        worths = [conflicts.worth(option) for option in wants]
        valued = all(worth is not None for worth, option in zip(worths, wants, strict=True) if option)
        options = tuple(Option(tuple(want.need(now, running) for want in option), float(worth or 0.0)) for option, worth in zip(wants, worths, strict=True))
        moves = task["stage"] in (Stage.READY, Stage.APPROVED, Stage.QUEUED, Stage.BACKOFF)
        return Claim(task["id"], skill.name, options, (task["submitted_at"] - task["priority"] * _AGE, task["id"]), moves, valued)

    def _wanted(self, skill: Skill, input: Any, now: int) -> list[Wanted]:
        """What an alternative wants, by the resources' keys; nothing where it cannot be done."""
        try:
            wants = conflicts.wanted(skill, input)
        except Invalid:
            return []
        keyed = [want._replace(resource=self._open.key(want.resource)) for want in wants]
        possible = len({want.resource for want in keyed}) == len(keyed) and all(want.end is None or want.end > now for want in keyed)
        return keyed if possible else []

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

    def circle(self, id: str, resolution: Resolution) -> bool:
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
                    look += self.behind.get(task, ())
        return False

    async def recalled(self, task: Row, resolution: Resolution) -> Resolution:
        """Where the ladder decided between two before, and now a lease or the line says so, that rung and its reason stay."""
        if resolution.rung not in ("lease", "line") or not resolution.met:
            return resolution
        first = resolution.met[0].task
        row = await self._house.journal.row("conflict", (pair(task["id"], first),))
        if row is None or row["rung"] is None or row["winner"] != (task["id"] if resolution.fate is Fate.GOES else first):
            return resolution
        return replace(resolution, rung=row["rung"], reason=row["reason"])
