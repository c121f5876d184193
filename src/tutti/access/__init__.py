"""Access: who may call. A caller, what they want to do and to what comes in; yes or no with the reason goes out.

It never authenticates (that is `security` and the door's), and never speaks of what agents may do (that is `gates`).
"""

from tutti.access.decide import ACTIONS, Access, Resource, decide

__all__ = ["ACTIONS", "Access", "Resource", "decide"]
