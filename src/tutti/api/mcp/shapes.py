"""What the tools take and give: forms that are checked strictly, and the shapes of the answers as clients see them in the tools' schemas."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue
from typing_extensions import TypedDict

WAIT_AT_MOST_S = 120  # seconds one watch_task call may last; most clients give up a request earlier than that anyway


class Form(BaseModel):
    """A tool's arguments: nothing unknown, nothing bent into another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Nothing(Form):
    """No arguments."""


class SendSignal(Form):
    """A signal: something that happened."""

    type: str = Field(description="What happened, for example ticket.opened. The fleet's subscriptions decide what follows.", min_length=1, max_length=200)
    data: JsonValue = Field(None, description="The event's data, as the subscribed skills expect it.")
    subject: str | None = Field(None, description="Whom it is about, for example account/4711.", max_length=500)
    id: str = Field(
        description="The sender's own id of this event. The same id from the same source is taken in once, so a repeated call is safe.",
        min_length=1,
        max_length=200,
    )
    department: str = Field("", description="The department it belongs to, if any.", max_length=200)


class SubmitTask(Form):
    """A task for a skill."""

    skill: str = Field(description="One of the fleet's skills; list_agents names them.", min_length=1, max_length=200)
    input: JsonValue = Field(
        None, description="What the skill needs; for an action, its exact parameters. The agent's card (tutti://agents/NAME) has the schema."
    )
    subject: str | None = Field(None, description="Whom it is about, for example account/4711.", max_length=500)
    priority: int = Field(0, ge=-1000, le=1000, description="Higher goes first.")
    deadline_ms: int | None = Field(None, gt=0, le=366 * 24 * 3600 * 1000, description="Milliseconds from now; after that the task fails.")
    idempotency_key: str | None = Field(
        None,
        pattern=r"^[!-~]{1,200}$",
        description="A key of your own for this request. The same request under the same key is the same task, so a repeated call is safe.",
    )


class OneTask(Form):
    """Which task."""

    task: str = Field(description="A task's id (t-...).", min_length=1, max_length=100)


class WatchTask(OneTask):
    """Which task, and how long to wait."""

    timeout_ms: int = Field(30_000, ge=0, le=WAIT_AT_MOST_S * 1000, description="How long to wait at most.")


class ListTasks(Form):
    """Which tasks."""

    state: Literal["submitted", "working", "input-required", "auth-required", "completed", "failed", "canceled", "rejected"] | None = None
    waiting: bool = Field(False, description="Only tasks that wait for a person.")
    mine: bool = Field(False, description="Only tasks that you asked for, in whatever department.")
    skill: str | None = Field(None, max_length=200)
    subject: str | None = Field(None, max_length=500)
    limit: int = Field(20, ge=1, le=200)
    after: int | None = Field(None, ge=0, lt=2**63, description="The `next` of the page before.")


class CancelTask(OneTask):
    """Which task, and why."""

    reason: str = Field("", max_length=500)


class AnswerTask(OneTask):
    """Which task's question, and the answer."""

    value: JsonValue = Field(description="The answer, in the form that the question asks for.")


class ListAgents(Form):
    """Which agents."""

    skill: str | None = Field(None, description="Only those that offer this skill, best first.", max_length=200)
    department: str | None = Field(None, max_length=200)


class ExplainDecision(Form):
    """Which decision."""

    id: str = Field(description="The id of a task (t-...) or of an approval (a-...).", min_length=1, max_length=100)


class Lineage(Form):
    """Of what."""

    id: str = Field(description="The id of a signal (s-...) or of a task (t-...).", min_length=1, max_length=100)


class ListApprovals(Form):
    """How many."""

    limit: int = Field(20, ge=1, le=200)


class AnswerApproval(Form):
    """Which approval, and the person's answer."""

    approval: str = Field(description="The id of an approval (a-...), or of the task that asks for it.", min_length=1, max_length=100)
    answer: str = Field(description="approve or reject. This is the answer of the person whose token this is: ask them first.", pattern="^(approve|reject)$")
    digest: str = Field(
        description="The `digest` of the approval as the person saw it. An approval of other parameters is refused.", min_length=1, max_length=200
    )
    note: str = Field("", description="The person's reason, kept with the decision.", max_length=2000)


class Sent(TypedDict):
    """A signal that is durable."""

    signal: str
    tasks: list[str]
    duplicate: bool


class Submitted(TypedDict):
    """A task that is durable."""

    task: str


class TaskRow(TypedDict):
    """A task in a list. It has more fields: agent, amount, quality, times."""

    id: str
    skill: str
    state: str
    stage: str
    department: str
    waiting_for: str | None


class Task(TaskRow):
    """A task with what went in and what came out."""

    input: Any
    output: Any
    question: Any
    detail: Any


class Watched(TypedDict):
    """A task as it was when the waiting ended."""

    task: Task
    done: bool
    waits: list[str]
    running: bool


class Tasks(TypedDict):
    """A page of tasks, newest first. `next` goes into `after` for the page that follows; null on the last."""

    tasks: list[TaskRow]
    next: int | None


class Agent(TypedDict):
    """What is believed of an agent at a skill: mean quality 0..1 with its 95 % interval."""

    name: str
    version: str
    department: str
    skill: str
    nature: str
    quality: float
    low: float
    high: float
    judged: int
    health: str


class Agents(TypedDict):
    """Live agents, one item for each skill."""

    agents: list[Agent]


class Why(TypedDict):
    """Why a task went as it did: the sentence says it, route and gate have the figures."""

    task: str
    state: str
    sentence: str
    route: Any
    gate: Any


class Tree(TypedDict):
    """What a signal or a task led to."""

    tree: dict[str, Any]


class Approval(TypedDict):
    """What a person is asked: the sentence, the exact parameters with their digest, until when."""

    id: str
    task: str
    skill: str
    state: str
    question: str
    input: Any
    digest: str
    reversible: bool
    expires_at: str


class Approvals(TypedDict):
    """Open approvals, oldest first."""

    approvals: list[Approval]


class Measures(TypedDict):
    """What the fleet achieves."""

    tasks: dict[str, Any]
    autonomy_ratio: dict[str, Any]
    latency_ms: list[dict[str, Any]]
    resolution_quality: dict[str, Any]
    approvals_waiting: int
