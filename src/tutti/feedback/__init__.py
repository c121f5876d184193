"""Feedback: a judgement becomes a standing, which the next route reads.

It never routes: it says what is believed of an agent version at a skill, in a class of tasks, as a posterior.
"""

from tutti.feedback.standings import FOLDS, TABLES, interval

__all__ = ["FOLDS", "TABLES", "interval"]
