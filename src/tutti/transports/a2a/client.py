"""Calling a skill of an A2A agent: one conversation about one task, however long it takes and whoever goes away meanwhile.

A quick agent is asked and answers in the response. A slow one is followed by its stream, by asking again, or by what it pushes here. What is
kept as soon as the agent's task is known lets the run that takes over after a crash go on with that task instead of asking for it anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from tutti.errors import AgentFailed, Invalid, TuttiError
from tutti.model.agent import AgentCard, Endpoint, Skill
from tutti.model.dialogue import MESSAGE
from tutti.model.party import SKILL as NEGOTIATES
from tutti.model.task import State
from tutti.transports import calls
from tutti.transports.a2a import wire
from tutti.transports.a2a.binding import Binding, Declined
from tutti.transports.a2a.cards import vouch
from tutti.transports.a2a.report import Report
from tutti.transports.inprocess import Context
from tutti.transports.outside import KEPT_S, Outside

Json = dict[str, Any]
log = logging.getLogger("tutti")
MEMO = "a2a.task"
PUSH_PATH = "/v1/callbacks/a2a/"
_SLOW_S = 1.0  # an answer that takes longer than this has the next one followed from its start, until one does not
_FIRST_LOOK_S, _LONGEST_LOOK_S = 0.1, 5.0  # between two looks at a task
_LOOK_AFTER_PUSH_S = 30.0  # where pushes should come, a look now and then all the same
_CANCEL_S = 5.0  # that canceling at the agent's may take
_MOST = 32  # proposals, signals and notes of one run
_QUESTIONS = 20  # of one run


class Pushes:
    """Who waits to be told by an agent that its task has moved, by the token that the agent was given for it."""

    def __init__(self) -> None:
        self.waiting: dict[str, asyncio.Event] = {}
        self.canceling: set[asyncio.Task[None]] = set()

    def wake(self, token: str) -> bool:
        """A push came in: its task is looked at. What the push says is not believed. False for a token that nobody knows."""
        event = self.waiting.get(token)
        if event is not None:
            event.set()
        return event is not None

    async def close(self) -> None:
        """Give up what is still being canceled."""
        for task in self.canceling:
            task.cancel()
        await asyncio.gather(*self.canceling, return_exceptions=True)


def pushes(outside: Outside) -> Pushes:
    """The one of this process."""
    found: Pushes = outside.shared.setdefault("a2a.pushes", None) or Pushes()
    outside.shared["a2a.pushes"] = found
    return found


def caller(card: AgentCard, skill: Skill, outside: Outside) -> Callable[[Any, Context], Awaitable[Any]]:
    """The async function of (input, context) that calls a skill of an A2A agent."""
    assert card.endpoint is not None
    agent = _Agent(card, skill, outside)

    async def call(input: Any, ctx: Context) -> Any:
        return await _Conversation(agent, ctx).hold(input)

    return call


class _Agent:
    """What all calls of one skill share."""

    def __init__(self, card: AgentCard, skill: Skill, outside: Outside) -> None:
        assert card.endpoint is not None
        options = card.endpoint.options
        interface = options["interface"]
        self.id = card.id
        self.outside = outside
        self.binding = Binding(
            outside, interface["url"], interface["binding"] == "HTTP+JSON", interface["legacy"], interface["tenant"], options.get("auth", ""),
            _link(card.endpoint, skill, outside), card.name if card.endpoint.key else "",
        )  # fmt: skip
        own = {offer.get("as_"): id for id, offer in (options.get("skills") or {}).items()}
        self.skill = own.get(skill.name) or options["ids"].get(skill.name, skill.name)
        self.action = skill.is_action
        self.extension = wire.NEGOTIATION if skill.name == NEGOTIATES and skill.level else ""
        self.streaming = bool(options.get("streaming"))
        self.push = bool(options.get("push"))
        self.trusted = bool(options.get("extended")) and (bool(card.endpoint.key) or card.endpoint.by == "fleet")
        self.timeout = skill.timeout
        self.slow = self._slow = skill.latency.total_seconds() >= _SLOW_S

    def took(self, seconds: float, *, ended: bool) -> None:
        """Learn from a call how the next one is made: one busy hour does not make an agent slow for ever."""
        if seconds > _SLOW_S:
            self.slow = True
        elif ended:
            self.slow = self._slow


def _link(endpoint: Endpoint, skill: Skill, outside: Outside) -> calls.Link:
    """How this skill's connections are used. Who may be called only once gets no connection that the other end may be closing."""
    keys = endpoint.options.get("keys", "")
    once = skill.is_action and not skill.idempotent and not keys
    return calls.Link(partial(vouch, endpoint, outside) if endpoint.key else None, calls.SURE_S if once else KEPT_S, keys == "process", keys == "durable")


class _Conversation:
    """One run's conversation with the agent."""

    def __init__(self, agent: _Agent, ctx: Context) -> None:
        self._agent = agent
        self._ctx = ctx
        self._outside = agent.outside
        self._binding = agent.binding
        if agent.binding.audience and ctx._line is not None and ctx._line.caller:
            self._binding = replace(agent.binding, caller=ctx._line.caller)
        self._report = Report(context=ctx.task)
        self._answered: list[str] = []  # questions that were put to a person, in their order
        self._kept = False
        self._token = ""

    async def hold(self, input: Any) -> Any:
        """Have it done, and give its output."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            if not await self._go_on():
                await self._begin(input)
            while not self._report.ended:
                if self._report.interrupted:
                    await self._reply()
                else:
                    await self._keep()
                    await self._follow()
            return self._close()
        except asyncio.CancelledError:
            self._cancel()
            raise
        finally:
            if not self._answered:  # people take their time
                self._agent.took(loop.time() - started, ended=self._report.ended)
            if self._token:
                pushes(self._outside).waiting.pop(self._token, None)

    # --- asking, and going on after a crash ----------------------------------------------------------------------

    async def _begin(self, input: Any) -> None:
        agent, ctx = self._agent, self._ctx
        came = await ctx.kept(MESSAGE)  # the message of a client outside keeps its id all the way
        id = came["messageId"] if isinstance(came, dict) and isinstance(came.get("messageId"), str) else ctx.key
        brought = came.get("metadata") if isinstance(came, dict) else None  # and so does what it says besides
        run: Json = {"task": ctx.task, "attempt": ctx.attempt}
        if ctx.leases:
            run["leases"] = [{"resource": lease.resource, "effect": lease.effect, "token": lease.token} for lease in ctx.leases]
        own: Json = {"skill": agent.skill, wire.RUN: run}
        parts = wire.parts_of(input)
        if isinstance(came, dict) and came.get("parts") and _same(wire.value_of(came["parts"]), input):
            parts = came["parts"]  # files stay files, and text beside data what it was
        message = wire.message(parts, id=id, context=ctx.task, metadata=(brought if isinstance(brought, dict) else {}) | own)
        if agent.extension:
            message["extensions"] = [agent.extension]
        params: Json = {"message": message, "metadata": {"skill": agent.skill}}
        settings: Json = {}
        if agent.push and self._outside.base_url:
            settings = {"returnImmediately": True, "taskPushNotificationConfig": self._expect_push()}
        elif agent.slow and not agent.streaming:
            settings = {"returnImmediately": True}
        if settings:
            params["configuration"] = settings
        if agent.slow and agent.streaming and not settings:
            return await calls.patiently(self._outside, agent.timeout, lambda: self._listen("SendStreamingMessage", params))
        self._report.take(await calls.patiently(self._outside, agent.timeout, lambda: self._binding.call("SendMessage", params, self._headers())))
        return None

    def _headers(self) -> dict[str, str]:
        extension = {"X-A2A-Extensions" if self._binding.legacy else "A2A-Extensions": self._agent.extension} if self._agent.extension else {}
        return {"Idempotency-Key": self._ctx.key, **calls.lease_of(self._ctx), **extension}

    async def _go_on(self) -> bool:
        """Take up the task that an earlier run has begun at this agent. False where there is none, or it came to nothing."""
        begun = await self._ctx.kept(MEMO)
        if not isinstance(begun, dict) or begun.get("agent") != self._agent.id:
            return False
        report = Report(begun["task"], begun["context"])
        try:
            report.take(await self._binding.call("GetTask", {"id": begun["task"]}))
        except Declined as declined:
            if declined.reason == "TASK_NOT_FOUND":
                return False  # the agent was started anew and knows nothing of it
            raise
        if report.state in (State.FAILED, State.CANCELED, State.REJECTED):
            return False
        self._report, self._kept, self._answered = report, True, list(begun["answered"])
        if begun["token"]:
            self._token = begun["token"]
            pushes(self._outside).waiting[self._token] = asyncio.Event()
        for _ in self._answered[:-1] if self._answered and report.question == self._answered[-1] else self._answered:
            await self._ctx.input("")  # answered before the crash; the answer is there already
        return True

    async def _keep(self) -> None:
        """Keep what the agent's task is called; durable before it is waited for."""
        if not self._kept and self._report.task:
            memo = {"agent": self._agent.id, "task": self._report.task, "context": self._report.context, "answered": self._answered, "token": self._token}
            await self._ctx.keep(MEMO, memo)
            self._kept = True

    # --- following ----------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Until the task has ended or waits for an answer."""
        agent = self._agent
        if agent.streaming and not self._token:
            try:
                return await self._listen("SubscribeToTask", {"id": self._report.task})
            except (calls.OutcomeUnknown, AgentFailed) as error:
                log.debug("the stream of %s broke, its task is looked at instead: %s", agent.id, error)
        await self._look()
        return None

    async def _listen(self, operation: str, params: Json) -> None:
        async with self._binding.open(operation, params, self._headers() if operation == "SendStreamingMessage" else None) as events:
            try:
                async for event in events:
                    self._take(event)
                    if self._report.ended or self._report.interrupted:
                        return
                    await self._keep()
            except calls.OutcomeUnknown:
                if not self._report.task:
                    raise
                await self._look()  # the stream broke; the task goes on
                return
        if self._report.task:
            await self._look()  # it ended before the task did
        elif self._report.state is None:
            raise calls.OutcomeUnknown("The agent's stream ended without a word.")

    async def _look(self) -> None:
        """Ask how the task stands, seldomer each time, until it has moved."""
        pause = _FIRST_LOOK_S
        event = pushes(self._outside).waiting.get(self._token)
        failures = 0
        while True:
            try:
                self._take(await self._binding.call("GetTask", {"id": self._report.task}))
                failures = 0
            except Declined:
                raise calls.OutcomeUnknown("The agent does not know its task any more.") from None
            except (calls.OutcomeUnknown, AgentFailed) as error:
                failures += 1
                if failures > 5 or not (error.about.get("retry", error.retry)):
                    raise calls.OutcomeUnknown(f"The agent cannot be asked how its task stands: {error.message}") from error
            if self._report.ended or self._report.interrupted:
                return
            if event is not None:
                await _heard(event, _LOOK_AFTER_PUSH_S)
                continue
            await asyncio.sleep(pause * (0.75 + self._outside.ids.rng.random() / 2))
            pause = min(pause * 1.6, _LONGEST_LOOK_S)

    def _take(self, event: Json) -> None:
        self._report.take(event)
        share = self._report.metadata.get(wire.PROGRESS)
        if self._report.state is State.WORKING and (share is not None or self._report.words):
            known = isinstance(share, int | float) and not isinstance(share, bool)
            self._ctx.progress(float(share) if known else 0.0, self._report.words)  # type: ignore[arg-type]

    def _expect_push(self) -> Json:
        self._token = f"{self._ctx.task}.{self._outside.ids.bytes(24).hex()}"
        pushes(self._outside).waiting[self._token] = asyncio.Event()
        return {"id": self._ctx.task, "url": f"{self._outside.base_url}{PUSH_PATH}{self._token}", "token": self._token}

    # --- questions, the end -------------------------------------------------------------------------------------

    async def _reply(self) -> None:
        """Have a person answer what the agent asks, and tell the agent."""
        report, ctx = self._report, self._ctx
        question = report.question
        if question not in self._answered[-1:]:
            if len(self._answered) >= _QUESTIONS:
                raise calls.OutcomeUnknown(f"The agent asks more than {_QUESTIONS} questions.", retry=False)
            self._answered.append(question)
            self._kept = False
        await self._keep()
        answer = await ctx.input(report.words or "The agent asks for an answer.", auth=report.state is State.AUTH_REQUIRED)
        id = f"{ctx.key}/{len(self._answered)}"
        message = wire.message(wire.parts_of(answer), id=id, context=report.context, task=report.task, metadata={"skill": self._agent.skill})
        self._report = Report(report.task, report.context)
        self._take(await self._binding.call("SendMessage", {"message": message}, {"Idempotency-Key": id}))
        if self._report.interrupted and self._report.question == question:
            raise wire.wrong("it asks the same question again, under the same id")

    def _close(self) -> Any:
        report = self._report
        told = report.metadata.get(wire.OUTCOME)
        if report.state is State.COMPLETED:
            if self._agent.trusted and isinstance(told, dict):
                _pass_on(told, self._ctx)
            return report.output
        words = report.words or "it gives no reason"
        if report.state is State.REJECTED:
            raise AgentFailed(f"The agent rejects it: {words}", retry=False)
        told = told if isinstance(told, dict) else {}
        if report.state is State.FAILED and (told.get("nothing") is True or not self._agent.action):
            raise AgentFailed(words, retry=told.get("retry") is True)
        raise calls.OutcomeUnknown(f"The agent's task {report.state}: {words}", retry=told.get("retry") is True)

    def _cancel(self) -> None:
        """Have the agent stop, too: as well as it goes, and nobody waits for it."""
        if not self._report.task or self._report.ended:
            return
        binding, task = self._binding, self._report.task

        async def cancel() -> None:
            try:
                await binding.call("CancelTask", {"id": task}, total=_CANCEL_S)
            except (TuttiError, TimeoutError) as error:
                log.debug("task %s of %s was not canceled there: %s", task, self._agent.id, error)

        canceling = pushes(self._outside).canceling
        chore = asyncio.create_task(cancel())
        canceling.add(chore)
        chore.add_done_callback(canceling.discard)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are one JSON; to Python, true is 1."""
    return orjson.dumps(one, option=orjson.OPT_SORT_KEYS) == orjson.dumps(other, option=orjson.OPT_SORT_KEYS)


async def _heard(event: asyncio.Event, patience: float) -> None:
    try:
        async with asyncio.timeout(patience):
            await event.wait()
    except TimeoutError:
        return
    event.clear()


def _pass_on(told: Json, ctx: Context) -> None:
    """Do what a run elsewhere proposed, signalled, noted and spent, as if it had run here: gated like any other."""
    proposals, signals, notes = (told.get(name) or [] for name in ("proposals", "signals", "notes"))
    if not all(isinstance(each, list) and len(each) <= _MOST for each in (proposals, signals, notes)):
        raise wire.wrong(f"a run proposes and signals at most {_MOST} things")
    try:
        for proposal in proposals:
            ctx.propose(_text(proposal["action"]), proposal["input"])
        for signal in signals:
            ctx.signal(_text(signal["type"]), subject=None if signal.get("subject") is None else _text(signal["subject"]), data=signal.get("data"))
        for note in notes:
            ctx.note(_text(note["topic"]), note["value"])
        cost = told.get("cost", 0.0)
        ctx.cost += float(cost) if 0 <= float(cost) < 1e6 else 0.0
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, Invalid):
            raise
        raise wire.wrong("its proposals and signals are not of their form") from None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise wire.wrong("a name is a text")
    return value
