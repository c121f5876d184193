"""Watching: the fleet in numbers, what waits for somebody, and what moves between agents."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any

from tutti import observation
from tutti.clock import MICROS
from tutti.desk.counter import Counter
from tutti.errors import Invalid

_HOUR = 3600 * MICROS
_PARTS = 1000  # parts of a time at most


class Watching(Counter):
    """Reading what happens, for an overview."""

    async def kpis(
        self, *, since: int | None = None, split: int | None = None, until: int | None = None, buckets: int = 60, departments: Collection[str] | None = None
    ) -> dict[str, Any]:
        """Latency between agents, quality, autonomy, cost and resolution time: from `since` to `split` and from there to `until`, with intervals.

        Instants are microseconds; without them it is the last hour, compared with the hour before it. Raises: `Invalid`.
        """
        until = self._now() if until is None else until
        split = until - _HOUR if split is None else split
        since = split - _HOUR if since is None else since
        _check(since, split, buckets)
        _check(split, until, buckets)
        return await observation.kpis(
            self._journal.survey, since=since, split=split, until=until, buckets=buckets, departments=departments, targets=self._targets(), currency=self._currency()
        )  # fmt: skip

    async def throughput(
        self, *, since: int | None = None, until: int | None = None, buckets: int = 40, departments: Collection[str] | None = None
    ) -> dict[str, Any]:
        """How many tasks came in and ended, in parts of the time (the last hour). Raises: `Invalid`."""
        until = self._now() if until is None else until
        since = until - _HOUR if since is None else since
        _check(since, until, buckets)
        return await observation.throughput(self._journal.survey, since=since, until=until, buckets=buckets, departments=departments)

    def _now(self) -> int:
        return self.corridor.house.clock.now() + 1  # an end is not part of its time; what is just happening is

    def _targets(self) -> dict[str, float]:
        """The numbers that people have set for KPIs, by the KPI's name."""
        found: dict[str, float] = {}
        for row in self._journal.hot.table("goal").values():
            with suppress(ValueError):
                found[row["kpi"]] = float(row["target"])
        return found

    def _currency(self) -> str | None:
        """What costs are in: the currency that the fleet's actions speak of, where it is one."""
        said = {skill.currency for card in self.corridor.house.registry.live() for skill in card.skills.values() if skill.currency}
        return said.pop() if len(said) == 1 else None


def _check(since: int, until: int, buckets: int) -> None:
    if not 0 <= since < until:
        raise Invalid("The time ends before it begins.", hint="Give instants in order: from_at, split_at, until_at.")
    if not 1 <= buckets <= _PARTS:
        raise Invalid(f"{buckets} parts of a time cannot be shown.", hint=f"Say 1 to {_PARTS}.")
