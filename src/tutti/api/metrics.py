"""Figures for Prometheus: the workspace as it is when it is asked, and what the API answered."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from tutti.api.events import Events
from tutti.app import Workspace

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_App = Callable[[MutableMapping[str, Any], _Receive, _Send], Awaitable[None]]
_BOUNDS = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0)  # seconds


class Counted:
    """ASGI middleware that counts answers by route and status, and how long they took to begin."""

    def __init__(self, app: _App, counts: Counts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: MutableMapping[str, Any], receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()

        async def counted(message: _Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", None) or "other"  # never the path itself: anybody can think up new ones
                self._counts.add(scope["method"] if scope["method"] in _METHODS else "other", route, message["status"], time.perf_counter() - start)
            await send(message)

        await self._app(scope, receive, counted)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})


class Counts:
    """Answers so far."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, str, str]] = Counter()
        self.buckets: Counter[float] = Counter()
        self.seconds = 0.0
        self.all = 0

    def add(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self.answers[method, route, str(status)] += 1
        self.all += 1
        self.seconds += seconds
        for bound in _BOUNDS:
            if seconds <= bound:
                self.buckets[bound] += 1


class _House(Collector):
    def __init__(self, workspace: Workspace, counts: Counts, events: Events) -> None:
        self._workspace = workspace
        self._counts = counts
        self._events = events

    def collect(self) -> Iterable[Metric]:
        workspace, house = self._workspace, self._workspace.house
        traffic = workspace.corridor.traffic
        tasks = GaugeMetricFamily("tutti_open_tasks", "Open tasks by state.", labels=["state"])
        for state, count in sorted(Counter(row["state"] for row in workspace.journal.hot.table("task").values()).items()):
            tasks.add_metric([state], count)
        yield tasks
        yield GaugeMetricFamily("tutti_queue_depth", "Ready tasks that have no slot yet.", traffic.waiting)
        yield GaugeMetricFamily("tutti_queue_limit", "How deep the queue may be until new tasks are refused.", workspace.settings.queue)
        yield GaugeMetricFamily("tutti_running", "Whether agents run in this process.", int(traffic.open))
        agents = GaugeMetricFamily("tutti_agents", "Versions of agents by state.", labels=["state"])
        for state, count in sorted(Counter(row["state"] for row in workspace.journal.hot.table("agent").values()).items()):
            agents.add_metric([state], count)
        yield agents
        running = GaugeMetricFamily("tutti_agent_runs", "Calls of an agent that are under way.", labels=["agent", "version"])
        for card in house.registry.live():
            running.add_metric([card.name, card.version], house.running.get((card.name, card.version), 0))
        yield running
        shut = GaugeMetricFamily("tutti_breaker_open", "Agents whose breaker is open.", labels=["agent", "version"])
        for name, version in sorted(house.breakers.shut(house.clock.now())):
            shut.add_metric([name, version], 1)
        yield shut
        waiting = sum(row["state"] == "open" for row in workspace.journal.hot.table("approval").values())
        yield GaugeMetricFamily("tutti_approvals_waiting", "Approvals that wait for a person.", waiting)
        yield CounterMetricFamily("tutti_journal_facts", "Facts in the journal.", workspace.journal.head.seq)
        times, batches, all_seconds = workspace.journal.append_times
        durable = HistogramMetricFamily("tutti_journal_batch_seconds", "Seconds until a batch of appends was durable.")
        durable.add_metric([], [*((str(bound), float(count)) for bound, count in times), ("+Inf", float(batches))], all_seconds)
        yield durable
        undecided = CounterMetricFamily(
            "tutti_conditions_undecided", "Signals on which a subscription's condition could not be evaluated, since this process began.",
            labels=["subscription", "type", "skill", "why"],
        )  # fmt: skip
        for (id, why), count in sorted(workspace.corridor.reception.undecided.items()):
            row = workspace.journal.hot.table("subscription")[id,]
            undecided.add_metric([id, row["type"], row["skill"], why], count)
        yield undecided
        yield GaugeMetricFamily("tutti_streams", "Open streams of changes.", self._events.readers)
        answers = CounterMetricFamily("tutti_http_answers", "Answers by method, route and status.", labels=["method", "route", "status"])
        for labels, count in sorted(self._counts.answers.items()):
            answers.add_metric(list(labels), count)
        yield answers
        seconds = HistogramMetricFamily("tutti_http_seconds", "Seconds until an answer began.")
        buckets = [(str(bound), float(self._counts.buckets[bound])) for bound in _BOUNDS]
        seconds.add_metric([], [*buckets, ("+Inf", float(self._counts.all))], self._counts.seconds)
        yield seconds


class Metrics:
    """Writes the figures down."""

    def __init__(self, workspace: Workspace, counts: Counts, events: Events) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_House(workspace, counts, events))

    def text(self) -> bytes:
        """All of them in Prometheus' text format."""
        return generate_latest(self._registry)
