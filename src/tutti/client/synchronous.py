"""The client for ordinary code: each call waits for its answer."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar

from tutti.client import calls
from tutti.client.line import PATIENCE, Line
from tutti.client.turns import TRIES, Ask, Call, Event, Reply, Stream, new_key, problem, talk
from tutti.errors import Overloaded, Unreachable

P = ParamSpec("P")
R = TypeVar("R")
SILENCE = 60.0  # seconds without a sign of life until a stream is taken up anew; the server gives one every 15
PAUSE = 1.0  # seconds until a stream that ended is taken up again
PATIENT = 60.0  # seconds a stream is tried to be taken up again


class _Operation(Generic[P, R]):
    """A call of the table as a method."""

    def __init__(self, make: Callable[P, Call[R]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    def __get__(self, client: Client, _: type[Client]) -> Callable[P, R]:
        def operation(*args: P.args, **more: P.kwargs) -> R:
            return client.ask(self._make(*args, **more))

        operation.__doc__ = self.__doc__
        return operation


class Client:
    """A workspace that another process serves: `Client("https://tutti.example", token)`, or `Client("unix:/path/to/socket")`.

    What is safe to repeat is repeated when the server is away or busy; what makes something carries an Idempotency-Key, so it happens once.
    Raises: the families of `tutti.errors`. Threads may share one; their calls take turns.
    """

    def __init__(
        self, where: str | Path, token: str = "", *, timeout: float = PATIENCE, tls: ssl.SSLContext | None = None, tries: int = TRIES, key: Callable[[], str] = new_key
    ) -> None:  # fmt: skip
        self._line = Line(where, timeout=timeout, tls=tls)
        self._token = token
        self._tries = tries
        self._key = key

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection."""
        self._line.close()

    def ask(self, call: Call[R]) -> R:
        """Make a call. The methods below do."""
        turns = talk(call, token=self._token, key=self._key, tries=self._tries)
        reply: Reply | Unreachable | None = None
        while True:
            try:
                step = turns.send(reply)
            except StopIteration as done:
                answer: R = done.value
                return answer
            reply = None
            if isinstance(step, Ask):
                try:
                    reply = self._line.exchange(*step)
                except Unreachable as error:
                    reply = error
            else:
                time.sleep(step.seconds)

    def events(self, after: int | None = None) -> Iterator[Event]:
        """Changes as they happen, from the one after `after` on (from now on, without). A broken stream is resumed where it stopped.

        Raises: `Unreachable` when it cannot be resumed for a minute.
        """
        stream = Stream(after)
        lost_at: float | None = None
        while True:
            try:
                call = stream.call()
                headers = {"accept": "text/event-stream"} | ({"authorization": f"Bearer {self._token}"} if self._token else {})
                with self._line.stream(call.target, headers, SILENCE) as answer:
                    if answer.status != 200:
                        raise problem(call, Reply(answer.status, answer.read(), answer.headers.get("retry-after", "")))
                    for line in answer:
                        lost_at = None
                        event = stream.feed(line.decode().rstrip("\r\n"))
                        if event is not None:
                            yield event
            except (Unreachable, Overloaded):
                now = time.monotonic()
                lost_at = lost_at or now
                if now - lost_at > PATIENT:
                    raise
            time.sleep(PAUSE)

    send = _Operation(calls.send)
    send_batch = _Operation(calls.send_batch)
    submit = _Operation(calls.submit)
    tasks = _Operation(calls.tasks)
    task_counts = _Operation(calls.task_counts)
    task = _Operation(calls.task)
    wait = _Operation(calls.wait)
    cancel = _Operation(calls.cancel)
    answer = _Operation(calls.answer)
    settle = _Operation(calls.settle)
    rate = _Operation(calls.rate)
    negotiate = _Operation(calls.negotiate)
    negotiations = _Operation(calls.negotiations)
    negotiation = _Operation(calls.negotiation)
    plan = _Operation(calls.plan)
    approvals = _Operation(calls.approvals)
    approval = _Operation(calls.approval)
    answer_approval = _Operation(calls.answer_approval)
    change_approval = _Operation(calls.change_approval)
    hand_over = _Operation(calls.hand_over)
    take_over = _Operation(calls.take_over)
    conflicts = _Operation(calls.conflicts)
    conflict = _Operation(calls.conflict)
    settle_conflict = _Operation(calls.settle_conflict)
    undo = _Operation(calls.undo)
    agents = _Operation(calls.agents)
    card = _Operation(calls.card)
    register = _Operation(calls.register)
    upgrade = _Operation(calls.upgrade)
    drain = _Operation(calls.drain)
    retire = _Operation(calls.retire)
    set_level = _Operation(calls.set_level)
    kill_switches = _Operation(calls.kill_switches)
    kill = _Operation(calls.kill)
    lift = _Operation(calls.lift)
    goals = _Operation(calls.goals)
    set_goal = _Operation(calls.set_goal)
    prioritise = _Operation(calls.prioritise)
    why = _Operation(calls.why)
    replay = _Operation(calls.replay)
    lineage = _Operation(calls.lineage)
    measures = _Operation(calls.measures)
    head = _Operation(calls.head)
    heads = _Operation(calls.heads)
    facts = _Operation(calls.facts)
    leaves = _Operation(calls.leaves)
    prove_inclusion = _Operation(calls.prove_inclusion)
    prove_consistency = _Operation(calls.prove_consistency)
    erase = _Operation(calls.erase)
    backup = _Operation(calls.backup)
    health = _Operation(calls.health)
