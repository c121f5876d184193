"""Tasks as A2A has them: rows, facts and sealed words in, JSON of the wire out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from tutti import dialogue
from tutti.api.a2a.feed import Progress
from tutti.app import Workspace
from tutti.clock import to_text
from tutti.dialogue import Event
from tutti.model.dialogue import MESSAGE
from tutti.model.task import Stage, State
from tutti.transports.a2a import wire

Row = Mapping[str, Any]
Json = dict[str, Any]


class Teller:
    """Reads what a client is told about a task."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    async def task(self, row: Row, *, history: int | None = None, artifacts: bool = True, message: Json | None = None) -> Json:
        """A task as it is; `history` is how many of the last messages are told, all of them with None.

        `message` is the one it began with, where the caller knows it and knows that nothing else was said.
        """
        journal = self._workspace.journal
        if message is not None:
            payloads = await journal.payloads([name for name in (row["output"], row["detail"]) if name])
            return self._task(row, {0: message}, {}, payloads, history, artifacts)
        said = await journal.select("SELECT name, value FROM memo WHERE task = ? AND name LIKE ?", (row["id"], f"{MESSAGE}%")) if row["context"] else []
        asked = await journal.select("SELECT number, question FROM answer WHERE task = ? ORDER BY number", (row["id"],)) if row["started_at"] else []
        names = [memo["value"] for memo in said] + [question["question"] for question in asked] + [row["output"], row["detail"]]
        payloads = await journal.payloads([name for name in names if name])
        messages = {int(memo["name"].partition("/")[2] or 0): payloads.get(memo["value"]) for memo in said}
        questions = {question["number"]: payloads.get(question["question"]) for question in asked}
        return self._task(row, messages, questions, payloads, history, artifacts)

    def _task(
        self, row: Row, messages: Mapping[int, Any], questions: Mapping[int, Any], payloads: Mapping[str, Any], history: int | None, artifacts: bool
    ) -> Json:
        context = context_of(row, messages.get(0))
        open_question = max(questions, default=0) if row["stage"] == Stage.ASKING else 0
        told: list[Json] = []
        if history != 0:
            for number in sorted({*messages, *questions}):
                if number in questions and number != open_question:
                    told.append(_message(row["id"], context, f"q{number}", str(questions[number] or "")))
                if isinstance(words := messages.get(number), dict):
                    told.append(words)
        return wire.task(
            row["id"],
            context,
            self._status(row, context, str(questions.get(open_question) or ""), open_question, payloads),
            artifacts=[self._artifact(row, payloads.get(row["output"]))] if artifacts and row["output"] and row["output"] in payloads else None,
            history=told[-history:] if history else told,
            metadata=_metadata(row),
        )

    def _artifact(self, row: Row, output: Any) -> Json:
        return wire.artifact(f"{row['id']}-output", output, name=row["skill"])

    def _status(self, row: Row, context: str, question: str, number: int, payloads: Mapping[str, Any]) -> Json:
        state = State(row["state"])
        at = row["state_at"] or row["submitted_at"]
        detail = str(payloads.get(row["detail"]) or "")
        match row["stage"]:
            case Stage.ASKING:
                said = (question, f"q{number}")
            case Stage.APPROVAL:
                approval = self._workspace.journal.hot.table("approval").get((row["approval"],))
                said = (dialogue.awaits(orjson.loads(approval["reasons"]) if approval else ()), state.value)
            case Stage.PARKED:
                said = (_joined(dialogue.parked(row["reason"]), detail), state.value)
            case Stage.ENDED if state is not State.COMPLETED:
                said = (_joined(row["reason"] or "", detail), state.value)
            case _:
                said = ("", "")
        return wire.status(state, to_text(at), _message(row["id"], context, said[1], said[0]) if said[0] else None)

    async def update(self, row: Row, context: str, event: Event) -> Json:
        """What is told of one event: a StreamResponse of one member."""
        id = row["id"]
        words = (await self._workspace.journal.payloads([event.sealed])).get(event.sealed) if event.sealed else None
        if event.state is None:
            artifact = self._artifact(row, words)
            return {"artifactUpdate": {"taskId": id, "contextId": context, "artifact": artifact, "append": False, "lastChunk": True}}
        text = _joined(event.words, str(words or ""))
        name = f"q{event.number}" if event.number else event.state.value if event.last or event.state in wire.INTERRUPTED else str(event.seq)
        status = wire.status(event.state, to_text(event.at), _message(id, context, name, text) if text else None)
        return {"statusUpdate": {"taskId": id, "contextId": context, "status": status}}

    def progress(self, row: Row, context: str, progress: Progress) -> Json:
        """What is told of how far a run is."""
        said = _message(row["id"], context, f"at-{progress.at}", progress.words) if progress.words else None
        status = wire.status(State.WORKING, to_text(progress.at), said)
        return {"statusUpdate": {"taskId": row["id"], "contextId": context, "status": status, "metadata": {wire.PROGRESS: progress.share}}}


def context_of(row: Row, message: Any) -> str:
    """The context that a task stands in: the one its message names, or one of its own where no message is left to read."""
    if isinstance(message, dict) and isinstance(message.get("contextId"), str):
        return str(message["contextId"])
    return f"c{str(row['id'])[1:]}"


def _metadata(row: Row) -> Json:
    told = {"skill": row["skill"]}
    if row["agent"]:
        told["agent"] = f"{row['agent']}@{row['agent_version']}"
    return {"urn:tutti:task": told}


def _message(task: str, context: str, name: str, text: str) -> Json:
    return wire.message(wire.parts_of(text), id=f"{task}-{name}", role="ROLE_AGENT", context=context, task=task)


def _joined(words: str, more: str) -> str:
    return ": ".join(part for part in (words, more) if part)
