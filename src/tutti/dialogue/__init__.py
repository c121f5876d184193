"""Dialogue: tasks that clients outside began with a message. Facts of messages and of webhooks come in, rows come out, and
`events` says which of a task's facts such a client is told, and as what.

It never speaks a protocol and never sends anything: that is for the doors.
"""

from tutti.dialogue.events import KINDS, Event, awaits, delay, events, parked
from tutti.dialogue.folds import FOLDS, TABLES

__all__ = ["FOLDS", "KINDS", "TABLES", "Event", "awaits", "delay", "events", "parked"]
