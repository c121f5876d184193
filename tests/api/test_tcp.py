"""The API on TCP: a token is needed, names are checked, other machines only with TLS, one clear line for what cannot be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from api_site import Served, make_fleet, serving

from tutti import Settings, Workspace
from tutti.api.listening import listen_tcp
from tutti.errors import Conflict, Invalid


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(make_fleet(), Settings("support", tmp_path / "tutti", listen="127.0.0.1:0")) as found:
        yield found


async def test_tcp_wants_a_token_and_the_socket_does_not(served: Served) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(served.url + "/v1/tasks") as answer:
            assert answer.status == 401
            assert (await answer.json(content_type=None))["code"] == "unauthenticated"
        async with session.get(served.url + "/v1/tasks", headers=served.headers) as answer:
            assert answer.status == 200
    async with (
        aiohttp.ClientSession(connector=aiohttp.UnixConnector(str(served.workspace.settings.socket))) as session,
        session.get("http://tutti/v1/tasks") as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize(
    ("host", "status"), [("localhost", 200), ("127.0.0.1:7777", 200), ("[::1]:80", 200), ("evil.example", 421), ("127.0.0.1.evil.example:1", 421)]
)
async def test_on_loopback_only_its_own_names_are_answered_to(served: Served, host: str, status: int) -> None:
    async with aiohttp.ClientSession() as session, session.get(served.url + "/v1/tasks", headers={**served.headers, "host": host}) as answer:
        assert answer.status == status


def test_other_machines_need_tls_or_a_proxy(tmp_path: Path) -> None:
    open_to_all = Settings("x", tmp_path, listen="0.0.0.0:0")
    with pytest.raises(Invalid, match="no TLS"):
        listen_tcp(open_to_all)
    listener = listen_tcp(replace(open_to_all, behind_proxy=True))
    assert listener is not None
    listener.close()
    with pytest.raises(Invalid, match="no address"):
        listen_tcp(replace(open_to_all, listen="7777"))


async def test_a_port_that_is_taken_is_told(served: Served) -> None:
    taken = served.url.removeprefix("http://")
    with pytest.raises(Conflict, match="is taken"):
        await asyncio.to_thread(listen_tcp, Settings("x", listen=taken))
    async with Workspace(None, Settings("other", served.workspace.settings.folder, listen=taken)) as other:
        from tutti.api import serve

        with pytest.raises(Conflict, match="is taken"):
            await serve(other)
        assert not other.settings.socket.exists()
