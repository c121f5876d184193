"""The eleven operations of A2A on the desk. The SDK's dispatchers parse and print; here a message becomes a task, and a task is told.

Source: A2A specification 1.0.1, section 3.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from typing import Any

from a2a.server.context import ServerCallContext
from a2a.server.events import Event as A2AEvent
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import InternalError, InvalidParamsError, TaskNotCancelableError, UnsupportedOperationError
from google.protobuf.json_format import ParseDict  # type: ignore[import-untyped]

from tutti import access, dialogue
from tutti.api.a2a import listing
from tutti.api.a2a.call import Row, agent_of, caller_of, permit, refusals
from tutti.api.a2a.cards import Cards
from tutti.api.a2a.feed import Feed, Progress
from tutti.api.a2a.messages import Messages, Sent
from tutti.api.a2a.reading import plain
from tutti.api.a2a.tasks import Tasks
from tutti.api.a2a.telling import Teller
from tutti.api.a2a.usual import Usual
from tutti.api.a2a.webhooks import Webhooks
from tutti.app import Workspace
from tutti.errors import Conflict
from tutti.model.task import Stage, State
from tutti.transports.a2a import wire

Json = dict[str, Any]


class Handler(RequestHandler):
    """A2A's operations for one workspace. Who calls, and which agent's address was called, stand in the context's state."""

    def __init__(self, workspace: Workspace, cards: Cards, feed: Feed, teller: Teller, webhooks: Webhooks, take: Callable[[], None]) -> None:
        self._workspace = workspace
        self._cards = cards
        self._feed = feed
        self._teller = teller
        self._webhooks = webhooks
        self._tasks = Tasks(workspace)
        self._messages = Messages(workspace, self._tasks, cards, feed, webhooks, take)

    # --- messages -----------------------------------------------------------------------------------------------

    async def on_message_send(self, params: pb.SendMessageRequest, context: ServerCallContext) -> pb.Task | pb.Message:
        """Take a message in; answer with its task once that has ended or waits for somebody, or at once where the client says so."""
        told: pb.Task = ParseDict(await self.sent(params, context), pb.Task())
        return told

    async def sent(self, params: pb.SendMessageRequest, context: ServerCallContext) -> Json:
        """`on_message_send` as JSON."""
        with refusals(context):
            history = _length(params.configuration)
            return await self._answered(await self._messages.send(params, context), history, at_once=params.configuration.return_immediately)

    async def said(self, call: Usual) -> Json:
        """The same, for a usual call."""
        with refusals(call):
            sent = await self._messages.receive(plain(call.message), plain(call.metadata), None, call)
            return await self._answered(sent, call.history, at_once=call.at_once)

    async def _answered(self, sent: Sent, history: int | None, *, at_once: bool) -> Json:
        with sent.watch:
            row, asked = await self._settled(sent, at_once=at_once)
        return await self._teller.task(row, history=history, message=None if asked else sent.message)

    async def got(self, params: pb.GetTaskRequest, context: ServerCallContext) -> Json:
        """`on_get_task` as JSON."""
        with refusals(context):
            return await self._teller.task(await self._tasks.seen(params.id, context), history=_length(params))

    async def on_message_send_stream(self, params: pb.SendMessageRequest, context: ServerCallContext) -> AsyncGenerator[A2AEvent]:
        """Take a message in; tell what happens until its task has ended or waits for the client's words."""
        with refusals(context):
            history = _length(params.configuration)
            sent = await self._messages.send(params, context)
            with sent.watch:
                async for event in self._events(sent, history, until_asked=True):
                    yield event

    async def on_subscribe_to_task(self, params: pb.SubscribeToTaskRequest, context: ServerCallContext) -> AsyncGenerator[A2AEvent]:
        """Tell a task as it is, then what happens until it has ended."""
        with refusals(context):
            row = await self._tasks.seen(params.id, context)
            if not row["open"]:
                raise UnsupportedOperationError(f"{params.id} has ended: {row['state']}. Nothing happens to it any more; get it instead.")
            with self._feed.watch(params.id) as watch:
                async for event in self._events(Sent(params.id, watch), None, until_asked=False):
                    yield event

    async def _settled(self, sent: Sent, *, at_once: bool) -> tuple[Row, bool]:
        """The task once it has ended or waits for somebody, and whether its agent has asked anything."""
        sent.watch.take()
        row = self._tasks.open(sent.task)
        if row is None:
            return await self._tasks.row(sent.task), True
        asked = row["stage"] == Stage.ASKING
        while not at_once and row["open"] and row["state"] not in wire.INTERRUPTED:
            found = await sent.watch.next()
            if sent.watch.lost:
                raise InternalError("Too much happened to this task; get it instead.")
            if not found:
                break  # the process stops
            asked = asked or any(not isinstance(fact, Progress) and fact.kind == "task.asked" for fact in found)
            row = sent.watch.row or row
        return row, asked

    async def _events(self, sent: Sent, history: int | None, *, until_asked: bool) -> AsyncGenerator[A2AEvent]:
        sent.watch.begin()  # what is told from here on is what is not in the row that is told first: nothing runs between these two lines
        row: Row | None = self._tasks.open(sent.task)
        if row is None:
            row = await self._tasks.row(sent.task)
        first = await self._teller.task(row, history=history)
        yield ParseDict(first, pb.Task())
        if not row["open"] or (until_asked and row["state"] == State.INPUT_REQUIRED):
            return
        while found := await sent.watch.next():
            for item in found:
                if isinstance(item, Progress):
                    yield ParseDict(self._teller.progress(row, first["contextId"], item), pb.StreamResponse()).status_update
                    continue
                for event in dialogue.events([item]):
                    told = ParseDict(await self._teller.update(row, first["contextId"], event), pb.StreamResponse())
                    yield told.status_update if event.state is not None else told.artifact_update
                    if event.last or (until_asked and event.state is State.INPUT_REQUIRED):
                        return
        if sent.watch.lost:
            raise InternalError("The stream was not read fast enough; subscribe again.")

    # --- tasks --------------------------------------------------------------------------------------------------

    async def on_get_task(self, params: pb.GetTaskRequest, context: ServerCallContext) -> pb.Task | None:
        """One task."""
        with refusals(context):
            return await self._told(await self._tasks.seen(params.id, context), _length(params))

    async def on_list_tasks(self, params: pb.ListTasksRequest, context: ServerCallContext) -> pb.ListTasksResponse:
        """The caller's own tasks, newest state first."""
        with refusals(context):
            history = _length(params)
            found = await listing.page(self._workspace, self._tasks, params, context)
            answer = pb.ListTasksResponse(page_size=found.size, total_size=found.total, next_page_token=found.next)
            for row in found.rows:
                answer.tasks.append(await self._told(row, history if history is not None else 0, artifacts=params.include_artifacts))
            return answer

    async def on_cancel_task(self, params: pb.CancelTaskRequest, context: ServerCallContext) -> pb.Task | None:
        """Cancel an open task."""
        with refusals(context):
            row = await self._tasks.seen(params.id, context)
            permit(caller_of(context), "tasks:cancel", row, hidden=True)
            try:
                await self._workspace.cancel(params.id, reason="canceled by its client", by=caller_of(context).id)
            except Conflict as conflict:
                now = await self._tasks.row(params.id)
                if not now["open"]:
                    raise TaskNotCancelableError(f"{params.id} has ended: {now['state']}.") from conflict
                raise
            return await self._told(await self._tasks.row(params.id), None)

    async def _told(self, row: Row, history: int | None, *, artifacts: bool = True) -> pb.Task:
        told: pb.Task = ParseDict(await self._teller.task(row, history=history, artifacts=artifacts), pb.Task())
        return told

    # --- webhooks -----------------------------------------------------------------------------------------------

    async def on_create_task_push_notification_config(self, params: pb.TaskPushNotificationConfig, context: ServerCallContext) -> pb.TaskPushNotificationConfig:
        """Tell a webhook of a task from now on; of one that has ended, how it ended."""
        with refusals(context):
            row = await self._tasks.seen(params.task_id, context)
            return _webhook(await self._webhooks.create(row, self._webhooks.read(params), caller_of(context).id))

    async def on_get_task_push_notification_config(
        self, params: pb.GetTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> pb.TaskPushNotificationConfig:
        """One webhook of a task."""
        with refusals(context):
            row = await self._tasks.seen(params.task_id, context)
            return _webhook(await self._webhooks.get(row["id"], params.id))

    async def on_list_task_push_notification_configs(
        self, params: pb.ListTaskPushNotificationConfigsRequest, context: ServerCallContext
    ) -> pb.ListTaskPushNotificationConfigsResponse:
        """The webhooks of a task; a task has few, so they are one page."""
        with refusals(context):
            row = await self._tasks.seen(params.task_id, context)
            return pb.ListTaskPushNotificationConfigsResponse(configs=[_webhook(each) for each in await self._webhooks.of(row["id"])])

    async def on_delete_task_push_notification_config(self, params: pb.DeleteTaskPushNotificationConfigRequest, context: ServerCallContext) -> None:
        """Tell a webhook nothing more. Twice is fine."""
        with refusals(context):
            row = await self._tasks.seen(params.task_id, context)
            await self._webhooks.remove(row["id"], params.id, caller_of(context).id)

    # --- the card -----------------------------------------------------------------------------------------------

    async def on_get_extended_agent_card(self, params: pb.GetExtendedAgentCardRequest, context: ServerCallContext) -> pb.AgentCard:
        """The card with schemas, of what this caller may submit."""
        with refusals(context):
            departments = access.departments_of(caller_of(context), "tasks:submit")
            card = self._cards.card(agent_of(context), context.state["base"], departments=departments, extended=True)
            told: pb.AgentCard = ParseDict(self._cards.signed(card), pb.AgentCard())
            return told


def _length(params: Any) -> int | None:
    if not params.HasField("history_length"):
        return None
    if params.history_length < 0:
        raise InvalidParamsError("history_length is not negative.", {"errors": [{"field": "history_length", "message": "negative"}]})
    return int(params.history_length)


def _webhook(config: Json) -> pb.TaskPushNotificationConfig:
    told: pb.TaskPushNotificationConfig = ParseDict(config, pb.TaskPushNotificationConfig())
    return told
