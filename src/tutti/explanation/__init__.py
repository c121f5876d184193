"""Explanation: why a task went as it did. Its row and its facts go in; sentences, candidates, score parts and what would have changed it come out.

It never asks a model and never guesses: every word comes from the record.
"""

from tutti.explanation.consequences import Left, Touch, consequences, on_expiry
from tutti.explanation.explain import explain, priorities, question
from tutti.explanation.replaying import replayed
from tutti.explanation.timeline import Placed, timeline

__all__ = ["Left", "Placed", "Touch", "consequences", "explain", "on_expiry", "priorities", "question", "replayed", "timeline"]
