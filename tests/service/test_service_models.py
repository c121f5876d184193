"""An LLM agent and agents of other frameworks as services of their own: what they answer, what it cost, and what does not reach them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from llm_site import Model, calls, served
from service_site import serving

from tutti import Fleet, Settings, Workspace
from tutti.errors import Invalid
from tutti.service import offers_of

AGENT = """
import os
from pydantic import BaseModel
from tutti import Fleet

class Letter(BaseModel):
    text: str

fleet = Fleet("letters")
fleet.llm_agent("writer", skill="letter.write", department="sales", instructions="Write a letter.", model="m-1", base_url=os.environ["MODEL_URL"],
                api_key="secret://model", output=Letter, price=(1, 2))
fleet.llm_agent("asker", skill="letter.ask", department="sales", instructions="Ask.", model="m-1", base_url=os.environ["MODEL_URL"], tools=["order.find"])
fleet.cap("day", money=20, per="day")
"""
SECRET = "sk-0123456789-very-secret"


async def started(folder: Path, model: Model, *options: str) -> asyncio.subprocess.Process:
    (folder / "letters.py").write_text(AGENT)
    environment = {**os.environ, "MODEL_URL": model.url, "TUTTI_SECRET_MODEL": SECRET, "TUTTI_AGENT_TOKEN": ""}
    return await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "tutti"), "serve-agent", "letters.py:fleet", "-o", "ndjson", "--grace", "0", *options, cwd=folder, env=environment,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip


async def test_an_llm_agent_of_a_fleet_is_a_service(tmp_path: Path) -> None:
    async with served(calls(("final_result", {"text": "Dear Ana"}))) as model:
        process = await started(tmp_path, model, "--agent", "writer")
        assert process.stdout is not None
        try:
            async with asyncio.timeout(60):
                url = json.loads(await process.stdout.readline())["url"]
            fleet = Fleet("outer")
            fleet.remote(url, department="sales", owner="ana@example.com", name="writer")
            async with Workspace(fleet, Settings("outer", tmp_path / "outer")) as workspace:
                id = await workspace.submit("letter.write", "to Ana")
                async with asyncio.timeout(60):
                    await workspace.quiet()
                task = await workspace.task(id)
                assert (task["state"], task["output"], task["agent"]) == ("completed", {"text": "Dear Ana"}, "writer"), task
                facts = await workspace.journal.select("SELECT data FROM fact WHERE kind = 'run.finished'")
                assert json.loads(facts[0]["data"])["cost"] == 140, "100 tokens in, 20 out"
        finally:
            process.terminate()
            _, words = await process.communicate()
        assert model.headers[0]["Authorization"] == f"Bearer {SECRET}"
        assert b"caps are not held here (day)" in words
        assert SECRET.encode() not in words


async def test_one_that_is_given_the_fleets_skills_is_not_served(tmp_path: Path) -> None:
    async with served(calls(("final_result", {"text": "x"}))) as model:
        process = await started(tmp_path, model, "--agent", "asker")
        _, words = await process.communicate()
    assert (process.returncode, b"a service has no fleet" in words, b"Traceback" in words) == (2, True, False)


class CompiledStateGraph:
    """A stand-in: an object is recognised by its class' module and name."""

    checkpointer = None

    async def astream(self, state: Any, config: Any, **more: Any) -> Any:
        yield "values", {"messages": [f"you said {state['messages'][0]['content']}"]}


CompiledStateGraph.__module__ = "langgraph.graph.state"


def test_a_frameworks_agent_is_named_by_its_skill() -> None:
    offers = offers_of(CompiledStateGraph(), skill="ticket.answer")
    assert (offers.name, list(offers.skills)) == ("ticket-answer", ["ticket.answer"])
    assert offers_of(CompiledStateGraph(), skill="ticket.answer", name="answers").name == "answers"
    with pytest.raises(Invalid, match="does not say what it does"):
        offers_of(CompiledStateGraph())


async def test_a_frameworks_agent_is_a_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import types

    monkeypatch.setitem(sys.modules, "langgraph", types.ModuleType("langgraph"))
    monkeypatch.setitem(sys.modules, "langgraph.types", types.ModuleType("langgraph.types"))
    fleet = Fleet("graphs")
    fleet.add(CompiledStateGraph(), skill="ticket.answer", department="support")
    async with serving(fleet, tmp_path) as url:
        outer = Fleet("outer")
        outer.remote(url, department="support", owner="ana@example.com")
        async with Workspace(outer, Settings("outer", tmp_path / "outer")) as workspace:
            id = await workspace.submit("ticket.answer", "hello")
            await workspace.quiet()
            task = await workspace.task(id)
            assert (task["state"], task["output"]) == ("completed", "you said hello"), task
