"""The same road on both databases, with a process that ends in between."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from tests.road.test_negotiation import FALLBACK, ISSUES, Ranking, Scoring, best, fleet_of
from tests.road.test_plans import TICKET, Desk

from tutti import Context, Fleet, Settings, Workspace
from tutti.app import FOLDS, TABLES
from tutti.errors import StorageFailed
from tutti.journal import rebuild, verify


def money() -> Fleet:
    fleet = Fleet("money")

    @fleet.agent(skill="ticket.triage", department="support", name="triage")
    async def triage(ticket: dict[str, Any], ctx: Context) -> dict[str, bool]:
        ctx.propose("refund.pay", {"amount": ticket["amount"]})
        return {"seen": True}

    @fleet.action("refund.pay", department="finance", name="pay", amount="amount", idempotent=True)
    async def pay(refund: dict[str, Any], ctx: Context) -> str:
        return f"paid {refund['amount']}"

    fleet.on("ticket.opened", do="ticket.triage")
    fleet.check("ticket.triage")(lambda input, output: 1.0)
    fleet.autonomy("refund.pay", level="act", up_to=10)
    fleet.budget("refunds", action="refund.pay", money=20, per="ever")
    return fleet


def ticket(n: int, amount: int) -> dict[str, Any]:
    return {"specversion": "1.0", "id": str(n), "source": "/desk", "type": "ticket.opened", "subject": f"account/{n}", "data": {"amount": amount}}


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
async def test_the_road_runs_stops_and_goes_on(engine, tmp_path, request):
    database = request.getfixturevalue("postgres_url") if engine == "postgres" else ""
    settings = Settings("money", tmp_path, database)
    async with Workspace(money(), settings) as workspace:
        await workspace.send(ticket(100, 12))
        await workspace.quiet()
        await asyncio.gather(*(workspace.send(ticket(n, 5)) for n in range(6)))
        await workspace.quiet()
        measured = await workspace.measures()
        assert measured["tasks"]["by_state"] == {"completed": 11, "input-required": 1, "rejected": 2}, "four refunds of 5 fit into 20"
        assert measured["autonomy_ratio"] == {"ratio": 1.0, "alone": 4, "finished": 4}
    async with Workspace(money(), settings) as workspace:
        assert (await workspace.send(ticket(1, 5)))["duplicate"]
        [approval] = await workspace.approvals()
        await workspace.answer_as_owner(approval["id"], "approve")
        await workspace.quiet()
        task = await workspace.task(approval["task"])
        assert (task["state"], task["reason"]) == ("rejected", "budget refunds has 0.00 of 20.00 left in all")
        assert (await workspace.why(approval["task"]))["gate"]["verdict"] == "deny"
        assert len((await workspace.tasks(limit=5))["tasks"]) == 5
        counts = await workspace.task_counts(status=["done", "failed"], agent="pay", since=0)
        assert (counts["by_status"]["done"], counts["by_status"]["failed"], counts["whole"]) == (4, 1, True), "who was denied has no agent"
        found = await workspace.tasks(status=["failed"], q="refund", since=0, until=2**60)
        assert {row["state"] for row in found["tasks"]} == {"rejected"}
        [answered] = await workspace.approvals(state="answered")
        assert (answered["id"], answered["precedent"]["approved"]) == (approval["id"], 1)
        assert [(view["skill"], view["tasks"]) for view in await workspace.standings()] == [("refund.pay", 4), ("ticket.triage", 7)]
        told = await workspace.timeline(task["parent"])
        assert {span["task"] for span in told["spans"]} == {task["id"], task["parent"]}
        for said, kind in ((task["id"][:20], "task"), (approval["id"], "approval"), ("account/100", "task"), ("#1", "fact"), ("triage", "agent")):
            assert (await workspace.search(said))[0].told["kind"] == kind, said
        newest, _ = await workspace.facts_page(before=2**62, kinds=["run."], by="agent/", limit=3)
        assert [fact["kind"] for fact in newest] == ["run.finished"] * 3
        erased = await workspace.erase("account/100")
        assert erased["payloads"] >= 2
    place = settings.place
    assert verify(place, witness=settings.witness, workspace="money").ok
    assert rebuild(place, TABLES, FOLDS, workspace="money") == []


async def test_two_nodes_on_one_database_do_not_spend_the_last_euro_twice(postgres_url, tmp_path):
    """Each node decides on what it knows; the database refuses the second, which looks again and sees that nothing is left."""
    settings = Settings("pair", tmp_path, postgres_url)
    async with Workspace(money(), settings) as first:
        await first.send(ticket(0, 10))
        await first.quiet()
        async with Workspace(money(), settings) as second:
            for n, node in enumerate((first, second) * 3, 1):
                await node.send(ticket(n, 10))
            for _ in range(3):
                for node in (first, second):
                    await node.journal.catch_up()
                    await node.quiet()
            rows = await first.journal.select("SELECT state, COUNT(*) AS n FROM task WHERE skill = 'refund.pay' GROUP BY state")
            assert {row["state"]: row["n"] for row in rows} == {"completed": 2, "rejected": 5}
            spent = await first.journal.select("SELECT money FROM spending")
            assert [row["money"] for row in spent] == [20_000_000]


async def test_a_negotiation_that_a_crash_interrupts_is_settled_on_postgres(postgres_url, tmp_path):
    asked, gate = asyncio.Event(), asyncio.Event()

    class Waiting(Ranking):
        async def rank(self, outcomes: Any) -> Any:
            asked.set()
            await gate.wait()
            return await super().rank(outcomes)

    fleet, settings = fleet_of(Scoring("renewal"), Waiting("pricing")), Settings("deal", tmp_path, postgres_url, grace=timedelta())
    async with Workspace(fleet, settings) as workspace:
        case = await workspace.negotiate(issues=ISSUES, parties={"renewal": 1, "pricing": 1}, fallback=FALLBACK, subject="account/7")
        await asked.wait()
        workspace.journal.abandon()
    gate.set()
    async with Workspace(fleet, settings) as workspace:
        assert (await workspace.result(case))["outcome"] == best()
        kinds = [fact["kind"] for fact in await workspace.facts() if fact["kind"] in ("negotiation.opened", "negotiation.settled")]
        assert kinds == ["negotiation.opened", "negotiation.settled"]
        assert (await workspace.negotiation(case))["how"] == "settled"
    assert verify(settings.place, witness=settings.witness, workspace="deal").ok
    assert rebuild(settings.place, TABLES, FOLDS, workspace="deal") == []


async def test_a_plan_that_was_made_anew_waits_for_a_person_and_goes_on_after_a_crash_on_postgres(postgres_url, tmp_path):
    desk, settings = Desk("approve"), Settings("plans", tmp_path, postgres_url, grace=timedelta())
    desk.failing = {"decide"}
    async with Workspace(desk.fleet, settings) as workspace:
        task = await workspace.run_plan(goal="Receipt", input={**TICKET, "urgency": 0.5, "orders": 2})
        while not await workspace.approvals():
            await asyncio.sleep(0.01)
        workspace.journal.abandon()
    async with Workspace(desk.fleet, settings) as workspace:
        while not (waiting := await workspace.approvals()):
            await asyncio.sleep(0.01)
        await workspace.answer_as_owner(waiting[0]["id"], "approve")
        assert await workspace.result(task) == {"number": "r-a1"}
        assert len(await workspace.facts(kind="plan.made")) == len(await workspace.facts(kind="plan.changed")) == 1
    assert desk.skills == ["decide", "guess", "pay"]
    assert verify(settings.place, witness=settings.witness, workspace="plans").ok
    assert rebuild(settings.place, TABLES, FOLDS, workspace="plans") == []


async def test_files_are_for_their_owner_only(tmp_path):
    async with Workspace(money(), Settings("money", tmp_path / "state")) as workspace:
        await workspace.send(ticket(1, 5))
        await workspace.quiet()
        await workspace.backup(str(tmp_path / "copy.db"))
        found = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "state").rglob("*") if path.suffix in (".db", ".db-wal", ".db-shm", ".key")}
    assert found
    assert not any(found.values()), found
    assert not (tmp_path / "copy.db").stat().st_mode & 0o077


async def test_a_database_that_is_away_is_said_once_and_that_it_is_there_again(postgres_url, tmp_path, caplog, monkeypatch):
    tried, back = asyncio.Event(), asyncio.Event()
    async with Workspace(money(), Settings("away", tmp_path, postgres_url, grace=timedelta())) as workspace:
        catch_up, tries = workspace.journal.catch_up, []

        async def away() -> int:
            tries.append(1)
            if len(tries) <= 3:
                raise StorageFailed("the connection to the database is lost")
            tried.set()
            found = await catch_up()
            if len(tries) > 4:
                back.set()
            return found

        monkeypatch.setattr(workspace.journal, "catch_up", away)
        await tried.wait()
        await back.wait()
    said = [record.message for record in caplog.records if "followed" in record.message]
    assert said == ["other nodes cannot be followed just now: the connection to the database is lost", "other nodes are followed again"]
