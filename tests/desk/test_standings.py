"""Standings: what is believed of each agent, what it achieved in a window, and who cannot be told apart."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tutti import Context, Fleet
from tutti.errors import AgentFailed


def fleet() -> Fleet:
    made = Fleet("shop")

    def offer(name: str, quality: float, fails: bool = False) -> None:
        @made.agent(skill="ticket.read", department="support", name=name, quality=quality, attempts=1, cost=0.1)
        async def read(ticket: dict[str, Any], ctx: Context) -> str:
            if fails:
                raise AgentFailed("cannot", retry=False)
            return name

    offer("ann", 0.9)
    offer("bob", 0.2)
    made.action("refund.pay", department="finance", name="pay", idempotent=True)(lambda _: "paid")
    return made


async def test_counts_times_shares_and_ties(tutti):
    run = tutti(fleet())
    for _ in range(4):
        await run.submit("ticket.read", {})
        await run.rate("ticket.read", 1.0)
    await run.submit("refund.pay", {})
    await run.approve("refund.pay")
    found = await run.workspace.standings()
    assert [view["skill"] for view in found] == ["refund.pay", "ticket.read", "ticket.read"]
    pay, best, other = found
    assert (pay["actions"], pay["alone"], pay["level"], pay["tasks"]) == (1, 0, 2, 1)
    assert best["tasks"] + other["tasks"] == 4
    assert best["share"] + other["share"] == 1.0
    assert best["judged"] + other["judged"] == 4
    assert best["quality"] >= other["quality"]
    assert best["tie_with"] == [other["name"]]
    assert sum(part["n"] for part in best["trend"] + other["trend"]) == 4
    assert all(part["quality"] == 1.0 for part in best["trend"])
    assert best["p50_ms"] is not None
    assert best["p50_ms"] <= best["p95_ms"]
    assert [view["skill"] for view in await run.workspace.standings(skill="refund.pay")] == ["refund.pay"]
    assert [view["name"] for view in await run.workspace.standings(departments=["finance"])] == ["pay"]


async def test_a_window_forgets_and_a_retired_version_stays_while_it_does_not(tutti):
    run = await tutti(fleet()).submit("refund.pay", {})
    await run.approve("refund.pay")
    await run.workspace.retire("pay")
    (gone,) = await run.workspace.standings(skill="refund.pay")
    assert (gone["state"], gone["tasks"]) == ("retired", 1)
    await run.advance(timedelta(days=2))
    assert await run.workspace.standings(skill="refund.pay", window=timedelta(days=1)) == []
    assert [view["tasks"] for view in await run.workspace.standings(skill="ticket.read", window=timedelta(days=1))] == [0, 0]


async def test_those_whose_intervals_lie_apart_are_no_tie(tutti):
    run = await tutti(fleet()).submit("ticket.read", {})
    for number in range(60):
        await run.workspace.submit("ticket.read", {"n": number})
    await run.advance(timedelta(seconds=1))
    done = {name: [task for task in run.tasks("ticket.read") if task.agent == name] for name in ("ann", "bob")}
    for name, quality in (("ann", 1.0), ("bob", 0.0)):
        for task in done[name]:
            await run.workspace.rate(task.id, quality)
    await run.workspace.drain("ann")
    while len(done["bob"]) < 8:  # exploring gave it too little to judge by
        await run.submit("ticket.read", {"n": -len(done["bob"])})
        await run.rate("ticket.read", 0.0)
        done["bob"].append(run.task("ticket.read"))
    best, other = await run.workspace.standings(skill="ticket.read")
    assert (best["name"], other["name"]) == ("ann", "bob")
    assert best["low"] > other["high"]
    assert best["tie_with"] == other["tie_with"] == []
