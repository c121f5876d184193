"""`tutti run --goal`: the plan is shown, asked about, and run; playbooks run like any skill; `why` tells the plan."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_site import Left, Person

from tutti.cli import exits

FLEET = """
from pydantic import BaseModel

from tutti import Context, Fleet, step

fleet = Fleet("plans")


class Ticket(BaseModel):
    account: str
    text: str


class Triage(BaseModel):
    urgency: float


class Reply(BaseModel):
    reply: str


class Wish(BaseModel):
    account: str
    urgency: float


@fleet.agent(skill="ticket.triage", department="support", owner="a@example.com", cost=0.01)
async def triage(ticket: Ticket, ctx: Context) -> Triage:
    return Triage(urgency=0.5)


@fleet.agent(skill="reply.write", department="support", owner="a@example.com")
async def write(wish: Wish, ctx: Context) -> Reply:
    return Reply(reply=f"Dear {wish.account}: {wish.urgency}")


fleet.playbook("ticket.answer", department="support", owner="a@example.com", returns="{steps.write.reply}", steps=[
    step("triage", "ticket.triage"), step("write", "reply.write", input={"account": "{input.account}", "urgency": "{steps.triage.urgency}"}),
])
"""
TICKET = '{"account": "a1", "text": "it broke"}'

WORDED = """

@fleet.agent(skill="plan.propose", department="planning", owner="a@example.com", name="worded")
async def propose(question: dict) -> dict:
    return {"steps": [{"name": "triage", "skill": "ticket.triage", "input": {"account": "a1", "text": "very " * 60 + "angry"}}]}
"""


@pytest.fixture
def planner(tmp_path: Path) -> Any:
    person = Person(tmp_path)
    person.file = tmp_path / "shop_plans.py"  # its module goes again after the test
    person.file.write_text(FLEET)

    def run(*words: str) -> Left:
        return person("run", *words, "--fleet", str(person.file))

    run.person = person  # type: ignore[attr-defined]
    return run


def test_a_goal_is_planned_shown_and_run(planner: Any) -> None:
    left = planner("--goal", "Reply", TICKET, "--yes")
    assert (left.code, json.loads(left.out)) == (exits.OK, {"reply": "Dear a1: 0.5"})
    assert "1. triage: ticket.triage" in left.err
    assert "2. write: reply.write" in left.err
    assert "expected: cost 0.0" in left.err


def test_why_of_a_plan_lists_its_steps(planner: Any) -> None:
    id = planner("--goal", "Reply", "--goal", "urgency", TICKET, "--yes", "--json").data["id"]
    told = planner.person("why", id)
    assert "Plan" in told.out
    assert "triage" in told.out
    assert "reply.write" in told.out
    assert "completed" in told.out


def test_a_dry_run_runs_nothing_and_says_what_is_missing(planner: Any) -> None:
    left = planner("--goal", "Reply", TICKET, "--dry-run", "--json")
    assert [step["skill"] for step in left.data["plan"]["steps"]] == ["ticket.triage", "reply.write"]
    assert planner.person("tasks", "--json").data == []
    left = planner("--goal", "Reply", "{}", "--dry-run")
    assert (left.code, "nobody gives account (string)" in left.err) == (exits.FAILED, True)


def test_a_goal_in_words_is_shown_with_all_that_the_planner_wrote(tmp_path: Path) -> None:
    person = Person(tmp_path)
    person.file = tmp_path / "worded_plans.py"
    person.file.write_text(FLEET + WORDED)
    left = person("run", "--goal", "answer this customer", TICKET, "--dry-run", "--fleet", str(person.file))
    assert (left.code, f"{'very ' * 60}angry" in left.err) == (exits.OK, True), left.err
    alone = person("run", "--goal", "answer this customer", TICKET, "--dry-run", "--workspace", "plans")
    assert (alone.code, "no planner can be asked: worded@1: its code is not in this process" in alone.err) == (exits.FAILED, True), alone.err
    assert "next: tutti up fleet.py" in alone.err
    assert len(person("tasks", "--workspace", "plans", "--json").data) == 1


def test_nobody_there_to_ask_means_no(planner: Any) -> None:
    planner.person.file.write_text(FLEET + WORDED)
    for goal in ("Reply", "answer this customer"):  # no planner is asked, who may be a model that wants money
        left = planner("--goal", goal, TICKET)
        assert (left.code, "needs --yes" in left.err) == (exits.USAGE, True)
    assert planner.person("tasks", "--json").code == exits.NOT_FOUND  # not even a workspace


def test_a_playbook_runs_by_its_name_with_an_input_option(planner: Any) -> None:
    left = planner("ticket.answer", "--input", TICKET)
    assert (left.code, left.out) == (exits.OK, "Dear a1: 0.5\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "Name a skill"),
        (("ticket.triage", "{}", "--input", "{}"), "given twice"),
        (("ticket.triage", "--dry-run"), "--dry-run belongs to --goal"),
        (("--goal", "Reply", "{}", "{}"), "one argument"),
        (("--goal", "make them happy", "--goal", "Reply"), "stands alone"),
        (("--goal", "Reply", TICKET, "--money", "nan", "--yes"), "NaN and infinity are no JSON values"),
    ],
)
def test_words_that_do_not_fit_together(planner: Any, words: tuple[str, ...], said: str) -> None:
    left = planner(*words)
    assert (left.code, said in left.err) == (exits.USAGE, True)
