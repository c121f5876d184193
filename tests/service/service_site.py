"""Services for tests: agents of several kinds, each on a port of its own, in the test's loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tutti import Context, Fleet
from tutti.errors import AgentFailed
from tutti.service import Place, Service, offers_of


class Product(BaseModel):
    product: str
    amount: float = 0.0


@dataclass
class Shop:
    """What the agents did, and what holds them up."""

    version: str = "1"
    effects: list[str] = field(default_factory=list)  # keys
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    started: asyncio.Event = field(default_factory=asyncio.Event)

    def fleet(self, *, idempotent: bool = True) -> Fleet:
        fleet = Fleet("shop")
        hold, effects = self.hold, self.effects

        @fleet.agent(skill="price.quote", department="revenue", name="pricing")
        async def quote(wish: Product) -> dict[str, Any]:
            """What a product costs."""
            return {"product": wish.product, "price": 5, "by": self.version}

        @fleet.agent(skill="text.write", department="revenue", name="pricing")
        async def write(topic: str) -> str:
            return f"about {topic}"

        @fleet.agent(skill="work.slow", department="revenue", name="pricing")
        async def slow(wish: Product, ctx: Context) -> str:
            ctx.progress(0.5, "halfway")
            self.started.set()
            await hold.wait()
            return f"slow {wish.product}"

        @fleet.agent(skill="case.ask", department="revenue", name="pricing")
        async def asks(wish: Product, ctx: Context) -> str:
            first = await ctx.input("Which colour?")
            second = await ctx.input("May I log in?", auth=True)
            return f"{wish.product}: {first}, {second}"

        @fleet.agent(skill="plan.make", department="revenue", name="pricing")
        async def plan(wish: Product, ctx: Context) -> str:
            ctx.propose("price.change", {"product": wish.product, "amount": 2})
            ctx.signal("plan.made", data={"product": wish.product})
            ctx.note("plan", "made")
            ctx.cost = 0.25
            return "planned"

        @fleet.agent(skill="case.fail", department="revenue", name="pricing")
        async def fails(wish: Product) -> str:
            if wish.product == "sure":
                raise AgentFailed("there is none left", retry=False)
            raise RuntimeError("the till is broken")

        @fleet.action("price.change", department="revenue", name="pricing", amount="amount", idempotent=idempotent)
        async def change(wish: Product, ctx: Context) -> str:
            effects.append(ctx.key)
            if wish.product == "broken":
                raise RuntimeError("half way through")
            return f"changed by {self.version}"

        return fleet


@asynccontextmanager
async def serving(agent: Any, folder: Path, **place: Any) -> AsyncIterator[str]:
    """A service in this loop; gives its url. It is stopped gently at the end."""
    stop: asyncio.Event = asyncio.Event()
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    name = place.pop("name", "")
    service = Service(offers_of(agent, name=name), Place(**place), folder / "agent.key")
    task = asyncio.create_task(service.run(ready=lambda where, key: url.set_result(where), stop=stop))
    await asyncio.wait({task, url}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        await task
    try:
        yield url.result()
    finally:
        stop.set()
        await task
