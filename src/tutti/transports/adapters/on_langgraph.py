"""LangGraph: a compiled graph as an agent. Its thread is the task; `interrupt()` asks a person, and the same thread goes on with the answer.

With a checkpointer that is durable, a process that takes over finds the thread where it stood: nodes that had finished do not run again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from importlib import import_module
from typing import Any

import orjson

from tutti.transports.adapters.bring import Brought
from tutti.transports.inprocess import Context, _plain
from tutti.transports.tools import fleet_tools

log = logging.getLogger("tutti")
_ASKED = "interrupts"  # how many were answered, kept for the run that takes over
_ASYNC = ("aget_tuple", "alist", "aput", "aput_writes", "adelete_thread")


def check(brought: Brought, where: str) -> None:
    """Say so where the graph's threads do not outlive the process."""
    saver = getattr(brought.object, "checkpointer", None)
    if saver is None or isinstance(saver, bool):
        log.warning("%s has no checkpointer: it cannot interrupt(), and after a crash it starts from its beginning. Compile it with a durable one.", where)
    elif "memory" in type(saver).__module__:
        log.warning(
            "%s keeps its threads in memory: after a crash it starts from its beginning. Compile it with a durable checkpointer (SQLite, Postgres).", where
        )


async def run(brought: Brought, input: Any, ctx: Context) -> Any:
    """The graph's result for one task."""
    graph = _asynchronous(brought.object)
    types = import_module("langgraph.types")
    tools = {tool.name: tool.call for tool in fleet_tools(ctx, brought.tools)}
    config = {"configurable": {"thread_id": ctx.task, **({"tutti_tools": tools} if tools else {})}}
    if graph.checkpointer is None or isinstance(graph.checkpointer, bool):
        values = None
        async for mode, part in graph.astream(_state(brought, input), config, stream_mode=["updates", "values"]):
            values = part if mode == "values" else values
            _tell(ctx, mode, part)
        return _result(brought, values)
    snapshot = await graph.aget_state(config)
    answered = int(await ctx.kept(_ASKED) or 0)
    step: Any = None if snapshot.next or snapshot.values else _state(brought, input)
    while True:
        if snapshot.interrupts:
            replies = {}
            for place, interrupt in enumerate(snapshot.interrupts, start=1):
                replies[interrupt.id] = await ctx._open_line().question(_words(interrupt.value), answered + place)
            answered += len(replies)
            # Kept before the thread goes on: a process that ends in between asks once more, and never gives an old answer to a new question.
            await ctx.keep(_ASKED, answered)
            step = types.Command(resume=replies)
        elif step is None and not snapshot.next:
            return _result(brought, snapshot.values)
        async for part in graph.astream(step, config, stream_mode="updates", durability="sync"):
            _tell(ctx, "updates", part)
        snapshot, step = await graph.aget_state(config), None


def _state(brought: Brought, input: Any) -> Any:
    """The task's input as the graph's: text as a first message, data as the state itself."""
    if brought.to is not None:
        return brought.to(input)
    return {"messages": [{"role": "user", "content": input}]} if isinstance(input, str) else _plain(input)


def _result(brought: Brought, values: Any) -> Any:
    """What came of it: the structured answer, else the last message's text, else the state."""
    if brought.from_ is not None:
        return brought.from_(values)
    if isinstance(values, dict):
        if values.get("structured_response") is not None:
            return values["structured_response"]
        if values.get("messages"):
            last = values["messages"][-1]
            return getattr(last, "content", last)
    return _plain(values)


def _words(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(_plain(value), option=orjson.OPT_INDENT_2).decode()


def _tell(ctx: Context, mode: str, part: Any) -> None:
    if mode == "updates" and isinstance(part, dict):
        for node in part:
            if node != "__interrupt__":
                ctx.progress(0.0, f"{node} has finished")


def _asynchronous(graph: Any) -> Any:
    """The graph with a checkpointer that can be awaited: a synchronous one is called in threads."""
    saver = graph.checkpointer
    if saver is None or isinstance(saver, bool):
        return graph
    base = import_module("langgraph.checkpoint.base").BaseCheckpointSaver
    synchronous = type(saver).__module__ == "langgraph.checkpoint.sqlite" or type(saver).aget_tuple is base.aget_tuple
    return graph.copy(update={"checkpointer": _awaitable(saver, base)}) if synchronous else graph


def _awaitable(saver: Any, base: Any) -> Any:
    def awaited(name: str) -> Callable[..., Any]:
        async def call(self: Any, *arguments: Any, **named: Any) -> Any:
            return await asyncio.to_thread(getattr(saver, name), *arguments, **named)

        return call

    async def alist(self: Any, *arguments: Any, **named: Any) -> Any:
        for each in await asyncio.to_thread(lambda: list(saver.list(*arguments, **named))):
            yield each

    members: dict[str, Any] = {name: awaited(name.removeprefix("a")) for name in _ASYNC if name != "alist"}
    members |= {"alist": alist, "get_next_version": lambda self, *given: saver.get_next_version(*given)}
    members["config_specs"] = property(lambda self: saver.config_specs)
    return type("AwaitedSaver", (base,), members)(serde=saver.serde)
