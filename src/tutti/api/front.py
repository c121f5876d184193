"""The front of the TCP listener, before anybody is asked who they are: which names it answers to, and what a proxy may say for others."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from tutti.api.listening import is_loopback
from tutti.api.problems import problem
from tutti.errors import Invalid
from tutti.settings import Settings

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[MutableMapping[str, Any], _Receive, _Send], Awaitable[None]]
_OPEN = ("/health", "/ready")  # what a load balancer asks by itself


class Front:
    """ASGI middleware: on loopback only loopback's names are answered to, so that no web page can reach in by a name of its own (DNS rebinding)."""

    def __init__(self, app: _App, settings: Settings) -> None:
        self._loopback = is_loopback(settings.listen.rpartition(":")[0].removeprefix("[").removesuffix("]"))
        self._names = {name.lower() for name in settings.hosts}
        self._proxies = [_network(name) for name in settings.proxies] if settings.behind_proxy else None
        self._behind = ProxyHeadersMiddleware(app, list(settings.proxies)) if settings.behind_proxy else app  # type: ignore[arg-type]

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] == "http":
            name = _name(scope)
            client = (scope.get("client") or ("",))[0]
            if not (name in self._names or (is_loopback(name) if self._loopback else not self._names)):
                hint = "The operator lists the names that are answered to in TUTTI_HOSTS."
                await problem(421, "refused", "This is not the place for that host.", hint)(scope, receive, send)
                return
            if self._proxies is not None and not any(ipaddress.ip_address(client) in network for network in self._proxies) and scope["path"] not in _OPEN:
                await problem(403, "refused", "Only the proxy in front may call here.", "The operator lists it in TUTTI_PROXIES.")(scope, receive, send)
                return
        await self._behind(scope, receive, send)  # type: ignore[arg-type]


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise Invalid(f"{text!r} in TUTTI_PROXIES is no address or network.", hint="Give for example 10.0.0.0/8.") from None


def _name(scope: MutableMapping[str, Any]) -> str:
    """The host that a request is for, without its port; empty when there is none, or more than one."""
    found = [value for name, value in scope["headers"] if name == b"host"]
    if len(found) != 1:
        return ""
    host: str = found[0].decode("latin-1").lower()
    if host.startswith("["):
        return host.partition("]")[0].removeprefix("[")
    return host.rpartition(":")[0] if ":" in host else host
