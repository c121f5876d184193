"""What an agent has told of one task so far: its answers and updates put together, and held against what they must be."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from tutti.model.task import ENDED_STATES, State
from tutti.transports.a2a import wire

Json = dict[str, Any]
_ARTIFACTS = 256  # of one task
_ID = 512  # characters of an id


class Report:
    """The task as the agent tells it. The first answer that names a task binds the rest: an answer about another one is a lie.

    Every method raises `Invalid` (code wrong_output) for what is not A2A.
    """

    def __init__(self, task: str = "", context: str = "") -> None:
        self.task = task
        self.context = context
        self.state: State | None = None
        self.said: Json = {}  # the message of the status
        self.metadata: Json = {}
        self._artifacts: dict[str, list[Json]] = {}
        self._message: Json | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will be told."""
        return self.state in ENDED_STATES

    @property
    def interrupted(self) -> bool:
        """Whether the agent waits for an answer."""
        return self.state in wire.INTERRUPTED

    @property
    def words(self) -> str:
        """What the agent says for people."""
        return wire.words_of(self.said)

    @property
    def question(self) -> str:
        """What tells this question from the one before: the id of its message, or its words and time."""
        return str(self.said.get("messageId") or sha256(self.words.encode()).hexdigest()[:16])

    @property
    def output(self) -> Any:
        """The artifacts' values; for an agent that answers in messages, theirs."""
        if self._message is not None:
            return wire.value_of(self._message.get("parts"))
        if self._artifacts:
            return wire.output_of({"parts": parts} for parts in self._artifacts.values())
        return wire.value_of(self.said["parts"]) if self.said.get("parts") else None

    def take(self, event: object) -> None:
        """Take in one answer or update: a response with one of the members task, message, statusUpdate, artifactUpdate."""
        if not isinstance(event, dict):
            raise wire.wrong("an answer is an object")
        match event:
            case {"task": dict(task)}:
                self._take_task(task)
            case {"message": dict(message)}:
                self._message, self.state = message, State.COMPLETED
            case {"statusUpdate": dict(update)}:
                self._same(update.get("taskId"), update.get("contextId"))
                self._take_status(update.get("status"))
                self._take_metadata(update.get("metadata"))
            case {"artifactUpdate": dict(update)}:
                self._same(update.get("taskId"), update.get("contextId"))
                self._take_artifact(update.get("artifact"), append=update.get("append") is True)
            case _:
                raise wire.wrong("an answer is a task, a message or an update")

    def _take_task(self, task: Json) -> None:
        self._same(task.get("id"), task.get("contextId"))
        self._take_status(task.get("status"))
        self._take_metadata(task.get("metadata"))
        artifacts = task.get("artifacts")
        if isinstance(artifacts, list):
            self._artifacts.clear()
            for artifact in artifacts:
                self._take_artifact(artifact, append=False)

    def _take_status(self, status: object) -> None:
        if not isinstance(status, dict):
            raise wire.wrong("a task has a status")
        state = wire.state_of(status.get("state"))
        if self.ended and state is not self.state:
            raise wire.wrong(f"a task that was {self.state} is {state}")
        self.state = state
        said = status.get("message")
        self.said = said if isinstance(said, dict) else {}

    def _take_metadata(self, metadata: object) -> None:
        if isinstance(metadata, dict):
            self.metadata |= metadata

    def _take_artifact(self, artifact: object, *, append: bool) -> None:
        if not isinstance(artifact, dict) or not isinstance(artifact.get("parts"), list):
            raise wire.wrong("an artifact has parts")
        id = artifact.get("artifactId")
        if not isinstance(id, str) or len(id) > _ID:
            raise wire.wrong("an artifact has an id")
        known = self._artifacts.get(id)
        if known is None and len(self._artifacts) >= _ARTIFACTS:
            raise wire.wrong(f"a task has at most {_ARTIFACTS} artifacts")
        if not append or not known:
            self._artifacts[id] = list(artifact["parts"])
            return
        for part in artifact["parts"]:
            last = known[-1] if known else None
            if isinstance(part, dict) and isinstance(last, dict) and isinstance(part.get("text"), str) and isinstance(last.get("text"), str):
                known[-1] = {**last, "text": last["text"] + part["text"]}  # a text that comes in pieces is one text
            else:
                known.append(part)

    def _same(self, task: object, context: object) -> None:
        if not isinstance(task, str) or not task or len(task) > _ID:
            raise wire.wrong("a task has an id")
        if self.task and task != self.task:
            raise wire.wrong("it is about another task")
        if context and (not isinstance(context, str) or len(context) > _ID):
            raise wire.wrong("a context has an id")
        self.task = task
        self.context = str(context or self.context)
