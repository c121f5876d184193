"""Observation: what the fleet does, told in numbers. A `select` over the view and an interval of time go in; sums, shares and intervals come out.

It changes nothing, never reads a clock, and does not know who asks: `departments` (None: all) says whose tasks count.
"""

from tutti.observation.achieved import Achieved, achieved
from tutti.observation.bottlenecks import bottlenecks
from tutti.observation.decisions import decided
from tutti.observation.kpis import kpis, throughput
from tutti.observation.measures import measures
from tutti.observation.nodes import Place, newest, nodes
from tutti.observation.signals import playbooks, signals
from tutti.observation.traffic import traffic
from tutti.observation.windows import SIGNAL

__all__ = [
    "SIGNAL",
    "Achieved",
    "Place",
    "achieved",
    "bottlenecks",
    "decided",
    "kpis",
    "measures",
    "newest",
    "nodes",
    "playbooks",
    "signals",
    "throughput",
    "traffic",
]
