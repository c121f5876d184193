"""A2A: the fleet, and each of its agents, as an A2A agent. A client's messages come in as tasks; tasks, streams and webhooks go out.

`install` mounts the door into the app. It decides nothing about a task: that is for the desk and what stands behind it.
"""

from tutti.api.a2a.routes import install

__all__ = ["install"]
