"""Messages that come in: one begins a task, or answers what a task asks. The watch on it begins before, so that nothing is missed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, NamedTuple

from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import InvalidParamsError, UnsupportedOperationError
from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]

from tutti import intake
from tutti.api.a2a import reading
from tutti.api.a2a.call import LONGEST, Context, agent_of, caller_of, permit
from tutti.api.a2a.cards import Cards
from tutti.api.a2a.feed import Feed, Watch
from tutti.api.a2a.reading import UnreadableParts, plain
from tutti.api.a2a.tasks import Tasks
from tutti.api.a2a.webhooks import Webhooks
from tutti.app import Workspace
from tutti.errors import Conflict
from tutti.ids import derived
from tutti.model.fact import Draft
from tutti.model.task import Stage
from tutti.reception import Bundle

Json = dict[str, Any]


class Sent(NamedTuple):
    """A message that was taken in: its task, and the watch that began before."""

    task: str
    watch: Watch
    message: Json | None = None  # the one that began the task, where it is all that was said


class Messages:
    """Taking messages in for one workspace."""

    def __init__(self, workspace: Workspace, tasks: Tasks, cards: Cards, feed: Feed, webhooks: Webhooks, take: Callable[[], None]) -> None:
        self._workspace = workspace
        self._tasks = tasks
        self._cards = cards
        self._feed = feed
        self._webhooks = webhooks
        self._take = take  # raises `Overloaded` when nothing new is taken in

    async def send(self, params: pb.SendMessageRequest, context: Context) -> Sent:
        """Take in a message as the SDK read it."""
        webhook = None
        if params.configuration.HasField("task_push_notification_config"):
            webhook = self._webhooks.read(params.configuration.task_push_notification_config)
        return await self.receive(plain(MessageToDict(params.message)), plain(MessageToDict(params.metadata)), webhook, context)

    async def receive(self, message: Json, metadata: Json, webhook: Json | None, context: Context) -> Sent:
        """Take in a message. Raises: what A2A calls its errors, and the house's own."""
        for name in ("messageId", "contextId", "taskId"):
            if len(message.get(name, "")) > LONGEST:
                raise InvalidParamsError(f"{name} has more than {LONGEST} characters.", {"errors": [{"field": f"message.{name}", "message": "too long"}]})
        if not message.get("messageId") or not message.get("parts"):
            raise InvalidParamsError("A message has a messageId and parts.", {"errors": [{"field": "message", "message": "messageId and parts are required"}]})
        if message.get("taskId"):
            return await self._follow_up(message, webhook, context)
        return await self._begin(message, metadata, webhook, context)

    async def _begin(self, message: Json, metadata: Json, webhook: Json | None, context: Context) -> Sent:
        workspace, house, journal = self._workspace, self._workspace.house, self._workspace.journal
        caller, agent = caller_of(context), agent_of(context)
        wishes = reading.wishes(metadata | message.get("metadata", {}), str(context.state["headers"].get("idempotency-key", "")))
        offered = self._cards.offered(agent)
        skill, input = reading.choose(message["parts"], offered.skills, wishes.skill, self._read)
        department = offered.departments[skill]
        permit(caller, "tasks:submit", department=department)
        secret = journal.keys.subject
        digest = None
        if wishes.key:
            digest = intake.work_key(secret, skill, wishes.subject, [agent, input, wishes.priority, message.get("contextId", "")])
            id = derived("t", intake.work_key(secret, "a2a", caller.id, wishes.key))
        else:
            id = house.ids.new("t")
        message["contextId"] = message.get("contextId") or house.ids.new("c")
        message["taskId"] = id
        after = journal.hot.seq

        def also(bundle: Bundle, task: str) -> None:
            kept = journal.seal(message, wishes.subject)
            bundle.payloads.append(kept)
            data: Json = {"message": kept.id, "number": 0, "context": self._tasks.digest(caller, message["contextId"])}
            if agent:
                data["agent"] = agent
            if digest:
                data["digest"] = digest
            bundle.add(Draft("message.received", task, caller.id, data, -1))
            if webhook is not None:
                self._webhooks.set(bundle, task, webhook, wishes.subject, after, caller.id)

        self._take()
        with ExitStack() as unless_sent:
            sent = Sent(id, unless_sent.enter_context(self._feed.watch(id)), message)
            try:
                await workspace.submit(
                    skill, input, subject=wishes.subject, priority=wishes.priority, deadline=wishes.deadline, id=id, also=also, by=caller.id, checked=True
                )
            except Conflict as conflict:
                if conflict.about.get("thing") != ("task", (id,)):
                    raise
                await self._same(id, digest)
                sent = sent._replace(message=None)
            unless_sent.pop_all()
        return sent

    async def _same(self, id: str, digest: str | None) -> None:
        """The key was used before: for the same message it is the same task."""
        said = await self._workspace.journal.facts(about=id, kind="message.received", limit=1)
        if not said or said[0].data.get("digest") != digest:
            raise InvalidParamsError("This idempotency key was used for another message.", {"errors": [{"field": "idempotency-key", "message": "used before"}]})

    async def _follow_up(self, message: Json, webhook: Json | None, context: Context) -> Sent:
        caller, journal = caller_of(context), self._workspace.journal
        row = await self._tasks.seen(message["taskId"], context)
        id = row["id"]
        stands_in = await self._tasks.context(row)
        if message.get("contextId") not in (None, stands_in):
            raise InvalidParamsError(f"{id} is in another context.", {"errors": [{"field": "message.contextId", "message": "not the task's"}]})
        if not row["open"]:
            raise UnsupportedOperationError(f"{id} has ended: {row['state']}. Begin a new task, in the same context if it belongs together.")
        permit(caller, "tasks:answer", row, hidden=True)
        if row["stage"] not in (Stage.ASKING, Stage.RUNNING):  # one that runs may be on its way to its question again, after a restart
            why = {Stage.APPROVAL: "a person must approve it, and not by a message", Stage.PARKED: "a person must decide what becomes of it"}
            raise UnsupportedOperationError(f"{id} asks for nothing that a message can answer: {why.get(Stage(row['stage']), 'it is ' + row['state'])}.")
        message["contextId"] = stands_in
        value = _answer(message["parts"])
        subject = await self._workspace.house.subject(row)
        after = journal.hot.seq

        def also(bundle: Bundle, number: int) -> None:
            kept = journal.seal(message, subject)
            bundle.payloads.append(kept)
            data = {"message": kept.id, "number": number, "context": self._tasks.digest(caller, stands_in)}
            bundle.add(Draft("message.received", id, caller.id, data, -1))
            if webhook is not None:
                self._webhooks.set(bundle, id, webhook, subject, after, caller.id)

        with ExitStack() as unless_sent:
            sent = Sent(id, unless_sent.enter_context(self._feed.watch(id)))
            try:
                await self._workspace.answer(id, value, also=also, by=caller.id)
            except Conflict as conflict:
                raise UnsupportedOperationError(f"{id} takes no answer: {conflict.message}") from conflict
            unless_sent.pop_all()
        return sent

    def _read(self, skill: str, value: Any) -> Any:
        bound = self._workspace.house.border(skill)
        return value if bound is None else bound.read(value)


def _answer(parts: list[Json]) -> Any:
    """What a message answers: its data, else its text."""
    values = [part["data"] if "data" in part else part["text"] for part in parts if "data" in part or "text" in part]
    if len(values) < len(parts):
        raise UnreadableParts("Files are no answer.", hint="Answer with data or text.")
    return values[0] if len(values) == 1 else "\n".join(values) if all(isinstance(value, str) for value in values) else values
