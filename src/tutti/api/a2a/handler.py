"""The eleven operations of A2A on the desk. The SDK's dispatchers parse and print; here a message becomes a task, and a task is told.

Source: A2A specification 1.0.1, section 3.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from a2a.server.context import ServerCallContext
from a2a.server.events import Event as A2AEvent
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.types import a2a_pb2 as pb
from a2a.utils.errors import (
    A2AError,
    ContentTypeNotSupportedError,
    InternalError,
    InvalidParamsError,
    TaskNotCancelableError,
    TaskNotFoundError,
    UnsupportedOperationError,
)
from google.protobuf.json_format import MessageToDict, ParseDict  # type: ignore[import-untyped]

from tutti import access, dialogue, intake
from tutti.api.a2a import reading
from tutti.api.a2a.cards import Cards
from tutti.api.a2a.feed import Feed, Progress, Watch
from tutti.api.a2a.reading import UnreadableParts, plain
from tutti.api.a2a.telling import Teller, context_of
from tutti.api.a2a.usual import Usual
from tutti.api.a2a.webhooks import Webhooks
from tutti.app import FOLDS, Workspace
from tutti.errors import Conflict, Invalid, NoRoute, NotFound, Refused, TuttiError
from tutti.ids import derived
from tutti.model.caller import Caller
from tutti.model.dialogue import MESSAGE
from tutti.model.fact import Draft
from tutti.model.task import Stage, State
from tutti.model.view import Set
from tutti.reception import Bundle
from tutti.transports.a2a import wire

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger("tutti.api")
Row = Mapping[str, Any]
Json = dict[str, Any]
_PAGE, _LONGEST_PAGE = 50, 100
_NAME = 256  # characters that a client's id of a context, a message or a webhook may have
_STATES = {pb.TaskState.Value(name): state for state, name in wire.STATES.items()}


class Context(Protocol):
    """What is known of a call; the SDK has more of it."""

    @property
    def state(self) -> MutableMapping[str, Any]:
        """The caller, the agent whose address was called, the headers, the base address, and the ASGI scope."""


class Sent(NamedTuple):
    """A message that was taken in: its task, and the watch that began before."""

    task: str
    watch: Watch
    message: Json | None = None  # the one that began the task, where it is all that was said


class Handler(RequestHandler):
    """A2A's operations for one workspace. Who calls, and which agent's address was called, stand in the context's state."""

    def __init__(self, workspace: Workspace, cards: Cards, feed: Feed, teller: Teller, webhooks: Webhooks, take: Callable[[], None]) -> None:
        self._workspace = workspace
        self._cards = cards
        self._feed = feed
        self._teller = teller
        self._webhooks = webhooks
        self._take = take  # raises `Overloaded` when nothing new is taken in

    # --- messages -----------------------------------------------------------------------------------------------

    async def on_message_send(self, params: pb.SendMessageRequest, context: ServerCallContext) -> pb.Task | pb.Message:
        """Take a message in; answer with its task once that has ended or waits for somebody, or at once where the client says so."""
        told: pb.Task = ParseDict(await self.sent(params, context), pb.Task())
        return told

    async def sent(self, params: pb.SendMessageRequest, context: ServerCallContext) -> Json:
        """`on_message_send` as JSON."""
        with _told(context):
            history = _length(params.configuration)
            return await self._answered(await self._send(params, context), history, at_once=params.configuration.return_immediately)

    async def said(self, call: Usual) -> Json:
        """The same, for a usual call."""
        with _told(call):
            sent = await self._receive(plain(call.message), plain(call.metadata), None, call)
            return await self._answered(sent, call.history, at_once=call.at_once)

    async def _answered(self, sent: Sent, history: int | None, *, at_once: bool) -> Json:
        with sent.watch:
            row, asked = await self._settled(sent, at_once=at_once)
        return await self._teller.task(row, history=history, message=None if asked else sent.message)

    async def got(self, params: pb.GetTaskRequest, context: ServerCallContext) -> Json:
        """`on_get_task` as JSON."""
        with _told(context):
            return await self._teller.task(await self._seen(params.id, context), history=_length(params))

    async def on_message_send_stream(self, params: pb.SendMessageRequest, context: ServerCallContext) -> AsyncGenerator[A2AEvent]:
        """Take a message in; tell what happens until its task has ended or waits for the client's words."""
        with _told(context):
            history = _length(params.configuration)
            sent = await self._send(params, context)
            with sent.watch:
                async for event in self._events(sent, history, until_asked=True):
                    yield event

    async def on_subscribe_to_task(self, params: pb.SubscribeToTaskRequest, context: ServerCallContext) -> AsyncGenerator[A2AEvent]:
        """Tell a task as it is, then what happens until it has ended."""
        with _told(context):
            row = await self._seen(params.id, context)
            if not row["open"]:
                raise UnsupportedOperationError(f"{params.id} has ended: {row['state']}. Nothing happens to it any more; get it instead.")
            with self._feed.watch(params.id) as watch:
                async for event in self._events(Sent(params.id, watch), None, until_asked=False):
                    yield event

    async def _settled(self, sent: Sent, *, at_once: bool) -> tuple[Row, bool]:
        """The task once it has ended or waits for somebody, and whether its agent has asked anything.

        The facts that go by say all that the row would; reading it back would cost more than the rest of the wait.
        """
        sent.watch.take()
        known = self._open(sent.task)
        if known is None:
            return await self._row(sent.task), True
        row, asked = dict(known), known["stage"] == Stage.ASKING
        while not at_once and row["open"] and State(row["state"]) not in wire.INTERRUPTED:
            found = await sent.watch.next()
            if sent.watch.lost:
                raise InternalError("Too much happened to this task; get it instead.")
            for fact in found:
                if not isinstance(fact, Progress):
                    asked = asked or fact.kind == "task.asked"
                    for fold in FOLDS[fact.kind]:
                        for change in fold(fact):
                            if isinstance(change, Set) and change[:2] == ("task", (sent.task,)):
                                row |= change.values
            if not found:
                break  # the process stops
        return row, asked

    async def _events(self, sent: Sent, history: int | None, *, until_asked: bool) -> AsyncGenerator[A2AEvent]:
        sent.watch.begin()  # what is told from here on is what is not in the row that is told first: nothing runs between these two lines
        row: Row | None = self._open(sent.task)
        if row is None:
            row = await self._row(sent.task)
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

    async def _send(self, params: pb.SendMessageRequest, context: ServerCallContext) -> Sent:
        webhook = None
        if params.configuration.HasField("task_push_notification_config"):
            webhook = self._webhooks.read(params.configuration.task_push_notification_config)
        return await self._receive(plain(MessageToDict(params.message)), plain(MessageToDict(params.metadata)), webhook, context)

    async def _receive(self, message: Json, metadata: Json, webhook: Json | None, context: Context) -> Sent:
        for name in ("messageId", "contextId", "taskId"):
            if len(message.get(name, "")) > _NAME:
                raise InvalidParamsError(f"{name} has more than {_NAME} characters.", {"errors": [{"field": f"message.{name}", "message": "too long"}]})
        if not message.get("messageId") or not message.get("parts"):
            raise InvalidParamsError("A message has a messageId and parts.", {"errors": [{"field": "message", "message": "messageId and parts are required"}]})
        if message.get("taskId"):
            return await self._follow_up(message, webhook, context)
        return await self._begin(message, metadata, webhook, context)

    async def _begin(self, message: Json, metadata: Json, webhook: Json | None, context: Context) -> Sent:
        workspace, house, journal = self._workspace, self._workspace.house, self._workspace.journal
        caller, agent = _caller(context), _agent(context)
        wishes = reading.wishes(metadata | message.get("metadata", {}), str(context.state["headers"].get("idempotency-key", "")))
        offered = self._cards.offered(agent)
        skill, input = reading.choose(message["parts"], offered.skills, wishes.skill, self._read)
        department = offered.departments[skill]
        _permit(caller, "tasks:submit", department=department)
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
            data: Json = {"message": kept.id, "number": 0, "context": self._digest(caller, message["contextId"])}
            if agent:
                data["agent"] = agent
            if digest:
                data["digest"] = digest
            bundle.add(Draft("message.received", task, caller.id, data, -1))
            if webhook is not None:
                self._webhooks.set(bundle, task, webhook, wishes.subject, after, caller.id)

        self._take()
        watch = self._feed.watch(id)
        try:
            await workspace.submit(
                skill, input, subject=wishes.subject, priority=wishes.priority, deadline=wishes.deadline, id=id, also=also, by=caller.id, checked=True
            )
        except Conflict as conflict:
            if conflict.about.get("thing") != ("task", (id,)):
                watch.close()
                raise
            await self._same(id, digest, watch)
            return Sent(id, watch)
        except BaseException:
            watch.close()
            raise
        return Sent(id, watch, message)

    async def _same(self, id: str, digest: str | None, watch: Watch) -> None:
        """The key was used before: for the same message it is the same task."""
        said = await self._workspace.journal.facts(about=id, kind="message.received", limit=1)
        if not said or said[0].data.get("digest") != digest:
            watch.close()
            raise InvalidParamsError("This idempotency key was used for another message.", {"errors": [{"field": "idempotency-key", "message": "used before"}]})

    async def _follow_up(self, message: Json, webhook: Json | None, context: Context) -> Sent:
        caller, journal = _caller(context), self._workspace.journal
        row = await self._seen(message["taskId"], context)
        id = row["id"]
        stands_in = await self._context(row)
        if message.get("contextId") not in (None, stands_in):
            raise InvalidParamsError(f"{id} is in another context.", {"errors": [{"field": "message.contextId", "message": "not the task's"}]})
        if not row["open"]:
            raise UnsupportedOperationError(f"{id} has ended: {row['state']}. Begin a new task, in the same context if it belongs together.")
        _permit(caller, "tasks:answer", row, hidden=True)
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
            data = {"message": kept.id, "number": number, "context": self._digest(caller, stands_in)}
            bundle.add(Draft("message.received", id, caller.id, data, -1))
            if webhook is not None:
                self._webhooks.set(bundle, id, webhook, subject, after, caller.id)

        watch = self._feed.watch(id)
        try:
            await self._workspace.answer(id, value, also=also, by=caller.id)
        except Conflict as conflict:
            watch.close()
            raise UnsupportedOperationError(f"{id} takes no answer: {conflict.message}") from conflict
        except BaseException:
            watch.close()
            raise
        return Sent(id, watch)

    def _read(self, skill: str, value: Any) -> Any:
        bound = self._workspace.house.border(skill)
        return value if bound is None else bound.read(value)

    # --- tasks --------------------------------------------------------------------------------------------------

    async def on_get_task(self, params: pb.GetTaskRequest, context: ServerCallContext) -> pb.Task | None:
        """One task."""
        with _told(context):
            return await self._told(await self._seen(params.id, context), _length(params))

    async def on_list_tasks(self, params: pb.ListTasksRequest, context: ServerCallContext) -> pb.ListTasksResponse:
        """The caller's own tasks, newest state first."""
        with _told(context):
            caller, agent = _caller(context), _agent(context)
            history = _length(params)
            size = params.page_size if params.HasField("page_size") else _PAGE
            if not 1 <= size <= _LONGEST_PAGE:
                raise InvalidParamsError(f"A page has 1 to {_LONGEST_PAGE} tasks.", {"errors": [{"field": "page_size", "message": "out of range"}]})
            where: list[str] = ["caller = ?"]
            values: list[str | int] = [caller.id]
            for held, value in (
                ("context = ?", self._digest(caller, params.context_id) if params.context_id else None),
                ("addressed = ?", agent or None),
                ("state = ?", _STATES[params.status].value if params.status else None),
                ("state_at >= ?", params.status_timestamp_after.ToMicroseconds() if params.HasField("status_timestamp_after") else None),
            ):
                if value is not None:
                    where.append(held)
                    values.append(value)
            journal = self._workspace.journal
            total = (await journal.select(f"SELECT COUNT(*) AS found FROM task WHERE {' AND '.join(where)}", values))[0]["found"]
            if params.page_token:
                where.append("(state_at, rowid) < (?, ?)")
                values += _cursor(params.page_token)
            sql = f"SELECT rowid, task.* FROM task WHERE {' AND '.join(where)} ORDER BY state_at DESC, rowid DESC LIMIT ?"
            rows = await journal.select(sql, [*values, size + 1])
            more = len(rows) > size
            rows = [row for row in rows[:size] if access.decide(caller, "tasks:read", _thing(row)).allowed]
            answer = pb.ListTasksResponse(page_size=size, total_size=total)
            for row in rows:
                answer.tasks.append(await self._told(row, history if history is not None else 0, artifacts=params.include_artifacts))
            if more and rows:
                answer.next_page_token = _token(rows[-1])
            return answer

    async def on_cancel_task(self, params: pb.CancelTaskRequest, context: ServerCallContext) -> pb.Task | None:
        """Cancel an open task."""
        with _told(context):
            row = await self._seen(params.id, context)
            _permit(_caller(context), "tasks:cancel", row, hidden=True)
            try:
                await self._workspace.cancel(params.id, reason="canceled by its client", by=_caller(context).id)
            except Conflict as conflict:
                now = await self._row(params.id)
                if not now["open"]:
                    raise TaskNotCancelableError(f"{params.id} has ended: {now['state']}.") from conflict
                raise
            return await self._told(await self._row(params.id), None)

    async def _told(self, row: Row, history: int | None, *, artifacts: bool = True) -> pb.Task:
        told: pb.Task = ParseDict(await self._teller.task(row, history=history, artifacts=artifacts), pb.Task())
        return told

    def _open(self, id: str) -> Row | None:
        row: Row | None = self._workspace.journal.hot.table("task").get((id,))
        return row

    async def _row(self, id: str) -> Row:
        row = await self._workspace.journal.row("task", (id,))
        if row is None:
            raise TaskNotFoundError(f"There is no task {id}.")
        return row

    async def _seen(self, id: str, context: Context) -> Row:
        """A task that this caller may know of, at this address. What is not theirs is not there."""
        if len(id) > _NAME or "\0" in id:
            raise TaskNotFoundError("There is no such task.")
        row = await self._row(id)
        _permit(_caller(context), "tasks:read", row, hidden=True)
        if _agent(context) not in ("", row["addressed"]):
            raise TaskNotFoundError(f"There is no task {id}.")
        return row

    async def _context(self, row: Row) -> str:
        journal = self._workspace.journal
        memo = await journal.row("memo", (row["id"], MESSAGE)) if row["context"] else None
        return context_of(row, await journal.payload(memo["value"]) if memo else None)

    def _digest(self, caller: Caller, context: str) -> str:
        """What stands for a context in facts: its name is the client's, and may be anybody's."""
        return intake.work_key(self._workspace.journal.keys.subject, "context", caller.id, context)

    # --- webhooks -----------------------------------------------------------------------------------------------

    async def on_create_task_push_notification_config(self, params: pb.TaskPushNotificationConfig, context: ServerCallContext) -> pb.TaskPushNotificationConfig:
        """Tell a webhook of a task from now on; of one that has ended, how it ended."""
        with _told(context):
            row = await self._seen(params.task_id, context)
            return _webhook(await self._webhooks.create(row, self._webhooks.read(params), _caller(context).id))

    async def on_get_task_push_notification_config(
        self, params: pb.GetTaskPushNotificationConfigRequest, context: ServerCallContext
    ) -> pb.TaskPushNotificationConfig:
        """One webhook of a task."""
        with _told(context):
            row = await self._seen(params.task_id, context)
            return _webhook(await self._webhooks.get(row["id"], params.id))

    async def on_list_task_push_notification_configs(
        self, params: pb.ListTaskPushNotificationConfigsRequest, context: ServerCallContext
    ) -> pb.ListTaskPushNotificationConfigsResponse:
        """The webhooks of a task; a task has few, so they are one page."""
        with _told(context):
            row = await self._seen(params.task_id, context)
            return pb.ListTaskPushNotificationConfigsResponse(configs=[_webhook(each) for each in await self._webhooks.of(row["id"])])

    async def on_delete_task_push_notification_config(self, params: pb.DeleteTaskPushNotificationConfigRequest, context: ServerCallContext) -> None:
        """Tell a webhook nothing more. Twice is fine."""
        with _told(context):
            row = await self._seen(params.task_id, context)
            await self._webhooks.remove(row["id"], params.id, _caller(context).id)

    # --- the card -----------------------------------------------------------------------------------------------

    async def on_get_extended_agent_card(self, params: pb.GetExtendedAgentCardRequest, context: ServerCallContext) -> pb.AgentCard:
        """The card with schemas, of what this caller may submit."""
        with _told(context):
            departments = access.departments_of(_caller(context), "tasks:submit")
            card = self._cards.card(_agent(context), context.state["base"], departments=departments, extended=True)
            told: pb.AgentCard = ParseDict(self._cards.signed(card), pb.AgentCard())
            return told


# --- small ones -----------------------------------------------------------------------------------------------------


@contextmanager
def _told(context: Context) -> Iterator[None]:
    """Give the house's errors their A2A names. What A2A leaves to HTTP (who may, when to come again) is left in the scope for the route."""
    try:
        yield
    except A2AError:
        raise
    except UnreadableParts as error:
        raise ContentTypeNotSupportedError(f"{error.message} {error.hint}") from error
    except (Invalid, NoRoute) as error:
        text = f"{error.message} {error.hint}".strip()
        raise InvalidParamsError(text, {"errors": [{"field": "message", "message": text}]}) from error
    except NotFound as error:
        raise TaskNotFoundError(error.message) from error
    except TuttiError as error:
        context.state["scope"]["tutti.a2a.refusal"] = error
        raise InternalError(error.message) from error
    except Exception as error:
        log.error("an A2A request met a defect", exc_info=error)
        raise InternalError("Tutti met a defect of its own; its log has the details.") from error


def _caller(context: Context) -> Caller:
    caller: Caller = context.state["caller"]
    return caller


def _agent(context: Context) -> str:
    return str(context.state["agent"])


def _thing(row: Row) -> access.Resource:
    return access.Resource("tasks", row["id"], row["department"] or "", row["caller"] or "")


def _permit(caller: Caller, action: str, row: Row | None = None, *, department: str = "", hidden: bool = False) -> None:
    answer = access.decide(caller, action, access.Resource("tasks", "", department) if row is None else _thing(row))
    if answer.allowed:
        return
    if hidden and row is not None:
        raise TaskNotFoundError(f"There is no task {row['id']}.")
    raise Refused(answer.reason, hint="Ask the workspace's owner for a role or a token that allows it.")


def _length(params: Any) -> int | None:
    if not params.HasField("history_length"):
        return None
    if params.history_length < 0:
        raise InvalidParamsError("history_length is not negative.", {"errors": [{"field": "history_length", "message": "negative"}]})
    return int(params.history_length)


def _answer(parts: list[Json]) -> Any:
    """What a message answers: its data, else its text."""
    values = [part["data"] if "data" in part else part["text"] for part in parts if "data" in part or "text" in part]
    if len(values) < len(parts):
        raise UnreadableParts("Files are no answer.", hint="Answer with data or text.")
    return values[0] if len(values) == 1 else "\n".join(values) if all(isinstance(value, str) for value in values) else values


def _token(row: Row) -> str:
    return base64.urlsafe_b64encode(f"{row['state_at']}.{row['rowid']}".encode()).decode()


def _cursor(token: str) -> list[int]:
    try:
        at, _, rowid = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode().partition(".")
        found = [int(at), int(rowid)]
    except (binascii.Error, ValueError):
        found = [-1]
    if not all(0 <= number < 2**63 for number in found):
        raise InvalidParamsError("page_token is not one that this agent gave.", {"errors": [{"field": "page_token", "message": "unknown"}]})
    return found


def _webhook(config: Json) -> pb.TaskPushNotificationConfig:
    told: pb.TaskPushNotificationConfig = ParseDict(config, pb.TaskPushNotificationConfig())
    return told
