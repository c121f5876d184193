"""pydantic-ai, OpenAI Agents SDK and Microsoft Agent Framework: their own libraries, against a scripted model over HTTP."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from adapter_site import asked, journey, shop
from llm_site import Model, calls, says, served

from tutti import Settings, Workspace

SCRIPT = (calls(("order_find", {"number": 7})), calls(("refund_pay", {"amount": 40})), says("I proposed it"))


_OPEN: list[Any] = []


@pytest.fixture(autouse=True)
async def closed():
    """Close the clients that agents were given."""
    yield
    while _OPEN:
        await _OPEN.pop().close()


def of_pydantic_ai(model: Model) -> Any:
    library = pytest.importorskip("pydantic_ai")
    from openai import AsyncOpenAI
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

    _OPEN.append(AsyncOpenAI(base_url=model.url, api_key="x", max_retries=0))
    return library.Agent(OpenAIChatModel("scripted", provider=OpenAICompatibleProvider("x", openai_client=_OPEN[-1])), output_type=str)


def of_openai_agents(model: Model, **options: Any) -> Any:
    library = pytest.importorskip("agents")
    from openai import AsyncOpenAI

    client = AsyncOpenAI(base_url=model.url, api_key="x", max_retries=0)
    _OPEN.append(client)
    return library.Agent(name="helper", instructions="Help.", model=library.OpenAIChatCompletionsModel(model="scripted", openai_client=client), **options)


def of_agent_framework(model: Model, **options: Any) -> Any:
    pytest.importorskip("agent_framework")
    from framework_client import client

    return client(model.url, **options)


@pytest.mark.parametrize("build", [of_pydantic_ai, of_openai_agents, of_agent_framework])
async def test_an_agent_uses_skills_of_the_fleet_through_the_gates(build, tmp_path):
    if build is not of_pydantic_ai:
        pytest.importorskip("langgraph")  # the environment with all libraries
    async with served(*SCRIPT) as model:
        assert await journey(build, model, tmp_path) == [{"amount": 40}]


async def waits_for_approval(agent: Any, model: Model, done: list[Any], folder: Any, answer: str, restart: bool) -> str:
    """The agent's own tool needs approval: a person is asked, also after the process has ended meanwhile; returns what came out."""
    fleet = shop(agent, [], tools=())
    async with Workspace(fleet, Settings("shop", folder, grace=timedelta(0))) as workspace:
        id = await workspace.submit("case.answer", "delete it")
        assert "wants to call delete" in await asked(workspace, id)
        assert done == []
        if not restart:
            await workspace.answer(id, answer)
            async with asyncio.timeout(30):
                return str(await workspace.result(id))
    async with Workspace(fleet, Settings("shop", folder)) as workspace:
        await workspace.quiet()
        await asked(workspace, id)
        await workspace.answer(id, answer)
        async with asyncio.timeout(30):
            return str(await workspace.result(id))


@pytest.mark.parametrize(("answer", "restart", "times"), [("yes", False, 1), ("yes", True, 1), ("no", False, 0)])
async def test_pydantic_ai_asks_before_a_tool_that_needs_approval(tmp_path, answer, restart, times):
    library = pytest.importorskip("pydantic_ai")
    done: list[Any] = []
    async with served(calls(("delete", {"name": "x"})), says("it is so")) as model:
        agent = of_pydantic_ai(model)
        agent = library.Agent(agent.model, output_type=[str, library.DeferredToolRequests])

        @agent.tool_plain(requires_approval=True)
        def delete(name: str) -> str:
            done.append(name)
            return "deleted"

        assert await waits_for_approval(agent, model, done, tmp_path, answer, restart) == "it is so"
        assert (len(done), len(model.requests)) == (times, 2)  # the conversation went on, it did not begin anew


@pytest.mark.parametrize(("answer", "restart", "times"), [("yes", False, 1), ("yes", True, 1), ("no", False, 0)])
async def test_openai_agents_ask_before_a_tool_that_needs_approval(tmp_path, answer, restart, times):
    library = pytest.importorskip("agents")
    done: list[Any] = []

    @library.function_tool(needs_approval=True)
    def delete(name: str) -> str:
        done.append(name)
        return "deleted"

    async with served(calls(("delete", {"name": "x"})), says("it is so")) as model:
        agent = of_openai_agents(model, tools=[delete])
        assert await waits_for_approval(agent, model, done, tmp_path, answer, restart) == "it is so"
        assert (len(done), len(model.requests)) == (times, 2)


@pytest.mark.parametrize(("answer", "times"), [("yes", 1), ("no", 0)])
async def test_agent_framework_asks_before_a_tool_that_needs_approval(tmp_path, answer, times):
    library = pytest.importorskip("agent_framework")
    done: list[Any] = []

    @library.tool(approval_mode="always_require")
    def delete(name: str) -> str:
        """Delete something."""
        done.append(name)
        return "deleted"

    async with served(calls(("delete", {"name": "x"})), says("it is so")) as model:
        agent = of_agent_framework(model, tools=[delete])
        assert await waits_for_approval(agent, model, done, tmp_path, answer, False) == "it is so"
        assert len(done) == times
