"""An event loop with virtual time: waiting takes no time, one seed decides what comes first, and waiting for nothing is an error."""

from __future__ import annotations

import asyncio
import random
import selectors
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar, TypeVarTuple, Unpack

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
_RESOLUTION = 1e-9  # seconds; virtual time is a sum of floats, and a timer must not miss its instant by a rounding error
_BORROWED = 0.01  # virtual seconds that work in an executor takes at most


class Hang(RuntimeError):
    """Nothing is scheduled any more, and something still waits."""


class _NoIO(selectors.BaseSelector):
    """Knows no input or output: where a loop would wait, it moves the loop's time on."""

    def __init__(self) -> None:
        self.loop: SimLoop | None = None
        self._keys: dict[int, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = fileobj if isinstance(fileobj, int) else fileobj.fileno()
        self._keys[number] = selectors.SelectorKey(fileobj, number, events, data)
        return self._keys[number]

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj if isinstance(fileobj, int) else fileobj.fileno())

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Hang(
                "Nothing is scheduled, and something still waits: for an answer nobody gives, or for network or threads, which virtual time does not have."
            )
        if timeout > 0 and self.loop is not None:
            self.loop.now += timeout
        return []


class SimLoop(asyncio.SelectorEventLoop):
    """A loop whose `time()` moves only when everything waits, and then at once to the next timer.

    `shuffle=True` lets the seed choose among all callbacks that are ready, which finds orders that a machine shows once in a year.
    Work for executors runs inline after a short virtual delay, so nothing depends on threads. The same seed gives the same run.
    """

    def __init__(self, seed: int = 0, *, shuffle: bool = True) -> None:
        selector = _NoIO()
        self.now = 0.0
        self.rng = random.Random(seed)
        self._shuffle = shuffle
        super().__init__(selector)
        selector.loop = self
        self._clock_resolution = _RESOLUTION

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self.now

    def _run_once(self) -> None:
        ready = self._ready  # type: ignore[attr-defined]
        if self._shuffle and len(ready) > 1:
            order = list(ready)
            self.rng.shuffle(order)
            ready.clear()
            ready.extend(order)
        super()._run_once()  # type: ignore[misc]

    def run_in_executor(self, executor: Any, func: Callable[[Unpack[Ts]], T], *args: *Ts) -> asyncio.Future[T]:
        """Run the work on the loop itself, a little later."""
        future: asyncio.Future[T] = self.create_future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                future.set_result(func(*args))
            except StopIteration as error:  # a future cannot hold one
                future.set_exception(RuntimeError(f"work in an executor raised {error!r}"))
            except Exception as error:
                future.set_exception(error)

        self.call_later(self.rng.random() * _BORROWED, work)
        return future

    def finish(self) -> None:
        """Cancel what still runs, let it end, and close."""
        try:
            pending = asyncio.all_tasks(self)
            for task in pending:
                task.cancel()
            if pending:
                self.run_until_complete(asyncio.gather(*pending, return_exceptions=True))
            self.run_until_complete(self.shutdown_asyncgens())
        finally:
            self.close()


def simulate(make: Callable[[SimLoop], Coroutine[Any, Any, T]], seed: int, *, shuffle: bool = True) -> T:
    """Run a coroutine in virtual time and give its result. Raises `Hang` when it waits for what cannot come."""
    loop = SimLoop(seed, shuffle=shuffle)
    try:
        return loop.run_until_complete(make(loop))
    finally:
        loop.finish()
