"""One agent as a stand-alone A2A service: its own process, port and identity. A function or an LLM agent goes in, a service comes out.

It knows no workspace, no journal and no fleet.
"""
