"""Intake: what comes in becomes tasks. A CloudEvent goes in; a checked signal and the skills it calls for come out.

It never chooses an agent, and never says whether something may happen.
"""

from tutti.intake.coalescing import work_key
from tutti.intake.events import read_event, too_deep
from tutti.intake.folds import FOLDS, TABLES
from tutti.intake.meaning import ALIKE, Meanings
from tutti.intake.submission import Ask, submission
from tutti.intake.subscriptions import Subscriptions

__all__ = ["ALIKE", "FOLDS", "TABLES", "Ask", "Meanings", "Subscriptions", "read_event", "submission", "too_deep", "work_key"]
