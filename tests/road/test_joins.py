"""A task waits for several others, one of them late, and survives the end of the process while it waits."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from tutti import Context, Fleet
from tutti.testing import agents


class Case(BaseModel):
    account: str
    health: Any = None
    churn: Any = None
    feedback: Any = None


def renewing(late: float = 0.0, failing: bool = False) -> Fleet:
    fleet = Fleet("renewals")
    fleet.agent(skill="account.health", department="success", name="health")(agents.slow(0.1, {"score": 0.4}))
    fleet.agent(skill="churn.forecast", department="success", name="churn", timeout=timedelta(hours=2))(agents.slow(late, {"risk": 0.8}))
    if failing:
        fleet.agent(skill="feedback.digest", department="success", name="feedback", attempts=1)(agents.failing())
    else:

        @fleet.agent(skill="feedback.digest", department="success", name="feedback")
        async def digest(account: dict[str, Any], ctx: Context) -> dict[str, Any]:
            return {"negative": 2, "person": await ctx.input("Anything to add?")}

    @fleet.agent(skill="renewal.propose", department="success")
    async def propose(case: Case) -> str:
        return f"{case.account}: health {case.health}, churn {case.churn}, feedback {case.feedback}"

    fleet.on("account.at_risk", do="renewal.propose", gather={"health": "account.health", "churn": "churn.forecast", "feedback": "feedback.digest"})
    return fleet


async def test_three_results_one_of_them_late_with_a_restart_in_between(tutti):
    run = await tutti(renewing(late=30)).send("account.at_risk", subject="account/7", data={"account": "7"})
    assert run.task("account.health").state == run.task("churn.forecast").state == "completed"
    assert run.task("renewal.propose").waiting_for == "tasks"
    await run.restart()
    assert run.task("renewal.propose").waiting_for == "tasks"
    await run.answer("feedback.digest", "they like us")
    done = run.task("renewal.propose")
    assert done.state == "completed"
    assert "'score': 0.4" in done.output
    assert "'risk': 0.8" in done.output
    assert "they like us" in done.output
    assert len(run.tasks("account.health")) == 1, "nothing was done twice"


async def test_a_part_that_fails_leaves_its_field_empty_and_the_rest_goes_on(tutti):
    run = await tutti(renewing(failing=True)).send("account.at_risk", subject="account/7", data={"account": "7"})
    assert run.task("feedback.digest").state == "failed"
    assert run.task("renewal.propose").output.endswith("feedback None")


async def test_a_deadline_ends_the_waiting(tutti):
    fleet = renewing()
    fleet.on("account.lost", do="renewal.propose", gather={"feedback": "feedback.digest"}, deadline=timedelta(minutes=5))
    run = await tutti(fleet).send("account.lost", subject="account/7", data={"account": "7"})
    await run.advance(timedelta(minutes=6))
    assert (run.task("renewal.propose").state, run.task("renewal.propose").reason) == ("failed", "deadline_passed")


async def test_tasks_submitted_in_code_can_wait_for_others(tutti):
    run = await tutti(renewing(late=5)).submit("churn.forecast", {"account": "7"})
    first = run.task("churn.forecast").id
    id = await run.workspace.submit("renewal.propose", {"account": "7"}, after={"churn": first})
    assert await run.workspace.result(id) == "7: health None, churn {'risk': 0.8}, feedback None"
