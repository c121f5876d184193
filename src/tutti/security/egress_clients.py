"""What HTTP clients connect through, so that they keep the rule of egress. The libraries are loaded when the first is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tutti.security.egress import ANSWER_BYTES, Egress

if TYPE_CHECKING:
    import aiohttp
    import httpx2


def connector(egress: Egress, keep: float = 15.0) -> aiohttp.BaseConnector:
    """A connector for aiohttp that connects only where the rule allows. Sessions with it must send `allow_redirects=False`.

    A connection is used again within `keep` seconds after an answer; with 0, never. `CONNECTING` is told about it.
    """
    from tutti.security.egress_aiohttp import Connector

    return Connector(egress, keep)


def transport(egress: Egress, limit: int = ANSWER_BYTES) -> httpx2.AsyncBaseTransport:
    """A transport for an `httpx2.AsyncClient` that connects only where the rule allows, and reads at most `limit` bytes of an answer.

    Of a stream of events each event may have that much. Pass `follow_redirects=False` (httpx2's own default) and `trust_env=False`.
    """
    from tutti.security.egress_httpx2 import Transport

    return Transport(egress, limit)
