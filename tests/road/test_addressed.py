"""A child that is sent to one agent is done by that agent, also when the run starts again, and not later than it may."""

from __future__ import annotations

from pathlib import Path

from tutti import Context, Fleet, Settings, Workspace
from tutti.errors import AgentFailed


def fleet() -> Fleet:
    fleet = Fleet("shop")
    for name, quality in (("best", 0.9), ("other", 0.1)):

        @fleet.agent(skill="price.quote", department="revenue", name=name, quality=quality)
        async def quote(wish: str, ctx: Context, name: str = name) -> str:
            return f"{name} {wish} {ctx.deadline}"

    @fleet.agent(skill="price.compare", department="revenue")
    async def compare(wish: str, ctx: Context) -> list[str]:
        last = await ctx.ask("price.quote", wish, to="other", name="second")
        first = await ctx.ask("price.quote", wish, to="best", name="first", deadline_at=4_000_000_000_000_000)
        try:
            await ctx.ask("price.quote", wish, to="nobody")
        except AgentFailed as failed:
            return [first, last, failed.message]
        return []

    return fleet


async def test_the_one_that_is_named_and_fails_fails_its_task_since_no_other_may_do_it(tmp_path: Path) -> None:
    shop = fleet()

    @shop.agent(skill="price.quote", department="revenue", name="broken")
    async def broken(wish: str) -> str:
        raise ValueError("no such wish")

    @shop.agent(skill="price.ask", department="revenue")
    async def ask(wish: str, ctx: Context) -> str:
        try:
            return str(await ctx.ask("price.quote", wish, to="broken"))
        except AgentFailed as failed:
            return failed.message

    async with Workspace(shop, Settings("shop", tmp_path)) as workspace:
        said = await workspace.result(await workspace.submit("price.ask", "tea"))
        assert "failed" in said
        assert (await workspace.tasks(waiting=True))["tasks"] == []


async def test_why_nobody_may_do_it_speaks_of_the_one_that_is_named(tmp_path: Path) -> None:
    shop = fleet()

    @shop.agent(skill="price.quote", department="revenue", name="never", when="priority > 9")
    async def never(wish: str) -> str:
        return wish

    @shop.agent(skill="price.ask", department="revenue")
    async def ask(wish: str, ctx: Context) -> str:
        return str(await ctx.ask("price.quote", wish, to="never"))

    async with Workspace(shop, Settings("shop", tmp_path)) as workspace:
        await workspace.submit("price.ask", "tea")
        await workspace.quiet()
        (waiting,) = (await workspace.tasks(waiting=True))["tasks"]
        assert waiting["reason"] == "no agent may take it: never@1: its condition does not hold: priority > 9"


async def test_the_one_that_is_named_does_it(tmp_path: Path) -> None:
    async with Workspace(fleet(), Settings("shop", tmp_path)) as workspace:
        task = await workspace.submit("price.compare", "tea")
        await workspace.quiet()
        (waiting,) = (await workspace.tasks(waiting=True))["tasks"]
        assert "it was sent to nobody" in waiting["reason"]
        await workspace.cancel(waiting["id"])
        ended = await workspace.result(task)
    assert "canceled" in ended[2]
    assert ended[:2] == ["best tea 4000000000000000", "other tea None"]
