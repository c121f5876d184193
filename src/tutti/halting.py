"""How a process in the foreground is told to stop."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

_NUMBERS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def on_halt(halt: Callable[[], None]) -> Iterator[None]:
    """Call `halt` in the running loop each time SIGINT or SIGTERM comes, until the block ends. Outside the main thread no signal comes, and nothing is done.

    After the block there is what was there before, but for one thing: a process that was told by Ctrl-C ignores further ones. What is left to do then ends by itself,
    and Python's own answer, to break off whatever it meets, may meet a thread that is being started: at its end the process would wait for that for ever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop, told = asyncio.get_running_loop(), set[signal.Signals]()

    def tell(number: signal.Signals) -> None:
        told.add(number)
        halt()

    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in _NUMBERS}
    for number in _NUMBERS:
        loop.add_signal_handler(number, partial(tell, number))
    try:
        yield
    finally:
        for number in _NUMBERS:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN if number in told and number == signal.SIGINT else before[number])
