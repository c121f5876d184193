"""Servers that ask who calls are shown a certificate, by every client; files that hold none are told before anything is called."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import httpx2
import pytest
from certificates import certificate
from cryptography.hazmat.primitives import serialization

from tutti import Settings, Workspace
from tutti.errors import Invalid
from tutti.security import Egress, certified, connector, transport


@pytest.fixture
async def strict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """The port of a server that answers to whom its authority has given a certificate; the authority counts here too."""
    ca = certificate(tmp_path, "ca")
    for name in ("server", "caller"):
        certificate(tmp_path, name, ca)
    (tmp_path / "both.pem").write_bytes((tmp_path / "caller.pem").read_bytes() + (tmp_path / "caller.key").read_bytes())
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(tmp_path / "ca.pem"))
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    context.verify_mode = ssl.CERT_REQUIRED

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def by_aiohttp(egress: Egress, url: str) -> int:
    async with aiohttp.ClientSession(connector=connector(egress)) as session, session.get(url, allow_redirects=False) as answer:
        return answer.status


async def by_httpx2(egress: Egress, url: str) -> int:
    async with httpx2.AsyncClient(transport=transport(egress), trust_env=False) as client:
        return (await client.get(url)).status_code


@pytest.mark.parametrize("get", [by_aiohttp, by_httpx2])
async def test_a_server_that_asks_who_calls_is_shown_the_certificate(strict, tmp_path, get):
    url, allowed = f"https://localhost:{strict}/", [f"localhost:{strict}"]
    assert await get(Egress(allowed, tls=certified(str(tmp_path / "both.pem"))), url) == 200
    with pytest.raises((aiohttp.ClientError, httpx2.TransportError, ssl.SSLError)):
        await get(Egress(allowed), url)


def test_a_file_that_holds_no_pair_is_told_at_once(tmp_path: Path) -> None:
    _, key = certificate(tmp_path, "a")
    locked = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret"))
    (tmp_path / "locked.pem").write_bytes((tmp_path / "a.pem").read_bytes() + locked)
    for name in ("none.pem", "a.pem", "a.key", "locked.pem"):
        with pytest.raises(Invalid, match=f"{name} cannot be shown"):
            certified(str(tmp_path / name))
        with pytest.raises(Invalid, match=name):
            Workspace(None, Settings("x", tmp_path / "tutti", client_cert=str(tmp_path / name)))
