"""Gates: a route becomes a verdict. The question goes in (who would do what for whom, over which amount); allow, ask or deny
comes out, with the policy and the level that said so. Caps on calls to models are held the same way: reserved before, settled after.

It never chooses an agent, never asks a person itself, and never spends: the corridor appends what it decided.
"""

from tutti.gates.approvals import APPROVAL_LASTS, as_request, check_answer, signature_holds, signed
from tutti.gates.caps import called, cap_changes, claims, over, reserved
from tutti.gates.decide import STOPPED, Book, Question, as_fact, decide, period_of, release, stopped_by
from tutti.gates.folds import FOLDS, TABLES
from tutti.gates.policy import DEFAULT_POLICY, Gatekeeper, Policies, Rule, parse_policies, rules_of

__all__ = [
    "APPROVAL_LASTS", "DEFAULT_POLICY", "FOLDS", "STOPPED", "TABLES", "Book", "Gatekeeper", "Policies", "Question", "Rule", "as_fact", "as_request", "called", "cap_changes", "check_answer", "claims", "decide", "over", "parse_policies", "period_of", "release", "reserved", "rules_of", "signature_holds", "signed", "stopped_by",
]  # fmt: skip
