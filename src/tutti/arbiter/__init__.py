"""The arbiter: the corridor's side of conflicts. It declares what actions mean to touch, grants leases in the append that starts them, lets the ladder
decide where two collide, and keeps the reasons. What the ladder says is in the room `conflicts`; this looks up, records and tells.
"""

from tutti.arbiter.arbiter import Arbiter
from tutti.arbiter.ends import undo_ids
from tutti.arbiter.telling import of, sentence_of, view

__all__ = ["Arbiter", "of", "sentence_of", "undo_ids", "view"]
