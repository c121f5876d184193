"""Mediation: a negotiation on the road. An opening comes in as a task of the house's own agent; out comes what its parties end with.

The room `negotiation` decides what to ask and what is settled; this asks, waits and records, and tells later how it went. It never decides anything of
its own but when time or money is up.
"""

from tutti.mediation.mediate import ADOPT, MEDIATE, mediator, opened, prepare
from tutti.mediation.taking import needs, take_over
from tutti.mediation.telling import brief, explained, told

__all__ = ["ADOPT", "MEDIATE", "brief", "explained", "mediator", "needs", "opened", "prepare", "take_over", "told"]
