"""An agent service of its own process comes in with its code, over HTTP, and stays known by its key; nobody takes its place."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from client_wire import Recorder
from enrolled_site import agent, quoted, refused, served

from tutti import Fleet, Settings, Workspace
from tutti.clock import MICROS
from tutti.errors import Conflict
from tutti.ids import Ids
from tutti.model.agent import Endpoint
from tutti.security import SigningKey, tokens
from tutti.testing import ManualClock
from tutti.transports.a2a import signed_by, wire


async def code_of(workspace: Workspace, name: str = "pricing") -> str:
    return str((await workspace.accounts.enrol(name, department="sales", owner="ana@example.com"))["code"])


async def test_it_comes_in_with_a_code_and_again_with_its_key(tmp_path: Path) -> None:
    """Another address, then another version: the next start needs no code, and a card that has changed is an upgrade."""
    async with served(tmp_path) as (workspace, server):
        async with agent(tmp_path / "a", "--server", server, "--enrol", await code_of(workspace)) as first:
            assert first.said["enrolled"] == "pricing"
            task = await quoted(workspace, "tea")
            assert (task["state"], task["output"], task["agent"]) == ("completed", "tea costs 5", "pricing")
            card = (await workspace.card("pricing"))["versions"][0]
            assert (card["endpoint"]["key"], card["owner"], card["department"]) == (first.said["key"], "ana@example.com", "sales")
        state = tmp_path / "a" / "pricing.enrolled.json"
        assert state.stat().st_mode & 0o777 == 0o600
        async with agent(tmp_path / "a") as second:
            assert second.said["key"] == first.said["key"]
            assert (await quoted(workspace, "tea"))["output"] == "tea costs 5"
        async with agent(tmp_path / "a", version="6") as third:
            assert (await quoted(workspace, "milk"))["output"] == "milk costs 6"
            live = [version["version"] for version in (await workspace.card("pricing"))["versions"] if version["state"] == "live"]
            assert live == [third.said["registered"]] != [first.said["registered"]]
            await workspace.drain("pricing", reason="an operator says so")
        code, words = await refused(tmp_path / "a")
        assert (code, "was taken out of the fleet" in words) == (4, True), words


async def test_what_does_not_come_in_says_why_in_one_line(tmp_path: Path) -> None:
    async with served(tmp_path) as (workspace, server):
        code = await code_of(workspace)
        cases: list[tuple[str, tuple[str, ...], int, str]] = [
            ("a", ("--server", server), 2, "is not enrolled at"),
            ("a", ("--enrol", code), 2, "--server"),
            ("a", ("--server", server, "--enrol", "enrol_x"), 2, "no enrolment code"),
            ("a", ("--server", server, "--enrol", "enrol_" + "A" * 43), 4, "does not hold"),
            ("a", ("--server", server, "--enrol", code, "--name", "other"), 4, "does not hold"),
            ("a", ("--server", "http://shop.example", "--enrol", code), 2, "in the clear"),
            ("a", ("--server", "http://127.0.0.1:9", "--enrol", code), 5, "does not answer"),
        ]
        for folder, options, expected, words in cases:
            status, said = await refused(tmp_path / folder, *options)
            assert (status, words in said, "Traceback" in said) == (expected, True, False), (options, status, said)
            assert code not in said
        assert not (tmp_path / "a" / "pricing.enrolled.json").exists()
        second = await code_of(workspace)  # made while the name is free
        async with agent(tmp_path / "a", "--server", server, "--enrol", code):
            pass
        status, said = await refused(tmp_path / "b", "--server", server, "--enrol", code)
        assert (status, "bound to another key" in said) == (6, True), said
        status, said = await refused(tmp_path / "b", "--server", server, "--enrol", second)
        assert (status, "bound to another key" in said) == (6, True), said
        await workspace.accounts.remove("agent/pricing")
        status, said = await refused(tmp_path / "b", "--server", server, "--enrol", code)
        assert (status, "used already" in said) == (4, True), said
        status, said = await refused(tmp_path / "a")
        assert (status, "Traceback" in said) == (4, False), said
        async with agent(tmp_path / "b", "--server", server, "--enrol", second):
            assert (await quoted(workspace, "tea"))["state"] == "completed", "the name is free again, for another key"


async def test_another_server_at_its_address_is_not_called(tmp_path: Path, kept_port: int) -> None:
    """Its card is signed by another key: neither the workspace's look nor any call believes it. The right one is believed again."""
    calls, port = tmp_path / "calls", str(kept_port)
    async with served(tmp_path) as (workspace, server):
        async with agent(tmp_path / "a", "--port", port, "--server", server, "--enrol", await code_of(workspace), calls=calls) as first:
            assert (await quoted(workspace, "tea"))["state"] == "completed"
        async with agent(tmp_path / "b", "--port", port, who="other", calls=calls):
            task = await quoted(workspace, "secret plans")
            assert task["state"] == "failed"
            assert "has not this agent's key" in task["detail"]
            await workspace._look_at_registered()
            live = [version["version"] for version in (await workspace.card("pricing"))["versions"] if version["state"] == "live"]
            assert live == [first.said["registered"]]
            assert (await quoted(workspace, "more plans"))["state"] == "failed", "looking at its card has not let it in"
        assert calls.read_text() == "first tea\n"
        async with agent(tmp_path / "a", "--port", port, calls=calls):
            assert (await quoted(workspace, "milk"))["state"] == "completed"


async def test_a_card_that_is_shown_by_somebody_else_does_not_help_them(tmp_path: Path, kept_port: int) -> None:
    """The other server shows the agent's own signed card; the challenge it cannot sign."""
    from aiohttp import web

    async with served(tmp_path) as (workspace, server):
        async with agent(tmp_path / "a", "--port", str(kept_port), "--server", server, "--enrol", await code_of(workspace)) as first:
            card = await _card(first.url)
        assert signed_by(json.loads(card), first.said["key"])
        called: list[str] = []

        async def anything(request: web.Request) -> web.Response:
            if request.method == "GET":
                return web.Response(body=card, content_type="application/json", headers={"Tutti-Proof": "00" * 64})
            called.append(request.path)
            return web.json_response({})

        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", anything)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", kept_port).start()
        try:
            await workspace._look_at_registered()
            assert (await quoted(workspace, "tea"))["state"] == "failed"
        finally:
            await runner.cleanup()
        assert called == []


async def test_it_takes_its_workspaces_tokens_and_no_others(tmp_path: Path) -> None:
    """Open to nobody: each call carries a five-minute token for this agent alone, made once and used again."""
    async with served(tmp_path) as (workspace, server), aiohttp.ClientSession() as session:
        code = await code_of(workspace)
        async with agent(tmp_path / "a", "--server", server, "--enrol", code) as running:
            await quoted(workspace, "tea")
            accounts, keys = workspace.accounts, workspace.journal.keys.token
            now = workspace.clock.now() // MICROS
            right = accounts.token_for("pricing")
            assert right == accounts.token_for("pricing") != accounts.token_for("pricing", "person/ana")
            assert tokens.peek(right)[1]["sub"] == "tutti/shop"
            said = tokens.peek(accounts.token_for("pricing", "person/ana"))[1]
            assert (said["sub"], said["act"], said["aud"], said["scope"], said["exp"] - said["iat"]) == (
                "person/ana", {"sub": "tutti/shop"}, "agent/pricing", "", 300,
            )  # fmt: skip

            def made(key: SigningKey = keys, *, aud: str = "agent/pricing", iss: str = "tutti/shop", at: int = now) -> str:
                return tokens.issue(key, tokens.AgentToken("tutti/shop", aud, "jti-1", at, at + 300), iss)

            wrong = {
                "none": "",
                "another agent's": accounts.token_for("crm"),
                "the workspace's": made(aud="tutti/shop"),
                "another workspace's": made(iss="tutti/other"),
                "another key's": made(SigningKey(b"x" * 32)),
                "expired": made(at=now - 340),
                "from the future": made(at=now + 60),
                "no token": "x.y.z",
            }
            for what, token in wrong.items():
                assert await _called(session, running.url, token) == 401, what
            assert await _called(session, running.url, right) == 200
            assert await _called(session, running.url, made()) == 200
            with pytest.raises(Exception, match="not accepted"):
                accounts.admit(right)


async def _card(url: str) -> bytes:
    async with aiohttp.ClientSession() as session, session.get(url + wire.WELL_KNOWN) as answer:
        return await answer.read()


async def _called(session: aiohttp.ClientSession, url: str, token: str) -> int:
    message = {"message": wire.message(wire.parts_of("tea"), id="m-1")}
    headers = {"A2A-Version": "1.0", "Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    async with session.post(url + "/message:send", json=message, headers=headers) as answer:
        return answer.status


async def test_a_token_for_calls_is_made_anew_before_it_ends_and_acts_for_nobody(tmp_path: Path) -> None:
    clock = ManualClock()
    async with Workspace(Fleet("shop"), Settings("shop", tmp_path, grace=timedelta(0)), clock=clock, ids=Ids(clock)) as workspace:
        first = workspace.accounts.token_for("pricing")
        clock.advance(timedelta(seconds=209))
        assert workspace.accounts.token_for("pricing") == first
        clock.advance(timedelta(seconds=2))
        assert workspace.accounts.token_for("pricing") != first


async def test_calls_carry_who_asked(tmp_path: Path) -> None:
    """The token of a call says on whose behalf it is made."""
    fleet = Fleet("shop")
    fleet.on("quote.wanted", do="price.quote")
    async with Recorder.up() as recorder, served(tmp_path, fleet) as (workspace, _):
        await recorder.enrol(workspace)
        for _ in range(5):
            await workspace.submit("price.quote", "tea", by="service/crm")
        await workspace.quiet()
        await workspace.send({"specversion": "1.0", "type": "quote.wanted", "id": "1", "source": "t", "data": "tea"})
        await workspace.quiet()
        assert [tokens.peek(token)[1]["sub"] for token in recorder.tokens] == ["service/crm"] * 5 + ["person/owner"]
        assert len(set(recorder.tokens)) == 2


async def test_a_start_without_its_workspace_serves_and_comes_again_later(tmp_path: Path, kept_port: int) -> None:
    async with (
        served(tmp_path, port=kept_port) as (workspace, server),
        agent(tmp_path / "a", "--server", server, "--enrol", await code_of(workspace)) as first,
    ):
        before = first.said["registered"]
    async with agent(tmp_path / "a", version="7") as second:
        assert "registered" not in second.said
        async with served(tmp_path, port=kept_port) as (workspace, _):
            async with asyncio.timeout(60):
                while {each["version"] for each in await workspace.agents() if each["name"] == "pricing"} == {before}:  # what routes see
                    await asyncio.sleep(0.05)
            assert (await quoted(workspace, "tea"))["output"] == "tea costs 7"


async def test_a_name_whose_agent_was_retired_stays_with_its_key(tmp_path: Path) -> None:
    """Nobody registers another agent under it until its account is removed."""
    async with Recorder.up() as recorder, Recorder.up() as other, served(tmp_path) as (workspace, _):
        await recorder.enrol(workspace)
        await workspace.retire("pricing")
        with pytest.raises(Conflict, match="bound to another key"):
            await workspace.register(Endpoint("a2a", other.url), department="sales", name="pricing")
        await workspace.accounts.remove("agent/pricing")
        assert (await workspace.register(Endpoint("a2a", other.url), department="sales", name="pricing"))["new"]


async def test_another_workspace_at_the_servers_address_is_not_believed(tmp_path: Path, kept_port: int) -> None:
    async with served(tmp_path, port=kept_port) as (workspace, server), agent(tmp_path / "a", "--server", server, "--enrol", await code_of(workspace)):
        pass
    async with served(tmp_path / "other", port=kept_port):
        status, said = await refused(tmp_path / "a")
    assert (status, "is not the workspace" in said) == (4, True), said
