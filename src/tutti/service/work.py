"""The tasks of a service: started once for each key, followed by whoever asks, answered, canceled, and forgotten when there are too many.

They live in this process alone: what must outlive it is kept by the control plane that calls.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from tutti import execution, transports
from tutti.clock import to_text
from tutti.errors import AgentFailed, Invalid, Overloaded
from tutti.model.agent import Skill
from tutti.model.conflict import Lease
from tutti.model.outcome import Ending, Outcome
from tutti.model.task import ENDED_STATES, State
from tutti.model.usage import Held, Spent
from tutti.service.offers import Offer
from tutti.transports import Outside
from tutti.transports.a2a import wire

Json = dict[str, Any]
_QUEUE = 256  # updates that one follower may be behind


def _leases(said: Any) -> tuple[Lease, ...]:
    """What the caller says that its action holds; what is no lease is left out."""
    forms = (("resource", str), ("effect", str), ("token", int))
    found = (
        [each for each in said if isinstance(each, dict) and all(isinstance(each.get(name), kind) for name, kind in forms)] if isinstance(said, list) else []
    )
    return tuple(Lease(each["resource"], each["effect"], each["token"], None) for each in found)


@dataclass(eq=False, slots=True)
class Task:
    """One task as this service knows it."""

    id: str
    context: str
    offer: Offer
    key: str
    digest: bytes
    message: Json
    status: Json = field(default_factory=dict)
    state: State = State.SUBMITTED
    artifacts: list[Json] = field(default_factory=list)
    metadata: Json = field(default_factory=dict)
    walk: asyncio.Task[None] | None = None
    answer: asyncio.Future[Any] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    followers: list[deque[Json | None]] = field(default_factory=list)
    told: bool = False  # its end has been sent to somebody
    replies: set[str] = field(default_factory=set)  # messages that answered its questions
    again: bool = False  # it ended without an effect, so its key may start it anew

    @property
    def resting(self) -> bool:
        """Whether nothing happens until somebody else does something."""
        return self.state in ENDED_STATES or self.state in wire.INTERRUPTED

    def view(self, *, history: bool = True) -> Json:
        """The task as A2A has it."""
        return wire.task(self.id, self.context, self.status, artifacts=self.artifacts, history=[self.message] if history else None, metadata=self.metadata)


class Work:
    """All tasks of this process: at most `most` open ones, and as many ended ones kept for those who ask again."""

    def __init__(self, offers: dict[str, Offer], outside: Outside, executor: Callable[[transports.Mode], Executor | None], *, most: int, kept: int) -> None:
        self.offers = offers
        self.outside = outside
        self.open = 0
        self._clock = outside.clock
        self._ids = outside.ids
        self._executor = executor
        self._most = most
        self._kept = kept
        self._tasks: OrderedDict[str, Task] = OrderedDict()
        self._keys: dict[tuple[str, str], str] = {}
        self._ended: deque[str] = deque()

    def get(self, id: object) -> Task | None:
        """A task by its id."""
        return self._tasks.get(id) if isinstance(id, str) else None

    def knows(self, offer: Offer, key: str) -> bool:
        """Whether a task was started under this key, and its end is kept."""
        known = self._tasks.get(self._keys.get((offer.skill.name, key), "")) if key else None
        return known is not None and not known.again

    def tasks(self) -> list[Task]:
        """All tasks, newest first."""
        return list(reversed(self._tasks.values()))

    def begin(self, offer: Offer, input: Any, message: Json, context: str, key: str, digest: bytes) -> Task:
        """Start a task, or give the one that this key has started. Raises: `Invalid` (input, or key used otherwise), `Overloaded`."""
        known = self._tasks.get(self._keys.get((offer.skill.name, key), "")) if key else None
        if known is not None:
            if known.digest != digest:
                raise Invalid("This Idempotency-Key came with another message before.", hint="Use a new key for a new message.")
            if not known.again:
                return known
        if self.open >= self._most:
            raise Overloaded(f"{self.open} tasks are open already.", hint="Try again shortly.")
        offer.bound.read(input)
        id = self._ids.new("t")
        message = {**message, "taskId": id, "contextId": context}
        task = Task(id, context, offer, key, digest, message)
        self._tasks[id] = task
        if key:
            self._keys[offer.skill.name, key] = id
        self.open += 1
        self._tell(task, State.SUBMITTED)
        task.walk = asyncio.create_task(self._walk(task, input))
        return task

    def reply(self, task: Task, value: Any) -> None:
        """Answer what a task asks. Raises: `Invalid` when it asks nothing."""
        if task.answer is None or task.answer.done():
            raise Invalid(f"{task.id} asks nothing now.", hint=f"It is {task.state}.")
        task.answer.set_result(value)
        task.answer = None
        self._tell(task, State.WORKING)

    def cancel(self, task: Task) -> bool:
        """Stop a task. False when it has ended."""
        if task.state in ENDED_STATES or task.walk is None:
            return False
        task.walk.cancel()
        self._end(task, State.CANCELED, "It was canceled.")
        return True

    async def settled(self, task: Task) -> None:
        """Wait until a task has ended or asks something."""
        while not task.resting:
            await task.changed.wait()

    async def follow(self, task: Task) -> AsyncIterator[Json]:
        """The task as it is, then each update, until it has ended or asks something. Who reads too slowly gets the task as it is once more."""
        queue: deque[Json | None] = deque(maxlen=_QUEUE)
        yield {"task": task.view()}
        if task.resting:
            return
        task.followers.append(queue)
        try:
            while True:
                while queue:
                    if len(queue) == _QUEUE:
                        queue.clear()
                        queue.append({"task": task.view()})
                        if task.resting:
                            queue.append(None)
                    event = queue.popleft()
                    if event is None:
                        return
                    yield event
                await task.changed.wait()
        finally:
            task.followers.remove(queue)

    async def idle(self) -> None:
        """Wait until no task is open and every end has been told to somebody, or is a question."""
        while waiting := [task for task in self._tasks.values() if not task.resting or (task.state in ENDED_STATES and not task.told)]:
            await waiting[0].changed.wait()

    def close(self) -> None:
        """Cancel what still runs."""
        for task in list(self._tasks.values()):
            if task.walk is not None:
                task.walk.cancel()

    # --- one task -----------------------------------------------------------------------------------------------

    async def _walk(self, task: Task, input: Any) -> None:
        self._tell(task, State.WORKING)
        skill, line = task.offer.skill, _Line(self, task)
        said = task.message.get("metadata", {}).get(wire.RUN)
        run = said if isinstance(said, dict) else {}
        attempt = run.get("attempt", 1)
        context = transports.Context(task.id, skill.name, task.key or task.id, attempt if isinstance(attempt, int) else 1, None, None, {}, line)
        context.leases = _leases(run.get("leases"))

        def call(limit: execution.Limit) -> Any:
            line.limit = limit
            return transports.call(task.offer.bound, input, context, self._executor)

        outcome = await execution.run(call, timeout=skill.timeout.total_seconds(), clock=self._clock)
        if task.state in ENDED_STATES:
            return
        if outcome.ending is Ending.DONE:
            self._complete(task, outcome)
        else:
            sure = not outcome.unsure
            told = {"nothing": sure, "retry": outcome.retry}
            task.metadata[wire.OUTCOME] = told
            task.again = sure or not skill.is_action or skill.idempotent
            self._end(task, State.REJECTED if outcome.error == "invalid_input" else State.FAILED, outcome.detail or outcome.error)

    def _complete(self, task: Task, outcome: Outcome) -> None:
        told: Json = {}
        if outcome.proposals:
            told["proposals"] = [{"action": proposal.skill, "input": proposal.input} for proposal in outcome.proposals]
        if outcome.emissions:
            told["signals"] = [{"type": emission.type, "subject": emission.subject, "data": emission.data} for emission in outcome.emissions]
        if outcome.notes:
            told["notes"] = [{"topic": topic, "value": value} for topic, value in outcome.notes]
        if outcome.cost:
            told["cost"] = outcome.cost
        if told:
            task.metadata[wire.OUTCOME] = told
        artifact = wire.artifact(f"{task.id}-output", outcome.output)
        task.artifacts = [artifact]
        self._send(task, {"artifactUpdate": {"taskId": task.id, "contextId": task.context, "artifact": artifact, "lastChunk": True}})
        self._end(task, State.COMPLETED, "")

    def _end(self, task: Task, state: State, words: str) -> None:
        self._tell(task, state, words)
        self.open -= 1
        self._ended.append(task.id)
        while len(self._ended) > self._kept:
            old = self._tasks.pop(self._ended.popleft(), None)
            if old is not None and self._keys.get((old.offer.skill.name, old.key)) == old.id:
                del self._keys[old.offer.skill.name, old.key]

    def progress(self, task: Task, share: float, text: str) -> None:
        """Tell followers how far a task is."""
        if task.state is State.WORKING:
            task.metadata[wire.PROGRESS] = min(max(share, 0.0), 1.0)
            self._tell(task, State.WORKING, text)

    def ask(self, task: Task, question: str, auth: bool) -> asyncio.Future[Any]:
        """Put a question to whoever called."""
        task.answer = asyncio.get_running_loop().create_future()
        self._tell(task, State.AUTH_REQUIRED if auth else State.INPUT_REQUIRED, question)
        return task.answer

    def _tell(self, task: Task, state: State, words: str = "") -> None:
        said = None
        if words:
            said = wire.message([{"text": words, "mediaType": "text/plain"}], id=self._ids.new("m"), role="ROLE_AGENT", context=task.context, task=task.id)
        task.state = state
        task.status = wire.status(state, to_text(self._clock.now()), said)
        update: Json = {"taskId": task.id, "contextId": task.context, "status": task.status}
        if task.metadata:
            update["metadata"] = dict(task.metadata)
        self._send(task, {"statusUpdate": update})
        if task.resting:
            self._send(task, None)

    def _send(self, task: Task, event: Json | None) -> None:
        for queue in task.followers:
            queue.append(event)
        self.nudge(task)

    def nudge(self, task: Task) -> None:
        """Wake all who wait for a task."""
        task.changed.set()
        task.changed = asyncio.Event()


class _Line:
    """A run's line to whoever called it: questions go to them; there is no fleet to ask."""

    def __init__(self, work: Work, task: Task) -> None:
        self._work = work
        self._task = task
        self._memos: Json = {}
        self.limit: execution.Limit | None = None

    async def ask(self, skill: str, input: Any, name: str, *, to: str = "", deadline_at: int | None = None) -> Any:
        raise AgentFailed(f"{skill} cannot be asked here: this agent runs as a service of its own.", hint="Return what is missing, or ask a person.")

    async def question(self, text: str, number: int, *, auth: bool = False) -> Any:
        with self.paused():
            return await self._work.ask(self._task, text, auth)

    async def keep(self, name: str, value: Any) -> None:
        self._memos[name] = value

    async def kept(self, name: str) -> Any:
        return self._memos.get(name)

    @property
    def outside(self) -> Outside:
        return self._work.outside

    @property
    def caller(self) -> str:
        return ""

    def skill(self, name: str) -> Skill:
        raise AgentFailed(f"{name} is not known here: this agent runs as a service of its own.")

    async def reserve(self, model: str, most: Spent) -> Held:
        return Held({}, most, (), 0)  # caps are the caller's: it counts what this run says that it cost

    async def settle(self, held: Held, spent: Spent, *, error: str = "", keep: tuple[str, Any] | None = None) -> None:
        if keep is not None:
            await self.keep(*keep)

    def progress(self, share: float, text: str) -> None:
        self._work.progress(self._task, share, text)

    def paused(self) -> AbstractContextManager[None]:
        assert self.limit is not None
        return self.limit.paused()
