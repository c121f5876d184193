"""Why: all that the record holds of a decision, and nothing that it does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel, TypeAdapter

from tutti import Context, Fleet, explanation
from tutti.model.answers.why import Why
from tutti.model.fact import Fact


class Order(BaseModel):
    amount: float


def shop() -> Fleet:
    fleet = Fleet("shop")

    @fleet.agent(skill="order.rate", department="risk", shares="risk")
    async def rate(order: dict[str, Any], ctx: Context) -> float:
        return 0.2

    def offer(name: str, quality: float, **more: Any) -> None:
        @fleet.agent(skill="order.read", department="sales", name=name, quality=quality, cost=0.1, when="case.risk < 0.5" if more.get("picky") else None)
        async def read(order: dict[str, Any], ctx: Context) -> str:
            ctx.propose("refund.pay", Order(amount=order["amount"]))
            return name

    offer("ann", 0.9)
    offer("bob", 0.4, picky=True)
    fleet.check("order.read")(lambda input, output: 0.8)

    @fleet.action("refund.pay", department="finance", amount="amount", idempotent=True)
    async def pay(order: Order, ctx: Context) -> str:
        return "paid"

    fleet.autonomy("refund.pay", level="act", up_to=10)
    fleet.budget("refunds", action="refund.pay", money=100, per="day")
    fleet.on("order.made", do="order.read")
    return fleet


async def told(run: Any, skill: str) -> dict[str, Any]:
    why = await run.explain(skill)
    TypeAdapter(Why).validate_python(why, strict=True)
    return why


async def test_who_was_weighed_what_went_in_and_how_it_turned_out(tutti):
    run = await tutti(shop()).submit("order.rate", {}, subject="account/1")
    await run.advance(timedelta(seconds=30))
    await run.send("order.made", subject="account/1", data={"amount": 5})
    why = await told(run, "order.read")
    journal = run.workspace.journal
    strip = why["decided"]
    assert strip["decided_by"] == "score"
    (fact,) = await journal.select("SELECT kind, leaf FROM fact WHERE seq = ?", (strip["seq"],))
    assert (fact["kind"], bytes(fact["leaf"]).hex()) == ("task.routed", strip["leaf"])
    (row,) = await journal.select("SELECT trace FROM task WHERE id = ?", (why["task"],))
    assert strip["trace"] == (row["trace"].split("-")[1] if row["trace"] else None)
    chosen = next(one for one in why["candidates"] if one["chosen"])
    assert {one["agent"] for one in why["candidates"]} == {"ann", "bob"}
    assert chosen["low"] < chosen["quality"] < chosen["high"]
    assert abs(sum(row["winner"] for row in why["parts"]["rows"]) - chosen["score"]) < 5e-6
    given = {(each["kind"], each["name"]): each for each in why["inputs"]}
    assert given["subject", "subject"]["value"] == "account/1"
    assert given["signal", "order.made"]["value"] == {"amount": 5}
    assert given["case", "risk"]["value"] == 0.2
    assert given["case", "risk"]["age_ms"] >= 30_000
    assert given["case", "risk"]["task"] == run.task("order.rate").id
    out = why["turned_out"]
    assert (out["quality"], out["source"], out["expected"]["cost"]) == (0.8, "check", 0.1)
    assert {each["name"]: each["ok"] for each in why["checks"]} == {"kill switches": True, "policy": True}
    await run.workspace.erase("account/1")
    masked = await told(run, "order.read")
    assert {each["name"] for each in masked["inputs"] if each["masked"]} == {"subject", "order.made", "risk"}
    assert all(each["value"] is None for each in masked["inputs"])


async def test_guardrails_are_told_with_value_and_limit(tutti):
    run = await tutti(shop()).submit("refund.pay", {"amount": 5})
    alone = await told(run, "refund.pay")
    checks = {each["name"]: each for each in alone["checks"]}
    assert (checks["budget refunds"]["value"], checks["budget refunds"]["limit"]) == (5.0, 100.0)
    assert (checks["amount"]["value"], checks["amount"]["limit"], checks["amount"]["ok"]) == (5.0, 10.0, True)
    assert checks["autonomy level"]["ok"]
    assert alone["decided"]["decided_by"] == "rule"
    amount = next(change for change in alone["would_change"] if change["input"] == "amount")
    assert (amount["was"], amount["needed"], amount["to"]) == (5.0, 10.0, "a person would have been asked")
    await run.submit("refund.pay", {"amount": 50})
    asked = await told(run, "refund.pay")
    assert not next(each for each in asked["checks"] if each["name"] == "autonomy level")["ok"]
    await run.approve("refund.pay")
    answered = await told(run, "refund.pay")
    assert answered["decided"]["decided_by"] == "person"
    assert next(each for each in answered["checks"] if each["name"] == "approval")["ok"]
    await run.submit("refund.pay", {"amount": 90})
    denied = await told(run, "refund.pay")
    assert [(each["name"], each["ok"]) for each in denied["checks"]] == [("kill switches", True), ("policy", True), ("budget refunds", False)]
    await run.kill("action", "refund.pay")
    await run.submit("refund.pay", {"amount": 1})
    assert [(each["name"], each["ok"]) for each in (await told(run, "refund.pay"))["checks"]] == [("kill switches", False)]


async def test_a_change_of_parameters_is_told(tutti):
    run = await tutti(shop()).submit("refund.pay", {"amount": 50})
    [asked] = await run.workspace.approvals()
    await run.workspace.change_approval(asked["id"], {"amount": 3}, by="person/ben")
    await run.workspace.quiet()
    why = await told(run, "refund.pay")
    assert "Ben changed the parameters at" in why["sentence"]
    assert [change["approval"] for change in why["gate"]["changes"]] == [asked["id"]]
    assert why["input"] == {"amount": 3}


def test_the_trace_of_a_task_is_in_its_decision():
    trace = "0af7651916cd43dd8448eb211c80319c"
    task = {"id": "t-1", "skill": "x", "state": "rejected", "stage": "ended", "nature": "advice", "subject": None, "parent": None, "signal": None}
    task |= {"coalesced_into": None, "reason": "no", "quality": None, "quality_source": None, "input": None, "output": None, "detail": None}
    facts = [
        Fact(1, 1, "task.submitted", "t-1", "person/ana", None, {"trace": f"00-{trace}-b7ad6b7169203331-01"}),
        Fact(2, 2, "task.gated", "t-1", "tutti", 1, {"verdict": "deny", "reasons": ["no"], "policy": "p"}),
    ]
    assert explanation.explain(task, facts, 2)["decided"]["trace"] == trace
    assert explanation.explain(task, [facts[0]._replace(data={}), facts[1]], 2)["decided"]["trace"] is None
