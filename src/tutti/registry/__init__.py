"""Registry: who is in the fleet. Cards, skills, owners, subscriptions and conditions come in; offers of a skill go out.

It never chooses between agents, and never calls one.
"""

from tutti.registry.conditions import Condition, Undecidable, prepared
from tutti.registry.folds import FOLDS, TABLES
from tutti.registry.registry import Registry, card_from_json, card_to_json, changes_of, offered, registration

__all__ = ["FOLDS", "TABLES", "Condition", "Registry", "Undecidable", "card_from_json", "card_to_json", "changes_of", "offered", "prepared", "registration"]
