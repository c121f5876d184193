"""One seed of opposing actions: departments that would move one price up and down, letters against open cases, and cranes that carry two at a time.

What must hold is read from the world's memory and from the facts alone, by rules written down here once more.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter, defaultdict
from datetime import timedelta
from pathlib import Path
from typing import Any

from sim_oracle import facts_of
from sim_run import PATIENCE, ROUNDS, Day, Life, Receiver, Result, run_seed

from tutti import Context, Fleet, Intent
from tutti.app import FOLDS, TABLES, Workspace
from tutti.errors import AgentFailed, Conflict, Invalid, NotFound, Refused
from tutti.journal import rebuild, verify
from tutti.model.fact import Fact
from tutti.testing import SimLoop

FLIGHT = 0.6  # seconds that a call may still be on its way when its task is canceled
ACTIONS = {"price.discount": True, "price.raise": False, "case.open": True, "letter.send": False, "crane.lift": True, "deal.close": True}
TOUCHES = {
    "price.discount": ("price",), "price.raise": ("price",), "case.open": ("case",), "letter.send": ("inbox",), "crane.lift": ("crane",), "deal.close": ("price", "inbox"),
}  # fmt: skip
EFFECTS = {"price.discount": "discount", "price.raise": "raise", "deal.close": "discount"}
CRANES = 2


class Market(Day):
    """All lives of one seed of opposing actions."""

    def __init__(self, seed: int, loop: SimLoop, folder: Path) -> None:
        super().__init__(seed, loop, folder)
        self.drills = 0.0
        shape = random.Random(f"{seed}/market")
        self.lasts = {
            "price": shape.choice((0.0, 3.0, 12.0)),
            "case": shape.choice((2.0, 8.0)),
            "inbox": shape.choice((0.0, 2.0)),
            "crane": shape.choice((0.0, 1.0)),
        }
        self.order = shape.choice(((), ("discount", "raise"), ("raise", "discount")))
        self.valued = shape.random() < 0.4
        self.asks = {skill for skill in ACTIONS if shape.random() < 0.3}
        world_rng = random.Random(f"{seed}/world")
        self.worlds = {skill: Receiver(rng=world_rng, latency=0.5, lost=0.05, honours_keys=keys) for skill, keys in ACTIONS.items()}
        self.outside = self._market(random.Random(f"{seed}/plan"))

    def _market(self, rng: random.Random) -> list[tuple[float, str, dict[str, Any]]]:
        plan: list[tuple[float, str, dict[str, Any]]] = []
        for _ in range(rng.randint(8, 18)):
            skill = rng.choice((*ACTIONS, "price.discount", "price.raise", "plan"))
            body: dict[str, Any] = {"account": f"a{rng.randint(1, 3)}", "value": rng.randint(1, 3)}
            if skill == "plan":
                body |= {"action": rng.choice(("price.raise", "price.discount", "letter.send")), "others": [f"a{rng.randint(1, 4)}" for _ in range(2)]}
            if rng.random() < 0.3:
                body["deadline"] = rng.choice((4.0, 15.0))
            plan += [(rng.random() * 15, skill, body)] * rng.choice((1, 1, 3))
        return sorted(plan, key=lambda entry: entry[0])

    def fleet(self) -> Fleet:
        """Agents that are slow, that fail, and that nobody hears of again."""
        fleet, rng = Fleet("company"), self.fleet_rng

        def declare(skill: str) -> None:
            kinds = TOUCHES[skill]
            intends = [
                Intent(
                    f"{kind}/{{account}}", effect=EFFECTS.get(skill, skill), lasts=timedelta(seconds=self.lasts[kind]), value="value" if self.valued else None
                )
                for kind in kinds
            ]

            async def act(input: dict[str, Any], ctx: Context) -> str:
                if len(ctx.leases) != len(kinds):
                    self.broken.append(f"{ctx.task} runs with {ctx.leases}")
                await asyncio.sleep(rng.random() * 0.3)
                if rng.random() < 0.1:
                    raise AgentFailed("not now", retry=rng.random() < 0.5)
                async with asyncio.timeout(2 + rng.random()):
                    await self.worlds[skill].do(ctx, f"{skill} {input['account']}")
                if rng.random() < 0.05:
                    raise ConnectionError("the line went dead after it was done")
                return "done"

            fleet.action(skill, department="d", idempotent=ACTIONS[skill], timeout=timedelta(seconds=4), intends=intends, name=skill.replace(".", "-"))(act)
            fleet.autonomy(skill, level="approve" if skill in self.asks else "act")

        for skill in ACTIONS:
            declare(skill)

        @fleet.agent(skill="plan", department="d")
        async def plan(input: dict[str, Any], ctx: Context) -> str:
            await asyncio.sleep(rng.random())
            at = lambda account: {"account": account, "value": input["value"]}  # noqa: E731
            ctx.propose(input["action"], at(input["account"]), alternatives=[at(other) for other in input["others"]])
            return "planned"

        fleet.resource("price", incompatible=[("discount", "raise")], order=self.order, waits=timedelta(seconds=20))
        fleet.resource("case", capacity=9, exclusive=["inbox"], waits=timedelta(seconds=20))
        fleet.resource("inbox", waits=timedelta(seconds=20))
        fleet.resource("crane", capacity=CRANES, waits=timedelta(minutes=10))
        return fleet

    # --- those outside ------------------------------------------------------------------------------------------

    async def _bring_one(self, workspace: Workspace, number: int, kind: str, body: dict[str, Any]) -> None:
        deadline = body.pop("deadline", None)
        limit = None if deadline is None else timedelta(seconds=deadline)
        self.told.tasks.append(await workspace.submit(kind, body, subject=f"account/{body['account']}", deadline=limit))

    async def _decide(self, workspace: Workspace, row: dict[str, Any], *, last: bool = False) -> None:
        """A person who looks what happened before they say so, and who decides between two when they are asked to."""
        if row["stage"] == "approval":
            await self._tolerant(lambda: workspace.answer_as_owner(row["id"], self.person_rng.choice(("approve", "approve", "reject"))))
        elif str(row["reason"]).startswith("conflict"):
            for conflict in (await workspace.conflicts(state="asked"))["conflicts"]:
                winner = self.person_rng.choice(conflict["sides"])["task"]
                try:
                    await workspace.settle_conflict(conflict["id"], winner)
                except (Conflict, Refused, NotFound, Invalid):
                    continue
        else:
            world = self.worlds[row["skill"]]
            called = [call.at for call in world.calls if call.task == row["id"]]
            if called and self.loop.time() - max(called) < 1.0:
                return
            happened = any(effect.task == row["id"] for effect in world.effects)
            how = "happened" if happened else "drop" if last else self.person_rng.choice(("again", "drop"))
            await self._tolerant(lambda: workspace.settle(row["id"], how))

    async def _last(self) -> None:
        """The last process is left alone: all that stands in line goes, is rejected, or waits for a person who decides."""
        life = Life(self, "none")
        workspace = life.workspace
        try:
            async with asyncio.timeout(PATIENCE):
                await workspace.open()
                await self.bring(life)
                for number in range(ROUNDS * 4):
                    await workspace.quiet()
                    if not workspace.journal.hot.table("task"):
                        break
                    for row in await self._waiting(workspace):
                        await self._decide(workspace, row, last=number > ROUNDS)
                    await asyncio.sleep(3.0)
        except TimeoutError:
            self.result.violations.append(f"not at rest after {PATIENCE:g} virtual seconds")
        left = [(row["skill"], row["stage"], row["reason"]) for row in workspace.journal.hot.table("task").values()]
        self.result.violations += [f"never ended: {one}" for one in left]
        await asyncio.sleep(120.0)  # all leases run out, and what was held is let go
        for table in ("intent", "lease", "conflict"):
            self.result.violations += [f"{table} left open: {row}" for row in workspace.journal.hot.table(table).values()]
        self.result.violations += [f"still in line: {task}" for task in workspace.corridor.arbiter._open.meaning.values()]
        self.result.tasks = len((await workspace.tasks(limit=1000))["tasks"])
        self.result.root = (await workspace.head())["root"]
        self.result.effects = sum(len(world.effects) for world in self.worlds.values())
        await workspace.close()
        self.result.violations += await self._broken_promises()

    # --- what must hold -----------------------------------------------------------------------------------------

    async def _broken_promises(self) -> list[str]:
        facts, _, _ = await facts_of(self.settings)
        found = list(self.broken)
        report = verify(self.settings.place, witness=self.settings.witness)
        if not report.ok:
            found.append(f"the journal does not verify: {report.message}")
        found += [f"replay differs: {difference}" for difference in rebuild(self.settings.place, TABLES, FOLDS, most=3)]
        found += [f"done twice: {task}" for world in self.worlds.values() for task in world.twice()]
        return found + self._opposed() + self._overlapping(facts) + _unleased(facts)

    def _opposed(self) -> list[str]:
        """Effects outside that contradict each other, or that are too many at a time."""
        happened: dict[tuple[str, str], list[tuple[float, float, str, str]]] = defaultdict(list)
        for skill, world in self.worlds.items():
            for effect in world.effects:
                for kind in TOUCHES[skill]:
                    account = effect.what.split()[1]
                    happened[kind, account].append((effect.at, effect.at + self.lasts[kind] - FLIGHT, EFFECTS.get(skill, skill), effect.task))
        found = []
        for (kind, account), effects in happened.items():
            others = happened.get(("case", account), []) if kind == "inbox" else []
            for at, until, what, task in effects:
                if kind == "crane" and sum(then <= at < end for then, end, _, _ in effects) > CRANES:
                    found.append(f"too many at crane/{account} at {at:.2f}")
                for then, end, other, by in effects:
                    if by != task and then < at < end and (kind == "inbox" or (kind == "price" and {what, other} == {"discount", "raise"})):
                        found.append(f"{what} ({task}) at {at:.2f} against {other} ({by}) until {end:.2f} on {kind}/{account}")
                for then, end, _, by in others:
                    if then < at < end or at < then < until:
                        found.append(f"letter {task} at {at:.2f} beside case {by} at {then:.2f} on {account}")
        return found

    def _overlapping(self, facts: list[Fact]) -> list[str]:
        """Leases that are held together and must not be."""
        held: dict[tuple[str, str], Fact] = {}
        until: dict[tuple[str, str], int] = {}
        found = []
        for fact in facts:
            if not fact.kind.startswith("lease."):
                continue
            key = (fact.data["resource"], fact.about)
            if fact.kind == "lease.acted":
                until[key] = fact.data["until"]
            elif fact.kind != "lease.granted":
                held.pop(key, None)
                until.pop(key, None)
            else:
                kind, _, name = fact.data["resource"].partition("/")
                live = [other for where, other in held.items() if where not in until or until[where] > fact.at]
                same = [other for other in live if other.data["resource"] == fact.data["resource"]]
                against = {"price": [o for o in same if {o.data["effect"], fact.data["effect"]} == {"discount", "raise"}], "inbox": same, "case": []}.get(
                    kind, []
                )
                cross = {"inbox": "case", "case": "inbox"}.get(kind, "")
                against = against + [other for other in live if other.data["resource"] == f"{cross}/{name}"]
                found += [f"{fact.about} was granted {fact.data['resource']} beside {other.about}" for other in against if other.about != fact.about]
                if kind == "crane" and len(same) >= CRANES:
                    found.append(f"{fact.about} was granted a crane beside {len(same)}")
                held[key] = fact
                until.pop(key, None)
        return found


def _unleased(facts: list[Fact]) -> list[str]:
    """Runs of actions that began without all the leases that they need."""
    skills = {fact.about: fact.data["skill"] for fact in facts if fact.kind == "task.submitted"}
    live: Counter[str] = Counter()
    found = []
    for fact in facts:
        if fact.kind == "lease.granted":
            live[fact.about] += 1
        elif fact.kind in ("lease.released", "lease.expired"):
            live[fact.about] -= 1
        elif fact.kind == "run.started" and skills[fact.about] in TOUCHES and live[fact.about] != len(TOUCHES[skills[fact.about]]):
            found.append(f"{skills[fact.about]} {fact.about} runs with {live[fact.about]} leases")
    return found


def run_market(seed: int) -> Result:
    """Run one seed of opposing actions."""
    return run_seed(seed, Market)
