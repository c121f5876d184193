"""What the processes that are killed share: a workspace that takes commands as JSON lines and acknowledges each when it is durable.

python A_WORKER.py FOLDER PORT
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tutti import Context, Fleet, Settings, Workspace
from tutti.errors import Conflict, Refused, TuttiError


def reach(ctx: Context, what: str, honours: bool) -> None:
    """Tell the world; runs in a thread."""
    connection = HTTPConnection("127.0.0.1", int(sys.argv[2]), timeout=5)
    connection.request("POST", "/", json.dumps({"key": ctx.key, "task": ctx.task, "what": what, "honours": honours}))
    connection.getresponse().read()
    connection.close()


async def decide(workspace: Workspace, *, last: bool) -> list[str]:
    """A person goes through what waits; the ids of the approvals that were given."""
    given = []
    for row in (await workspace.tasks(waiting=True, limit=1000))["tasks"]:
        try:
            if row["stage"] == "approval":
                await workspace.answer_as_owner(row["id"], "approve")
                given.append(row["approval"])
            elif row["stage"] == "asking":
                await workspace.answer(row["id"], "yes")
            elif last or len(given) % 2:
                await workspace.settle(row["id"], "drop")
        except (Conflict, Refused):
            continue  # it has moved on meanwhile
    return given


async def obey(workspace: Workspace, command: Mapping[str, Any], types: Sequence[str]) -> Any:
    match command["do"]:
        case "send":
            type = types[command["n"] % len(types)]
            return await workspace.send({"specversion": "1.0", "id": str(command["n"]), "source": "/parent", "type": type, "data": {"n": command["n"]}})
        case "decide":
            return {"approvals": await decide(workspace, last=False)}
        case "finish":
            for _ in range(50):
                await workspace.quiet()
                if not workspace.journal.hot.table("task"):
                    break
                await decide(workspace, last=True)
            return {"open": len(workspace.journal.hot.table("task"))}


async def _work(fleet: Fleet, types: Sequence[str]) -> None:
    async with Workspace(fleet, Settings("kill9", Path(sys.argv[1]), grace=timedelta(seconds=2))) as workspace:
        loop = asyncio.get_running_loop()
        commands: asyncio.Queue[bytes] = asyncio.Queue()

        def read() -> None:
            for line in sys.stdin.buffer:
                loop.call_soon_threadsafe(commands.put_nowait, line)
            loop.call_soon_threadsafe(commands.put_nowait, b"")

        async def one(line: bytes) -> None:
            command = json.loads(line)
            try:
                answer = await obey(workspace, command, types)
            except TuttiError as error:
                answer = {"error": f"{type(error).__name__}: {error.message}"}
            print(json.dumps({"number": command["number"], "answer": answer}), flush=True)

        reading = loop.run_in_executor(None, read)
        print(json.dumps({"ready": True}), flush=True)
        async with asyncio.TaskGroup() as group:
            while line := await commands.get():
                group.create_task(one(line))
        await reading


def work(fleet: Fleet, *types: str) -> None:
    """Open the fleet's workspace and obey until standard input ends. Signal number n is of the type n modulo so many."""
    logging.basicConfig(level=logging.ERROR)
    asyncio.run(_work(fleet, types))
