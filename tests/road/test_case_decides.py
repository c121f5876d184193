"""What is known of the case decides too, and standings move the next route."""

from __future__ import annotations

from typing import Any

from tutti import Fleet


def answering(*, knows: bool = True) -> Fleet:
    """Two agents answer tickets: one for anybody, one for accounts at risk. `knows=False` takes the context away."""
    fleet = Fleet("care")

    @fleet.agent(skill="churn.forecast", department="success", shares="churn" if knows else None)
    async def forecast(account: dict[str, Any]) -> dict[str, float]:
        return {"risk": account["risk"]}

    @fleet.agent(skill="ticket.answer", department="support", name="general", quality=0.6)
    async def general(ticket: dict[str, Any]) -> str:
        return "Have you tried again?"

    @fleet.agent(skill="ticket.answer", department="support", name="retention", quality=0.99, when="has(case.churn) && case.churn.risk > 0.5")
    async def retention(ticket: dict[str, Any]) -> str:
        return "We are sorry. Here is a person."

    fleet.classify("ticket.answer", "has(case.churn) && case.churn.risk > 0.5 ? 'at risk' : 'healthy'")
    fleet.on("account.updated", do="churn.forecast")
    fleet.on("ticket.opened", do="ticket.answer")
    return fleet


async def who_answers(tutti: Any, fleet: Fleet, risk: float) -> tuple[set[str], str]:
    run = await tutti(fleet).send("account.updated", subject="account/7", data={"risk": risk})
    for _ in range(12):
        await run.send("ticket.opened", subject="account/7", data={"text": "It does not work"})
    return {task.agent for task in run.tasks("ticket.answer")}, (await run.explain("ticket.answer"))["route"]["class"]


async def test_the_same_ticket_goes_elsewhere_for_an_account_at_risk(tutti):
    healthy, healthy_class = await who_answers(tutti, answering(), 0.1)
    at_risk, risk_class = await who_answers(tutti, answering(), 0.9)
    assert healthy == {"general"}
    assert "retention" in at_risk
    assert (healthy_class, risk_class) == ("healthy", "at risk")


async def test_without_the_context_the_route_is_the_same_for_both(tutti):
    healthy, _ = await who_answers(tutti, answering(knows=False), 0.1)
    at_risk, _ = await who_answers(tutti, answering(knows=False), 0.9)
    assert healthy == at_risk == {"general"}


async def test_the_record_names_the_rule_that_ruled_an_agent_out(tutti):
    run = await tutti(answering()).send("ticket.opened", subject="account/9", data={"text": "Hello"})
    route = (await run.explain("ticket.answer"))["route"]
    assert [out["agent"] for out in route["ruled_out"]] == ["retention@1"]
    assert "its condition does not hold" in route["ruled_out"][0]["rule"]


async def test_tasks_that_no_expression_could_classify_are_said_once_in_the_log(tutti, caplog):
    fleet = answering()
    fleet.classify("ticket.answer", "input.chanel")
    run = await tutti(fleet).send("ticket.opened", subject="account/9", data={"text": "a secret"})
    await run.send("ticket.opened", subject="account/9", data={"text": "Hello again"})
    assert (await run.explain("ticket.answer"))["route"]["class"] == ""
    (said,) = [record.getMessage() for record in caplog.records if "classify" in record.getMessage()]
    assert "secret" not in said
    assert said.startswith('fleet.classify("ticket.answer", "input.chanel"): it could not be evaluated on a task: no such key: chanel')


def rivals() -> Fleet:
    fleet = Fleet("rivals")
    for name in ("left", "right"):

        async def move(order: dict[str, Any], name: str = name) -> str:
            return name

        fleet.action("order.move", department="ops", name=name, idempotent=True)(move)
    fleet.autonomy("order.move", level="act")
    return fleet


async def test_a_rating_moves_the_next_route(tutti):
    run = await tutti(rivals()).submit("order.move", {"n": 1})
    first = run.task("order.move").agent
    await run.rate("order.move", 0.1, note="wrong dock")
    await run.submit("order.move", {"n": 2})
    assert run.task("order.move").agent != first, "an action goes to the best mean, which the rating has moved"


async def test_a_persons_rating_takes_the_place_of_a_check_s(tutti):
    fleet = rivals()
    fleet.check("order.move")(lambda input, output: 0.9)
    run = await tutti(fleet).submit("order.move", {"n": 1})
    assert (run.task("order.move").quality, run.task("order.move").quality_source) == (0.9, "check")
    await run.rate("order.move", 0.2)
    agent = next(row for row in await run.workspace.agents() if row["name"] == run.task("order.move").agent)
    assert (run.task("order.move").quality, run.task("order.move").quality_source) == (0.2, "person")
    assert (agent["judged"], round(agent["quality"], 3)) == (1, 0.4), "one judgement of 0.2 on a flat prior: (1 + 0.2) / 3"


async def test_work_moves_to_the_better_agent_and_every_choice_has_its_chance(tutti):
    fleet = Fleet("learning")
    for name, quality in (("good", 0.9), ("poor", 0.3)):

        async def sort(ticket: dict[str, Any], quality: float = quality) -> dict[str, float]:
            return {"quality": quality}

        fleet.agent(skill="ticket.sort", department="support", name=name)(sort)
    fleet.check("ticket.sort")(lambda input, output: output["quality"])
    run = tutti(fleet)
    for n in range(60):
        await run.submit("ticket.sort", {"n": n})
    agents = [task.agent for task in run.tasks("ticket.sort")]
    assert agents[-20:].count("good") >= 17
    assert agents[:10].count("poor") >= 1, "at first both are tried"
    for fact in await run.facts("task.routed"):
        data = fact["data"]
        chances = [row[9] for row in data["candidates"]]
        assert abs(sum(chances) - 1) < 1e-6
        assert data["propensity"] > 0
