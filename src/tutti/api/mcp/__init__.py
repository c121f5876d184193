"""The MCP door: assistants and other MCP clients use the fleet through tools, resources and prompts on `/mcp`.

Requests of either current revision of the protocol come in with the same tokens as everywhere, the desk's answers go out. `install` mounts it.
The SDK is loaded with the first request. This folder decides nothing: who may, `guard` says; what is, the desk says.
"""

from tutti.api.mcp.mount import PATH, install

__all__ = ["PATH", "install"]
