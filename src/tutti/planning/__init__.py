"""Planning: a goal becomes a plan of tasks. Skills with their types and prices, and what is given, come in; the cheapest plan that may run
comes out, or what is missing. Plans that people or models wrote go through the same checks; `begin` says which steps can begin now.

It never runs a step, and never asks whether a task may run: it is told which skills the gates rule out.
"""

from tutti.model.plan import Goal, Plan, Playbook, Step
from tutti.planning.checks import check_plan
from tutti.planning.forms import form_of
from tutti.planning.offers import Bounds, Offer, Prices
from tutti.planning.search import Planned, given_form, plan

__all__ = ["Bounds", "Goal", "Offer", "Plan", "Planned", "Playbook", "Prices", "Step", "check_plan", "form_of", "given_form", "plan"]
