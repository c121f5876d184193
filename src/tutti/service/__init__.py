"""One agent as a stand-alone A2A service: its own process, port and identity. A function, an LLM agent or a fleet goes in, a service comes out.

It knows no workspace and no journal: what must not be lost is kept by the control plane that calls.
"""

from tutti.service.offers import Offers, offers_of
from tutti.service.server import Place, Service

__all__ = ["Offers", "Place", "Service", "offers_of"]
