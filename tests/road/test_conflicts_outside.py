"""Leases over two nodes on one database, and with agents outside: their intents are options, and the token goes along."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from aiohttp import web

from tutti import Context, Fleet, Intent, Settings, Workspace
from tutti.app import FOLDS, TABLES
from tutti.journal import rebuild
from tutti.model.conflict import Lease
from tutti.service import Place, Service, offers_of


def prices(done: list[tuple[str, str]]) -> Fleet:
    fleet = Fleet("prices")

    def declare(effect: str) -> None:
        async def act(price: dict[str, Any], ctx: Context) -> str:
            await asyncio.sleep(0.01)
            done.append((effect, price["account"]))
            return "done"

        skill = f"price.{effect}"
        fleet.action(skill, department="d", name=effect, intends=[Intent("price/{account}", effect=effect, lasts=timedelta(days=1))])(act)
        fleet.autonomy(skill, level="act")

    declare("discount")
    declare("raise")
    fleet.resource("price", incompatible=[("discount", "raise")], order=["discount", "raise"])
    return fleet


async def test_two_nodes_on_one_database_do_not_act_against_each_other(postgres_url, tmp_path):
    """Each node decides on what it knows; the database refuses the second grant, and that node looks again."""
    settings, done = Settings("opposed", tmp_path, postgres_url), list[tuple[str, str]]()
    async with Workspace(prices(done), settings) as first, Workspace(prices(done), settings) as second:
        accounts = [str(number) for number in range(12)]
        for account in accounts:
            nodes = (first, second) if int(account) % 2 else (second, first)
            await asyncio.gather(nodes[0].submit("price.discount", {"account": account}), nodes[1].submit("price.raise", {"account": account}))
        for _ in range(5):
            for node in (first, second):
                await node.journal.catch_up()
                await node.quiet()
        rows = await first.journal.select("SELECT state, stage, COUNT(*) AS n FROM task GROUP BY state, stage")
        assert sorted(account for _, account in done) == sorted(accounts), (rows, done)
        assert {row["state"]: row["n"] for row in rows} == {"completed": 12, "rejected": 12}
    assert rebuild(settings.place, TABLES, FOLDS, workspace="opposed") == []


async def test_an_agent_outside_touches_what_its_options_say_and_is_sent_the_token(tmp_path):
    seen = []

    async def hook(request: web.Request) -> web.Response:
        seen.append((request.headers.get("Tutti-Lease"), await request.json()))
        return web.json_response({"done": True})

    app = web.Application()
    app.router.add_post("/lamp", hook)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/lamp"
    fleet = Fleet("outside")
    intents = [Intent("lamp/{room}", effect="light", lasts=timedelta(hours=1))]
    options = {"attempts": 1, "intends": intents}
    fleet.http_agent("lamp", department="d", webhook=url, skill="lamp.turn", skills={"lamp.turn": options})
    fleet.autonomy("lamp.turn", level="act")
    settings = Settings("outside", tmp_path, egress=(f"127.0.0.1:{runner.addresses[0][1]}",))
    async with Workspace(fleet, settings) as workspace:
        await workspace.submit("lamp.turn", {"room": "7"})
        await workspace.quiet()
        second = await workspace.submit("lamp.turn", {"room": "7"})
        await workspace.quiet()
        (card,) = workspace.house.registry.outside()
        assert card.skills["lamp.turn"].intends == tuple(intents)
        assert (await workspace.task(second))["stage"] == "queued"
        (lease,) = await workspace.journal.select("SELECT token FROM lease")
    await runner.cleanup()
    assert [token for token, _ in seen] == [str(lease["token"])]


async def test_an_agent_that_is_a_service_of_its_own_finds_its_lease_as_one_in_the_process_does(tmp_path):
    found = []
    lamps = Fleet("lamps")

    @lamps.action("lamp.turn", department="d", name="lamp", idempotent=True)
    async def turn(lamp: dict[str, Any], ctx: Context) -> str:
        found.append(ctx.leases)
        return "turned"

    @lamps.agent(skill="lamp.look", department="d", name="lamp")
    async def look(lamp: dict[str, Any], ctx: Context) -> bool:
        found.append(ctx.leases)
        return True

    stop, url = asyncio.Event(), asyncio.get_running_loop().create_future()
    service = Service(offers_of(lamps), Place(), tmp_path / "agent.key")
    running = asyncio.create_task(service.run(ready=lambda where, key: url.set_result(where), stop=stop))
    fleet = Fleet("outside")
    intents = [Intent("lamp/{room}", effect="light"), Intent("fuse/{room}", effect="load")]
    fleet.remote(await url, department="d", owner="ana@example.com", name="lamp", skills={"lamp.turn": {"intends": intents}, "lamp.look": {}})
    fleet.autonomy("lamp.turn", level="act")
    async with Workspace(fleet, Settings("outside", tmp_path)) as workspace:
        await workspace.result(await workspace.submit("lamp.turn", {"room": "7"}))
        await workspace.result(await workspace.submit("lamp.look", {"room": "7"}))
        granted = [fact.seq for fact in await workspace.journal.facts(kind="lease.granted")]
    stop.set()
    await running
    assert found == [(Lease("lamp/7", "light", granted[0], None), Lease("fuse/7", "load", granted[1], None)), ()]
