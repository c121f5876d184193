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


class Node(TypedDict):
    """An agent (its newest version), people, or something outside. Counts are of open tasks now; `tasks` and `p95_ms` of those that ended in the time."""

    name: str
    kind: str
    department: str | None
    version: str | None
    state: str | None
    health: str | None
    open: int | None
    running: int | None
    concurrency: int | None
    waiting: int | None
    needs_person: int | None
    p95_ms: float | None
    tasks: int | None


_From = TypedDict("_From", {"from": str})


class Edge(_From):
    """What moved from one node to another: how often, and how long it took to get there."""

    to: str
    count: int
    p50_ms: float
    p95_ms: float


class Declared(_From):
    """A subscription by which nothing has come: signals of this type would go to that agent."""

    to: str
    signal: str


class Hop(_From):
    """One move: it began at `at` and took so long, for a task."""

    at: str
    took_ms: float
    to: str
    task: str
    skill: str


class Traffic(TypedDict):
    """Who works with whom, over a time. `hops` are the newest ones in the order in which they began; `truncated`: there were more."""

    schema: str
    from_at: str
    until_at: str
    nodes: list[Node]
    edges: list[Edge]
    declared: list[Declared]
    hops: list[Hop]
    truncated: bool


class Bottleneck(_From):
    """Time that tasks lost on the way from one to another. `cause` is queue, person, lease, retry, join or question; `open` tasks wait now."""

    to: str
    cause: str
    tasks: int
    open: int
    lost_ms: float
    lost_per_hour_ms: float
    p50_ms: float
    p95_ms: float
    detail: str


class Bottlenecks(TypedDict):
    """Where tasks waited in the last `window_ms`, the most lost time first."""

    window_ms: float
    since: str
    bottlenecks: list[Bottleneck]


class Found(TypedDict):
    """What a search found. `kind` is task, approval, signal, agent, skill, negotiation, conflict, fact or trace; a task's and a trace's `state` is its status."""

    kind: str
    id: str
    title: str
    detail: str
    state: str | None
    at: str | None
