"""What becomes of signals that were sent."""

from __future__ import annotations

from typing_extensions import TypedDict

from tutti.model.answers.problem import Problem


class Sent(TypedDict):
    """A signal that is durable, with the tasks it called for."""

    signal: str
    tasks: list[str]
    duplicate: bool


class Rejected(TypedDict):
    """An event of a batch that was not taken in."""

    problem: Problem


class Batch(TypedDict):
    """A batch of signals, in the order they came in. What was refused can be sent again alone."""

    signals: list[Sent | Rejected]
    taken: int
