"""Transports: the back doors to agents. A task's input goes in, an outcome comes out; in this version agents live in the process.

They never route, gate or append. `Context` is what an agent is given.
"""

from tutti.transports.inprocess import Bound, Context, Line, Mode, bind, call

__all__ = ["Bound", "Context", "Line", "Mode", "bind", "call"]
