"""The five numbers of a fleet, before an instant and after it, each with its interval; and how much was done over time.

Definitions: DESIGN section 3. Latency is that between agents, people left out. Resolution time and cost are of what came in from outside
together with all that followed from it, once the last of it has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from tutti.clock import to_text
from tutti.observation.intervals import Estimate, difference, mean, mean_of_shares, share
from tutti.observation.windows import ACTED, ALONE, BETWEEN_AGENTS, MILLION, Part, Select, at_quantile, bounds_of_quantile, moved, within

_Row = dict[str, Any]
_UNITS = {"latency": "ms", "quality": "share", "autonomy": "share", "cost": "money", "resolution_time": "ms"}
_BETTER = {"latency": "lower", "quality": "higher", "autonomy": "higher", "cost": "lower", "resolution_time": "lower"}
_BEFORE = -1  # the bucket of all that was before the split


class _Side:
    """A KPI on one side of the split, or in one bucket."""

    def __init__(self, estimate: Estimate = Estimate(), n: int = 0, of: int = 0, p50: float | None = None) -> None:  # noqa: B008  a constant
        self.estimate, self.n, self.of, self.p50 = estimate, n, of, p50

    def told(self, digits: int) -> dict[str, Any]:
        value, low, high = (None if number is None else round(number, digits) for number in self.estimate)
        return {"value": value, "low": low, "high": high, "n": self.n, "of": self.of, "p50": None if self.p50 is None else round(self.p50, digits)}


_Found = tuple[dict[str, dict[int, _Side]], dict[str, dict[bool, _Side]]]


async def kpis(
    select: Select, *, since: int, split: int, until: int, buckets: int, departments: Collection[str] | None, targets: Mapping[str, float], currency: str | None
) -> dict[str, Any]:
    """All KPIs from `since` to `split` (before) and from there to `until`, as JSON data; the series has `buckets` equal parts of what is after the split.

    `targets` are numbers by KPI, as people have set them. Shares are 0..1, latencies milliseconds, costs in `currency`.
    """
    width = max(-(-(until - split) // buckets), 1)
    window = _Window(since, split, until, width, departments)
    series: dict[str, dict[int, _Side]] = {}
    sides: dict[str, dict[bool, _Side]] = {}
    for found_series, found_sides in (await _ended(select, window), await _latency(select, window), await _resolutions(select, window)):
        series |= found_series
        sides |= found_sides
    told = []
    for name, unit in _UNITS.items():
        digits = 3 if unit == "ms" else 6 if unit == "money" else 4
        before, after = (sides[name].get(late, _Side()) for late in (False, True))
        bounds = difference(after.estimate, before.estimate)
        told.append({
            "name": name, "unit": unit, **after.told(digits), "before": before.told(digits),
            "difference": None if bounds is None else {"value": round((after.estimate.value or 0) - (before.estimate.value or 0), digits), "low": round(bounds[0], digits), "high": round(bounds[1], digits)},
            "target": targets.get(name), "better": _BETTER[name],
            "series": [window.point(number, series[name].get(number, _Side()), digits) for number in range(-(-(until - split) // width))],
        })  # fmt: skip
    ends = {"from_at": to_text(since), "split_at": to_text(split), "until_at": to_text(until)}
    return {"schema": "tutti.kpis/1", **ends, "currency": currency, "kpis": told}


class _Window:
    def __init__(self, since: int, split: int, until: int, width: int, departments: Collection[str] | None) -> None:
        self.since, self.split, self.until, self.width, self.departments = since, split, until, width, departments

    def bucket(self, instant: str) -> str:
        """SQL for the bucket of an instant. The numbers are whole, so they may stand in the text."""
        return f"CASE WHEN {instant} < {self.split:d} THEN {_BEFORE} ELSE ({instant} - {self.split:d}) / {self.width:d} END"

    def point(self, number: int, side: _Side, digits: int) -> dict[str, Any]:
        value = side.estimate.value
        return {"at": to_text(self.split + number * self.width), "value": None if value is None else round(value, digits), "n": side.n}


async def _ended(select: Select, window: _Window) -> _Found:
    """Autonomy and quality, of the tasks that ended."""
    whose = within(window.departments)
    rows = await select(
        f"SELECT {window.bucket('finished_at')} AS bucket, SUM(CASE WHEN {ACTED} THEN 1 ELSE 0 END) AS finished, "
        f"SUM(CASE WHEN {ACTED} AND {ALONE} THEN 1 ELSE 0 END) AS alone, SUM(CASE WHEN state = 'completed' THEN 1 ELSE 0 END) AS done, "
        "SUM(CASE WHEN state = 'completed' AND quality IS NOT NULL THEN 1 ELSE 0 END) AS judged, SUM(CASE WHEN state = 'completed' THEN quality END) AS total, "
        "SUM(CASE WHEN state = 'completed' THEN quality / 1000 * (quality / 1000) END) AS squares "
        f"FROM task WHERE finished_at >= ? AND finished_at < ? AND {whose.sql} GROUP BY bucket",
        (window.since, window.until, *whose.params),
    )
    parts = {row["bucket"]: row for row in rows}
    before, after = _both(rows, ("finished", "alone", "done", "judged", "total", "squares"))
    kinds = {"autonomy": _autonomy, "quality": _quality}
    series = {name: {number: make(row) for number, row in parts.items() if number != _BEFORE} for name, make in kinds.items()}
    return series, {name: {False: make(before), True: make(after)} for name, make in kinds.items()}


def _both(rows: list[_Row], names: tuple[str, ...]) -> tuple[_Row, _Row]:
    """The sums before and after the split."""
    before = {name: sum(row[name] or 0 for row in rows if row["bucket"] == _BEFORE) for name in names}
    return before, {name: sum(row[name] or 0 for row in rows if row["bucket"] != _BEFORE) for name in names}


def _autonomy(row: _Row) -> _Side:
    return _Side(share(row["alone"], row["finished"]), row["alone"], row["finished"])


def _quality(row: _Row) -> _Side:
    return _Side(mean_of_shares(row["judged"], (row["total"] or 0) / MILLION, (row["squares"] or 0) / MILLION), row["judged"], row["done"])


async def _latency(select: Select, window: _Window) -> _Found:
    """From an agent's end to the start at the next one."""
    held = f"started_at >= ? AND started_at < ? AND {BETWEEN_AGENTS}"
    hops = moved(f"started_at - from_at AS took, {window.bucket('started_at')} AS bucket", window.since, window.departments, held, (window.since, window.until))
    rows = await _quantiles(select, Part(f"cases AS ({hops.sql})", hops.params))
    return _both_kinds(rows, "latency", _timed)


async def _resolutions(select: Select, window: _Window) -> _Found:
    """Time and cost of what came in from outside with all that followed, where the last of it ended in the window."""
    whose = within(window.departments)
    cases = (
        # from all that ended in the window to where it came from, and from there to all that followed
        "RECURSIVE up (id) AS ("
        "SELECT COALESCE(parent, id) FROM task WHERE finished_at >= ? AND finished_at < ? "
        "UNION SELECT task.parent FROM up JOIN task ON task.id = up.id WHERE task.parent IS NOT NULL), "
        "tree (root, id, open, finished_at, cost, came_at) AS ("
        f"SELECT task.id, task.id, open, finished_at, cost, submitted_at FROM up JOIN task ON task.id = up.id WHERE parent IS NULL AND {whose.sql} "
        "UNION ALL SELECT tree.root, task.id, task.open, task.finished_at, task.cost, tree.came_at FROM tree JOIN task ON task.parent = tree.id), "
        "root AS (SELECT MAX(finished_at) AS ended, MIN(came_at) AS came_at, COALESCE(SUM(cost), 0) AS cost FROM tree GROUP BY root HAVING MAX(open) = 0), "
        f"cases AS (SELECT ended - came_at AS took, cost, {window.bucket('ended')} AS bucket FROM root WHERE ended >= ? AND ended < ?)"
    )
    params = (window.since, window.until, *whose.params, window.since, window.until)
    rows = await _quantiles(select, Part(cases, params), ", SUM(cost) AS total, SUM(CAST(cost AS DOUBLE PRECISION) * cost) AS squares", ", cost")
    times, costs = _both_kinds(rows, "resolution_time", _timed), _both_kinds(rows, "cost", _cost)
    return times[0] | costs[0], times[1] | costs[1]


async def _quantiles(select: Select, cases: Part, sums: str = "", also: str = "") -> list[_Row]:
    """The 95th percentile and the median on both sides (`whole`) and in each bucket of `cases`, which have `took` in microseconds and a `bucket`."""
    low, high = bounds_of_quantile(0.95)
    chosen = f"part, COUNT(*) AS n, {at_quantile(0.5)} AS p50, {at_quantile(0.95)} AS p95, {low} AS low, {high} AS high{sums}"
    ordered = (
        f"SELECT {{0}} AS part, took{also}, ROW_NUMBER() OVER (PARTITION BY {{0}} ORDER BY took) AS place, COUNT(*) OVER (PARTITION BY {{0}}) AS n FROM cases"
    )
    late = f"CASE WHEN bucket = {_BEFORE} THEN 0 ELSE 1 END"
    return await select(
        f"WITH {cases.sql} SELECT 1 AS whole, {chosen} FROM ({ordered.format(late)}) AS sides GROUP BY part UNION ALL "
        f"SELECT 0 AS whole, {chosen} FROM ({ordered.format('bucket')}) AS parts GROUP BY part",
        cases.params,
    )


def _both_kinds(rows: list[_Row], name: str, make: Callable[[_Row], _Side]) -> _Found:
    """Rows of `_quantiles` as series and sides."""
    series = {row["part"]: make(row) for row in rows if not row["whole"] and row["part"] != _BEFORE}
    return {name: series}, {name: {bool(row["part"]): make(row) for row in rows if row["whole"]}}


def _timed(row: _Row) -> _Side:
    value, low, high, p50 = (None if row[name] is None else row[name] / 1000 for name in ("p95", "low", "high", "p50"))
    return _Side(Estimate(value, low, high), row["n"], row["n"], p50)


def _cost(row: _Row) -> _Side:
    return _Side(mean(row["n"], row["total"] / MILLION, row["squares"] / MILLION**2), row["n"], row["n"])


async def throughput(select: Select, *, since: int, until: int, buckets: int, departments: Collection[str] | None) -> dict[str, Any]:
    """How many tasks came in and ended, in equal parts of the time: ended without a person, with one, or failed (rejected and canceled ones too)."""
    width = max(-(-(until - since) // buckets), 1)
    whose = within(departments)
    ended = await select(
        f"SELECT (finished_at - {since:d}) / {width:d} AS bucket, SUM(CASE WHEN state <> 'completed' THEN 1 ELSE 0 END) AS failed, "
        f"SUM(CASE WHEN state = 'completed' AND {ALONE} THEN 1 ELSE 0 END) AS alone, SUM(CASE WHEN state = 'completed' AND NOT {ALONE} THEN 1 ELSE 0 END) AS person "
        f"FROM task WHERE finished_at >= ? AND finished_at < ? AND {whose.sql} GROUP BY bucket",
        (since, until, *whose.params),
    )
    came = moved(f"(submitted_at - {since:d}) / {width:d} AS bucket", since, departments, "submitted_at >= ? AND submitted_at < ?", (since, until))
    submitted = await select(f"SELECT bucket, COUNT(*) AS submitted FROM ({came.sql}) AS came GROUP BY bucket", came.params)
    found = {row["bucket"]: row for row in ended}
    for row in submitted:
        found[row["bucket"]] = found.get(row["bucket"], {}) | row
    names = ("alone", "person", "failed", "submitted")
    parts = [{"at": to_text(since + n * width), **{name: found.get(n, {}).get(name, 0) for name in names}} for n in range(-(-(until - since) // width))]
    return {"from_at": to_text(since), "until_at": to_text(until), "bucket_ms": width / 1000, "buckets": parts}
