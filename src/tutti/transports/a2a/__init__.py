"""A2A: agents that are services somewhere, and what they and this house say to each other.

In: an endpoint (the address of a card). Out: what the agent says of itself, and functions that call its skills. `wire` holds the dialect.
This folder never decides which agent is called, and appends nothing.
"""

from tutti.transports.a2a import wire
from tutti.transports.a2a.cards import discover, negotiates, sign, signed_by
from tutti.transports.a2a.client import PUSH_PATH, caller, pushes

__all__ = ["PUSH_PATH", "caller", "discover", "negotiates", "pushes", "sign", "signed_by", "wire"]
