"""The front of the TCP listener, before anybody is asked who they are: which names it answers to, and what a proxy may say for others."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from tutti.api.listening import address_of, is_loopback, proxies_of
from tutti.api.problems import problem
from tutti.settings import Settings

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[MutableMapping[str, Any], _Receive, _Send], Awaitable[None]]
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::[0-9]{0,5})?")
_REMEMBERED = 256  # hosts that were found good
_OPEN = ("/health", "/ready")  # what a load balancer asks by itself


class Front:
    """ASGI middleware: on loopback only loopback's names are answered to, so that no web page can reach in by a name of its own (DNS rebinding).

    Behind a proxy only the listed proxies are answered, and what they forward says who called, and whether by TLS. Without one, nothing does.
    """

    def __init__(self, app: _App, settings: Settings) -> None:
        self._app = app
        self._loopback = is_loopback(settings.listen.rpartition(":")[0].removeprefix("[").removesuffix("]"))
        self._names = {name.lower() for name in settings.hosts}
        self._public = (urlsplit(settings.public_url).hostname or "").lower()
        self._answered: set[bytes] = set()
        self._proxies = proxies_of(settings) if settings.behind_proxy else None

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] == "http":
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            host = hosts[0] if len(hosts) == 1 else b""
            if host not in self._answered and not self._answers(host):
                hint = "The operator lists the names that are answered to in TUTTI_HOSTS."
                await problem(421, "refused", "This is not the place for that host.", hint)(scope, receive, send)
                return
            if self._proxies is not None:
                if self._is_proxy((scope.get("client") or ("",))[0]):
                    self._believe(scope)
                elif scope["path"] not in _OPEN:
                    await problem(403, "refused", "Only the proxy in front may call here.", "The operator lists it in TUTTI_PROXIES.")(scope, receive, send)
                    return
        await self._app(scope, receive, send)

    def _answers(self, host: bytes) -> bool:
        """Whether a host is answered to; what is, is remembered."""
        name = _name(host)
        known = bool(name) and (name in self._names or name == self._public)
        if not (known or (is_loopback(name) if self._loopback else not self._names)):
            return False
        if len(self._answered) >= _REMEMBERED:
            self._answered.clear()
        self._answered.add(host)
        return True

    def _is_proxy(self, text: str) -> bool:
        address = address_of(text)
        return address is not None and any(address in network for network in self._proxies or ())

    def _believe(self, scope: MutableMapping[str, Any]) -> None:
        """Who called, as the last proxy says that is not itself behind another; what callers wrote before that is not read."""
        schemes = [value.decode("latin-1").strip().lower() for name, value in scope["headers"] if name == b"x-forwarded-proto"]
        if schemes and schemes[-1] in ("http", "https"):
            scope["scheme"] = schemes[-1]
        chain = ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for")
        for text in reversed(chain.split(",")):
            address = address_of(_without_port(text.strip()))
            if address is None:
                return  # whoever wrote that is no proxy that keeps to the form
            scope["client"] = (str(address), 0)
            if not self._is_proxy(str(address)):
                return


def _without_port(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.rpartition(":")[0] if text.count(":") == 1 else text


def _name(host: bytes) -> str:
    """The name in a Host header, without its port; empty for something else."""
    form = _HOST.fullmatch(host.decode("latin-1").lower())
    return (form[1] or form[2]) if form is not None else ""
