"""Scripted agents: what goes wrong in the field, on demand. Each call makes an agent function to declare in a fleet.

    fleet.agent(skill="ticket.triage", department="support", name="slow")(agents.slow(5.0, {"urgency": 0.5}))

`gives` is the answer, or a function of the input that makes it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

from tutti.errors import AgentFailed
from tutti.transports import Context

Agent = Callable[[Any, Context], Awaitable[Any]]


def _answer(gives: Any, input: Any) -> Any:
    return gives(input) if callable(gives) else gives


def slow(seconds: float, gives: Any = None) -> Agent:
    """Answers rightly, after a while."""

    async def slow(input: Any, ctx: Context) -> Any:
        await asyncio.sleep(seconds)
        return _answer(gives, input)

    return slow


def hanging() -> Agent:
    """Never answers; its timeout ends it."""

    async def hanging(input: Any, ctx: Context) -> Any:
        return await asyncio.get_running_loop().create_future()

    return hanging


def failing(message: str = "out of order", *, retry: bool = False, times: int | None = None, gives: Any = None) -> Agent:
    """Says that it failed and nothing happened; with `times`, only so often, then it answers. `retry` says that trying again may help."""
    left = [times]

    async def failing(input: Any, ctx: Context) -> Any:
        if left[0] is None or left[0] > 0:
            left[0] = None if left[0] is None else left[0] - 1
            raise AgentFailed(message, retry=retry)
        return _answer(gives, input)

    return failing


def garbage(value: object = None) -> Agent:
    """Returns what it does not declare: a list of numbers was promised."""

    async def garbage(input: Any, ctx: Context) -> list[int]:
        return value if value is not None else "\ufffd not what was asked"  # type: ignore[return-value]

    return garbage


def lying(gives: Any) -> Agent:
    """Answers at once, in the right form, whatever was asked: only a check or a person can tell."""

    async def lying(input: Any, ctx: Context) -> Any:
        return _answer(gives, input)

    return lying


def flaky(share: float, gives: Any = None, *, rng: random.Random | None = None) -> Agent:
    """Raises in this share of its calls, and answers in the others."""
    draws = rng or random.Random(0)

    async def flaky(input: Any, ctx: Context) -> Any:
        if draws.random() < share:
            raise ConnectionError("the line went dead")
        return _answer(gives, input)

    return flaky
