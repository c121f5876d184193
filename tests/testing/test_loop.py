"""Virtual time: waiting takes none, one seed gives one run, and waiting for nothing is an error."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from tutti.testing import Hang, ManualClock, SimClock, SimLoop, simulate


def test_a_day_of_sleep_passes_in_virtual_time():
    async def day(loop: SimLoop) -> float:
        await asyncio.sleep(86_400)
        return loop.time()

    assert simulate(day, 1) == pytest.approx(86_400)


def test_waiting_for_nothing_is_an_error():
    async def wait(loop: SimLoop) -> None:
        await loop.create_future()

    with pytest.raises(Hang, match="still waits"):
        simulate(wait, 1)


def _order(seed: int, shuffle: bool = True) -> list[int]:
    async def race(loop: SimLoop) -> list[int]:
        done: list[int] = []

        async def one(number: int) -> None:
            await asyncio.sleep(0)
            done.append(number)

        await asyncio.gather(*map(one, range(6)))
        return done

    return simulate(race, seed, shuffle=shuffle)


def test_the_seed_decides_what_comes_first():
    orders = {tuple(_order(seed)) for seed in range(20)}
    assert len(orders) > 10
    assert all(_order(seed) == _order(seed) for seed in range(5))


def test_without_shuffling_the_order_is_that_of_any_loop():
    assert _order(3, shuffle=False) == [0, 1, 2, 3, 4, 5]


def test_work_in_executors_runs_on_the_loop():
    async def work(loop: SimLoop) -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await loop.run_in_executor(None, max, 3, 5)

    assert simulate(work, 1) == 5


def test_what_still_runs_at_the_end_is_canceled():
    ended: list[str] = []

    async def leave(loop: SimLoop) -> None:
        async def other() -> None:
            try:
                await asyncio.sleep(10)
            finally:
                ended.append("canceled")

        task = loop.create_task(other())
        await asyncio.sleep(1)
        assert not task.done()

    simulate(leave, 1)
    assert ended == ["canceled"]


def test_the_clock_shows_the_loops_time():
    async def look(loop: SimLoop) -> tuple[int, float]:
        clock = SimClock(loop)
        before = clock.now()
        await asyncio.sleep(90.5)
        return clock.now() - before, clock.monotonic()

    assert simulate(look, 1) == (90_500_000, pytest.approx(90.5))


def test_a_manual_clock_moves_when_it_is_told_to():
    clock = ManualClock()
    before = clock.now()
    clock.advance(timedelta(minutes=2))
    assert (clock.now() - before, clock.monotonic()) == (120_000_000, 120.0)
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(timedelta(seconds=-1))
