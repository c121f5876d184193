"""What runs out by itself: leases whose time is over, and resources that nobody holds any more. One timer, set to the next."""

from __future__ import annotations

import asyncio

from tutti.arbiter.standing import Standing, live
from tutti.clock import MICROS
from tutti.corridor import Corridor
from tutti.errors import Conflict, Overloaded, StorageFailed
from tutti.model.fact import Draft
from tutti.reception import Bundle

_TOGETHER = 200  # leases that expire in one append
_IDLE = 256  # resources nobody holds any more that memory keeps
_PAUSE = 1.0  # seconds before leases are expired again after the database refused


class Expiry:
    """Records through the corridor that leases have run out."""

    def __init__(self, corridor: Corridor, standing: Standing) -> None:
        self._corridor = corridor
        self._house = corridor.house
        self._open = standing
        self._leases, self._resources = corridor.house.journal.hot.table("lease"), corridor.house.journal.hot.table("resource")
        self._timer: asyncio.TimerHandle | None = None
        self._chore: asyncio.Task[None] | None = None

    def wind(self) -> None:
        """Set the timer to the next lease that runs out."""
        if not self._corridor.traffic.open:
            return
        nearest = min((row["until_at"] for row in self._leases.values() if row["state"] == "acted"), default=None)
        if nearest is None:
            return
        if self._timer is not None:
            self._timer.cancel()
        delay = max((nearest - self._house.clock.now()) / MICROS, 0.0)
        self._timer = asyncio.get_running_loop().call_later(min(delay, 3600.0) + 0.001, self._ring)

    def _ring(self) -> None:
        if self._corridor.traffic.open and (self._chore is None or self._chore.done()):
            self._chore = asyncio.get_running_loop().create_task(self._expire())

    async def _expire(self) -> None:
        """Record that leases have run out, and let go of resources that nobody holds."""
        now = self._house.clock.now()
        over = [row for row in self._leases.values() if row["state"] == "acted" and not live(row, now)][:_TOGETHER]
        bundle = Bundle()
        for row in over:
            bundle.expect["lease", (row["resource"], row["task"])] = row["version"]
            bundle.add(Draft("lease.expired", row["task"], "tutti", {"resource": row["resource"]}))
        gone = {(row["resource"], row["task"]) for row in over}
        idle = [
            row for resource, row in list(self._resources.items())
            if all((resource[0], task) in gone for task in self._open.holding.get(resource[0], ()))
        ]  # fmt: skip
        for row in idle if over or len(idle) >= _IDLE else ():
            bundle.expect["resource", (row["resource"],)] = row["version"]
            bundle.add(Draft("resource.idle", row["resource"], "tutti", {}))
        try:
            if bundle.drafts:
                await self._corridor.record(bundle)
        except (Conflict, StorageFailed, Overloaded):  # another node did it, or somebody took one of them just now
            await self._house.journal.catch_up()
            if self._corridor.traffic.open:
                self._timer = asyncio.get_running_loop().call_later(_PAUSE, self._ring)
            return
        self.wind()

    async def stop(self) -> None:
        """Stop expiring."""
        if self._timer is not None:
            self._timer.cancel()
        if self._chore is not None and not self._chore.done():
            self._chore.cancel()
            await asyncio.wait([self._chore])
