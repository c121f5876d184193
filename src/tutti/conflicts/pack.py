"""The most valuable choice of options that fit together: a quick local search, then a mixed-integer programme bounded in time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from tutti.conflicts.detect import collide, exclusions, overfull
from tutti.model.conflict import Need, Rules
from tutti.solver import Programme, solve

Id = TypeVar("Id", bound=Hashable)
_ROUNDS = 60  # perturbations of the local search; more gained nothing on problems of 250 intents that the programme did not gain as well
_GAP = 1e-4  # relative gap at which the programme is content
_SMALL = 3  # intents up to which all combinations are looked at, without a solver


@dataclass(frozen=True, slots=True)
class Option:
    """One way to have what is wanted: its needs, all together or not at all, and what that is worth."""

    needs: tuple[Need, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Packing(Generic[Id]):
    """Which option each intent gets (those left out get none), what it is worth, and by how much it may fall short of the best (relative)."""

    chosen: dict[Id, int]
    value: float
    gap: float


def pack(
    intents: Mapping[Id, Sequence[Option]], rules: Rules, *, taken: Sequence[Need] = (), within: float = 1.5, rng: np.random.Generator | None = None
) -> Packing[Id]:
    """Choose at most one option an intent, worth the most together, beside what is `taken`. `within`: seconds that the solver may use.

    Every answer is feasible; one that ran out of time says its gap. Up to three intents all combinations are tried, and no solver is loaded.
    """
    ids = list(intents)
    free = [(at, number, option) for at, id in enumerate(ids) for number, option in enumerate(intents[id]) if option.value > 0 and _fits(option, taken, rules)]
    if not free:
        return Packing({}, 0.0, 0.0)
    if len(ids) <= _SMALL:
        picked = _all(free, taken, rules)
        return _packing(ids, free, picked, 0.0)
    clashes = _clashes(free, rules)
    tight = _tight(free, taken, rules)
    quick = _search(free, clashes, tight, rng or np.random.default_rng(0))
    if not tight and not any(clashes) and len({at for at, _, _ in free}) == len(free):
        return _packing(ids, free, quick, 0.0)
    solved, bound = _programme(free, clashes, tight, rules, within, quick)
    best = max((quick, solved), key=lambda picked: sum(free[at][2].value for at in picked))
    value = sum(free[at][2].value for at in best)
    return _packing(ids, free, best, max(bound - value, 0.0) / value if bound < np.inf else np.inf)


def _packing(ids: list[Id], free: list[tuple[int, int, Option]], picked: list[int], gap: float) -> Packing[Id]:
    return Packing({ids[free[at][0]]: free[at][1] for at in picked}, sum(free[at][2].value for at in picked), gap)


def _fits(option: Option, taken: Sequence[Need], rules: Rules) -> bool:
    """Whether an option can be had beside what is taken, alone."""
    for at, need in enumerate(option.needs):
        if any(collide(need, there, rules) in ("incompatible", "exclusive") for there in taken) or overfull(need, [*taken, *option.needs[:at]], rules):
            return False
        capacity = rules.of(need.resource).capacity
        if capacity is not None and need.units > capacity:
            return False
    return True


def _all(free: list[tuple[int, int, Option]], taken: Sequence[Need], rules: Rules) -> list[int]:
    """The best of all combinations; the first in order where several are worth the same."""
    best: tuple[float, list[int]] = (0.0, [])

    def extend(start: int, picked: list[int], held: list[Need], value: float) -> None:
        nonlocal best
        if value > best[0] + 1e-12:
            best = (value, list(picked))
        for at in range(start, len(free)):
            who, _, option = free[at]
            if all(free[other][0] != who for other in picked) and _fits(option, held, rules):
                extend(at + 1, [*picked, at], [*held, *option.needs], value + option.value)

    extend(0, [], list(taken), 0.0)
    return best[1]


def _clashes(free: list[tuple[int, int, Option]], rules: Rules) -> list[set[int]]:
    """For each option, the options of others that it cannot be beside; what only a third makes too much is not among them."""
    by_resource: dict[str, list[tuple[int, Need]]] = defaultdict(list)
    for at, (_, _, option) in enumerate(free):
        for need in option.needs:
            by_resource[need.resource].append((at, need))
    found: list[set[int]] = [set() for _ in free]
    for resource, here in by_resource.items():
        groups = [here, *([*by_resource[one], *by_resource[other]] for one, other in exclusions(resource, by_resource, rules))]
        for group in (sorted(entries, key=lambda entry: entry[1].start) for entries in groups):
            for place, (at, need) in enumerate(group):
                for other, there in group[place + 1 :]:
                    if there.start >= need.end:
                        break
                    if other != at and collide(need, there, rules):
                        found[at].add(other)
                        found[other].add(at)
    return found


def _tight(free: list[tuple[int, int, Option]], taken: Sequence[Need], rules: Rules) -> list[tuple[dict[int, int], int]]:
    """Moments at which a resource may run out of units: the options that use it then, with their units, and the units left."""
    by_resource: dict[str, list[tuple[int, Need]]] = defaultdict(list)
    for at, (_, _, option) in enumerate(free):
        for need in option.needs:
            by_resource[need.resource].append((at, need))
    found: list[tuple[dict[int, int], int]] = []
    for resource, entries in by_resource.items():
        capacity = rules.of(resource).capacity
        if capacity is None:
            continue
        held = [need for need in taken if need.resource == resource]
        seen: list[set[int]] = []
        for moment in sorted({need.start for _, need in entries} | {need.start for need in held}):
            users: dict[int, int] = defaultdict(int)
            for at, need in entries:
                if need.start <= moment < need.end:
                    users[at] += need.units
            left = capacity - sum(need.units for need in held if need.start <= moment < need.end)
            if sum(users.values()) > left and set(users) not in seen:
                seen.append(set(users))
                found.append((dict(users), left))
    return [row for row in found if not any(row[1] == other[1] and set(row[0]) < set(other[0]) for other in found)]


def _search(free: list[tuple[int, int, Option]], clashes: list[set[int]], tight: list[tuple[dict[int, int], int]], rng: np.random.Generator) -> list[int]:
    """Greedy by value, then again and again: force an option in, drop what is in its way, fill up; keep what is worth no less."""
    value = np.array([option.value for _, _, option in free])
    mine: dict[int, list[int]] = defaultdict(list)
    for at, (who, _, _) in enumerate(free):
        mine[who].append(at)
    rows: list[list[int]] = [[] for _ in free]
    for row, (users, _) in enumerate(tight):
        for at in users:
            rows[at].append(row)

    def fill(picked: set[int], order: Any) -> None:
        load = [sum(users.get(at, 0) for at in picked) for users, _ in tight]
        owners = {free[at][0] for at in picked}
        for at in order:
            if free[at][0] in owners or clashes[at] & picked or any(load[row] + tight[row][0][at] > tight[row][1] for row in rows[at]):
                continue
            picked.add(at)
            owners.add(free[at][0])
            for row in rows[at]:
                load[row] += tight[row][0][at]

    def force(picked: set[int], at: int) -> None:
        picked -= clashes[at]
        picked -= set(mine[free[at][0]])
        picked.add(at)
        for row in rows[at]:
            users, left = tight[row]
            while sum(users.get(other, 0) for other in picked) > left:
                picked.remove(min((other for other in picked if other in users and other != at), key=lambda other: value[other]))

    crowd = np.array([1 + len(clash) for clash in clashes])
    best: set[int] = set()
    for weight in (value, value / np.sqrt(crowd), value / crowd):
        picked: set[int] = set()
        fill(picked, np.argsort(-weight, kind="stable").tolist())
        if value[list(picked)].sum() > value[list(best)].sum():
            best = picked
    now, order = set(best), np.argsort(-value, kind="stable").tolist()
    for _ in range(_ROUNDS):
        trial = set(now)
        force(trial, int(rng.integers(len(free))))
        fill(trial, order)
        if value[list(trial)].sum() >= value[list(now)].sum():
            now = trial
    return sorted(now if value[list(now)].sum() > value[list(best)].sum() else best)


def _programme(
    free: list[tuple[int, int, Option]], clashes: list[set[int]], tight: list[tuple[dict[int, int], int]], rules: Rules, within: float, quick: list[int]
) -> tuple[list[int], float]:
    """One 0/1 variable an option. Returns what the solver found (nothing, where it ran out of time first) and the bound it proved."""
    from scipy.sparse import csr_array

    rows: list[dict[int, float]] = []
    limits: list[float] = []

    def limit(row: dict[int, float], most: float) -> None:
        rows.append(row)
        limits.append(most)

    owners: dict[int, list[int]] = defaultdict(list)
    for at, (who, _, _) in enumerate(free):
        owners[who].append(at)
    for own in owners.values():
        if len(own) > 1:
            limit(dict.fromkeys(own, 1.0), 1.0)
    for users, left in tight:
        limit({at: float(units) for at, units in users.items()}, float(left))
    covered = set()
    for row in _cliques(free, clashes, rules):
        limit(dict.fromkeys(row, 1.0), 1.0)
        covered |= {(one, other) for one in row for other in row if one < other}
    for at, others in enumerate(clashes):
        for other in others:
            if at < other and (at, other) not in covered and free[at][0] != free[other][0]:
                limit({at: 1.0, other: 1.0}, 1.0)
    entries = [(number, at, units) for number, row in enumerate(rows) for at, units in row.items()]
    data, where = [units for _, _, units in entries], ([number for number, _, _ in entries], [at for _, at, _ in entries])
    matrix = csr_array((data, where), shape=(len(rows), len(free)))
    value = np.array([option.value for _, _, option in free])
    one, known = np.ones(len(free)), np.zeros(len(free))
    known[quick] = 1.0
    found = solve(Programme(value, matrix, np.full(len(limits), -np.inf), np.array(limits), 0 * one, one, one), within, gap=_GAP, hint=known)
    return ([at for at in range(len(free)) if found.x[at] > 0.5] if found.x is not None else []), found.bound


def _cliques(free: list[tuple[int, int, Option]], clashes: list[set[int]], rules: Rules) -> list[list[int]]:
    """Options that all clash with one another at a moment: one row for each such set bounds better than one for each pair."""
    starts: dict[str, set[int]] = defaultdict(set)
    by_name: dict[str, list[tuple[int, Need]]] = defaultdict(list)
    for at, (_, _, option) in enumerate(free):
        for need in option.needs:
            name = need.resource.partition("/")[2]
            by_name[name].append((at, need))
            starts[name].add(need.start)
    found: list[list[int]] = []
    for name, entries in by_name.items():
        seen: set[frozenset[int]] = set()
        for moment in sorted(starts[name]):
            left = sorted({at for at, need in entries if need.start <= moment < need.end and clashes[at]}, key=lambda at: (-len(clashes[at]), at))
            while len(left) > 1:
                clique: list[int] = []
                for at in left:
                    if all(other in clashes[at] or free[other][0] == free[at][0] for other in clique):
                        clique.append(at)
                if len(clique) > 2 and frozenset(clique) not in seen:
                    seen.add(frozenset(clique))
                    found.append(clique)
                left = [at for at in left if at not in set(clique)]
    return found
