"""The record: erase, replay, verify, lineage, measures, and a fleet that changes its mind."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from tutti import Context, Fleet, action, skill
from tutti.app import FOLDS, TABLES
from tutti.journal import export, rebuild, verify
from tutti.model.fact import KINDS


def lifecycle() -> Fleet:
    fleet = Fleet("record")

    @fleet.agent(skill="ticket.triage", department="support", shares="mood")
    async def triage(ticket: dict[str, Any], ctx: Context) -> dict[str, Any]:
        ctx.signal("account.unhappy", data={"why": ticket["text"]})
        ctx.propose("refund.pay", {"amount": 5, "iban": ticket["iban"]})
        return {"mood": "angry", "words": ticket["text"]}

    @fleet.action("refund.pay", department="finance", amount="amount", idempotent=True)
    async def pay(refund: dict[str, Any], ctx: Context) -> str:
        return f"paid to {refund['iban']}"

    @fleet.agent(skill="renewal.check", department="success")
    async def check(data: dict[str, Any], ctx: Context) -> str:
        return f"{ctx.subject}: {data['why']}"

    fleet.on("ticket.opened", do="ticket.triage")
    fleet.on("account.unhappy", do="renewal.check")
    fleet.check("renewal.check")(lambda input, output: 0.5)
    fleet.autonomy("refund.pay", level="act")
    return fleet


SECRET, NAME = "the kettle exploded at midnight", "account/Zaphod-4711"


async def test_after_erasure_no_byte_of_the_subject_is_left_and_the_record_holds(tutti, tmp_path):
    run = await tutti(lifecycle()).send("ticket.opened", subject=NAME, data={"text": SECRET, "iban": "DE89-SECRET-IBAN"})
    await run.send("ticket.opened", subject="account/8", data={"text": "a quiet question", "iban": "X"})
    workspace = run.workspace
    await workspace.rate(run.task("renewal.check").id, 0.9, note="fine")
    await run.rate(run.tasks("renewal.check")[0].id, 0.4, note=f"{SECRET} again")
    erased = await workspace.erase(NAME)
    assert erased["payloads"] >= 6
    assert (await workspace.task(run.tasks("ticket.triage")[0].id))["erased"]
    place, folder = workspace.settings.place, workspace.settings.folder
    export(place, tmp_path / "export", witness=workspace.settings.witness)
    for file in [*folder.rglob("*"), *(tmp_path / "export").rglob("*")]:
        if file.is_file():
            content = file.read_bytes()
            for words in (SECRET, NAME, "DE89-SECRET", "Zaphod"):
                assert words.encode() not in content, f"{words} stands in {file.name}"
    assert verify(place, witness=workspace.settings.witness).ok
    assert verify(tmp_path / "export").ok
    assert rebuild(place, TABLES, FOLDS) == []
    assert "a quiet question" in str(await workspace.task(run.tasks("ticket.triage")[1].id))


async def test_every_fact_has_only_fields_that_its_kind_lists(tutti):
    run = await tutti(lifecycle()).send("ticket.opened", subject=NAME, data={"text": SECRET, "iban": "X"})
    await run.kill("agent", "pay")
    await run.submit("refund.pay", {"amount": 1, "iban": "Y"}, subject=NAME)
    await run.lift("agent", "pay")
    facts = await run.facts()
    for fact in facts:
        assert set(fact["data"]) <= set(KINDS[fact["kind"]]), fact
        for words in (SECRET, NAME, "Zaphod"):
            assert words not in str(fact), "a fact holds no payload and no subject's name"
    assert [fact["seq"] for fact in facts] == list(range(1, len(facts) + 1))
    for fact in facts:
        assert fact["cause"] is None or 0 < fact["cause"] < fact["seq"], fact


async def test_lineage_shows_what_a_signal_led_to_across_departments(tutti):
    run = await tutti(lifecycle()).send("ticket.opened", subject=NAME, data={"text": SECRET, "iban": "X"})
    tree = (await run.workspace.lineage(run.signals[0]))["tree"]
    triage = tree["led_to"][0]
    assert triage["skill"] == "ticket.triage"
    assert {child.get("skill") or child.get("type") for child in triage["led_to"]} == {"refund.pay", "account.unhappy"}
    unhappy = next(child for child in triage["led_to"] if child.get("type"))
    assert unhappy["led_to"][0]["skill"] == "renewal.check"
    assert (await run.workspace.lineage(run.task("renewal.check").id))["signal"] == run.signals[0]


async def test_measures_count_what_happened(tutti):
    run = await tutti(lifecycle()).send("ticket.opened", subject=NAME, data={"text": "hello", "iban": "X"})
    await run.workspace.set_level("refund.pay", "approve")
    await run.submit("refund.pay", {"amount": 1, "iban": "Y"})
    await run.approve("refund.pay")
    measured = await run.workspace.measures()
    assert measured["tasks"]["by_state"] == {"completed": 4}
    assert measured["autonomy_ratio"] == {"ratio": 0.5, "alone": 1, "finished": 2}
    assert (measured["resolution_quality"]["mean"], measured["resolution_quality"]["judged"]) == (0.5, 1)
    pairs = {(pair["from"], pair["to"]) for pair in measured["latency_ms"]}
    assert {("signal", "triage"), ("triage", "pay"), ("triage", "check"), ("pay", "person"), ("person/owner", "pay")} <= pairs


async def test_a_fleet_that_is_declared_again_changes_nothing_and_one_that_changed_says_so(tutti):
    run = await tutti(lifecycle()).submit("renewal.check", {"why": "x"})
    before = len(await run.facts())
    await run.restart()
    assert len(await run.facts()) == before
    run._fleet.budget("refunds", action="refund.pay", money=10)
    run._fleet.subscriptions.popitem()
    await run.restart()
    assert [fact["kind"] for fact in (await run.facts())[before:]] == ["subscription.removed", "budget.set"]


async def test_what_a_person_set_stays_until_the_declaration_changes(tutti):
    run = await tutti(lifecycle()).submit("renewal.check", {"why": "x"})
    await run.workspace.set_level("refund.pay", "approve", reason="after an incident")
    await run.restart()
    await run.submit("refund.pay", {"amount": 1, "iban": "Y"})
    assert run.task("refund.pay").waiting_for == "person"
    run._fleet.autonomy("refund.pay", level="act", up_to=3)
    await run.restart()
    await run.submit("refund.pay", {"amount": 1, "iban": "Y"})
    assert run.task("refund.pay").state == "completed"


async def test_one_object_is_one_agent_with_several_skills(tutti):
    class Clerk:
        @skill("order.read")
        async def read(self, order: dict[str, Any]) -> str:
            return f"order {order['n']}"

        @action("order.ship", idempotent=True)
        def ship(self, order: dict[str, Any], ctx: Context) -> str:
            return f"shipped {order['n']}"

    fleet = Fleet("objects")
    fleet.add(Clerk(), department="ops", owner="ana")
    fleet.autonomy("order.ship", level="act")
    run = await tutti(fleet).submit("order.read", {"n": 1})
    await run.submit("order.ship", {"n": 1})
    assert [(task.agent, task.output) for task in run.tasks()] == [("clerk", "order 1"), ("clerk", "shipped 1")]


async def test_what_an_agent_says_of_a_subject_that_was_erased_meanwhile_is_not_kept(tutti):
    fleet = Fleet("late")

    @fleet.agent(skill="ticket.read", department="support", shares="mood")
    async def read(ticket: dict[str, Any], ctx: Context) -> str:
        await asyncio.sleep(10)
        ctx.signal("ticket.seen", data=ticket)
        ctx.note("words", ticket["text"])
        return ticket["text"]

    run = tutti(fleet)
    await run.facts()
    id = await run.workspace.submit("ticket.read", {"text": SECRET}, subject=NAME)
    await asyncio.sleep(1)
    await run.workspace.erase(NAME)
    await run.advance(timedelta(seconds=30))
    assert run.task(id).state == "completed"
    assert run.task(id).output is None
    assert not await run.facts("note.shared")
    for file in run.workspace.settings.folder.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file.name
            assert NAME.encode() not in file.read_bytes(), file.name
