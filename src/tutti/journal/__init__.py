"""The journal: all that happens, in one order, sealed; views and memory are folds of it.

In: drafts of facts with their payloads, what they expect, and the folds of the rooms. Out: facts with their place, rows,
payloads, proofs. It never decides anything and knows no room.
"""

from tutti.journal.batch import Append
from tutti.journal.heads import Head
from tutti.journal.hot import Hot
from tutti.journal.journal import Journal, Limits, open_journal
from tutti.security.sealing import Payload

__all__ = ["Append", "Head", "Hot", "Journal", "Limits", "Payload", "open_journal"]
