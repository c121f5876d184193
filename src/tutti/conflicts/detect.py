"""Which needs cannot both be met: a sweep over each resource's time, and the rule that each pair breaks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from heapq import heappop, heappush
from typing import TypeVar

from tutti.model.conflict import Need, Rules

Id = TypeVar("Id", bound=Hashable)


def collide(one: Need, other: Need, rules: Rules) -> str:
    """The rule that two needs break together: "incompatible", "capacity" or "exclusive"; empty where both can be."""
    if one.start >= other.end or other.start >= one.end:
        return ""
    if one.resource == other.resource:
        rule = rules.of(one.resource)
        if (one.effect, other.effect) in rule.incompatible or (other.effect, one.effect) in rule.incompatible:
            return "incompatible"
        return "capacity" if rule.capacity is not None and one.units + other.units > rule.capacity else ""
    (kind, _, name), (other_kind, _, other_name) = one.resource.partition("/"), other.resource.partition("/")
    return "exclusive" if name == other_name and (other_kind in rules[kind].exclusive or kind in rules[other_kind].exclusive) else ""


def detect(intents: Mapping[Id, Sequence[Need]], rules: Rules) -> dict[tuple[Id, Id], str]:
    """All pairs of intents that collide, each with the rule; a pair in the order in which `intents` holds them.

    Time O((n + c) log n) for n needs of which c overlap on a resource or on two that exclude each other.
    """
    place = {id: at for at, id in enumerate(intents)}
    found: dict[tuple[Id, Id], str] = {}
    for group in _groups(intents, rules):
        active: list[tuple[int, int, Id, Need]] = []
        for count, (id, need) in enumerate(sorted(group, key=lambda entry: entry[1].start)):
            while active and active[0][0] <= need.start:
                heappop(active)
            for _, _, other, there in active:
                if other == id or need.end <= need.start:
                    continue
                pair = (id, other) if place[id] < place[other] else (other, id)
                rule = collide(need, there, rules)
                if rule and pair not in found:
                    found[pair] = rule
            if need.end > need.start:
                heappush(active, (need.end, count, id, need))
    return found


def _groups(intents: Mapping[Id, Sequence[Need]], rules: Rules) -> Iterable[list[tuple[Id, Need]]]:
    """Needs that may collide: those of one resource, and those of each pair of resources that exclude each other."""
    by_resource: dict[str, list[tuple[Id, Need]]] = defaultdict(list)
    for id, needs in intents.items():
        for need in needs:
            by_resource[need.resource].append((id, need))
    for resource, group in by_resource.items():
        rule = rules.of(resource)
        if rule.capacity is not None or rule.incompatible:
            yield group
        for one, other in exclusions(resource, by_resource, rules):
            yield by_resource[one] + by_resource[other]


def exclusions(resource: str, known: Mapping[str, object], rules: Rules) -> list[tuple[str, str]]:
    """Pairs (this resource, another known one) that exclude each other, each pair once over all resources."""
    kind, _, name = resource.partition("/")
    pairs = []
    for other_kind in rules[kind].exclusive:
        other = f"{other_kind}/{name}"
        said_there = kind in rules[other_kind].exclusive
        if other in known and other != resource and not (said_there and other < resource):
            pairs.append((resource, other))
    return pairs


def overfull(need: Need, taken: Sequence[Need], rules: Rules) -> list[int]:
    """The taken needs (by place) on this need's resource that leave it too few units at some moment; empty where it fits."""
    capacity = rules.of(need.resource).capacity
    if capacity is None:
        return []
    beside = [at for at, there in enumerate(taken) if there.resource == need.resource and there.start < need.end and need.start < there.end]
    full: list[int] = []
    for moment in {max(need.start, taken[at].start) for at in beside}:
        then = [at for at in beside if taken[at].start <= moment < taken[at].end]
        if sum(taken[at].units for at in then) + need.units > capacity:
            full += then
    return sorted(set(full))
