"""An enrolled agent that is not one of Tutti's services: it shows a signed card, answers what it is asked and notes the tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from tutti import Workspace
from tutti.security import SigningKey
from tutti.security.enrolment import make_proof
from tutti.transports.a2a import sign, wire


class Recorder:
    """The agent."""

    def __init__(self) -> None:
        self.key = SigningKey(b"r" * 32)
        self.tokens: list[str] = []
        self.url = ""

    async def enrol(self, workspace: Workspace) -> None:
        """Come in."""
        code = (await workspace.accounts.enrol("pricing", department="sales"))["code"]
        proof = make_proof(self.key, code=code, name="pricing", workspace="shop", url=self.url)
        await workspace.accounts.enrolled(code, name="pricing", url=self.url, key=self.key.public.hex(), proof=proof)

    async def _card(self, request: web.Request) -> web.Response:
        skills = {"price.quote": {"nature": "advice"}}
        card: dict[str, Any] = {
            "name": "pricing", "description": "d", "version": "1",
            "supportedInterfaces": [{"url": self.url, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
            "capabilities": {"extensions": [{"uri": wire.SKILL, "params": {"skills": skills}}]},
            "skills": [{"id": "price.quote", "name": "q", "description": "d", "tags": ["t"]}],
        }  # fmt: skip
        return web.json_response(sign(card, self.key, "k"))

    async def _rpc(self, request: web.Request) -> web.Response:
        self.tokens.append(request.headers["Authorization"].removeprefix("Bearer "))
        body = await request.json()
        message = {"messageId": "m", "role": "ROLE_AGENT", "parts": [{"text": "5"}]}
        return web.json_response({"jsonrpc": "2.0", "id": body["id"], "result": {"message": message}})

    @classmethod
    @asynccontextmanager
    async def up(cls) -> AsyncIterator[Recorder]:
        """Serve."""
        made = cls()
        app = web.Application()
        app.router.add_get(wire.WELL_KNOWN, made._card)
        app.router.add_post("/", made._rpc)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield made
        finally:
            await runner.cleanup()
