"""Connections of the API: how many there may be, of one address too, and for which host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from ipaddress import ip_network
from typing import Any

from tutti.api.listening import Address, Network, address_of
from tutti.connection import Connection

KEEP_ALIVE_S = 75  # seconds an idle connection stays open


class Bound:
    """How many connections one address may have at a time; the addresses of `free` networks have no such bound."""

    def __init__(self, most: int, free: Sequence[Network] = ()) -> None:
        self._most = most
        self._free = free
        self._held: Counter[str] = Counter()

    def take(self, address: str) -> bool | None:
        """Note one more. False where it is one too many, None where it is not counted."""
        whose = address_of(address)
        if whose is None or any(whose in network for network in self._free):
            return None
        key = _household(whose)
        if self._held[key] >= self._most:
            return False
        self._held[key] += 1
        return True

    def give(self, address: str) -> None:
        """One that was taken has ended."""
        whose = address_of(address)
        if whose is not None:
            key = _household(whose)
            self._held[key] -= 1
            if self._held[key] <= 0:
                del self._held[key]


def _household(address: Address) -> str:
    """What counts as one caller: an IPv4 address, or the network of 64 bits that an IPv6 caller has all addresses of."""
    return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))


def connection(most: int, bound: Bound | None = None) -> type[Connection]:
    """The class of connections of a listener that takes `most` at a time, and of one address as many as `bound` says."""

    class Bounded(Connection):
        """One of so many, and for requests that are for this very host."""

        _counted = ""  # the address that this connection counts for

        def too_many(self) -> str:
            if len(self.connections) > most:
                return "Too many connections."
            address = self.client[0] if bound is not None and self.client else ""
            taken = bound.take(address) if bound is not None and address else None
            if taken is False:
                return "Too many connections from this address."
            self._counted = address if taken else ""
            return ""

        def misdirected(self) -> str:
            return "" if _is_for(self.url, self.headers) else "The address of the request is not for its Host."

        def connection_lost(self, exc: Exception | None) -> None:
            if bound is not None and self._counted:
                bound.give(self._counted)
            super().connection_lost(exc)

    return Bounded


def _is_for(target: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether a target is a path, or an address at the very host that the header names. Source: RFC 9112, 3.2.2."""
    if target.startswith((b"/", b"*")):
        return True
    _, form, rest = target.partition(b"://")
    authority = rest.partition(b"/")[0].partition(b"?")[0].lower()
    return bool(form) and [value.strip().lower() for name, value in headers if name == b"host"] == [authority]


def options() -> dict[str, Any]:
    """What the web server is told, for every listener."""
    return {
        "loop": "none", "ws": "none", "lifespan": "off", "log_config": None, "log_level": "critical", "access_log": False, "proxy_headers": False,
        "server_header": False, "date_header": False, "timeout_keep_alive": KEEP_ALIVE_S,
    }  # fmt: skip
