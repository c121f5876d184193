"""A workspace to look at in a browser: `python tests/console/served.py FOLDER [--busy | --undecided]`. It prints one line of JSON when it listens, and ends at SIGTERM.

Its company is the example fleet's, a small one, with agents of the tests beside it: one that asks a person, one that fails, and texts that try to
be more than text. With `--busy` it is instead 5,000 tasks that wait for one agent, which does fifty a second:
a hundred changes a second in a list. With `--undecided` it has a conflict that no rule decides, and a negotiation whose parties take their time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from console_site import BARGAINERS
from pydantic import BaseModel

from tutti import Context, Fleet, Intent, Settings, Workspace
from tutti.api import serve
from tutti.fleets import lifecycle

BUSY_TASKS = 5_000
EVERY_S = 0.02  # a task's start and end are two changes of a row: a hundred a second
PAYLOADS = (
    "<script>window.hit='script'</script>",
    "<img src=x onerror=\"window.hit='img'\">",
    '"><svg onload="window.hit=\'svg\'">',
    "javascript:window.hit='link'",
    "<a href=\"javascript:window.hit='a'\">click</a>",
    "![x](http://198.51.100.7/pixel.png) [y](javascript:window.hit='md')",
    "<iframe srcdoc=\"<script>parent.hit='frame'</script>\"></iframe>",
    "{{constructor.constructor('window.hit=1')()}} ${window.hit=1}",
    "</title><script>window.hit='title'</script>",
    "<style>@import 'http://198.51.100.7/x.css'</style>",
)


def company() -> Fleet:
    """The example fleet, and what a page must bear besides."""
    made = lifecycle.sample(11, tickets=60, accounts=60)
    fleet = lifecycle.build(made)

    @fleet.agent(skill="letter.read", department="support", owner="ana@example.com")
    async def reader(text: str, ctx: Context) -> str:
        answer = await ctx.input(f"What shall become of {text}")
        return f"{text} {answer}"

    @fleet.agent(skill="letter.lose", department="support", owner="ana@example.com")
    async def loser(text: str, ctx: Context) -> str:
        raise RuntimeError(f"lost {text}")

    @fleet.agent(skill="letter.drop", department="support", owner="ana@example.com")
    async def dropper(text: str, ctx: Context) -> str:
        raise RuntimeError("it fell")

    @fleet.agent(skill="letter.echo", department="support", owner="ana@example.com", fresh_for=timedelta(0))
    async def echo(text: str, ctx: Context) -> str:
        ctx.note("letter", text)
        return text

    fleet.on("letter.came", do="letter.echo")
    terms = [{"price": 15, "term": 24}, {"price": 10, "term": 24}, {"price": 5, "term": 24}], [{"price": 0, "term": 12}, {"price": 0, "term": 24}]
    for name, its in zip(BARGAINERS, terms, strict=True):
        fleet.party(Haggler(its), name=name, department="sales")
    return fleet


def busy() -> Fleet:
    """One agent with much to do."""
    fleet = Fleet("busy")

    begun: list[float] = []  # when somebody looked

    @fleet.agent(skill="paper.stamp", department="office", owner="ana@example.com", concurrency=8)
    async def stamp(number: int, ctx: Context) -> int:
        while not begun and not await asyncio.to_thread(Path("go").exists):
            await asyncio.sleep(0.05)
        now = asyncio.get_running_loop().time()
        begun[:] = begun or [now]
        await asyncio.sleep(max(begun[0] + number * EVERY_S - now, 0))  # by the clock, so that a busy machine is as fast as a calm one
        return number

    return fleet


class Haggler:
    """A party that makes these offers, one a turn, and then takes what there is."""

    def __init__(self, offers: list[dict[str, Any]]) -> None:
        self.offers = list(offers)

    async def respond(self, outcome: dict[str, Any] | None) -> dict[str, Any] | bool:
        return self.offers.pop(0) if self.offers else True


class Slow:
    """A party that takes its time: whoever looks at the negotiation finds it going on."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def score(self, outcomes: list[dict[str, Any] | None]) -> list[float]:
        await asyncio.sleep(3_600)
        return [0.0 for _ in outcomes]


class Price(BaseModel):
    """Whose price."""

    account: str


def undecided() -> Fleet:
    """What only a person ends."""
    fleet = Fleet("undecided")
    for skill, effect in (("price.lower", "discount"), ("price.raise", "raise")):

        async def act(price: Price) -> str:
            return "done"

        fleet.action(skill, department="sales", intends=[Intent("price/{account}", effect=effect, lasts=timedelta(days=1))], name=effect)(act)
        fleet.autonomy(skill, level="approve")
    fleet.resource("price", incompatible=[("discount", "raise")])
    for name in ("buyer", "seller"):
        fleet.party(Slow(name), name=name, department="sales")
    return fleet


async def leave_open(workspace: Workspace) -> None:
    """A conflict that waits for a person, and a negotiation that goes on."""
    first = await workspace.submit("price.lower", {"account": "17"})
    second = await workspace.submit("price.raise", {"account": "17"})
    await workspace.quiet()
    for task in (first, second):
        await workspace.answer_as_owner(task, "approve")
    await workspace.quiet()
    await workspace.negotiate(
        issues={"price": [0, 5, 10], "term": [12, 24]},
        parties={"buyer": 1, "seller": 1},
        fallback={"price": 0, "term": 12},
        policy=[{"rule": "no long terms at 10", "forbid": {"price": 10, "term": 24}}],
        approval=[{"rule": "ten needs a yes", "forbid": {"price": 10}}],
        deadline=timedelta(hours=1),
    )


async def fill(workspace: Workspace) -> None:
    """What is there to see."""
    bargaining = await workspace.negotiate(
        issues={"price": [0, 5, 10, 15], "term": [12, 24]},
        parties=BARGAINERS,
        fallback={"price": 0, "term": 12},
        policy=[{"rule": "never fifteen", "forbid": {"price": 15}}],
        approval=[{"rule": "ten needs a yes", "forbid": {"price": [10, 15]}}],
        protocol="alternating",
    )
    await workspace.result(bargaining)
    made = lifecycle.sample(11, tickets=60, accounts=60)
    for event in lifecycle.signals(made):
        await workspace.send(event)
    for number, text in enumerate(PAYLOADS):
        await workspace.submit("letter.echo", text, subject=f"account/{text[:40]}")
        event: dict[str, Any] = {
            "specversion": "1.0",
            "id": f"payload-{number}",
            "source": "/letters",
            "type": "letter.came",
            "subject": text[:60],
            "data": text,
        }
        await workspace.send(event)
    await workspace.submit("letter.lose", " ".join(PAYLOADS))
    await workspace.submit("letter.read", PAYLOADS[1])


async def main() -> None:
    """Serve until told to stop."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--busy", action="store_true")
    parser.add_argument("--undecided", action="store_true")
    parser.add_argument("--listen", default="127.0.0.1:0")
    said = parser.parse_args()
    fleet = busy() if said.busy else undecided() if said.undecided else company()
    settings = Settings(fleet.name, said.folder, listen=said.listen, grace=timedelta(0))
    async with Workspace(fleet, settings) as workspace:
        if said.busy:
            if not (await workspace.measures())["tasks"]["all"]:
                for start in range(0, BUSY_TASKS, 250):
                    await asyncio.gather(*(workspace.submit("paper.stamp", number) for number in range(start, start + 250)))
        elif (await workspace.measures())["tasks"]["all"]:
            pass  # it has been here before
        elif said.undecided:
            await leave_open(workspace)
        else:
            await fill(workspace)
            await asyncio.wait_for(workspace.quiet(), 90)  # who looks finds a company at rest

        def ready(path: Path) -> None:
            print(json.dumps({"url": workspace.outside.base_url, "socket": str(path)}), flush=True)

        await serve(workspace, ready=ready)


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(130)
