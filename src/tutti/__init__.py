"""Tutti: the control plane for fleets of AI agents that must work in concert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tutti.app import Workspace
    from tutti.client import AsyncClient, Client
    from tutti.errors import TuttiError
    from tutti.fleet import Fleet, action, skill, step
    from tutti.model.conflict import Intent
    from tutti.model.route import Bid
    from tutti.settings import Settings
    from tutti.transports import Context

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Bid", "Client", "Context", "Fleet", "Intent", "Settings", "TuttiError", "Workspace", "action", "skill", "step"]

_HOMES = {
    "AsyncClient": "tutti.client",
    "Bid": "tutti.model.route",
    "Client": "tutti.client",
    "Context": "tutti.transports",
    "Fleet": "tutti.fleet",
    "Intent": "tutti.model.conflict",
    "Settings": "tutti.settings",
    "TuttiError": "tutti.errors",
    "Workspace": "tutti.app",
    "action": "tutti.fleet",
    "skill": "tutti.fleet",
    "step": "tutti.fleet",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'tutti' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(home), name)
