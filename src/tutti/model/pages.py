"""What the console's pages are made of, as types: numbers over time, what waits, what moves."""

from __future__ import annotations

from typing_extensions import TypedDict


class KpiSide(TypedDict):
    """A KPI over a time, with its 95 % interval; null where nothing was seen, or too little to say. `n` cases of `of`."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    of: int
    p50: float | None


class KpiDifference(TypedDict):
    """After less before, with its 95 % interval."""

    value: float
    low: float
    high: float


class KpiPoint(TypedDict):
    """A KPI in one part of the time, which begins at `at`."""

    at: str
    value: float | None
    n: int


class Kpi(KpiSide):
    """A KPI after the split; `before` is what it was. Latency and resolution time are 95th percentiles, `p50` their medians."""

    name: str
    unit: str
    before: KpiSide
    difference: KpiDifference | None
    target: float | None
    better: str
    series: list[KpiPoint]


class Kpis(TypedDict):
    """Latency between agents, resolution quality, autonomy ratio, cost and resolution time, before and after an instant."""

    schema: str
    from_at: str
    split_at: str
    until_at: str
    currency: str | None
    kpis: list[Kpi]


class ThroughputPart(TypedDict):
    """Tasks that came in, and that ended: without a person, with one, or not completed."""

    at: str
    alone: int
    person: int
    failed: int
    submitted: int


class Throughput(TypedDict):
    """What came in and what ended, in equal parts of a time."""

    from_at: str
    until_at: str
    bucket_ms: float
    buckets: list[ThroughputPart]


class Waiting(TypedDict):
    """Something that waits for a person, or stands still until somebody does something. `why` says what makes it wait."""

    kind: str
    id: str
    task: str | None
    title: str
    why: str
    since: str
    agent: str | None
    department: str | None
    amount: float | None
    currency: str | None
