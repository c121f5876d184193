"""The world outside: it receives effects and remembers each of them, whatever becomes of the process that caused it."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from dataclasses import dataclass

from tutti.transports import Context


@dataclass(frozen=True, slots=True)
class Effect:
    """Something that happened outside: under which key, for which task, when (seconds of the loop)."""

    key: str
    task: str
    what: str
    at: float


class World:
    """A receiver of effects, for actions to call: `await world.do(ctx, "pay")`.

    One that honours keys has each key's effect once, however often it is called. `calls` holds every call when it is made, `effects` what
    happened. A call takes up to `latency` seconds there and as long back; a share `lost` of the acknowledgements never arrives.
    """

    def __init__(self, *, rng: random.Random | None = None, latency: float = 0.0, lost: float = 0.0, honours_keys: bool = True) -> None:
        self.calls: list[Effect] = []
        self.effects: list[Effect] = []
        self.latency = latency
        self.lost = lost
        self._rng = rng or random.Random(0)
        self._honours_keys = honours_keys
        self._keys: set[str] = set()

    async def do(self, ctx: Context, what: str = "", *, key: str | None = None) -> None:
        """Have an effect under the task's key and wait for the acknowledgement. The effect comes about even when the caller goes away meanwhile."""
        loop = asyncio.get_running_loop()
        key = ctx.key if key is None else key
        arrived: asyncio.Future[None] = loop.create_future()
        self.calls.append(Effect(key, ctx.task, what, loop.time()))
        loop.call_later(self._rng.random() * self.latency, self._arrive, key, ctx.task, what, arrived)
        await arrived
        if self._rng.random() < self.lost:
            await loop.create_future()
        await asyncio.sleep(self._rng.random() * self.latency)

    def _arrive(self, key: str, task: str, what: str, arrived: asyncio.Future[None]) -> None:
        if not (self._honours_keys and key in self._keys):
            self._keys.add(key)
            self.effects.append(Effect(key, task, what, asyncio.get_running_loop().time()))
        if not arrived.done():
            arrived.set_result(None)

    def twice(self) -> list[str]:
        """Tasks that had more than one effect."""
        return sorted(task for task, times in Counter(effect.task for effect in self.effects).items() if times > 1)
