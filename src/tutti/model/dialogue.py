"""What a client outside and a task say to each other, and where the client wants to be told."""

from __future__ import annotations

from tutti.model.view import Table

MESSAGE = "a2a.message"  # the memo of a task that holds the message it came with; `a2a.message/2` answered its second question

PUSHES = Table(  # where to tell of a task: `cursor` is the last fact that was told, `failed` why no more is tried
    "push",
    key=("task", "config"),
    columns={"task": "text", "config": "text", "sealed": "text", "cursor": "int", "removed": "int", "failed": "text"},
    closes=True,
)
