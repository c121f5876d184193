"""What the stream tells as it happens."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict

_From = TypedDict("_From", {"from": NotRequired[str]})


class Change(_From):
    """One change, as the stream tells it. `state` is the task's, where it changed; `from` is the agent that asked for it."""

    seq: int
    at: str
    kind: str
    about: str
    task: NotRequired[str]
    state: NotRequired[str]
    agent: NotRequired[str]
    skill: NotRequired[str]
    department: NotRequired[str]
    attempt: NotRequired[int]
    version: NotRequired[str]


class Changes(TypedDict):
    """Changes of one batch of the stream, `seq` the last one's; `at` is when the server sent it. A `beat` and a `resync` have no changes."""

    seq: int
    at: str
    changes: NotRequired[list[Change]]
