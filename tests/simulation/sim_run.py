"""One seed: a company's day with crashes at the worst moments, and then a last process that must bring everything to an end."""

from __future__ import annotations

import asyncio
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sim_fleet import IDEMPOTENT, MAILS, REFUNDS, company
from sim_oracle import Told, violations

from tutti import Fleet
from tutti.app import Workspace, journal_for
from tutti.errors import Conflict, NotFound, Refused, TuttiError
from tutti.ids import Ids
from tutti.settings import Settings
from tutti.testing import Hang, SimClock, SimLoop, World, simulate

PLACES = ("time", "before commit", "after commit", "call sent", "effect done", "none")
MEMORY = Path("/dev/shm")
ROUNDS = 60  # of a person who looks at everything that waits, at the end
PATIENCE = 7200.0  # virtual seconds in which everything must come to rest


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Result:
    """What one seed came to."""

    seed: int
    violations: list[str]
    crashes: Counter[str] = field(default_factory=Counter)  # by place
    stages: Counter[str] = field(default_factory=Counter)  # of open tasks, at the crashes
    tasks: int = 0
    effects: int = 0
    root: str = ""


def broken(run: Callable[[int], Result], seeds: Iterable[int], *words: str) -> bool:
    """Whether among these seeds each of the promises that the words speak of is broken."""
    whole = set(words)
    for seed in seeds:
        problems = run(seed).violations
        whole -= {each for each in whole if any(each in problem for problem in problems)}
        if not whole:
            return True
    return False


class Life:
    """One process: a workspace on the file, with everything that dies with it."""

    def __init__(self, day: Day, place: str) -> None:
        self.day = day
        self.place = place
        self.dead = False
        self.gone: asyncio.Future[None] = day.loop.create_future()
        self.countdown = day.fate.randint(1, 60) if "commit" in place else day.fate.randint(1, 8)
        ids = Ids(day.clock, day.fate.getrandbits(64))
        journal = journal_for(day.settings, clock=day.clock, ids=ids, threaded=False)
        journal.pump_delay = lambda: day.fate.random() * 0.02
        self._guard_commits(journal._engine)
        for world in day.worlds.values():
            world.on = self._touched
        self.workspace = Workspace(day.fleet(), day.settings, clock=day.clock, ids=ids, journal=journal)

    def _guard_commits(self, engine: Any) -> None:
        commit = engine.commit

        def guarded() -> None:
            if self._due("before commit"):
                self.crash()
            commit()
            if self._due("after commit"):
                self.crash()

        engine.commit = guarded

    def _touched(self, what: str) -> None:
        if not self.dead and self._due(what):
            self.crash()

    def _due(self, place: str) -> bool:
        if place != self.place or self.dead:
            return False
        self.countdown -= 1
        return self.countdown == 0

    def _file(self, suffix: str) -> Path:
        return Path(self.day.settings.place + suffix)

    def crash(self) -> None:
        """Everything that is not in the file is gone from this moment on."""
        self.dead = True
        day = self.day
        day.result.crashes[self.place] += 1
        day.result.stages.update(row["stage"] for row in self.workspace.journal.hot.table("task").values())
        corridor = getattr(self.workspace, "corridor", None)
        if corridor is not None:
            corridor.traffic.open = False
            for timer in corridor.traffic._timers.values():
                timer.cancel()
        left = {suffix: file.read_bytes() for suffix in ("", "-wal") if (file := self._file(suffix)).exists()}
        self.workspace.journal.abandon()
        self._file("-shm").unlink(missing_ok=True)
        for suffix, content in left.items():  # closing has tidied the files up; a crash does not
            self._file(suffix).write_bytes(content)
        if not self.gone.done():
            self.gone.set_result(None)
        raise Crash


class Receiver(World):
    """A world that a life may watch, so that it can die at the moment of a call or of an effect."""

    on: Callable[[str], None] = staticmethod(lambda what: None)

    async def do(self, ctx: Any, what: str = "", *, key: str | None = None) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(self.on, "call sent")
        await super().do(ctx, what, key=key)

    def _arrive(self, *arguments: Any) -> None:
        super()._arrive(*arguments)
        self.on("effect done")


class Day:
    """All lives of one seed, those outside who send and answer, and the world."""

    def __init__(self, seed: int, loop: SimLoop, folder: Path) -> None:
        self.loop = loop
        self.clock = SimClock(loop)
        self.fate = random.Random(f"{seed}/fate")
        self.person_rng = random.Random(f"{seed}/person")
        self.fleet_rng = random.Random(f"{seed}/fleet")
        self.settings = Settings("company", folder, slots=self.fate.choice((2, 8, 64)), grace=timedelta(seconds=1))
        self.result = Result(seed, [])
        self.broken: list[str] = []
        self.told = Told()
        world_rng = random.Random(f"{seed}/world")
        self.worlds = {skill: Receiver(rng=world_rng, latency=0.5, lost=0.1, honours_keys=keys) for skill, keys in IDEMPOTENT.items()}
        self.outside = self._plan(random.Random(f"{seed}/plan"))
        self.drills = self.fate.choice((0.0, 0.1, 0.5))  # how often the person throws a switch when looking
        self.seen: list[str] = []  # approvals that the person has seen
        self.done: set[int] = set()

    def _plan(self, rng: random.Random) -> list[tuple[float, str, dict[str, Any]]]:
        """What comes in, and when."""
        plan: list[tuple[float, str, dict[str, Any]]] = []
        for number in range(rng.randint(8, 16)):
            at, account = rng.random() * 20, f"a{rng.randint(1, 3)}"
            kind = rng.choice(("ticket", "ticket", "ticket", "month", "plan", "health", "refund", "price", "mail"))
            body: dict[str, Any] = {"account": account, "n": number}
            if kind == "ticket":
                propose = [action for action in ("refund.pay", "mail.send", "price.change") if rng.random() < 0.5]
                body |= {"amount": rng.choice((10, 30, 39, 60)), "propose": propose, "tell": rng.random() < 0.3}
            if kind == "health":
                body = {"account": account}
            if kind == "plan":
                body["question"] = rng.random() < 0.5
            if kind in ("refund", "price"):
                body["amount"] = rng.choice((10, 30, 60))
            if rng.random() < 0.2:
                body["deadline"] = rng.choice((1.0, 5.0, 15.0))
            plan += [(at, kind, body)] * (rng.choice((1, 1, 4)) if kind in ("refund", "health", "mail") else 1)  # some come all at once
        return sorted(plan, key=lambda entry: entry[0])

    def fleet(self) -> Fleet:
        """The fleet as a fresh process declares it."""
        return company(self.worlds, self.fleet_rng, self.broken)

    # --- those outside ------------------------------------------------------------------------------------------

    async def bring(self, life: Life) -> None:
        """Send what has not been acknowledged yet; several at a time."""
        start = self.loop.time()

        async def one(number: int, at: float, kind: str, body: dict[str, Any]) -> None:
            await asyncio.sleep(max(at - start, self.fate.random()))
            await self._bring_one(life.workspace, number, kind, dict(body))
            self.done.add(number)

        await asyncio.gather(*(one(number, *entry) for number, entry in enumerate(self.outside) if number not in self.done))

    async def _bring_one(self, workspace: Workspace, number: int, kind: str, body: dict[str, Any]) -> None:
        deadline = body.pop("deadline", None)
        subject = f"account/{body['account']}"
        if kind in ("ticket", "month"):
            type = "ticket.opened" if kind == "ticket" else "month.closed"
            event = {"specversion": "1.0", "id": str(number), "source": "/outside", "type": type, "subject": subject, "data": body}
            for _ in range(self.fate.randint(1, 2)):
                sent = await workspace.send(event)
                self.told.signals.setdefault(sent["signal"], []).extend(sent["tasks"])
            return
        skill = {"plan": "account.plan", "health": "account.health", "refund": "refund.pay", "price": "price.change", "mail": "mail.send"}[kind]
        body = {key: value for key, value in body.items() if key != "n"} if kind in ("refund", "price") else body
        input = body["account"] if kind == "mail" else body
        limit = None if deadline is None else timedelta(seconds=deadline)
        self.told.tasks.append(await workspace.submit(skill, input, subject=subject, deadline=limit))

    async def person(self, life: Life) -> None:
        """Somebody who looks now and then, decides, cancels, and throws switches."""
        rng, workspace = self.person_rng, life.workspace
        while True:
            await asyncio.sleep(rng.random() * 3)
            for row in await self._waiting(workspace):
                if rng.random() < 0.4:
                    await self._decide(workspace, row)
                    if rng.random() < 0.3:
                        await self._tolerant(lambda row=row: workspace.answer_as_owner(row["id"], "approve"))
            if rng.random() < 0.1:
                open_ones = [row["id"] for row in (await workspace.tasks(limit=100))["tasks"] if row["stage"] != "ended"]
                if open_ones:
                    await self._cancel(workspace, rng.choice(open_ones))
            if self.seen and rng.random() < 0.3:  # a page that was opened a while ago: its button is still there
                await self._click(workspace, rng.choice(self.seen))
            if rng.random() < self.drills:
                await self._switch(workspace)

    async def _switch(self, workspace: Workspace) -> None:
        rng = self.person_rng
        scope, name = rng.choice((("workspace", ""), ("action", "refund.pay"), ("action", "mail.send"), ("agent", "pay"), ("agent", "post")))
        await workspace.kill(scope, name, reason="drill")
        told = [scope, name, self.loop.time(), None]
        self.told.kills.append(told)
        await asyncio.sleep(rng.random() * 6)
        self._lifting(scope, name)
        await self._tolerant(lambda: workspace.lift(scope, name))

    def _lifting(self, scope: str, name: str) -> None:
        for told in self.told.kills:
            if told[:2] == [scope, name] and told[3] is None:
                told[3] = self.loop.time()

    async def _click(self, workspace: Workspace, approval: str) -> None:
        answer = self.person_rng.choice(("approve", "reject"))
        if await self._tolerant(lambda: workspace.answer_as_owner(approval, answer)):
            self.told.approvals[approval] = answer

    async def _waiting(self, workspace: Workspace) -> list[dict[str, Any]]:
        rows = list((await workspace.tasks(waiting=True, limit=200))["tasks"])
        self.seen += [row["approval"] for row in rows if row["stage"] == "approval" and row["approval"] not in self.seen]
        return rows

    async def _decide(self, workspace: Workspace, row: dict[str, Any], *, last: bool = False) -> None:
        rng, id = self.person_rng, row["id"]
        if row["stage"] == "approval":
            answer = rng.choice(("approve", "approve", "reject"))
            if await self._tolerant(lambda: workspace.answer_as_owner(id, answer)):
                self.told.approvals[row["approval"]] = answer
        elif row["stage"] == "asking":
            if await self._tolerant(lambda: workspace.answer(id, "yes")):
                self.told.answers.append(id)
        else:
            how = rng.choice(("again", "happened", "drop")) if not last else rng.choice(("happened", "drop"))
            await self._tolerant(lambda: workspace.settle(id, how))

    async def _cancel(self, workspace: Workspace, id: str) -> None:
        if await self._tolerant(lambda: workspace.cancel(id)):
            self.told.canceled.append(id)

    async def _tolerant(self, act: Callable[[], Awaitable[Any]]) -> bool:
        """Whether it was acknowledged. That somebody else was faster is no error."""
        try:
            await act()
        except (Conflict, Refused, NotFound):
            return False
        return True

    # --- lives --------------------------------------------------------------------------------------------------

    async def live(self, life: Life) -> None:
        """A process that will die; where it meets no crash, it is stopped in good order."""
        await life.workspace.open()
        person = asyncio.create_task(self.person(life))
        bring = asyncio.create_task(self.bring(life))
        await asyncio.sleep(self.fate.random() * 30)
        if life.place == "time":
            life.crash()
        person.cancel()
        bring.cancel()
        await asyncio.gather(person, bring, return_exceptions=True)
        await life.workspace.close()

    async def all(self) -> Result:
        for _ in range(self.fate.randint(1, 4)):
            life = Life(self, self.fate.choice(PLACES))
            living = asyncio.create_task(self.live(life))
            await asyncio.wait((living, life.gone), return_when=asyncio.FIRST_COMPLETED)
            error = living.exception() if living.done() and not living.cancelled() else None
            if error is not None and not life.dead:
                raise error
            await self._bury()
            await asyncio.sleep(self.fate.random() * 5)
        await self._last()
        return self.result

    async def _bury(self) -> None:
        """End what the dead process left on the loop."""
        me = asyncio.current_task()
        left = sorted((task for task in asyncio.all_tasks() if task is not me), key=lambda task: int(task.get_name().rpartition("-")[2]))
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _last(self) -> None:
        """The last process is left alone: everything must come to an end."""
        life = Life(self, "none")
        workspace = life.workspace
        try:
            async with asyncio.timeout(PATIENCE):
                await workspace.open()
                await self.bring(life)
                for (scope, name), row in list(workspace.journal.hot.table("kill").items()):
                    if row["on"]:
                        self._lifting(scope, name)
                        await workspace.lift(scope, name)
                for number in range(ROUNDS):
                    await workspace.quiet()
                    if not workspace.journal.hot.table("task"):
                        break
                    for row in await self._waiting(workspace):
                        await self._decide(workspace, row, last=number > ROUNDS // 2)
        except TimeoutError:
            self.result.violations.append(f"not at rest after {PATIENCE:g} virtual seconds")
        self.result.tasks = len((await workspace.tasks(limit=1000))["tasks"])
        self.result.root = (await workspace.head())["root"]
        self.result.effects = sum(len(world.effects) for world in self.worlds.values())
        await workspace.close()
        limits = {"refunds": REFUNDS, "mails": MAILS}
        self.result.violations += await violations(self.settings, self.told, self.worlds, limits, self.broken)


def run_seed(seed: int, day: type[Day] = Day) -> Result:
    """Run one seed on a file of its own in memory."""
    folder = Path(tempfile.mkdtemp(prefix="tutti-sim-", dir=MEMORY if MEMORY.is_dir() else None))

    async def main(loop: SimLoop) -> Result:
        loop.set_exception_handler(lambda _, context: failures.append(context) if not isinstance(context.get("exception"), Crash) else None)
        return await day(seed, loop, folder).all()

    failures: list[dict[str, Any]] = []
    try:
        result = simulate(main, seed)
    except Hang as error:
        result = Result(seed, [f"hang: {error}"])
    except TuttiError as error:
        result = Result(seed, [f"{type(error).__name__}: {error.message}"])
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result.violations += [f"unhandled: {context.get('exception')!r} {context.get('message')}" for context in failures]
    return result
