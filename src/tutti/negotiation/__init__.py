"""Negotiation: competing aims become one settlement.

In come a case (issues, parties, what policy rules out, a fallback) and what is known of the parties' wishes; out come the questions to ask next
and the settlement with its reasons. It never talks to a party, reads no clock and appends nothing: `mediation` does.
"""

from tutti.negotiation.settle import Settlement, candidates, ranked, settle
from tutti.negotiation.space import Space

__all__ = ["Settlement", "Space", "candidates", "ranked", "settle"]
