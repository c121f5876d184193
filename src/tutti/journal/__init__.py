"""The journal: all that happens, in one order, sealed; views and memory are folds of it.

In: drafts of facts with their payloads, what they expect, and the folds of the rooms. Out: facts with their place, rows,
payloads, proofs. It never decides anything and knows no room.
"""

from tutti.journal.audit import Report, export, verify
from tutti.journal.batch import Append
from tutti.journal.heads import Head, statement
from tutti.journal.hot import Hot
from tutti.journal.journal import Journal, Limits, open_journal
from tutti.journal.pages import Wanted, facts_page, leaves_page, seq_at, span
from tutti.journal.proofs import Proofs
from tutti.journal.replay import Difference, rebuild
from tutti.security.sealing import Payload

__all__ = [
    "Append", "Difference", "Head", "Hot", "Journal", "Limits", "Payload", "Proofs", "Report", "Wanted", "export", "facts_page", "leaves_page", "open_journal",
    "rebuild", "seq_at", "span", "statement", "verify",
]  # fmt: skip
