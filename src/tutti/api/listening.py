"""Where the API listens: the workspace's Unix socket for this user, and an address on TCP for everybody with a token."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import ssl
import stat
from pathlib import Path

from tutti.errors import Conflict, Invalid, StorageFailed
from tutti.settings import Settings

BACKLOG = 128
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def listen(path: Path) -> socket.socket:
    """A listening socket at a path, for this user only; one that a dead process left behind is taken away.

    Raises: `Conflict` when a process answers there, `StorageFailed` when the path cannot be used.
    """
    try:
        _clear(path)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)  # the socket is never open to others, not even between two calls
        try:
            listener.bind(str(path))
        except OSError:
            listener.close()
            raise
        finally:
            os.umask(before)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        raise StorageFailed(f"The socket {path} cannot be opened: {error.strerror or error}.", hint="See who owns it, or name another folder.") from error
    return listener


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise StorageFailed(f"{path} is no socket.", hint="Move it away.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            path.unlink(missing_ok=True)
            return
        except OSError:
            pass  # busy or slow: somebody is there
    raise Conflict(f"Another process answers on {path}.", hint="Stop it, or give this workspace another folder.")


def listen_tcp(settings: Settings) -> socket.socket | None:
    """A socket listening at `settings.listen`; None where the workspace does not listen on TCP.

    Raises: `Invalid` for an address that is none, and for one that others reach without TLS or a proxy in front; `Conflict` when it is taken.
    """
    if settings.listen in ("", "off"):
        return None
    host, port = _address(settings.listen)
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise Invalid(f"There is no address {host} to listen on.", hint="Give host:port, for example 127.0.0.1:7777.") from error
    family, kind, _, _, address = found[0]
    if not is_loopback(str(address[0])) and not settings.tls_cert and not settings.behind_proxy:
        raise Invalid(
            f"{settings.listen} can be reached from other machines, and there is no TLS: tokens and data could be read on the way.",
            hint="Give --tls-cert and --tls-key, or say --behind-proxy when a proxy in front has the TLS, or listen on 127.0.0.1.",
        )
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)  # said, so that asyncio has answers leave at once (TCP_NODELAY)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise Conflict(f"{settings.listen} is taken by another process.", hint="Name another with --listen host:port, or stop that process.") from error
        raise Invalid(f"{settings.listen} cannot be listened on: {error.strerror}.", hint="Give host:port, for example 127.0.0.1:7777.") from error
    return listener


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:  # the largest port there is
        raise Invalid(f"{text!r} is no address to listen on.", hint="Give host:port, for example 127.0.0.1:7777, or off.")
    return host.removeprefix("[").removesuffix("]"), int(port)


def address_of(text: str) -> Address | None:
    """A peer's address; an IPv4 one as such, also where it came in on a socket for IPv6. None for what is no address."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return address.ipv4_mapped or address if isinstance(address, ipaddress.IPv6Address) else address


def proxies_of(settings: Settings) -> list[Network]:
    """The proxies in front that are believed; none without `behind_proxy`. Raises: `Invalid`."""
    found: list[Network] = []
    for text in settings.proxies if settings.behind_proxy else ():
        try:
            found.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            raise Invalid(f"{text!r} in TUTTI_PROXIES is no address or network.", hint="Give for example 10.0.0.0/8.") from None
    return found


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's own."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost"


def tls(settings: Settings) -> ssl.SSLContext | None:
    """The TLS of the listener; None without a certificate. With a client CA, callers must show a certificate of it.

    Raises: `Invalid` for files that cannot be read or do not fit.
    """
    if not settings.tls_cert:
        if settings.tls_key or settings.tls_client_ca:
            raise Invalid("A key or a client CA without a certificate does nothing.", hint="Give --tls-cert too.")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    key = settings.tls_key or settings.tls_cert
    for path in filter(None, (settings.tls_cert, key, settings.tls_client_ca)):
        try:
            Path(path).read_bytes()
        except OSError as error:
            raise Invalid(f"{path} cannot be read: {error.strerror}.", hint="See --tls-cert, --tls-key and --tls-client-ca.") from error
    try:
        context.load_cert_chain(settings.tls_cert, key, password=lambda: "")  # nobody is there to be asked for a password
    except (ssl.SSLError, OSError) as error:
        raise Invalid(
            f"{settings.tls_cert} and {key} are no certificate and its key without a password.", hint="Give PEM files that belong together."
        ) from error
    if settings.tls_client_ca:
        try:
            context.load_verify_locations(settings.tls_client_ca)
        except ssl.SSLError as error:
            raise Invalid(f"{settings.tls_client_ca} holds no certificates.", hint="Give a PEM file with the CA's certificate.") from error
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def url_of(settings: Settings, listener: socket.socket) -> str:
    """Where others reach this process."""
    if settings.public_url:
        return settings.public_url.rstrip("/")
    if settings.behind_proxy and settings.hosts:
        return f"https://{settings.hosts[0]}"
    host, port = listener.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = socket.gethostname()
    scheme = "https" if settings.tls_cert else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
