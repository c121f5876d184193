"""One attempt: call the agent, hold it to its timeout, and say how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from tutti.clock import Clock
from tutti.errors import AgentFailed, Invalid, TuttiError
from tutti.model.outcome import HELD_BACK, Ending, Outcome


class Limit:
    """The time an attempt may work. It stands still while the agent waits for another task or a person."""

    __slots__ = ("_depth", "_left", "_loop", "_since", "_timeout", "waited")

    def __init__(self, timeout: asyncio.Timeout) -> None:
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._depth = 0
        self._left = 0.0
        self._since = 0.0
        self.waited = 0.0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Stop the clock of the attempt inside this block. Blocks may overlap."""
        self._depth += 1
        if self._depth == 1:
            self._since = self._loop.time()
            self._left = (self._timeout.when() or self._since) - self._since
            self._timeout.reschedule(None)
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                now = self._loop.time()
                self.waited += now - self._since
                if not self._timeout.expired():
                    self._timeout.reschedule(now + max(self._left, 0.0))


Call = Callable[[Limit], Awaitable[Outcome]]


async def run(call: Call, *, timeout: float, clock: Clock) -> Outcome:
    """Make one attempt of at most `timeout` seconds of work. Never raises for what the agent does; a cancellation from outside is passed on."""
    started = clock.monotonic()
    limit = None
    try:
        async with asyncio.timeout(timeout) as scope:
            limit = Limit(scope)
            outcome = await call(limit)
    except TimeoutError as error:
        if limit is not None and scope.expired():
            outcome = Outcome(Ending.TIMED_OUT, error="timed_out", detail=f"no answer within {timeout:g} s", retry=True)
        else:
            outcome = Outcome(Ending.FAILED, error="agent_raised", detail=f"TimeoutError: {error}", retry=True)
    except Invalid as error:
        outcome = Outcome(Ending.FAILED, error=error.about.get("code", "wrong_output"), detail=error.words)
    except TuttiError as error:
        code = HELD_BACK if isinstance(error, AgentFailed) and error.about.get("held_back") else error.code
        outcome = Outcome(Ending.FAILED, error=code, detail=error.words, retry=error.about.get("retry", error.retry))
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        outcome = Outcome(Ending.FAILED, error="agent_raised", detail="the agent canceled itself", retry=True)
    except Exception as error:  # an agent may raise anything
        outcome = Outcome(Ending.FAILED, error="agent_raised", detail=f"{type(error).__name__}: {error}"[:2000], retry=True)
    waited = limit.waited if limit is not None else 0.0
    return outcome.lasting(max((clock.monotonic() - started - waited) * 1000, 0.0))
