"""Transports: the back doors to agents. A task's input goes in, an outcome comes out; agents live in this process, or outside of it
and speak A2A, HTTP or MCP.

They never route, gate or append. `Context` is what an agent is given.
"""

from tutti.transports.adapters import Brought, bring, framework_of
from tutti.transports.inprocess import Bound, Context, Line, Mode, bind, call
from tutti.transports.llm import Spec, llm_agent
from tutti.transports.outside import Found, Outside, discover, reach
from tutti.transports.tools import Tools, wanted

__all__ = [
    "Bound",
    "Brought",
    "Context",
    "Found",
    "Line",
    "Mode",
    "Outside",
    "Spec",
    "Tools",
    "bind",
    "bring",
    "call",
    "discover",
    "framework_of",
    "llm_agent",
    "reach",
    "wanted",
]
