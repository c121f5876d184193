"""Conflicts: actions that mean to touch the same things. Needs and rules come in; pairs that collide, a packing of the options that fit
together, and what becomes of each action go out.

It never looks anything up, never grants a lease and never appends.
"""

from tutti.conflicts.detect import collide, detect
from tutti.conflicts.folds import FOLDS, TABLES
from tutti.conflicts.needs import Wanted, check_intent, check_room, wanted, worth
from tutti.conflicts.pack import Option, Packing, pack
from tutti.conflicts.resolve import Claim, Fate, Held, Met, Resolution, resolve

__all__ = [
    "FOLDS", "TABLES", "Claim", "Fate", "Held", "Met", "Option", "Packing", "Resolution", "Wanted", "check_intent", "check_room", "collide", "detect", "pack", "resolve",
    "wanted", "worth",
]  # fmt: skip
