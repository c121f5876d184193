"""One seed of negotiations: parties that are honest, slow, silent, wrong, lying, broken or leave, and processes that crash at the worst moments.

What must hold is read from the facts alone, by rules written down here once more: every case is decided by its deadline, the same as without the crash, inside
policy, and nobody who answers honestly ends under the fallback.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from sim_oracle import facts_of
from sim_run import PATIENCE, ROUNDS, Day, Life, Result, run_seed

from tutti import Context, Fleet, negotiation
from tutti.app import FOLDS, TABLES, Workspace
from tutti.clock import MICROS
from tutti.errors import Conflict
from tutti.journal import open_journal, rebuild, verify
from tutti.mediation import MEDIATE, opened
from tutti.model.fact import Fact
from tutti.model.negotiation import Case, Offer
from tutti.model.party import SKILL
from tutti.testing import SimLoop
from tutti.testing.clocks import START

LATE = 15.0  # seconds after its deadline, or after a process is there again, in which a case must be decided: pauses after crashes come into it
HABITS = ("honest", "honest", "honest", "slow", "silent", "garbled", "lying", "raising", "leaving", "patchy")
LEVELS = ("score", "rank", "answer", "table")
PARTIES = 5


def worth(party: str, outcome: dict[str, Any]) -> float:
    """What an outcome is to a party: the same in every life."""
    return sum(int.from_bytes(sha256(f"{party}/{issue}/{value}".encode()).digest()[:2]) / 65536 for issue, value in outcome.items())


class Table(Day):
    """All lives of one seed of negotiations."""

    def __init__(self, seed: int, loop: SimLoop, folder: Path) -> None:
        super().__init__(seed, loop, folder)
        self.drills = 0.0
        self.worlds = {}
        shape = random.Random(f"{seed}/parties")
        self.parties = {f"p{number}": (shape.choice(HABITS), shape.choice(LEVELS)) for number in range(PARTIES)}
        self.outside = self._cases(random.Random(f"{seed}/plan"))
        self.lives: list[float] = []  # when each began, seconds of the loop

    def _cases(self, rng: random.Random) -> list[tuple[float, str, dict[str, Any]]]:
        plan: list[tuple[float, str, dict[str, Any]]] = []
        for number in range(rng.randint(2, 4)):
            issues = {f"i{issue}": list(range(rng.randint(2, 4))) for issue in range(rng.randint(1, 3))}
            names = sorted(rng.sample(sorted(self.parties), rng.randint(2, 4)))
            fallback = {issue: rng.choice(values) for issue, values in issues.items()}
            allowed = [(issue, value) for issue, values in issues.items() for value in values if fallback[issue] != value]
            rules = [{"rule": f"r{place}", "forbid": {issue: value}} for place, (issue, value) in enumerate(rng.sample(allowed, min(len(allowed), 2)))]
            body: dict[str, Any] = {
                "issues": issues, "parties": dict.fromkeys(names, 1.0), "fallback": fallback if rng.random() < 0.9 else None, "policy": rules[:1],
                "approval": rules[1:] if rng.random() < 0.5 else [], "deadline_ms": rng.choice((3_000, 10_000, 30_000)), "messages": rng.randint(2, 4),
                "turns": rng.randint(2, 10), "money": rng.choice((None, 0.15)),
            }  # fmt: skip
            plan.append((rng.random() * 15, f"t-case-{number}", body))
        return sorted(plan, key=lambda entry: entry[0])

    def fleet(self) -> Fleet:
        """The fleet as a fresh process declares it."""
        self.lives.append(self.loop.time())
        fleet = Fleet("company")
        for name, (habit, level) in self.parties.items():
            self._declare(fleet, name, habit, level)
        return fleet

    def _declare(self, fleet: Fleet, name: str, habit: str, level: str) -> None:
        rng = self.fleet_rng

        async def answer(question: dict[str, Any], ctx: Context) -> Any:
            ctx.cost = 0.05
            number = question["number"]
            await asyncio.sleep(rng.random() * 0.2 if habit != "slow" else 0.5 + rng.random() * 4)
            if habit == "silent" or (habit == "leaving" and number > 2) or (habit == "patchy" and number % 2):
                await asyncio.get_running_loop().create_future()
            if habit == "raising":
                raise ConnectionError("the line went dead")
            if habit == "garbled":
                return {"scores": [number], "orders": [[0, 0]], "counter": {"i0": "nothing"}}
            return self._said(name, question, honest=habit != "lying")

        fleet.agent(skill=SKILL, department="sales", name=name, timeout=timedelta(seconds=8), attempts=2)(answer)
        card = fleet.cards[name, "1"]
        object.__setattr__(card.skills[SKILL], "level", level)

    def _said(self, name: str, question: dict[str, Any], *, honest: bool) -> dict[str, Any]:
        def number(outcome: dict[str, Any] | None) -> float:
            held = outcome or question["fallback"]
            true = 0.7 if held is None else worth(name, held)
            return true if honest else worth(f"{question['number']}/{name}", held or {})

        match question["ask"]:
            case "table":
                return {
                    "table": {issue: {str(value): number({issue: value}) for value in values} for issue, values in question["issues"].items()},
                    "reservation": 0.7,
                }
            case "score":
                return {"scores": [number(each) for each in question["outcomes"]]}
            case "rank":
                return {"orders": [sorted(range(len(each)), key=lambda place, each=each: -number(each[place])) for each in question["lists"]]}
        return {"accept": number(question["outcome"]) >= number(None)}

    async def _bring_one(self, workspace: Workspace, number: int, kind: str, body: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        try:
            self.told.tasks.append(await workspace.submit(MEDIATE, body, id=kind, subject=f"deal/{number}"))
        except Conflict:  # taken in by an earlier life that did not live to say so
            self.told.tasks.append(kind)

    async def person(self, life: Life) -> None:
        """Somebody who says yes or no now and then, and once in a while cancels a question to a party."""
        rng, workspace = self.person_rng, life.workspace
        while True:
            await asyncio.sleep(rng.random() * 3)
            for row in await self._waiting(workspace):
                if rng.random() < 0.4:
                    await self._decide(workspace, row)
            asked = [row["id"] for row in (await workspace.tasks(skill=SKILL, limit=50))["tasks"] if row["stage"] != "ended"]
            if asked and rng.random() < 0.1:
                await self._cancel(workspace, rng.choice(asked))

    # --- the last life, and what must hold ----------------------------------------------------------------------

    async def _last(self) -> None:
        life = Life(self, "none")
        workspace = life.workspace
        try:
            async with asyncio.timeout(PATIENCE):
                await workspace.open()
                await self.bring(life)
                for _ in range(ROUNDS):
                    await asyncio.sleep(5)
                    if not workspace.journal.hot.table("task"):
                        break
                    for row in await self._waiting(workspace):
                        await self._decide(workspace, row, last=True)
        except TimeoutError:
            self.result.violations.append(f"not at rest after {PATIENCE:g} virtual seconds")
        self.result.tasks = len((await workspace.tasks(limit=1000))["tasks"])
        self.result.root = (await workspace.head())["root"]
        await workspace.close()
        self.result.violations += self.broken + await self._broken_promises()

    async def _broken_promises(self) -> list[str]:
        report = verify(self.settings.place, witness=self.settings.witness)
        found = [] if report.ok else [f"the journal does not verify: {report.message}"]
        found += [f"replay differs: {difference}" for difference in rebuild(self.settings.place, TABLES, FOLDS, most=3)]
        facts, tasks, _ = await facts_of(self.settings)
        found += [f"{row['skill']} {row['id']} never ended: {row['stage']} ({row['reason']})" for row in tasks if row["open"]]
        about: dict[str, list[Fact]] = defaultdict(list)
        for fact in facts:
            about[fact.about].append(fact)
        journal = open_journal(self.settings.place, self.settings.workspace, tables=TABLES, folds=FOLDS, write=False)
        await journal.start()
        for _, id, body in self.outside:
            row = next((row for row in tasks if row["id"] == id), None)
            if row is None:
                found.append(f"{id} was acknowledged and is lost")
            else:
                found += [f"{id}: {problem}" for problem in await self._case(journal, id, body, row, about[id], tasks)]
        await journal.close()
        return found

    async def _case(self, journal: Any, id: str, body: dict[str, Any], row: Any, facts: list[Fact], tasks: list[Any]) -> list[str]:
        kinds = [fact.kind for fact in facts]
        if row["state"] != "completed":
            return [f"it {row['state']}: {row['reason']}"]
        if kinds.count("negotiation.opened") != 1 or kinds.count("negotiation.settled") != 1:
            return [f"it was opened {kinds.count('negotiation.opened')} times and settled {kinds.count('negotiation.settled')} times"]
        start, end = facts[kinds.index("negotiation.opened")], facts[kinds.index("negotiation.settled")]
        rounds = [fact for fact in facts if fact.kind == "negotiation.answered"]
        found = [f"round {fact.data['round']} is out of order" for place, fact in enumerate(rounds, 1) if fact.data["round"] != place]
        here = max(START + round(began * MICROS) for began in self.lives if START + began * MICROS <= end.at)
        if end.at > max(start.data["ends_at"], here) + LATE * MICROS:
            found.append(f"it was decided {(end.at - start.data['ends_at']) / MICROS:.1f} s after its deadline")
        payloads = await journal.payloads([end.data["record"], *(fact.data["exchanges"] for fact in rounds)])
        settled = payloads[end.data["record"]]["settled"]
        said = [[negotiation.exchange_from_json(each) for each in payloads[fact.data["exchanges"]]["exchanges"]] for fact in rounds]
        try:
            found += self._replayed(self._as_opened(id, body, start), body, said, settled)
        except Exception as error:  # the case ends on its fallback then, and that must not go unseen
            found.append(f"the room fails: {error!r}")
        found += self._wronged(body, settled, said)
        asked: dict[str, int] = defaultdict(int)
        for child in tasks:
            if child["parent"] == id and child["skill"] == SKILL:
                asked[child["addressed"]] += 1
        most = body["messages"] + body["turns"]
        found += [f"{name} was asked {times} times of {most}" for name, times in asked.items() if times > most]
        paid = sum(child["cost"] or 0 for child in tasks if child["parent"] == id and child["skill"] == SKILL)
        if body["money"] is not None and paid > body["money"] * MICROS + len(body["parties"]) * 0.05 * MICROS:  # a question may be tried twice
            found.append(f"it cost {paid / MICROS} of {body['money']}")
        return found

    def _as_opened(self, id: str, body: dict[str, Any], start: Fact) -> Case:
        kept = {"parties": {name: [self.parties[name][1], 1.0] for name in start.data["parties"]}}
        return opened(negotiation.read_opening(dict(sorted(body.items()))), id, kept)

    def _replayed(self, case: Case, body: dict[str, Any], rounds: list[list[Any]], settled: Any) -> list[str]:
        """Whether the room asks the same and ends the same when it is given the same replies without any crash."""
        said: list[Any] = []
        ways = ({}, {"brief": True})  # where money or time runs short, what is known is proposed
        for number, exchanges in enumerate(rounds, 1):
            steps = [negotiation.step(case, tuple(said), **way) for way in ways]
            if [each.question for each in exchanges] not in [list(step.questions) for step in steps if not isinstance(step, negotiation.End)]:
                return [f"round {number} was not what the replies before it lead to"]
            said += exchanges
        found = [negotiation.step(case, tuple(said), **way) for way in [*ways, {"last": True}]]
        ends = {self._readable(body, end.offer) for end in found if isinstance(end, negotiation.End)}
        if self._readable(body, None if settled["outcome"] is None else tuple(settled["outcome"][issue] for issue in body["issues"])) not in ends:
            return [f"it ended with {settled['outcome']}, and the replies lead to {sorted(ends)}"]
        return []

    def _readable(self, body: dict[str, Any], offer: Offer | None) -> str:
        return str(body["fallback"] if offer is None else dict(zip(body["issues"], offer, strict=True)))

    def _wronged(self, body: dict[str, Any], settled: Any, rounds: list[list[Any]]) -> list[str]:
        outcome, found = settled["outcome"], []
        for rule in body["policy"] + body["approval"]:
            if outcome is not None and all(outcome[issue] == value for issue, value in rule["forbid"].items()):
                found.append(f"{outcome} holds, which {rule['rule']} forbids")
        if settled["how"] == "settled":
            heard = {sorted(body["parties"])[each.question.party] for exchanges in rounds for each in exchanges if not each.reply.missing}
            for name in body["parties"]:
                least = 0.7 if body["fallback"] is None else worth(name, body["fallback"])
                if self.parties[name][0] in ("honest", "slow") and name in heard and worth(name, outcome) < least - 1e-9:
                    found.append(f"{name} ({self.parties[name]}) has {worth(name, outcome):.3f} of {outcome}, and {least:.3f} without")
        elif outcome is not None and outcome != body["fallback"]:
            found.append(f"it ended by {settled['how']} with {outcome}")
        return found


def run_table(seed: int) -> Result:
    """Run one seed."""
    return run_seed(seed, Table)
