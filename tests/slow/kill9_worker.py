"""The process that is killed: a workspace with a fleet, taking commands as JSON lines and acknowledging each when it is durable.

python kill9_worker.py FOLDER PORT
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Mapping
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from tutti import Context, Fleet, Settings, Workspace
from tutti.errors import AgentFailed, Conflict, Refused, TuttiError

PORT = int(sys.argv[2])
fleet = Fleet("kill9")


def reach(ctx: Context, what: str, honours: bool) -> None:
    """Tell the world; runs in a thread."""
    connection = HTTPConnection("127.0.0.1", PORT, timeout=5)
    connection.request("POST", "/", json.dumps({"key": ctx.key, "task": ctx.task, "what": what, "honours": honours}))
    connection.getresponse().read()
    connection.close()


@fleet.agent(skill="ticket.triage", department="support", concurrency=4, attempts=20)
async def triage(ticket: dict[str, Any], ctx: Context) -> dict[str, Any]:
    await asyncio.sleep(0.02)
    if ticket["n"] % 3 == 0 and ctx.attempt == 1:
        raise AgentFailed("not yet", retry=True)
    ctx.propose("refund.pay", {"n": ticket["n"]})
    if ticket["n"] % 2:
        ctx.propose("price.change", {"n": ticket["n"]})
    ctx.signal("account.unhappy", data={"n": ticket["n"]})
    return {"urgent": True}


@fleet.action("refund.pay", department="finance", idempotent=True, attempts=50, concurrency=4)
def pay(refund: dict[str, Any], ctx: Context) -> str:
    reach(ctx, "refund.pay", True)
    return "paid"


@fleet.action("price.change", department="finance", concurrency=1)
def change(price: dict[str, Any], ctx: Context) -> str:
    reach(ctx, "price.change", False)
    return "changed"


@fleet.agent(skill="account.health", department="support", fresh_for=timedelta(seconds=1), attempts=50)
async def health(account: Any) -> float:
    await asyncio.sleep(0.15)
    return 0.5


@fleet.agent(skill="account.plan", department="support", attempts=50)
async def plan(account: dict[str, Any], ctx: Context) -> Any:
    known = await ctx.ask("account.health", {})
    return [known, await ctx.input("Well?") if account["n"] % 4 == 0 else None]


@fleet.agent(skill="report.write", department="support", attempts=50)
async def report(data: dict[str, Any]) -> Any:
    return [data["health"], data["plan"]]


fleet.on("ticket.opened", do="ticket.triage")
fleet.on("account.unhappy", do="report.write", gather={"health": "account.health", "plan": "account.plan"})
fleet.autonomy("refund.pay", level="act")


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


async def obey(workspace: Workspace, command: Mapping[str, Any]) -> Any:
    match command["do"]:
        case "send":
            event = {"specversion": "1.0", "id": str(command["n"]), "source": "/parent", "type": "ticket.opened", "data": {"n": command["n"]}}
            return await workspace.send(event)
        case "decide":
            return {"approvals": await decide(workspace, last=False)}
        case "finish":
            for _ in range(50):
                await workspace.quiet()
                if not workspace.journal.hot.table("task"):
                    break
                await decide(workspace, last=True)
            return {"open": len(workspace.journal.hot.table("task"))}


async def main() -> None:
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
                answer = await obey(workspace, command)
            except TuttiError as error:
                answer = {"error": f"{type(error).__name__}: {error.message}"}
            print(json.dumps({"number": command["number"], "answer": answer}), flush=True)

        reading = loop.run_in_executor(None, read)
        print(json.dumps({"ready": True}), flush=True)
        async with asyncio.TaskGroup() as group:
            while line := await commands.get():
                group.create_task(one(line))
        await reading


logging.basicConfig(level=logging.ERROR)
asyncio.run(main())
