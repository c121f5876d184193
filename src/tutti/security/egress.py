"""Egress: the one rule for every address that somebody else can name.

A host is resolved once, every address it has is looked at, and the connection goes to the address that was looked at. Loopback, private,
link-local and other special addresses are refused unless the operator lists them; redirects are never followed.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from tutti.errors import AgentFailed, Refused

if TYPE_CHECKING:
    import ssl

    import aiohttp

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]  # the addresses of a name, as text; raises OSError when there are none
Address = IPv4Address | IPv6Address

ANSWER_BYTES = 8 * 1024 * 1024  # what one answer may weigh where nobody says otherwise: eight times a payload of the journal


@dataclass(slots=True)
class Connecting:
    """What one request wants of its connection, and is told about it."""

    vouch: Callable[[], Awaitable[None]] | None = None  # asked about a new connection before anything is sent on it; raises `Refused`
    made: bool = False
    protocol: Any = None

    @property
    def reused(self) -> bool:
        """Whether an earlier request had this connection: then the other end may be closing it just now."""
        return self.protocol is not None and not self.made


CONNECTING: ContextVar[Connecting | None] = ContextVar("tutti_connecting", default=None)
_PORTS = {"http": 80, "https": 443}
_REMEMBERED = 4096  # origins whose form was found good
_HINT = "If you trust this address, list it in TUTTI_EGRESS as host:port, address or network."
_FORM = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)")
_NOT_IN_A_URL = re.compile(r"[\x00-\x20\x7f\\\u0080-\uffff]|[^\u0000-\uffff]")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_NAT64 = IPv6Network("64:ff9b::/96")
_BESIDES = (
    IPv4Network("192.0.0.0/24"),  # protocol assignments; one cloud keeps its metadata there
    IPv4Network("192.88.99.0/24"),  # relays of 6to4
    IPv6Network("2002::/16"),  # 6to4 and Teredo carry an IPv4 address that routers unpack
    IPv6Network("2001::/23"),
    IPv6Network("64:ff9b:1::/48"),
)


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """The addresses that this machine's resolver knows. Raises: `OSError`."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


class Egress:
    """What may be connected to. `allow` lists what is special and allowed all the same: host:port, host, or a network such as 10.0.0.0/8.

    `tls` is what connects to https; without it that trusts the system's list of certificates, or what SSL_CERT_FILE names.
    """

    def __init__(self, allow: Sequence[str] = (), resolver: Resolver = system_resolver, *, tls: ssl.SSLContext | None = None) -> None:
        self.allowed: list[str] = []
        self._tls = tls
        self._resolver = resolver
        self._names: set[str] = set()  # host, or host:port
        self._networks: list[tuple[IPv4Network | IPv6Network, int | None]] = []
        self._good: set[tuple[str, str, int | None]] = set()
        for origin in allow:
            self.allow(origin)

    def allow(self, origin: str) -> None:
        """Let one more origin through that the operator wrote down: host:port, host, address, network, or a whole URL.

        Raises: `Refused` for what is none of these.
        """
        text = origin.strip().lower()
        form = _FORM.match(text)
        if form is not None:
            text = form[2] if _origin(form[2])[1] is not None else f"{form[2]}:{_PORTS.get(form[1], 0)}"
        host, port = _origin(text)
        try:
            self._networks.append((ip_network(host.strip("[]")), port))
        except ValueError:
            try:
                _literal(host)  # raises for what is neither a name nor an address
            except Refused:
                raise Refused(f"{origin!r} cannot be listed for egress.", hint="Write host:port, host, an address, or a network such as 10.0.0.0/8.") from None
            self._names.add(text)
        self.allowed.append(text)

    # --- the rule -----------------------------------------------------------------------------------------------

    def check(self, url: str) -> None:
        """Refuse an address by its form alone (scheme, user, port, special address). Raises: `Refused`."""
        if _NOT_IN_A_URL.search(url):
            raise _refused(
                "An address with blanks, backslashes or characters beyond ASCII is not called.", "Write the host as xn--… and percent-encode the rest."
            )
        form = _FORM.match(url)
        if form is None:
            raise _refused("An address without scheme and host is not called.", "Write it as https://host:port/path.")
        scheme, authority = form[1].lower(), form[2]
        if "@" in authority:
            raise _refused("An address with a user in it is not called.", "Give credentials apart, as secret://name.")
        host, colon, port = authority.rpartition(":")
        if not colon or authority.endswith("]"):
            host, port = authority, ""
        elif not port.isdigit() or len(port) > 5:
            raise _refused("An address with a malformed port is not called.", "Write it as https://host:port/path.")
        self.check_origin(scheme, host, int(port) if port else None)

    def check_origin(self, scheme: str, host: str, port: int | None) -> None:
        """The same for an address that was taken apart already; a port of None is the scheme's own. Raises: `Refused`."""
        origin = (scheme, host, port)
        if origin in self._good:
            return
        if scheme not in _PORTS:
            raise _refused(f"{scheme or 'An address without a scheme'} is not called, only http and https.", "Write it as https://host/path.")
        if port is not None and not 0 < port < 65536:
            raise _refused(f"Port {port} is no port.", "Write one from 1 to 65535.")
        name = host.lower()
        literal = _literal(name)
        number = port or _PORTS[scheme]
        if literal is not None:
            self._look_at(literal, number, name)
        elif (name == "localhost" or name.endswith(".localhost")) and not self._listed(name, number):
            raise _refused(f"{name}:{number} is not called: it is this machine.", _HINT)
        if len(self._good) >= _REMEMBERED:
            self._good.clear()
        self._good.add(origin)

    async def addresses(self, host: str, port: int) -> list[str]:
        """The addresses to connect to for a host: resolved once, every one of them looked at. Raises: `Refused`, `OSError`."""
        name = host.lower()
        literal = _literal(name)
        if literal is not None:
            self._look_at(literal, port, name)
            return [str(literal)]
        found = [ip_address(text) for text in await self._resolver(name, port)]
        if not found:
            raise OSError(f"{name} has no address")
        if not self._listed(name, port):
            for address in found:
                self._look_at(address, port, name)
        return [str(address) for address in found]

    def _listed(self, name: str, port: int) -> bool:
        return name in self._names or f"{name}:{port}" in self._names

    def _look_at(self, address: Address, port: int, name: str) -> None:
        if is_special(address) and not any(
            address.version == network.version and address in network and open_port in (None, port) for network, open_port in self._networks
        ):
            raise _refused(f"{name}:{port} is not called: {address} is a loopback, private or other special address.", _HINT)

    @cached_property
    def trust(self) -> ssl.SSLContext:
        """Whose certificates count, and which is shown, for every client."""
        import ssl

        return self._tls or ssl.create_default_context()


async def read_capped(response: aiohttp.ClientResponse, limit: int = ANSWER_BYTES) -> bytes:
    """The body of an answer, refused while it is read as soon as it is longer than `limit` bytes, or packed.

    Raises: `AgentFailed` (not to be repeated; that something happened at the other side is possible).
    """
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        response.close()
        raise packed(encoding)
    stated = response.headers.get("content-length", "")
    body = bytearray()
    if not (stated.isdigit() and int(stated) > limit):
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                break
        else:
            return bytes(body)
    response.close()  # the rest is not read
    raise too_long(limit)


def packed(encoding: str) -> AgentFailed:
    """What is said of an answer that comes compressed: a small one may become a large one."""
    return AgentFailed(f"The answer is packed ({encoding[:20]!r}) and is not read.", hint="Have the agent send it as it is (Content-Encoding: identity).")


def too_long(limit: int) -> AgentFailed:
    """What is said of an answer over the limit."""
    return AgentFailed(f"The answer has more than {limit} bytes and is not read.", hint="Have the agent send a reference instead.")


def is_special(address: Address) -> bool:
    """Whether an address is anything but a plain public one: loopback, private, link-local, shared, multicast, reserved, or a tunnel's.

    Source: the IANA special-purpose address registries (RFC 6890), as far as `ipaddress` has them, and the tunnels.
    """
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return is_special(IPv4Address(int(address) & 0xFFFFFFFF))  # how a network without IPv4 reaches a public host
        if address.is_site_local or address.scope_id is not None:
            return True
    if any(address.version == network.version and address in network for network in _BESIDES):
        return True
    return not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified


def _literal(host: str) -> Address | None:
    """The address that a host is written as; None for a name. Raises: `Refused` for forms that other programs read as another address."""
    if (host.startswith("[") and host.endswith("]")) or ":" in host:
        try:
            address = ip_address(host.strip("[]"))
        except ValueError:
            address = None
        if not isinstance(address, IPv6Address):
            raise _refused("This is no IPv6 address.", "Write it in brackets, and an IPv4 address as such.")
        return address
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):  # the rule of the URL standard: a host that ends in a number is an IPv4 address
        try:
            return IPv4Address(host)
        except ValueError:
            raise _refused(f"{host[:60]} is not called: an IPv4 address is written with four decimal numbers.", "Write it so, or use a name.") from None
    if len(host) > 253 or not all(map(_LABEL.fullmatch, labels)):
        raise _refused("A host that is no name of letters, digits and dashes is not called.", "Write it without a dot at the end; other scripts as xn--….")
    return None


def _origin(text: str) -> tuple[str, int | None]:
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and (":" not in host or host.endswith("]")):
        return host, int(port)
    return text, None


def _refused(message: str, hint: str) -> Refused:
    return Refused(message, hint=hint, egress=True)
