"""An answer that comes as the agent is taken up again after a restart: it waits for the question, and is the answer to that question only."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tutti import Context, Fleet, Settings, Workspace
from tutti.errors import Conflict


def fleet(hold: asyncio.Event) -> Fleet:
    made = Fleet("asks")

    @made.agent(skill="case.ask", department="ops")
    async def ask(input: Any, ctx: Context) -> str:
        await hold.wait()
        first = await ctx.input("Which account?")
        return f"{first} and {await ctx.input('Which bank?')}"

    return made


def opened(hold: asyncio.Event, folder: Path) -> Workspace:
    return Workspace(fleet(hold), Settings("asks", folder / "tutti", grace=timedelta(0)))


async def asked(folder: Path) -> str:
    """A task that asks, in a workspace that has closed."""
    hold = asyncio.Event()
    hold.set()
    async with opened(hold, folder) as workspace:
        id = await workspace.submit("case.ask", {})
        await workspace.quiet()
        assert (await workspace.task(id))["stage"] == "asking"
    return id


async def until(workspace: Workspace, id: str, stage: str) -> None:
    async with asyncio.timeout(30):
        while (await workspace.task(id))["stage"] != stage:
            await asyncio.sleep(0.005)


async def test_an_answer_right_after_a_restart_is_taken(tmp_path):
    id = await asked(tmp_path)
    hold = asyncio.Event()
    hold.set()
    async with opened(hold, tmp_path) as workspace:
        await workspace.answer(id, "4711")  # nothing has run yet
        await workspace.quiet()
        await workspace.answer(id, "north")
        assert await workspace.result(id) == "4711 and north"


async def test_an_answer_waits_until_the_agent_has_come_to_its_question_again(tmp_path):
    id = await asked(tmp_path)
    hold = asyncio.Event()
    async with opened(hold, tmp_path) as workspace:
        await until(workspace, id, "running")
        answering = asyncio.create_task(workspace.answer(id, "4711"))
        await asyncio.sleep(0)
        assert not answering.done()
        hold.set()
        await answering
        await workspace.quiet()
        await workspace.answer(id, "north")
        assert await workspace.result(id) == "4711 and north"


async def test_of_two_answers_to_one_question_the_second_is_not_taken_for_the_next(tmp_path):
    id = await asked(tmp_path)
    hold = asyncio.Event()
    async with opened(hold, tmp_path) as workspace:
        await until(workspace, id, "running")
        both = [asyncio.create_task(workspace.answer(id, value)) for value in ("4711", "4712")]
        await asyncio.sleep(0)
        hold.set()
        said = await asyncio.gather(*both, return_exceptions=True)
        assert sorted(isinstance(each, Conflict) for each in said) == [False, True], said
        await workspace.quiet()
        assert (await workspace.task(id))["question"] == "Which bank?"
        await workspace.answer(id, "north")
        assert await workspace.result(id) in ("4711 and north", "4712 and north")


async def test_who_is_late_does_not_answer_the_next_question(tmp_path, monkeypatch):
    hold = asyncio.Event()
    hold.set()
    async with opened(hold, tmp_path) as workspace:
        id = await workspace.submit("case.ask", {})
        await workspace.quiet()
        record = workspace.corridor.record

        async def late(bundle: Any) -> Any:
            if bundle.drafts[0].by == "person/late":
                monkeypatch.undo()
                await workspace.answer(id, "4711")
                await workspace.quiet()
            return await record(bundle)

        monkeypatch.setattr(workspace.corridor, "record", late)
        with pytest.raises(Conflict, match="somebody else"):
            await workspace.answer(id, "4712", by="person/late")
        assert (await workspace.task(id))["question"] == "Which bank?"


async def test_a_task_that_has_asked_nothing_is_told_at_once(tmp_path):
    hold = asyncio.Event()
    async with opened(hold, tmp_path) as workspace:
        id = await workspace.submit("case.ask", {})
        await until(workspace, id, "running")
        with pytest.raises(Conflict, match="asks nothing now"):
            await workspace.answer(id, "4711")
        hold.set()


async def test_who_answers_just_before_it_asks_is_told_the_state_that_was_seen(tmp_path, monkeypatch):
    hold = asyncio.Event()
    async with opened(hold, tmp_path) as workspace:
        id = await workspace.submit("case.ask", {})
        await until(workspace, id, "running")
        select = workspace.journal.select

        async def slow(sql: str, values: Any) -> Any:
            found = await select(sql, values)
            if "FROM answer" in sql and not hold.is_set():
                hold.set()
                await until(workspace, id, "asking")
            return found

        monkeypatch.setattr(workspace.journal, "select", slow)
        with pytest.raises(Conflict, match="asks nothing now") as refused:
            await workspace.answer(id, "4711")
        assert refused.value.hint == "It is working."


async def test_what_is_answered_before_its_run_is_taken_up_goes_on(tmp_path):
    hold = asyncio.Event()
    hold.set()
    async with opened(hold, tmp_path) as workspace:
        ids = [await workspace.submit("case.ask", {"number": number}) for number in range(2)]
        await workspace.quiet()
    hold = asyncio.Event()
    async with Workspace(fleet(hold), Settings("asks", tmp_path / "tutti", grace=timedelta(0), slots=1)) as workspace:
        await until(workspace, ids[0], "running")
        assert (await workspace.task(ids[1]))["stage"] == "asking", "there is no slot for it yet"
        await workspace.answer(ids[1], "4711")
        hold.set()
        await workspace.answer(ids[0], "4712")
        await workspace.quiet()
        for id, account in zip(ids, ("4712", "4711"), strict=True):
            await workspace.answer(id, "north")
            assert await workspace.result(id) == f"{account} and north"


async def test_who_waits_for_a_person_has_a_hand_free_for_another(tmp_path):
    made = Fleet("hands")

    @made.agent(skill="case.ask", department="ops", concurrency=1)
    async def ask(input: Any, ctx: Context) -> Any:
        return await ctx.input("Which account?")

    async with Workspace(made, Settings("hands", tmp_path / "tutti", grace=timedelta(0))) as workspace:
        ids = [await workspace.submit("case.ask", {"number": number}) for number in range(2)]
        async with asyncio.timeout(30):
            await workspace.quiet()
        assert [(await workspace.task(id))["stage"] for id in ids] == ["asking", "asking"]
