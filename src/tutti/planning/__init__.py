"""Planning: a goal becomes a plan of tasks. Skills with their types and prices, and what is given, come in; the cheapest plan that may run
comes out, or what is missing. Plans that people or models wrote go through the same checks; `begin` says which steps can begin now.

It never runs a step, and never asks whether a task may run: it is told which skills the gates rule out.
"""

from tutti.model.plan import Goal, Plan, Playbook, Step
from tutti.planning.checks import check_plan
from tutti.planning.folds import FOLDS, TABLES
from tutti.planning.forms import form, form_of
from tutti.planning.offers import Bounds, Offer, Permit, Prices
from tutti.planning.progress import Progress, begin, result, stale
from tutti.planning.proposals import ANSWER, INSTRUCTIONS, SKILL, question
from tutti.planning.search import Planned, given_form, plan

__all__ = [
    "ANSWER", "FOLDS", "INSTRUCTIONS", "SKILL", "TABLES", "Bounds", "Goal", "Offer", "Permit", "Plan", "Planned", "Playbook", "Prices", "Progress", "Step", "begin", "check_plan", "form",
    "form_of", "given_form", "plan", "question", "result", "stale",
]  # fmt: skip
