"""What those who proposed two actions agree on: a negotiation about which goes first, where both agents take part in negotiations."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from tutti.arbiter.standing import kind_of, pair
from tutti.arbiter.telling import proposer, words_of
from tutti.clock import MICROS
from tutti.conflicts import Resolution
from tutti.corridor import Corridor
from tutti.errors import Conflict
from tutti.ids import derived
from tutti.model.fact import Draft
from tutti.model.task import Stage
from tutti.reception import Bundle, Origin

Row = Mapping[str, Any]
LOOK = 60 * MICROS  # after which one in line looks again at the latest
_TALK = 60 * MICROS  # that a negotiation about who goes first may take
_ANSWER = "negotiation.answer"  # the skill of agents that take part in negotiations


class Talks:
    """Opens negotiations through the corridor, has both tasks wait in line for them, and reads what they ended with."""

    def __init__(self, corridor: Corridor) -> None:
        self._corridor = corridor
        self._house = corridor.house
        self._tasks = corridor.house.journal.hot.table("task")
        self._waiting: dict[str, set[str]] = {}  # negotiation about who goes first → the tasks that wait for it
        self.mediator = ""  # the skill that negotiates; empty where nobody does

    def over(self, task: str) -> None:
        """A task has ended: where it was a negotiation, those go on that waited for it."""
        for waiting in sorted(self._waiting.pop(task, ())):
            if (waiting,) in self._tasks:
                self._corridor.traffic.later(waiting, 0.0)

    async def under_way(self, task: Row, resolution: Resolution, limit: int, now: int) -> bool:
        """Whether the agents that proposed the two are asked who goes first: opened where both take part in negotiations, and waited for, in line."""
        corridor, house, other = self._corridor, self._house, resolution.behind[0]
        talk = _talk(task["id"], other.task)
        row = await house.journal.row("task", (talk,))
        if row is None:
            rival = self._tasks.get((other.task,))
            parties = (await proposer(house, task), await proposer(house, rival)) if rival is not None else ()
            offers = {card.name for card in house.registry.offers(_ANSWER)} if self.mediator else set()
            if len(resolution.behind) > 1 or len(set(parties)) < 2 or not set(parties) <= offers:
                return False
        elif not row["open"]:
            return False
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
        self._waiting.setdefault(talk, set()).update((task["id"], other.task))
        if task["stage"] != Stage.QUEUED:
            bundle = Bundle(expect={("task", (task["id"],)): task["version"]})
            reason = f"{words_of(resolution)}; those who proposed the two negotiate who goes first ({talk})"
            bundle.add(Draft("task.queued", task["id"], "tutti", {"reason": reason, "until": limit}, task["seq"]))
            await corridor.record(bundle)
        corridor.traffic.later(task["id"], (min(limit, now + LOOK) - now) / MICROS + 0.001)
        return True

    async def agreed(self, id: str, resolution: Resolution) -> str:
        """Which task goes first by what those who proposed agreed on; empty where they have not."""
        other = resolution.behind[0].task
        row = await self._house.journal.row("task", (_talk(id, other),))
        if row is None or row["state"] != "completed":
            return ""
        settled = (await self._house.journal.payloads([row["output"]])).get(row["output"])
        first = (settled["outcome"] or {}).get("first") if settled is not None and settled["how"] == "settled" else None
        winner = str(first).rpartition(" ")[2]  # a value says the skill as well, for the parties to read
        return winner if winner in (id, other) else ""


def _talk(one: str, other: str) -> str:
    """The id of the task in which two agents negotiate which of their two goes first."""
    return derived("t", pair(one, other), "negotiate")
