"""Several departments rank one backlog: the order that comes out is the order in which it is done; deadlines, priorities and shares hold."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tutti import Fleet
from tutti.errors import Conflict, Invalid, NotFound
from tutti.execution import rank


def one_by_one(done: list[str], departments: dict[str, float] | None = None) -> Fleet:
    """One agent that takes ten seconds for a job."""
    fleet = Fleet("backlog", departments=departments)

    @fleet.agent(skill="job.do", department="ops", concurrency=1)
    async def do(name: str) -> str:
        await asyncio.sleep(10)
        done.append(name)
        return name

    return fleet


async def backlog(workspace, names: str, **options) -> dict[str, str]:
    """Jobs by name, behind one that occupies the agent."""
    await workspace.submit("job.do", "first")
    await asyncio.sleep(0.1)
    return {name: await workspace.submit("job.do", name, **options) for name in names}


async def test_the_joint_order_is_the_order_of_the_work_and_why_says_so(tutti):
    done: list[str] = []
    trial = tutti(one_by_one(done))
    workspace = await trial._open()
    ids = await backlog(workspace, "abcd")
    wishes = {"sales": "dcab", "support": "dacb", "legal": "bdca"}
    ranked = await workspace.prioritise(list(ids.values()), ballots={voter: [ids[name] for name in wish] for voter, wish in wishes.items()})
    by_id = {id: name for name, id in ids.items()}
    order = [by_id[entry["task"]] for entry in ranked["order"]]
    assert order == list(rank("abcd", wishes).order) == ["d", "c", "a", "b"]
    assert ranked["exact"]
    assert 0.5 < ranked["support"] <= 1
    await workspace.quiet()
    assert done == ["first", *order]
    why = await workspace.why(ids["c"])
    assert why["backlog"]["place"] == 1
    assert "legal, sales, support ranked the backlog together: it is number 2 of 4" in why["sentence"]
    (fact,) = [fact for fact in await workspace.facts(limit=1000) if fact["kind"] == "backlog.ranked"]
    data = fact["data"]
    again = rank(range(4), data["ballots"], weights=data["given"], must_precede=[tuple(pair) for pair in data["must_precede"]], most=data["most"])
    assert again.cost == pytest.approx(data["cost"])


async def test_precedences_hold_and_say_that_they_are_the_reason(tutti):
    done: list[str] = []
    workspace = await tutti(one_by_one(done))._open()
    ids = await backlog(workspace, "abc")
    ballots = {"sales": [ids["a"], ids["b"], ids["c"]], "support": [ids["a"], ids["b"], ids["c"]]}
    await workspace.prioritise(skill="job.do", ballots=ballots, must_precede=[(ids["c"], ids["a"])])
    await workspace.quiet()
    assert done.index("c") < done.index("a")
    sentence = (await workspace.why(ids["a"]))["sentence"]
    assert f"It stands behind {ids['c']}, though more wanted it before that one: it must come after it." in sentence


async def test_a_deadline_is_not_lost_at_the_end_of_a_joint_order(tutti):
    done: list[str] = []
    workspace = await tutti(one_by_one(done))._open()
    urgent = await workspace.submit("job.do", "occupies")
    await asyncio.sleep(0.1)
    tight = await workspace.submit("job.do", "tight", deadline=timedelta(seconds=50))
    others = [await workspace.submit("job.do", f"n{n}") for n in range(8)]
    await workspace.prioritise([*others, tight], ballots={"sales": [*others, tight]})
    await workspace.quiet()
    assert done.index("tight") < 5
    assert done.index("n0") == 1  # until its time presses, the joint order holds
    assert urgent
    assert (await workspace.task(tight))["state"] == "completed"


async def test_a_higher_priority_and_the_departments_shares_come_before_the_joint_order(tutti):
    done: list[str] = []
    workspace = await tutti(one_by_one(done))._open()
    ids = await backlog(workspace, "ab")
    high = await workspace.submit("job.do", "high", priority=5)
    await workspace.prioritise([ids["b"], ids["a"], high], ballots={"sales": [ids["b"], ids["a"], high]})
    await workspace.quiet()
    assert done == ["first", "high", "b", "a"]


async def test_the_order_survives_a_restart(tutti):
    done: list[str] = []
    trial = tutti(one_by_one(done))
    workspace = await trial._open()
    ids = await backlog(workspace, "abc")
    await workspace.prioritise(list(ids.values()), ballots={"sales": [ids[name] for name in "cab"]})
    await trial.restart()
    assert [name for name in done if name in "abc"] == ["c", "a", "b"]


async def test_one_loud_department_does_not_dictate(tutti):
    workspace = await tutti(one_by_one([], {"sales": 50.0}))._open()
    ids = await backlog(workspace, "ab")
    ballots = {"sales": [ids["a"], ids["b"]]} | {voter: [ids["b"], ids["a"]] for voter in ("support", "legal")}
    assert (await workspace.prioritise(list(ids.values()), ballots=ballots, most=0.45))["order"][0]["task"] == ids["b"]
    free = await workspace.prioritise(list(ids.values()), ballots=ballots, most=1.0)
    assert free["order"][0]["task"] == ids["a"]
    assert free["given"]["sales"] == 50.0


async def test_what_cannot_be_ranked_is_told(tutti):
    done: list[str] = []
    workspace = await tutti(one_by_one(done))._open()
    ids = await backlog(workspace, "ab")
    with pytest.raises(Invalid, match="which tasks"):
        await workspace.prioritise(ballots={"sales": []})
    with pytest.raises(NotFound, match="no task"):
        await workspace.prioritise(["t-none"], ballots={"sales": []})
    with pytest.raises(Invalid, match=r"No task of nothing\.waits waits"):
        await workspace.prioritise(skill="nothing.waits", ballots={"sales": []})
    with pytest.raises(Invalid, match="marketing has a weight and no ballot"):
        await workspace.prioritise(list(ids.values()), ballots={"sales": []}, weights={"marketing": 2})
    with pytest.raises(Invalid, match="circle"):
        await workspace.prioritise(list(ids.values()), ballots={"sales": []}, must_precede=[(ids["a"], ids["b"]), (ids["b"], ids["a"])])
    (begun,) = [task["id"] for task in (await workspace.tasks())["tasks"] if task["id"] not in ids.values()]
    with pytest.raises(Conflict, match=f"1 of 3 tasks cannot be ranked: {begun} is working\\."):
        await workspace.prioritise([begun, *ids.values()], ballots={"sales": [begun, *ids.values()]})
    assert not [fact for fact in await workspace.facts(limit=1000) if fact["kind"] == "backlog.ranked"]
    await workspace.quiet()
    with pytest.raises(Conflict, match=f"2 of 2 tasks cannot be ranked: {ids['a']} is completed, {ids['b']} is completed\\."):
        await workspace.prioritise(list(ids.values()), ballots={"sales": []})
