"""The market: waiting tasks are assigned together, to whom each suits; nobody starves, no place is given twice, and the record says what it meant."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter
from datetime import timedelta

import pytest

from tutti import Bid, Fleet, Workspace

SECOND = timedelta(seconds=1)


def specialists(seen: list[tuple[str, str]], *, bids: bool = True) -> Fleet:
    """Two agents: one says that it is good at red, the other at blue, and it is so; each takes a second for a task."""
    fleet = Fleet("market")
    for colour in ("red", "blue"):

        def bid(input, colour=colour) -> Bid:
            return Bid(0.95 if input["colour"] == colour else 0.15)

        @fleet.agent(skill="paint", department="shop", name=colour, latency=SECOND, concurrency=1, bids=bid if bids else None)
        async def paint(input: dict, colour: str = colour) -> str:
            seen.append((colour, input["colour"]))
            await asyncio.sleep(1)
            return colour

    @fleet.check("paint")
    def right(input, output):
        return float(output == input["colour"])

    return fleet


async def learn(workspace: Workspace, seen: list[tuple[str, str]]) -> None:
    """Claims have to come out before they count."""
    for n in range(12):
        await workspace.submit("paint", {"colour": "red" if n % 2 else "blue", "n": n})
        await workspace.quiet()
    seen.clear()


async def test_under_load_tasks_go_to_whom_they_suit_and_why_says_so(tutti):
    seen: list[tuple[str, str]] = []
    workspace = await tutti(specialists(seen))._open()
    await learn(workspace, seen)
    ids = [await workspace.submit("paint", {"colour": "red" if n % 4 < 2 else "blue", "n": 100 + n}) for n in range(40)]
    await workspace.quiet()
    assert len(seen) == 40
    assert sum(agent == colour for agent, colour in seen) >= 38  # in the order of arrival about half go to the other one
    whys = [await workspace.why(id) for id in ids]
    joint = [why for why in whys if why["route"]["joint"]]
    assert len(joint) >= 30
    for why in joint:
        assert f"together with {why['route']['joint']['tasks'] - 1} other waiting" in why["sentence"]
        assert why["route"]["joint"]["given_up"] >= 0
        assert not why["route"]["explored"]
        assert "such claims of its have come out" in why["sentence"]
        rival = why["route"]["joint"]["runner_up"]
        assert [change["to"] for change in why["would_change"]] == ([rival.replace("@", " ")] if rival else [])
        if why["route"]["joint"]["given_up"] > 0.005:
            assert "By itself it would have gone to" in why["sentence"]
            assert " won with " not in why["sentence"]


async def test_nobody_overtakes_for_next_to_nothing(tutti):
    """Where it makes hardly a difference, tasks go on in their turn."""
    watched = Watched()
    fleet = Fleet("alike")
    for number in range(2):

        @fleet.agent(skill="job.do", department="ops", name=f"g{number}", concurrency=1, latency=SECOND, bids=lambda input: Bid(input["claim"]))
        async def do(input: dict, number: int = number) -> float:
            await watched.work(f"g{number}", input["n"], 1)
            return input["claim"]

    fleet.check("job.do")(lambda input, output: float(output))
    workspace = await tutti(fleet)._open()
    for n in range(12):
        await workspace.submit("job.do", {"n": n, "claim": 0.55 if n % 2 else 0.45})
        await workspace.quiet()
    watched.order.clear()
    ids = [await workspace.submit("job.do", {"n": n, "claim": 0.51 if n % 4 > 1 else 0.5}) for n in range(40)]
    await workspace.quiet()
    assert [n // 2 for n in watched.order] == [n // 2 for n in range(40)]  # two at a time
    assert (await workspace.why(ids[20]))["route"]["joint"]["waited"] == 0


async def test_without_load_nothing_is_gathered(tutti):
    seen: list[tuple[str, str]] = []
    workspace = await tutti(specialists(seen))._open()
    for n in range(3):
        id = await workspace.submit("paint", {"colour": "red", "n": n})
        await workspace.quiet()
        assert (await workspace.why(id))["route"]["joint"] is None


async def test_a_claim_that_does_not_come_out_wins_nothing(tutti):
    """One agent claims 0.99 of everything and does it badly, the other claims 0.6 and does it well."""
    fleet = Fleet("boast")
    done: list[str] = []
    for name, claim in (("boaster", 0.99), ("modest", 0.6)):

        @fleet.agent(skill="job.do", department="ops", name=name, bids=lambda input, claim=claim: Bid(claim))
        async def do(n: int, name: str = name) -> str:
            done.append(name)
            return name

    fleet.check("job.do")(lambda input, output: 0.2 if output == "boaster" else 0.8)
    workspace = await tutti(fleet)._open()
    for n in range(80):
        await workspace.submit("job.do", n)
        await workspace.quiet()
    assert done[-30:].count("modest") >= 27


async def test_an_agent_may_decline_and_a_bid_that_fails_is_none(tutti):
    fleet = Fleet("picky")

    def fails(input):
        raise KeyError("no such thing")

    for name, bidder in (("never", lambda input: None), ("broken", fails)):

        @fleet.agent(skill="job.do", department="ops", name=name, quality=0.9 if name == "never" else 0.2, bids=bidder)
        async def do(n: int, name: str = name) -> str:
            return name

    trial = await tutti(fleet).submit("job.do", 1)
    assert trial.task("job.do").output == "broken"
    assert [out["rule"] for out in (await trial.explain("job.do"))["route"]["ruled_out"]] == ["it declines this task"]


@pytest.mark.parametrize("bid", [Bid(math.nan), Bid(0.5, cost=math.nan), Bid(0.5, confidence=math.nan), Bid(0.5, cost=math.inf)])
async def test_a_bid_that_is_no_number_is_none_and_holds_nobody_up(tutti, bid):
    fleet = Fleet("odd")

    for name in ("plain", "odd"):

        @fleet.agent(skill="job.do", department="ops", name=name, concurrency=1, bids=(lambda n: bid) if name == "odd" else None)
        async def do(n: int, name: str = name) -> int:
            await asyncio.sleep(1)
            return n

    trial = tutti(fleet)
    await trial.advance(timedelta())
    for n in range(8):
        await trial.workspace.submit("job.do", n)
    await trial.advance(timedelta(minutes=1))
    assert sorted(task.output for task in trial.tasks("job.do")) == list(range(8))
    assert [(await trial.workspace.why(task.id))["route"]["bids"] for task in trial.tasks("job.do")] == [[]] * 8


async def test_a_bid_that_fails_is_said_once_in_the_log(tutti, caplog):
    fleet = Fleet("noisy")

    def fails(input):
        raise KeyError("no such thing")

    for name in ("one", "two"):

        @fleet.agent(skill="job.do", department="ops", name=name, bids=fails, concurrency=1)
        async def do(n: int) -> int:
            return n

    trial = tutti(fleet)
    for n in range(8):
        await trial.submit("job.do", n)
    said = [record.message for record in caplog.records if "cannot bid" in record.message]
    assert sorted(said) == [
        "one@1 cannot bid for job.do: KeyError; more of these are not logged",
        "two@1 cannot bid for job.do: KeyError; more of these are not logged",
    ]


class Watched:
    """Runs of agents: how many at a time, in which order."""

    def __init__(self) -> None:
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        self.order: list[int] = []

    async def work(self, name: str, n: int, seconds: float) -> None:
        self.running[name] += 1
        self.most[name] = max(self.most[name], self.running[name])
        self.order.append(n)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.running[name] -= 1


def crowd(watched: Watched, seed: int, agents: int = 3) -> Fleet:
    """Agents of several places each that bid and take time at random."""
    rng = random.Random(seed)
    fleet = Fleet("crowd", departments={"a": 3, "b": 1})
    for number in range(agents):
        taste, places = [rng.random() for _ in range(5)], rng.randint(1, 3)
        when = "input.n % 7 != 3" if number == 0 else None

        @fleet.agent(
            skill="job.do", department="ops", name=f"g{number}", concurrency=places, latency=timedelta(milliseconds=rng.randint(1, 4000)), when=when,
            bids=None if number == 1 else lambda input, taste=taste: None if taste[input["n"] % 5] < 0.1 else Bid(taste[input["n"] % 5]),
        )  # fmt: skip
        async def do(input: dict, number: int = number, pace: float = rng.uniform(0.1, 3)) -> int:
            await watched.work(f"g{number}", input["n"], pace)
            return input["n"]

    fleet.limits = {f"g{card.name[1:]}": card.concurrency for card in fleet.cards.values()}  # for the test
    return fleet


@pytest.mark.parametrize("seed", range(6))
async def test_every_task_is_done_once_and_no_agent_has_more_than_it_takes(tutti, seed):
    watched, rng = Watched(), random.Random(seed)
    fleet = crowd(watched, seed)
    trial = tutti(fleet)
    workspace = await trial._open()
    sent = 0
    for _ in range(6):
        for _ in range(rng.randint(1, 25)):
            await workspace.submit("job.do", {"n": sent}, priority=rng.choice([0, 0, 0, 2]))
            sent += 1
        await asyncio.sleep(rng.uniform(0, 3))
    await trial._settle()
    assert sorted(watched.order) == list(range(sent))
    assert {task.state for task in trial.tasks("job.do")} == {"completed"}
    for name, most in watched.most.items():
        assert most <= fleet.limits[name]
    assert not any(workspace.house.running.values())  # no place is held for nobody
    assert any([(await workspace.why(task.id))["route"]["joint"] for task in trial.tasks("job.do")[:40]])


async def test_nobody_is_passed_over_for_ever(tutti):
    """A task that nobody likes stands among ever new ones that everybody likes."""
    watched = Watched()
    fleet = Fleet("unloved")
    for number in range(2):

        @fleet.agent(
            skill="job.do", department="ops", name=f"g{number}", concurrency=1, latency=SECOND, bids=lambda input: Bid(0.05 if input["n"] == 0 else 0.95)
        )
        async def do(input: dict, number: int = number) -> int:
            await watched.work(f"g{number}", input["n"], 1)
            return 0 if input["n"] == 0 else 1

    fleet.check("job.do")(lambda input, output: float(output))
    workspace = await tutti(fleet)._open()
    for n in range(1, 9):
        await workspace.submit("job.do", {"n": n if n % 2 else 0})
        await workspace.quiet()
    watched.order.clear()
    for n in range(200, 204):
        await workspace.submit("job.do", {"n": n})
    await asyncio.sleep(0.5)
    unloved = await workspace.submit("job.do", {"n": 0})
    for n in range(300, 340):
        await workspace.submit("job.do", {"n": n})
        await asyncio.sleep(0.5)
    await workspace.quiet()
    assert watched.order.index(0) <= 20
    joint = (await workspace.why(unloved))["route"]["joint"]
    assert joint is not None


async def test_a_higher_priority_is_served_first_whomever_it_suits(tutti):
    watched = Watched()
    fleet = Fleet("classes")
    for number in range(2):

        @fleet.agent(skill="job.do", department="ops", name=f"g{number}", concurrency=1, latency=SECOND, bids=lambda input: Bid(input["claim"]))
        async def do(input: dict, number: int = number) -> float:
            await watched.work(f"g{number}", input["n"], 1)
            return input["claim"]

    fleet.check("job.do")(lambda input, output: float(output))
    workspace = await tutti(fleet)._open()
    for n in range(10):
        await workspace.submit("job.do", {"n": n, "claim": 0.9 if n % 2 else 0.1})
        await workspace.quiet()
    for n in range(20, 22):
        await workspace.submit("job.do", {"n": n, "claim": 0.9})
    await asyncio.sleep(0.2)
    watched.order.clear()
    for n in range(30, 36):
        await workspace.submit("job.do", {"n": n, "claim": 0.9})
    for n in range(40, 43):
        await workspace.submit("job.do", {"n": n, "claim": 0.1}, priority=1)
    await workspace.quiet()
    assert set(watched.order[:3]) == {40, 41, 42}


async def test_what_policy_denies_to_one_goes_to_another(tutti):
    fleet = Fleet("strict")
    done: list[str] = []
    for name, department in (("inside", "ops"), ("outside", "elsewhere")):

        @fleet.agent(skill="job.do", department=department, name=name, quality=0.9 if name == "outside" else 0.2, concurrency=2, latency=SECOND)
        async def do(n: int, name: str = name) -> str:
            done.append(name)
            await asyncio.sleep(1)
            return name

    fleet.policy("""permit (principal, action, resource);
        forbid (principal, action, resource) when { principal in Tutti::Department::"elsewhere" };""")
    trial = tutti(fleet)
    workspace = await trial._open()
    held, market = [], workspace.corridor.market
    hold = market.hold
    market.hold = lambda task, award: (held.append(award.card.name), hold(task, award))
    for n in range(12):
        await workspace.submit("job.do", n)
    await trial._settle()
    assert done == ["inside"] * 12
    assert set(held) == {"inside"}  # a place that was held for who may not have it would have been idle


async def test_a_full_agent_does_not_hold_up_those_behind(tutti):
    """The first tasks in the queue may go to one agent only, which is at work for long; the others go on."""
    fleet = Fleet("behind")
    done: list[int] = []
    for name in ("slow", "quick"):

        @fleet.agent(skill="job.do", department="ops", name=name, concurrency=1, latency=SECOND, when="input.only == 'any' || input.only == '" + name + "'")
        async def do(input: dict, name: str = name) -> int:
            await asyncio.sleep(600 if name == "slow" else 1)
            done.append(input["n"])
            return input["n"]

    workspace = await tutti(fleet)._open()
    for n in range(40):
        await workspace.submit("job.do", {"n": n, "only": "slow" if n < 30 else "quick"})
    await asyncio.sleep(60)
    assert set(range(30, 40)) <= set(done)


async def test_places_that_were_awarded_are_free_again_after_a_crash(tutti):
    watched = Watched()
    trial = tutti(crowd(watched, 3))
    workspace = await trial._open()
    for n in range(60):
        await workspace.submit("job.do", {"n": n})
    await asyncio.sleep(2)
    await trial.restart()
    assert {task.state for task in trial.tasks("job.do")} == {"completed"}
    assert set(watched.order) == set(range(60))


async def test_replaying_the_facts_gives_the_same_calibrations(tutti):
    seen: list[tuple[str, str]] = []
    trial = tutti(specialists(seen))
    workspace = await trial._open()
    await learn(workspace, seen)
    rows = {key: dict(row) for key, row in workspace.journal.hot.table("calibration").items()}
    assert {key[1] for key in rows} == {"red", "blue"}
    judged = [fact for fact in await workspace.facts(kind="task.judged", limit=1000) if "claimed" in fact["data"]]
    assert sum(row[f"claims{tenth}"] for row in rows.values() for tenth in range(10)) == len(judged) == 12
    await trial.restart()
    assert {key: dict(row) for key, row in trial.workspace.journal.hot.table("calibration").items()} == rows
