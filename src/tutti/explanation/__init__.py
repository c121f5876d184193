"""Explanation: why a task went as it did. Its row and its facts go in; sentences, candidates, score parts and what would have changed it come out.

It never asks a model and never guesses: every word comes from the record.
"""

from tutti.explanation.explain import explain, priorities, question
from tutti.explanation.timeline import Placed, timeline

__all__ = ["Placed", "explain", "priorities", "question", "timeline"]
