"""LangGraph's own library: graphs as agents, interrupts as questions, kill -9 while one waits."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from operator import add
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from tutti import Context, Fleet, Settings, Workspace
from tutti.errors import Invalid

RunnableConfig = pytest.importorskip("langchain_core.runnables").RunnableConfig
SqliteSaver = pytest.importorskip("langgraph.checkpoint.sqlite").SqliteSaver
langgraph = pytest.importorskip("langgraph.graph")
PROGRAM = Path(__file__).parent / "graph_agent.py"


class State(TypedDict, total=False):
    """What the graphs here work on."""

    text: str
    said: Annotated[list[str], add]


def graph_of(*nodes: Any) -> Any:
    graph = langgraph.StateGraph(State)
    last = langgraph.START
    for node in nodes:
        graph.add_node(node.__name__, node)
        graph.add_edge(last, node.__name__)
        last = node.__name__
    graph.add_edge(last, langgraph.END)
    return graph


async def finished(workspace: Workspace, id: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        await workspace.quiet()
    return await workspace.task(id)


async def test_a_graph_is_an_agent_and_its_state_is_the_output(tmp_path, caplog):
    async def shout(state: State) -> State:
        return {"said": [state["text"].upper()]}

    fleet = Fleet("plain")
    fleet.add(graph_of(shout).compile(), skill="text.shout", department="x", from_=lambda state: state["said"][0], input=dict[str, str], output=str)
    assert "has no checkpointer" in caplog.text
    async with Workspace(fleet, Settings("plain", tmp_path)) as workspace:
        task = await finished(workspace, await workspace.submit("text.shout", {"text": "hello"}))
        assert (task["state"], task["output"]) == ("completed", "HELLO")


async def test_messages_are_the_convention_for_text(tmp_path):
    from langchain_core.messages import AIMessage
    from langgraph.graph import MessagesState

    def reply(state: Any) -> Any:
        return {"messages": [AIMessage(f"you said {state['messages'][-1].content}")]}

    graph = langgraph.StateGraph(MessagesState)
    graph.add_node("reply", reply)
    graph.add_edge(langgraph.START, "reply")
    fleet = Fleet("talk")
    fleet.add(graph.compile(), skill="chat.reply", department="x")
    async with Workspace(fleet, Settings("talk", tmp_path)) as workspace:
        assert (await finished(workspace, await workspace.submit("chat.reply", "hi")))["output"] == "you said hi"


async def test_threads_in_memory_are_told_at_the_declaration(caplog):
    from langgraph.checkpoint.memory import InMemorySaver

    def nothing(state: State) -> State:
        return {}

    Fleet("memory").add(graph_of(nothing).compile(checkpointer=InMemorySaver()), skill="a.do", department="x")
    assert "keeps its threads in memory: after a crash it starts from its beginning" in caplog.text


def test_a_graph_that_is_not_compiled_is_refused():
    with pytest.raises(Invalid, match="no agent of a framework") as raised:
        Fleet("raw").add(graph_of(), skill="a.do", department="x")
    assert "Compile the graph first" in raised.value.hint


async def test_tools_of_the_fleet_go_through_the_gates(tmp_path):
    paid: list[Any] = []

    async def decide(state: State, config: RunnableConfig) -> State:
        tools = config["configurable"]["tutti_tools"]
        found = await tools["order_find"]({"number": 7})
        said = await tools["refund_pay"]({"amount": found["total"]})
        return {"said": [said]}

    fleet = Fleet("gated")
    saver = SqliteSaver(sqlite3.connect(tmp_path / "threads.db", check_same_thread=False))
    fleet.add(graph_of(decide).compile(checkpointer=saver), skill="case.decide", department="x", tools=["order.find", "refund.pay"])

    @fleet.agent(skill="order.find", department="sales")
    async def find(input: dict[str, Any]) -> dict[str, Any]:
        return {"total": 40}

    @fleet.action(skill="refund.pay", department="finance", amount="amount")
    async def pay(input: dict[str, Any], ctx: Context) -> str:
        paid.append(input)
        return "paid"

    async with Workspace(fleet, Settings("gated", tmp_path / "home")) as workspace:
        task = await finished(workspace, await workspace.submit("case.decide", {"text": "x"}))
        assert (task["state"], paid) == ("completed", [])
        assert "Proposed" in task["output"]["said"][0]
        (approval,) = await workspace.approvals()
        assert (approval["skill"], approval["input"]) == ("refund.pay", {"amount": 40})


async def test_canceling_the_task_cancels_the_node(tmp_path):
    started, canceled = asyncio.Event(), asyncio.Event()

    async def hang(state: State) -> State:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            canceled.set()
            raise
        return {}

    fleet = Fleet("stop")
    fleet.add(graph_of(hang).compile(), skill="a.do", department="x")
    async with Workspace(fleet, Settings("stop", tmp_path)) as workspace:
        id = await workspace.submit("a.do", {"text": "x"})
        await asyncio.wait_for(started.wait(), 10)
        await workspace.cancel(id)
        await asyncio.wait_for(canceled.wait(), 10)
        assert (await workspace.task(id))["state"] == "canceled"


async def run(folder: Path, what: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, str(PROGRAM), str(folder), what, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ}
    )


async def lines(process: asyncio.subprocess.Process, count: int) -> list[str]:
    assert process.stdout is not None
    assert process.stderr is not None
    found = [(await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip() for _ in range(count)]
    assert all(found), (await process.stderr.read()).decode()[-3000:]
    return found


async def test_interrupts_wait_through_kill_9_and_their_thread_goes_on(tmp_path):
    first = await run(tmp_path, "submit")
    (id,) = await lines(first, 1)
    assert id.startswith("t-")
    assert (tmp_path / "ran.txt").read_text().split() == ["price", "confirm"]
    first.send_signal(signal.SIGKILL)
    await first.wait()
    second = await run(tmp_path, "answer:yes")
    asked, next_asked = await lines(second, 2)
    assert '"question": "May it cost 42?"' in asked
    assert next_asked == "Who says so?"
    second.send_signal(signal.SIGKILL)
    await second.wait()
    third = await run(tmp_path, "finish:Ana")
    asked, result = await lines(third, 2)
    await third.wait()
    assert asked == "Who says so?"
    assert json.loads(result) == {"amount": 21, "price": 42, "first": "yes", "second": "Ana"}
    ran = (tmp_path / "ran.txt").read_text().split()
    assert (ran.count("price"), ran.count("book")) == (1, 1)  # what was before the interrupt did not run again
