"""A fleet with a LangGraph graph that asks a person, for a process that is killed: `python graph_agent.py FOLDER submit|answer:TEXT|finish:TEXT`.

Each node writes a line when it runs, so that the test can count. `submit` prints the task's id and waits; `answer` answers the first question,
prints the next one and waits; `finish` answers and prints the result.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import sys
from pathlib import Path
from typing import TypedDict

from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from tutti import Fleet, Settings, Workspace
from tutti.errors import Conflict


class State(TypedDict, total=False):
    """What the graph works on."""

    amount: int
    price: int
    first: str
    second: str


def build(folder: Path) -> Fleet:
    """The fleet; its graph keeps its threads in a SQLite file of its own."""

    def ran(node: str) -> None:
        with (folder / "ran.txt").open("a", encoding="utf-8") as file:
            file.write(node + "\n")

    def price(state: State) -> State:
        ran("price")
        return {"price": state["amount"] * 2}

    async def confirm(state: State) -> State:
        ran("confirm")
        first = interrupt({"question": f"May it cost {state['price']}?"})
        second = interrupt("Who says so?")
        return {"first": first, "second": second}

    def book(state: State) -> State:
        ran("book")
        return {}

    graph = StateGraph(State)
    graph.add_node("price", price)
    graph.add_node("confirm", confirm)
    graph.add_node("book", book)
    graph.add_edge(START, "price")
    graph.add_edge("price", "confirm")
    graph.add_edge("confirm", "book")
    graph.add_edge("book", END)
    saver = SqliteSaver(sqlite3.connect(folder / "threads.db", check_same_thread=False))
    fleet = Fleet("graphs")
    fleet.add(graph.compile(checkpointer=saver), skill="order.book", department="sales", name="booker")
    return fleet


async def main(folder: Path, what: str) -> None:
    """One process's part."""
    async with Workspace(build(folder), Settings("graphs", folder / "home")) as workspace:
        if what == "submit":
            id = await workspace.submit("order.book", {"amount": 21})
            await asked(workspace, id)
            print(id, flush=True)
            await asyncio.Event().wait()
        id = (await workspace.tasks())["tasks"][0]["id"]
        while True:
            question = await asked(workspace, id)
            try:
                await workspace.answer(id, what.partition(":")[2])
            except Conflict:  # its run was just being taken up again
                continue
            break
        print(question.replace("\n", " "), flush=True)
        if what.startswith("answer"):
            print(await asked(workspace, id), flush=True)
            await asyncio.Event().wait()
        print(json.dumps(await workspace.result(id), sort_keys=True), flush=True)


async def asked(workspace: Workspace, id: str) -> str:
    """What the task asks, once it does."""
    async with asyncio.timeout(30):
        while True:
            task = await workspace.task(id)
            if task["stage"] == "asking":
                return str(task["question"])
            await asyncio.sleep(0.02)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
