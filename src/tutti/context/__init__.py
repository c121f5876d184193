"""Context: what is known of a subject. An agent's outcome is shared under a topic; the next task about the subject sees it.

It never decides; it answers what is known, and forgets when the subject is erased.
"""

from tutti.context.notes import FOLDS, TABLES, Notes

__all__ = ["FOLDS", "TABLES", "Notes"]
