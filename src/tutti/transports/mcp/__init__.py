"""MCP servers as agents: each tool is a skill, called over Streamable HTTP on either current revision of the protocol.

In: an endpoint (the server's address). Out: what the server offers, and functions that call its tools. A tool's hints are read as claims of
its server: what the fleet declares overrides them. Nothing here decides whether a tool may be called, and nothing is appended.
"""

from tutti.transports.mcp.calling import caller
from tutti.transports.mcp.discovery import discover

__all__ = ["caller", "discover"]
