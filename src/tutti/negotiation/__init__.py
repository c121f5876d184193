"""Negotiation: competing aims become one settlement.

In come a case (issues, parties, what policy rules out, a fallback) and what is known of the parties' wishes; out come the questions to ask next
and the settlement with its reasons. It never talks to a party, reads no clock and appends nothing: `mediation` does.
"""

from tutti.negotiation.folds import FOLDS, TABLES
from tutti.negotiation.mediator import Ask, End, Function, Propose, step
from tutti.negotiation.messages import exchange_from_json, exchange_to_json, question_of, reply_of
from tutti.negotiation.opening import Opening, Rule, Side, case_of, offer_of, outcome_of, read_opening
from tutti.negotiation.record import expected, explain, lighter, recompute, recorded, retrace
from tutti.negotiation.settle import Settlement, candidates, ranked, settle
from tutti.negotiation.space import Space
from tutti.negotiation.turns import alternate

__all__ = [
    "FOLDS",
    "TABLES",
    "Ask",
    "End",
    "Function",
    "Opening",
    "Propose",
    "Rule",
    "Settlement",
    "Side",
    "Space",
    "alternate",
    "candidates",
    "case_of",
    "exchange_from_json",
    "exchange_to_json",
    "expected",
    "explain",
    "lighter",
    "offer_of",
    "outcome_of",
    "question_of",
    "ranked",
    "recompute",
    "recorded",
    "read_opening",
    "reply_of",
    "retrace",
    "settle",
    "step",
]
