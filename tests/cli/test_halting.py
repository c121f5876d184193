"""Being told to stop: what is called, and what a signal does afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tutti.halting import on_halt


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    handlers: list[tuple[signal.Signals, Any]] = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    yield
    for number, handler in handlers:
        signal.signal(number, handler)


async def _told(*numbers: signal.Signals) -> int:
    """How often it is called when these come."""
    calls: list[None] = []
    with on_halt(lambda: calls.append(None)):
        for count, number in enumerate(numbers):
            os.kill(os.getpid(), number)
            while len(calls) == count:
                await asyncio.sleep(0.001)
    return len(calls)


async def test_after_ctrl_c_further_ones_do_nothing():
    signal.signal(signal.SIGTERM, other := lambda *_: None)
    assert await _told(signal.SIGINT, signal.SIGTERM, signal.SIGINT) == 3
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(0.01)
    assert signal.getsignal(signal.SIGTERM) is other


async def test_where_no_ctrl_c_came_it_means_what_it_meant():
    signal.signal(signal.SIGINT, other := lambda *_: None)
    assert await _told(signal.SIGTERM) == 1
    assert signal.getsignal(signal.SIGINT) is other


async def test_in_another_thread_signals_are_somebody_elses():
    async def beside() -> None:
        with on_halt(lambda: None):
            await asyncio.sleep(0)

    before = signal.getsignal(signal.SIGINT)
    await asyncio.to_thread(asyncio.run, beside())
    assert signal.getsignal(signal.SIGINT) is before
