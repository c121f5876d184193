"""Agents of other frameworks as services of their own, by their own libraries; a graph's interrupt asks a person through both processes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from adapter_site import asked
from llm_site import says, served
from test_frameworks import _OPEN, of_agent_framework, of_openai_agents, of_pydantic_ai

from tutti import Fleet, Settings, Workspace
from tutti.service import Place, Service, offers_of

GRAPH = """
from typing import TypedDict
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt


class State(TypedDict, total=False):
    text: str
    answer: str


def write(state: State) -> State:
    tone = interrupt(f"Which tone for {state['text']}?")
    return {"answer": f"{tone}: {state['text']}"}


graph = StateGraph(State)
graph.add_node("write", write)
graph.add_edge(START, "write")
graph.add_edge("write", END)
answer = graph.compile(checkpointer=InMemorySaver())
"""


@asynccontextmanager
async def calling(url: str, folder: Path) -> AsyncIterator[Workspace]:
    """A workspace whose one agent is the service there."""
    fleet = Fleet("outer")
    fleet.remote(url, department="support", owner="ana@example.com")
    async with Workspace(fleet, Settings("outer", folder)) as workspace:
        yield workspace


async def test_a_graph_is_a_service_and_its_interrupt_asks_a_person(tmp_path: Path) -> None:
    pytest.importorskip("langgraph")
    (tmp_path / "answer.py").write_text(GRAPH)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tutti.cli", "serve-agent", "answer:answer", "--skill", "ticket.answer", "-o", "ndjson", cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = await process.stdout.readline()
        assert line, (await process.communicate())[1].decode()
        said = json.loads(line)
        assert (said["name"], said["skills"]) == ("ticket-answer", ["ticket.answer"])
        async with calling(said["url"], tmp_path / "outer") as workspace:
            id = await workspace.submit("ticket.answer", {"text": "help"})
            assert await asked(workspace, id) == "Which tone for help?"
            await workspace.answer(id, "kind")
            async with asyncio.timeout(30):
                assert (await workspace.result(id))["answer"] == "kind: help"
    finally:
        process.terminate()
        await process.communicate()


@pytest.fixture(autouse=True)
async def closed() -> AsyncIterator[None]:
    """Close the clients that agents were given."""
    yield
    while _OPEN:
        await _OPEN.pop().close()


@pytest.mark.parametrize("build", [of_pydantic_ai, of_openai_agents, of_agent_framework])
async def test_the_others_are_services_too(build: Any, tmp_path: Path) -> None:
    async with served(says("I have read it")) as model:
        stop = asyncio.Event()
        url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        service = Service(offers_of(build(model), skill="case.answer", name="helper"), Place(), tmp_path / "agent.key")
        running = asyncio.create_task(service.run(ready=lambda where, key: url.set_result(where), stop=stop))
        try:
            async with calling(await url, tmp_path / "outer") as workspace:
                id = await workspace.submit("case.answer", "a case")
                async with asyncio.timeout(60):
                    await workspace.quiet()
                task = await workspace.task(id)
                assert (task["state"], task["output"], task["agent"]) == ("completed", "I have read it", "helper"), task
        finally:
            stop.set()
            await running
