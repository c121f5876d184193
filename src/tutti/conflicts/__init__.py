"""Conflicts: actions that mean to touch the same things. Needs and rules come in; pairs that collide, a packing of the options that fit
together, and what becomes of each action go out.

It never reads an input, never grants a lease and never appends.
"""

from tutti.conflicts.detect import collide, detect
from tutti.conflicts.pack import Option, Packing, pack

__all__ = ["Option", "Packing", "collide", "detect", "pack"]
