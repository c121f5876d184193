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


class Undecided(TypedDict):
    """A subscription whose condition could not be evaluated on a signal, which therefore did not meet it; `why` speaks of the condition, never of the data."""

    subscription: str
    type: str
    condition: str
    skill: str
    why: str


class Signal(TypedDict):
    """A signal. `task` sent it, where a task did; `tasks` counts those it called for; `stopped` says why it called for none.

    `undecided` are subscriptions, at most 16, whose condition could not be evaluated on it.
    """

    id: str
    type: str
    subject: str | None
    at: str
    department: str | None
    task: str | None
    sent_by: str
    tasks: int
    stopped: str | None
    undecided: list[Undecided]


class Signals(TypedDict):
    """A page of signals, newest first; `next` is the `after` of the next one."""

    signals: list[Signal]
    next: int | None


class Playing(TypedDict):
    """A playbook, or all plans of a kind that have no name: those that run, with their steps; those that ended within a day.

    `kind` is playbook, goal or plan. At risk is past the deadline, or in the last tenth of the time up to it.
    """

    name: str
    kind: str
    open: int
    finished: int
    failed: int
    steps_done: int
    steps_all: int
    at_risk: int
    oldest_at: str | None


class PolicyVersion(TypedDict):
    """A policy text that was in force."""

    digest: str
    published_at: str
    current: bool


class Rule(TypedDict):
    """One rule of the policy, and how often it determined a verdict."""

    id: str
    effect: str
    text: str
    allowed: int
    asked: int
    denied: int
    last_at: str | None
    last_task: str | None


class Budget(TypedDict):
    """What an action may take in a period, and what it has taken in the one that runs."""

    name: str
    action: str
    money: float | None
    count: int | None
    per: str
    currency: str | None
    spent: float
    used: int


class LevelInForce(TypedDict):
    """How far an action goes alone."""

    skill: str
    department: str
    level: int
    up_to: float | None
    reason: str | None
    by: str | None
    since: str | None


class CapInForce(TypedDict):
    """What calls to models may take, and have taken in the period that runs; null where it holds for each task by itself."""

    name: str
    agent: str
    department: str
    per_task: bool
    money: float | None
    tokens: int | None
    calls: int | None
    per: str
    spent_money: float | None
    used_tokens: int | None
    used_calls: int | None


class InForce(TypedDict):
    """The policy in force, with what it decided since an instant, and levels, budgets and caps."""

    schema: str
    current: str | None
    versions: list[PolicyVersion]
    text: str
    rules: list[Rule]
    since: str
    decisions: int
    budgets: list[Budget]
    levels: list[LevelInForce]
    caps: list[CapInForce]


class Gathered(TypedDict):
    """A skill whose result comes first, and the field of the input that it fills."""

    field: str
    skill: str


class Subscribed(TypedDict):
    """What is done about signals of a type: a skill, under a condition (CEL)."""

    id: str
    type: str
    condition: str | None
    skill: str
    priority: int
    gather: list[Gathered]
    deadline_ms: int | None
