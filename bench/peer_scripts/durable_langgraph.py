"""LangGraph with its SQLite checkpointer doing what a governed task does: route, gate and run, judge; durable after each of the three steps.

Runs in an environment of its own and imports nothing of Tutti. The checkpointer's defaults are kept (WAL, its own lock), with durability="sync".
"""

import asyncio
import json
import os
import random
import sqlite3
import sys
import time
from importlib.metadata import version
from typing import Any, TypedDict

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph


class State(TypedDict, total=False):
    ticket: dict[str, Any]
    agent: str
    verdict: str
    result: dict[str, Any]
    quality: float


async def first(ticket):
    return {"urgency": 0.9 if "!" in ticket["text"] else 0.2, "words": len(ticket["text"].split())}


async def second(ticket):
    return {"urgency": 0.8 if ticket["text"].endswith("!") else 0.3, "words": ticket["text"].count(" ") + 1}


AGENTS = {"first": first, "second": second}


def route(state):
    drawn = {name: random.betavariate(3, 2) for name in AGENTS}
    return {"agent": max(drawn, key=drawn.get), "verdict": "allow" if state["ticket"]["amount"] < 500 else "ask"}


async def run(state):
    return {"result": await AGENTS[state["agent"]](state["ticket"])}


def judge(state):
    return {"quality": 1.0 if state["result"]["words"] == len(state["ticket"]["text"].split()) else 0.0}


def ticket(n):
    return {"id": f"T{n}", "account": f"A{n % 1000}", "text": f"Order {n} has not come and nobody answers me" + "!" * (n % 2), "amount": 1.0 + n % 400}


async def main(request):
    path = os.path.join(request["folder"], "langgraph.db")
    graph = StateGraph(State)
    graph.add_node("route", route)
    graph.add_node("run", run)
    graph.add_node("judge", judge)
    graph.add_edge(START, "route")
    graph.add_edge("route", "run")
    graph.add_edge("run", "judge")
    graph.add_edge("judge", END)
    saver = AsyncSqliteSaver(await aiosqlite.connect(path))
    await saver.setup()
    compiled = graph.compile(checkpointer=saver)
    taken, number = [], 0

    async def client(end):
        nonlocal number
        while time.perf_counter() < end:
            number += 1
            n = number
            start = time.perf_counter()
            state = await compiled.ainvoke({"ticket": ticket(n)}, {"configurable": {"thread_id": f"t{n}"}}, durability="sync")
            assert state["quality"] == 1.0
            taken.append(time.perf_counter() - start)

    def size():
        database = sqlite3.connect(path, timeout=10)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        database.close()
        return sum(os.path.getsize(path + end) for end in ("", "-wal") if os.path.exists(path + end))

    async def load(seconds):
        end = time.perf_counter() + seconds
        await asyncio.gather(*(client(end) for _ in range(request["in_flight"])))

    await load(request["seconds"] / 4)
    taken.clear()
    before, cpu, wall = size(), time.process_time(), time.perf_counter()
    await load(request["seconds"])
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    n = len(taken)
    taken.sort()
    result = {
        "n": n, "tasks_s": n / wall, "p50_ms": taken[n // 2] * 1e3, "p99_ms": taken[min(n - 1, int(0.99 * n))] * 1e3, "cpu_ms": cpu / n * 1e3, "bytes": (size() - before) / n,
        "versions": {name: version(name) for name in ("langgraph", "langgraph-checkpoint-sqlite")},
    }  # fmt: skip
    print("BENCH-RESULT " + json.dumps(result), flush=True)
    os._exit(0)  # the checkpointer's thread must not hold up the end


asyncio.run(main(json.loads(sys.argv[1])))
