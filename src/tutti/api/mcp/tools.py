"""The tools: each one a desk's operation with a form, a shape, hints for clients, and the question who may."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import HTTPConnection

from tutti import access, intake
from tutti.api import rights
from tutti.api.guard import caller_of, may, require
from tutti.api.mcp import seen, shapes
from tutti.api.waiting import wait
from tutti.app import Workspace
from tutti.errors import Conflict, Invalid
from tutti.model.caller import Caller
from tutti.model.request import Once
from tutti.reception import Bundle

_LOOK_S = 1.0  # seconds between two reports of a watched task's progress
Progress = Callable[[float, str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Use:
    """One call of a tool: where, in whose request, and how to tell how far it is."""

    workspace: Workspace
    request: HTTPConnection
    progress: Progress
    stopping: asyncio.Event

    @property
    def caller(self) -> Caller:
        return caller_of(self.request)


@dataclass(frozen=True)
class Tool:
    """A tool as clients see it, and what it does."""

    name: str
    title: str
    description: str
    form: type[shapes.Form]
    shape: Any
    run: Callable[[Use, Any], Awaitable[dict[str, Any]]]
    reads: bool = False  # it changes nothing
    destructive: bool = False  # what it ends cannot be taken back
    idempotent: bool = False
    words: tuple[str, ...] = ()  # fields of the answer that hold words of customers, agents or people

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """The form as JSON Schema."""
        return _plain(self.form.model_json_schema())

    @cached_property
    def output_schema(self) -> dict[str, Any]:
        """The shape as JSON Schema; answers may have more fields."""
        return _plain(TypeAdapter(self.shape).json_schema())

    def read(self, arguments: dict[str, Any]) -> Any:
        """The arguments, checked. Raises: `Invalid` with the place and the complaint, never the value."""
        try:
            return self.form.model_validate(arguments)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"])) or "arguments"
            raise Invalid(f"{self.name}: {place}: {first['msg']}.", hint="The tool's inputSchema says what it takes.") from None


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without the titles that pydantic makes of names: clients pay for every word."""
    return {
        key: _plain(value)
        if isinstance(value, dict)
        else [_plain(each) if isinstance(each, dict) else each for each in value]
        if isinstance(value, list)
        else value
        for key, value in schema.items()
        if not (key == "title" and isinstance(value, str))
    }


async def _send_signal(use: Use, form: shapes.SendSignal) -> dict[str, Any]:
    caller = require(use.request, "signals:send", department=form.department)
    event: dict[str, Any] = {"specversion": "1.0", "id": form.id, "source": f"/mcp/{caller.id}", "type": form.type, "data": form.data}
    event |= {name: value for name in ("subject", "department") if (value := getattr(form, name))}
    return await use.workspace.send(event, by=caller.id)


async def _submit_task(use: Use, form: shapes.SubmitTask) -> dict[str, Any]:
    offers = use.workspace.corridor.house.registry.offers(form.skill)
    caller = require(use.request, "tasks:submit", department=offers[0].department if offers else "")
    deadline = None if form.deadline_ms is None else timedelta(milliseconds=form.deadline_ms)
    once = _once(use, caller, form)
    if once is not None and (known := await use.workspace.answered(once)) is not None:
        return dict(known[1])

    def also(bundle: Bundle, task: str) -> None:
        if once is not None:
            use.workspace.keep(bundle, once, 201, {"task": task}, form.subject, by=caller.id)

    try:
        task = await use.workspace.submit(form.skill, form.input, subject=form.subject, priority=form.priority, deadline=deadline, also=also, by=caller.id)
    except Conflict as conflict:
        if once is None or conflict.about.get("thing", ("",))[0] != "request":
            raise
        known = await use.workspace.answered(once)  # the same request came twice at once, and the other one was quicker
        assert known is not None
        return dict(known[1])
    return {"task": task}


def _once(use: Use, caller: Caller, form: shapes.SubmitTask) -> Once | None:
    """What makes a submission under a key the same. Such keys are apart from those of the HTTP door."""
    if form.idempotency_key is None:
        return None
    secret = use.workspace.journal.keys.subject
    asked = form.model_dump(mode="json", exclude={"idempotency_key"})
    return Once(intake.work_key(secret, "mcp", caller.id, form.idempotency_key), intake.work_key(secret, "mcp", None, asked))


async def _get_task(use: Use, form: shapes.OneTask) -> dict[str, Any]:
    return await task_of(use, form.task)


async def task_of(use: Use, id: str) -> dict[str, Any]:
    """A task for whoever may read it. Raises: `NotFound`."""
    await rights.on_task(use.workspace, use.request, id)
    return await use.workspace.task(id)


async def _watch_task(use: Use, form: shapes.WatchTask) -> dict[str, Any]:
    caller, _ = await rights.on_task(use.workspace, use.request, form.task)
    loop = asyncio.get_running_loop()
    until = loop.time() + form.timeout_ms / 1000
    told: tuple[float, str] | None = None
    while True:
        found = await wait(use.workspace, use.caller, form.task, max(min(_LOOK_S, until - loop.time()), 0.0), use.stopping)
        task = found["task"]
        now = (float(task.get("progress", 0.0)), str(task.get("doing") or task["stage"]))
        if now != told and (told is None or now[0] >= told[0]):
            await use.progress(*now)
            told = now
        if found["done"] or found["waits"] or use.stopping.is_set() or not found["running"] or loop.time() >= until:
            return {**found, "waits": [id for id in found["waits"] if await _readable(use, caller, id)]}


async def _readable(use: Use, caller: Caller, id: str) -> bool:
    row = await use.workspace.journal.row("task", (id,))
    return row is not None and may(caller, "tasks:read", id=id, department=row["department"], owner=row["caller"] or "")


async def _list_tasks(use: Use, form: shapes.ListTasks) -> dict[str, Any]:
    """What the caller may see: everything, some departments, or else what they asked for themselves."""
    caller = use.caller
    departments = access.departments_of(caller, "tasks:read")
    own = form.mine or departments == ()
    if own and not rights.own_only(caller):
        require(use.request, "tasks:read")
    return await use.workspace.tasks(
        state=form.state, waiting=form.waiting, skill=form.skill, subject=form.subject, caller=caller.id if own else None,
        departments=None if own else departments, limit=form.limit, after=form.after,
    )  # fmt: skip


async def _cancel_task(use: Use, form: shapes.CancelTask) -> dict[str, Any]:
    caller, _ = await rights.on_task(use.workspace, use.request, form.task, "tasks:cancel")
    return await use.workspace.cancel(form.task, reason=form.reason, by=caller.id)


async def _answer_task(use: Use, form: shapes.AnswerTask) -> dict[str, Any]:
    caller, _ = await rights.on_task(use.workspace, use.request, form.task, "tasks:answer")
    return await use.workspace.answer(form.task, form.value, by=caller.id)


async def _list_agents(use: Use, form: shapes.ListAgents) -> dict[str, Any]:
    caller = use.caller
    agents = [each for each in await use.workspace.agents() if may(caller, "agents:read", id=each["name"], department=each["department"])]
    if not agents:
        require(use.request, "agents:read")
    agents = [each for each in agents if form.skill in (None, each["skill"]) and form.department in (None, each["department"])]
    return {"agents": sorted(agents, key=lambda each: -each["quality"]) if form.skill else agents}


async def _explain_decision(use: Use, form: shapes.ExplainDecision) -> dict[str, Any]:
    return await explained(use, form.id)


async def explained(use: Use, id: str) -> dict[str, Any]:
    """Why a task went as it did, for whoever may know. Raises: `NotFound`, `Refused`, `Invalid`."""
    if id.startswith("a-"):
        _, task = await rights.on_approval(use.workspace, use.request, id)
        id = task["id"]
    elif not id.startswith("t-"):
        raise Invalid(f"{id} is no decision.", hint="Name a task (t-...) or an approval (a-...); lineage shows what a signal led to.")
    await rights.on_task(use.workspace, use.request, id, "decisions:read")
    return await rights.told(use.workspace, use.request, await use.workspace.why(id))


async def _lineage(use: Use, form: shapes.Lineage) -> dict[str, Any]:
    return await rights.lineage(use.workspace, use.request, form.id)


async def _list_approvals(use: Use, form: shapes.ListApprovals) -> dict[str, Any]:
    _, departments = rights.listed(use.request, "approvals:read")
    return {"approvals": [_bare(view) for view in await use.workspace.approvals(departments=departments, limit=form.limit)]}


def _bare(view: dict[str, Any]) -> dict[str, Any]:
    """An approval without what others said around it: a model is given the question and the exact parameters, and no more words of strangers."""
    return {name: value for name, value in view.items() if name not in ("evidence", "effects", "note")}


async def _answer_approval(use: Use, form: shapes.AnswerApproval) -> dict[str, Any]:
    caller, task = await rights.on_approval(use.workspace, use.request, form.approval, "approvals:answer")
    seen.by_a_person(caller)
    await rights.not_their_own(use.workspace, caller, task)
    approval = await use.workspace.approval(form.approval)
    if form.digest != approval["digest"]:
        raise Conflict(f"{approval['id']} asks about other parameters than these.", hint="Read it again and ask the person again.")
    return _bare(await use.workspace.answer_as_owner(approval["id"], form.answer, note=form.note, by=caller.id))


async def _read_measures(use: Use, form: shapes.Nothing) -> dict[str, Any]:
    require(use.request, "measures:read")
    return await use.workspace.measures()


_TASK_WORDS = ("input", "output", "question", "detail", "subject", "doing")

TOOLS: tuple[Tool, ...] = (
    Tool(
        "send_signal", "Send a signal", "Tell the fleet that something happened (a CloudEvent). Its subscriptions decide which tasks follow; they are named in the answer.",
        shapes.SendSignal, shapes.Sent, _send_signal, idempotent=True,
    ),
    Tool(
        "submit_task", "Submit a task", "Give a task for a skill to the fleet. It is routed to the agent that will do it best, and gated by policy, level and budget. "
        "Answers at once with the task's id; watch_task waits for its end.", shapes.SubmitTask, shapes.Submitted, _submit_task,
    ),
    Tool("get_task", "Look at a task", "One task with its input, output and what it waits for.", shapes.OneTask, shapes.Task, _get_task, reads=True, words=_TASK_WORDS),
    Tool(
        "watch_task", "Wait for a task", "Wait until a task has ended or needs a person (`waits` names the tasks that do), or the time is over. Tells its progress meanwhile.",
        shapes.WatchTask, shapes.Watched, _watch_task, reads=True, words=tuple(f"task.{name}" for name in _TASK_WORDS),
    ),
    Tool("list_tasks", "List tasks", "Tasks, newest first.", shapes.ListTasks, shapes.Tasks, _list_tasks, reads=True, words=("tasks[].subject", "tasks[].reason")),
    Tool(
        "cancel_task", "Cancel a task", "Cancel an open task. What already happened outside stays.", shapes.CancelTask, shapes.Task, _cancel_task,
        destructive=True, words=_TASK_WORDS,
    ),
    Tool(
        "answer_task", "Answer a task's question", "Answer what a running agent asks (its `question`); the agent goes on with the answer.", shapes.AnswerTask,
        shapes.Task, _answer_task, words=_TASK_WORDS,
    ),
    Tool("list_agents", "List agents", "Who is in the fleet, what they can do and how good they are at it.", shapes.ListAgents, shapes.Agents, _list_agents, reads=True),
    Tool(
        "explain_decision", "Explain a decision", "Why a task went as it did: who was considered, what the gates said, what would have changed it, how it turned out. From the "
        "record alone.", shapes.ExplainDecision, shapes.Why, _explain_decision, reads=True, words=("input", "output", "detail", "turned_out", "inputs"),
    ),
    Tool(
        "lineage", "Show what led to what", "What a signal or a task led to, as a tree.", shapes.Lineage, shapes.Tree, _lineage, reads=True, words=("tree",),
    ),
    Tool(
        "list_approvals", "List approvals", "Actions that wait for a person's yes or no, oldest first.", shapes.ListApprovals, shapes.Approvals, _list_approvals,
        reads=True, words=("approvals[].question", "approvals[].input"),
    ),
    Tool(
        "answer_approval", "Answer an approval", "Give a person's yes or no to an action with exactly these parameters. Never answer by yourself: the person whose token this "
        "is decides. Nobody can approve what they asked for.", shapes.AnswerApproval, shapes.Approval, _answer_approval, destructive=True, words=("question", "input"),
    ),
    Tool(
        "read_measures", "Read the measures", "Tasks by state, autonomy ratio, latency per pair of agents, resolution quality, approvals waiting.", shapes.Nothing,
        shapes.Measures, _read_measures, reads=True,
    ),
)  # fmt: skip
