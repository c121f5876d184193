"""Goals in free words: what a model answers is checked as any plan is, and only what checks is run."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from llm_site import calls, fails, opened, served
from typing_extensions import TypedDict  # pydantic wants this one before Python 3.12

from tutti import Context, Fleet, Settings, Workspace
from tutti.errors import AgentFailed, Refused

GOOD = {"steps": [{"name": "look", "skill": "account.look", "input": {"account": "{input.account}"}}, {"name": "mail", "skill": "mail.send", "input": {"text": "Dear {steps.look.name}"}}], "returns": "{steps.mail.sent}"}  # fmt: skip
UNKNOWN = {"steps": [{"name": "pay", "skill": "money.print", "input": {}}]}
INVENTED = {"steps": [{"name": "mail", "skill": "mail.send", "input": {"words": "hello"}}]}


def fleet_with(url: str, sent: list[str]) -> Fleet:
    fleet = Fleet("words")

    @fleet.agent(skill="account.look", department="d", quality=0.9)
    async def look(input: Account, ctx: Context) -> Name:
        return {"name": f"Mx {input['account']}"}

    @fleet.action("mail.send", department="d", quality=0.9)
    async def mail(input: Mail, ctx: Context) -> Sent:
        sent.append(input["text"])
        return {"sent": True}

    fleet.autonomy("mail.send", level="act")
    fleet.planner("scripted", base_url=url, price=(3, 15))
    return fleet


class Account(TypedDict):
    account: str


class Name(TypedDict):
    name: str


class Mail(TypedDict):
    text: str


class Sent(TypedDict):
    sent: bool


def proposing(*plans: Any) -> list[Any]:
    def answer(plan: Any) -> Any:
        return lambda request: calls((request["tools"][0]["function"]["name"], plan))

    return [answer(plan) for plan in plans]


async def test_a_goal_in_words_is_planned_shown_and_run(tmp_path: Path):
    sent: list[str] = []
    async with served(*proposing(GOOD)) as model, opened(fleet_with(model.url, sent), tmp_path) as workspace:
        planned = await workspace.plan({"text": "write to this customer"}, {"account": "a7"})
        assert [step["skill"] for step in planned["plan"]["steps"]] == ["account.look", "mail.send"]
        assert sent == []
        assert await workspace.result(await workspace.run_plan(planned["plan"], {"account": "a7"})) is True
        assert sent == ["Dear Mx a7"]
        asked = json.loads(model.requests[0]["messages"][1]["content"])
        assert asked["goal"] == "write to this customer"
        assert [(skill["name"], skill["has_an_effect_outside"]) for skill in asked["skills"]] == [("account.look", False), ("mail.send", True)]


async def test_a_step_may_take_the_whole_of_what_is_there(tmp_path: Path):
    whole = {"steps": [{"name": "look", "skill": "account.look", "input": "{input}"}, {"name": "greet", "skill": "text.greet", "input": "Mx {input.account}"}]}
    async with served(*proposing(whole)) as model:
        fleet = fleet_with(model.url, [])

        @fleet.agent(skill="text.greet", department="d")
        async def greet(name: str) -> str:
            return f"Hello {name}"

        async with opened(fleet, tmp_path) as workspace:
            planned = await workspace.plan({"text": "look and greet"}, {"account": "a7"})
            assert await workspace.result(await workspace.run_plan(planned["plan"], {"account": "a7"})) == {"look": {"name": "Mx a7"}, "greet": "Hello Mx a7"}


async def test_what_does_not_check_goes_back_with_its_problems(tmp_path: Path):
    sent: list[str] = []
    async with served(*proposing(UNKNOWN, INVENTED, GOOD)) as model, opened(fleet_with(model.url, sent), tmp_path) as workspace:
        task = await workspace.run_plan(goal={"text": "write to this customer"}, input={"account": "a7"})
        assert await workspace.result(task) is True
        second, third = (json.loads(request["messages"][1]["content"])["problems"] for request in model.requests[1:])
        assert second == ["step pay: no agent offers money.print"]
        assert third == ["step mail: its input does not fit mail.send: text is missing"]
        assert sent == ["Dear Mx a7"]


@pytest.mark.parametrize("bad", [UNKNOWN, INVENTED])
async def test_what_never_checks_never_runs(tmp_path: Path, bad: Any):
    sent: list[str] = []
    async with served(*proposing(bad)) as model, opened(fleet_with(model.url, sent), tmp_path) as workspace:
        with pytest.raises(Refused, match="the planner's answer cannot run"):
            await workspace.result(await workspace.run_plan(goal={"text": "do what you like"}, input={"account": "a7"}))
        assert (len(model.requests), sent) == (3, [])


async def test_a_planner_that_fails_is_told_as_that(tmp_path: Path):
    async with served(fails(401, "no such key")) as model, opened(fleet_with(model.url, []), tmp_path) as workspace:
        with pytest.raises(AgentFailed, match=r"failed \(agent_failed\): scripted answered 401: no such key"):
            await workspace.plan({"text": "write to this customer"}, {"account": "a7"})


async def test_a_planner_that_cannot_be_asked_is_not_waited_for(tmp_path: Path):
    goal, given = {"text": "write to this customer"}, {"account": "a7"}
    async with served(fails(401)) as model, asyncio.timeout(20):
        async with opened(fleet_with(model.url, []), tmp_path) as workspace:
            for _ in range(20):  # until its circuit opens
                with suppress(AgentFailed):
                    planned = await workspace.plan(goal, given)
            assert planned["plan"] is None
            assert re.search(r"no planner can be asked: plan-writer@.*: circuit open: \d+ failures in a row", planned["missing"][0])
            tasks = (await workspace.tasks())["tasks"]
            assert len(tasks) == len(model.requests) < 20
        async with Workspace(None, Settings("words", tmp_path)) as nobody:
            (missing,) = (await nobody.plan(goal, given))["missing"]
            assert "its code is not in this process" in missing
            assert len((await nobody.tasks())["tasks"]) == len(tasks)


async def test_the_gates_hold_for_plans_of_a_model(tmp_path: Path):
    sent: list[str] = []
    async with served(*proposing(GOOD)) as model:
        fleet = fleet_with(model.url, sent)
        fleet.policy('permit (principal, action, resource);\nforbid (principal, action, resource == Tutti::Skill::"mail.send");')
        async with opened(fleet, tmp_path) as workspace:
            planned = await workspace.plan({"text": "write to this customer"}, {"account": "a7"})
            assert planned["plan"] is None
            assert "mail.send is ruled out" in planned["missing"][0]
            assert [skill["name"] for skill in json.loads(model.requests[0]["messages"][1]["content"])["skills"]] == ["account.look"]
