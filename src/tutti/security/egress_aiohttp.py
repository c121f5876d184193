"""Egress under aiohttp. Loaded when the first connection is needed."""

from __future__ import annotations

import errno
import select
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from tutti.errors import Refused
from tutti.security.egress import CONNECTING, Egress

if TYPE_CHECKING:
    import asyncio


class _Resolver(AbstractResolver):
    def __init__(self, egress: Egress) -> None:
        self._egress = egress

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET6 if ":" in address else socket.AF_INET, proto=0, flags=0)
            for address in await self._egress.addresses(host, port)
        ]

    async def close(self) -> None:
        """There is nothing to close."""


class Connector(aiohttp.TCPConnector):
    """aiohttp asks a resolver for names only, never for addresses: so each request is looked at before it gets a connection."""

    def __init__(self, egress: Egress, keep: float) -> None:
        pool: dict[str, Any] = {"keepalive_timeout": keep} if keep else {"force_close": True}
        super().__init__(resolver=_Resolver(egress), use_dns_cache=False, ssl=egress.trust, **pool)
        self._egress = egress

    async def connect(self, req: aiohttp.ClientRequest, traces: Any, timeout: aiohttp.ClientTimeout) -> Any:
        if req.proxy is not None:
            raise Refused("Agents are not called through a proxy.", hint="Leave the proxy out: it would connect where this process may not.")
        self._egress.check_origin(req.url.scheme, req.url.raw_host or "", req.url.explicit_port)
        connecting = CONNECTING.get()
        while True:
            connection = await super().connect(req, traces, timeout)
            if connecting is None:
                return connection
            connecting.protocol = connection.protocol
            if not connecting.reused or not _is_over(connection.transport):
                return connection
            connection.close()

    async def _create_connection(self, req: aiohttp.ClientRequest, traces: Any, timeout: aiohttp.ClientTimeout) -> Any:
        protocol = await super()._create_connection(req, traces, timeout)
        connecting = CONNECTING.get()
        if connecting is not None:
            connecting.made = True
            if connecting.vouch is not None:
                try:
                    await connecting.vouch()
                except BaseException:
                    protocol.close()
                    raise
                if not protocol.is_connected():  # nothing was sent, and nothing happened
                    raise aiohttp.ClientConnectorError(req.connection_key, ConnectionResetError(errno.ECONNRESET, "It was closed before anything was sent."))
        return protocol


def _is_over(transport: asyncio.Transport | None) -> bool:
    """Whether the other end has closed a connection on which nothing is under way, though the loop has not heard of it yet."""
    if transport is None:
        return True
    waiting = select.poll()
    waiting.register(transport.get_extra_info("socket"), select.POLLIN)
    return bool(waiting.poll(0))
