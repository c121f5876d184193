"""One order out of several: what departs least from all ballots together, as far as the precedences allow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from tutti.errors import Invalid
from tutti.model.fact import Draft

MOST = 0.5  # a voter's largest share of the weight: not more than all others together
EXACT = 15  # items of one knot that are ordered by a table over their subsets: 2^15 subsets take 20 ms, each item more doubles it
CUT = 60  # items of one knot that are ordered by cutting planes: where all is chance, more take longer than anybody waits
_FRESH = 4000  # cuts that are added at a time, the most broken ones
_WINDOW = 9  # neighbours that are ordered anew at a time
_ROUNDS = 60  # of cuts; each is a linear programme
_SAME = 1e-9


class Against(NamedTuple):
    """A pair that stands against its majority: `above` before `below`, though `margin` more weight wanted it the other way round, and why."""

    above: Any
    below: Any
    margin: float
    why: str  # precedence | cycle
    cycle: tuple[Any, ...] = ()  # majorities that run in a circle: each before the next, the last before the first


class Nearest(NamedTuple):
    """The least change of weight that moves something into, out of or within the first three: `item` would stand at `place` (from 0)."""

    item: Any
    place: int
    margin: float


@dataclass(frozen=True, slots=True)
class Ranking:
    """A joint order, first = most urgent, with what it rests on."""

    order: tuple[Any, ...]
    cost: float  # weight of the pairwise wishes that it does not follow
    bound: float  # what no order that keeps the precedences can be under
    by: str  # table | cuts | search
    weights: dict[str, float]  # as counted, after the cap
    majorities: tuple[tuple[float, ...], ...]  # in the order: weight that wants row before column
    against: tuple[Against, ...] = ()
    nearest: Nearest | None = None

    @property
    def exact(self) -> bool:
        """Whether no order is better."""
        return self.cost <= self.bound + _SAME * max(self.bound, 1.0)


def rank(
    items: Iterable[Any],
    ballots: Mapping[str, Sequence[Any]],
    *,
    weights: Mapping[str, float] | None = None,
    must_precede: Iterable[tuple[Any, Any]] = (),
    most: float = MOST,
    seconds: float = 5.0,
) -> Ranking:
    """The order of `items` with the least weight of pairwise wishes against it (weighted Kemeny) among those that keep `must_precede`.

    A ballot names items, the most urgent first; of what it does not name its voter wants nothing in particular. `weights` default to 1;
    `most` is the share of all weight that one voter has at most. Ties keep the order of `items`. Exact; beyond knots of many items within
    `seconds`, with a bound. Raises: `Invalid` for ballots with items that are not there or twice, for precedences in a circle, for weights below 0.
    Source: Kemeny (1959); split into components by Truchon's extended Condorcet criterion (1998), each by dynamic programming over subsets
    (Held and Karp) or by cutting planes for linear ordering (Groetschel, Juenger, Reinelt 1984).
    """
    named = list(dict.fromkeys(items))
    place = {item: number for number, item in enumerate(named)}
    counted = capped({voter: float((weights or {}).get(voter, 1.0)) for voter in ballots}, most)
    wanted = _wishes(place, ballots, counted)
    before = _closure(place, must_precede)
    held = np.where(before, np.inf, np.where(before.T, 0.0, wanted))
    order: list[int] = []
    slack, by = 0.0, "table"
    for knot in _knots(held):
        inner = held[np.ix_(knot, knot)]
        part, least, how = _order(inner, seconds)
        order += [knot[number] for number in part]
        slack += _cost(inner, part) - least
        by = max(by, how, key=("table", "cuts", "search").index)
    cost = _cost(wanted, order)
    against = _against(wanted, order, before, named)
    return Ranking(
        tuple(named[number] for number in order), cost, cost - slack, by, counted, tuple(map(tuple, wanted[np.ix_(order, order)].tolist())),
        against, _nearest(wanted, before, order, named),
    )  # fmt: skip


def capped(weights: Mapping[str, float], most: float) -> dict[str, float]:
    """Weights of which none is more than the share `most` of all; with fewer voters than that allows, all count the same."""
    if any(not 0 <= weight < np.inf for weight in weights.values()):
        raise Invalid("A voter's weight is below 0 or no number.", hint="Give each voter a weight from 0 up.")
    voices = sorted((weight for weight in weights.values() if weight > 0), reverse=True)
    if not voices or not 0 < most < 1:
        return dict(weights)
    most = max(most, 1 / len(voices))
    rest = sum(voices)
    for heavy, weight in enumerate(voices):  # the first `heavy` voters are held at the cap: cap = most × (heavy × cap + rest)
        cap = most * rest / (1 - heavy * most) if heavy * most < 1 - _SAME else voices[-1]
        if weight <= cap + _SAME:
            break
        rest -= weight
    return {voter: min(weight, cap) for voter, weight in weights.items()}


def as_fact(
    id: str, ranking: Ranking, ballots: Mapping[str, Sequence[str]], given: Mapping[str, float], most: float, must_precede: Iterable[tuple[str, str]], by: str
) -> Draft:
    """A joint order of tasks as the fact that keeps it; items are told by their place in it. Ranking what it holds again gives the same cost."""
    place = {task: number for number, task in enumerate(ranking.order)}
    data: dict[str, Any] = {
        "tasks": list(ranking.order),
        "ballots": {voter: [place[task] for task in ballot] for voter, ballot in ballots.items()},
        "weights": {voter: round(weight, 9) for voter, weight in ranking.weights.items()},
        "given": {voter: given[voter] for voter in ballots},
        "most": most,
        "must_precede": [[place[first], place[second]] for first, second in must_precede],
        "cost": round(ranking.cost, 9),
        "bound": round(ranking.bound, 9),
        "by": ranking.by,
        "against": [[place[a], place[b], round(margin, 9), why, [place[item] for item in cycle]] for a, b, margin, why, cycle in ranking.against],
    }
    if ranking.nearest is not None:
        item, where, margin = ranking.nearest
        data["nearest"] = [place[item], where, round(margin, 9)]
    return Draft("backlog.ranked", id, by, data)


def _wishes(place: Mapping[Any, int], ballots: Mapping[str, Sequence[Any]], weights: Mapping[str, float]) -> np.ndarray:
    """How much weight wants each item (row) before each other (column)."""
    wanted = np.zeros((len(place), len(place)))
    for voter, ballot in ballots.items():
        unknown = [item for item in ballot if item not in place]
        if unknown:
            raise Invalid(f"The ballot of {voter} names {unknown[0]}, which is not to be ranked.", hint="A ballot holds items of the backlog, each once.")
        places = [place[item] for item in ballot]
        if len(set(places)) != len(places):
            raise Invalid(f"The ballot of {voter} names an item twice.", hint="A ballot holds items of the backlog, each once.")
        wanted[np.ix_(places, places)] += np.triu(np.full((len(places), len(places)), weights[voter]), 1)
    return wanted


def _closure(place: Mapping[Any, int], must_precede: Iterable[tuple[Any, Any]]) -> np.ndarray:
    """Which item (row) must come before which (column), followed through."""
    before = np.zeros((len(place), len(place)), dtype=bool)
    for first, second in must_precede:
        if first not in place or second not in place:
            raise Invalid(f"{first} is to precede {second}, and one of them is not to be ranked.", hint="Precedences are pairs of items of the backlog.")
        before[place[first], place[second]] = True
    for middle in range(len(place)):
        before |= before[:, middle, None] & before[None, middle, :]
    if before.diagonal().any():
        number = int(before.diagonal().argmax())
        raise Invalid(f"The precedences run in a circle through {list(place)[number]}.", hint="Take one of them away.")
    return before


def _knots(held: np.ndarray) -> list[list[int]]:
    """Groups of items whose majorities run in circles, in an order in which no group is beaten by a later one.

    Ties are broken by the order of the items, as far as the majorities allow.
    """
    reach = held > held.T
    for middle in range(len(held)):
        reach |= reach[:, middle, None] & reach[None, middle, :]
    together = reach & reach.T
    np.fill_diagonal(together, True)
    ahead = reach & ~reach.T
    left, knots = np.ones(len(held), dtype=bool), []
    while left.any():
        first = int((left & ~ahead[left].any(axis=0)).argmax())
        knot = np.flatnonzero(left & together[first])
        knots.append(knot.tolist())
        left[knot] = False
    return knots


def _order(held: np.ndarray, seconds: float) -> tuple[list[int], float, str]:
    """The best order of one knot, what no order of it can be under (finite wishes only), and how it was found."""
    if len(held) == 1:
        return [0], 0.0, "table"
    if len(held) <= EXACT:
        order = _by_table(held)
        return order, _cost(held, order), "table"
    if len(held) <= CUT:
        return _by_cuts(held, seconds)
    order = _polished(held, _borda(held))
    return order, float(np.triu(np.minimum(held, held.T), 1).sum()), "search"


def _by_table(held: np.ndarray) -> list[int]:
    """The cheapest order of every subset from those with one item less: what stands last in it pays for the wishes to stand before the rest."""
    number = len(held)
    subsets = np.arange(1 << number)
    owed = np.zeros((number, 1 << number))  # what item j pays when it is put behind this subset: the wishes to have it before them
    for item in range(number):
        for bit in range(number):
            if bit != item:
                half = 1 << bit
                owed[item, half : 2 * half] = owed[item, :half] + held[item, bit]
    size = np.zeros(1 << number, dtype=np.int64)
    for bit in range(number):
        size[1 << bit : 2 << bit] = size[: 1 << bit] + 1
    best = np.full(1 << number, np.inf)
    best[0] = 0.0
    last = np.zeros(1 << number, dtype=np.int8)
    groups = np.split(np.argsort(size, kind="stable"), np.cumsum(np.bincount(size))[:-1])
    for group in groups[1:]:
        for item in range(number - 1, -1, -1):
            holding = group[(subsets[group] >> item) & 1 == 1]
            without = holding ^ (1 << item)
            cost = best[without] + owed[item, without]
            better = cost < best[holding]
            best[holding[better]] = cost[better]
            last[holding[better]] = item
    order: list[int] = []
    rest = (1 << number) - 1
    while rest:
        order.append(int(last[rest]))
        rest ^= 1 << order[-1]
    return order[::-1]


def _by_cuts(held: np.ndarray, seconds: float) -> tuple[list[int], float, str]:
    """Linear ordering as a linear programme to which the circles that it breaks are added until none is left, then as an integer one."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    number = len(held)
    first, second = np.triu_indices(number, 1)
    index = np.zeros((number, number), dtype=int)
    index[first, second] = np.arange(len(first))
    ahead, behind = held[first, second], held[second, first]
    low = np.where(np.isinf(ahead), 1.0, 0.0)
    high = np.where(np.isinf(behind), 0.0, 1.0)
    free = np.isfinite(ahead) & np.isfinite(behind)
    gain = np.where(free, np.where(np.isinf(behind), 0.0, behind) - np.where(np.isinf(ahead), 0.0, ahead), 0.0)  # minimised: x = 1 pays `behind`
    constant = float(ahead[free].sum())
    best = _polished(held, _borda(held))
    value, bound = _cost(held, best), 0.0
    cuts: list[tuple[int, int, int]] = []
    whole, limit = np.zeros(len(first)), seconds
    for _ in range(_ROUNDS):
        constraints: Any = ()
        if cuts:
            i, j, k = np.array(cuts).T
            rows = np.repeat(np.arange(len(cuts)), 3)
            columns = np.stack([index[i, j], index[j, k], index[i, k]], axis=1).ravel()
            constraints = LinearConstraint(csr_array((np.tile([1.0, 1.0, -1.0], len(cuts)), (rows, columns)), shape=(len(cuts), len(first))), 0.0, 1.0)
        solved = milp(gain, constraints=constraints, integrality=whole, bounds=Bounds(low, high), options={"time_limit": limit, "presolve": False})
        if solved.x is None:
            break
        bound = max(bound, constant + float(solved.fun if solved.mip_dual_bound is None else solved.mip_dual_bound))
        share = np.zeros((number, number))
        share[first, second] = solved.x
        share[second, first] = 1 - solved.x
        found = _searched(held, np.argsort(-share.sum(axis=1), kind="stable").tolist())
        if _cost(held, found) < value - _SAME:
            best, value = found, _cost(held, found)
        if value <= bound + 1e-6:
            return best, value, "cuts"
        circles = share[:, :, None] + share[None, :, :] - share[:, None, :]
        i, j, k = np.nonzero((circles > 1 + 1e-6) | (circles < -1e-6))
        fresh = [(a, b, c) for a, b, c in zip(i.tolist(), j.tolist(), k.tolist(), strict=True) if a < b < c]
        if not fresh:
            if whole.any():
                break
            whole, limit = np.ones(len(first)), seconds / 2  # no circle is broken, and yet it is no order: from here on whole numbers
        elif whole.any():
            limit /= 2
        cuts += sorted(fresh, key=lambda cut: -abs(circles[cut] - 0.5))[:_FRESH]
    return best, min(bound, value), "search"


def _borda(held: np.ndarray) -> list[int]:
    """By how much weight each has before the others, repaired so that precedences hold: the quick answer."""
    worth = np.where(np.isinf(held), 0.0, held).sum(axis=1) - np.where(np.isinf(held), 0.0, held).sum(axis=0)
    left, order = list(range(len(held))), []
    while left:
        free = [item for item in left if not np.isinf(held[left, item]).any()]
        order.append(max(free, key=lambda item: worth[item]))
        left.remove(order[-1])
    return order


def _searched(held: np.ndarray, order: list[int]) -> list[int]:
    """Better an order by moving one item at a time to where it costs least, until no move helps."""
    order = _kept(held, order)
    while True:
        gains, places = _moves(held, order)
        mover = int(gains.argmin())
        if gains[mover] >= -_SAME:
            return order
        order.insert(int(places[mover]), order.pop(mover))


def _polished(held: np.ndarray, order: list[int]) -> list[int]:
    """Better an order by moves of one item and by the best order of neighbours, until neither helps."""
    order = _searched(held, order)
    while True:
        before = _cost(held, order)
        for start in range(0, max(len(order) - _WINDOW, 0) + 1, _WINDOW // 2):
            near = order[start : start + _WINDOW]
            order[start : start + _WINDOW] = [near[place] for place in _by_table(held[np.ix_(near, near)])]
        order = _searched(held, order)
        if _cost(held, order) >= before - _SAME:
            return order


def _kept(held: np.ndarray, order: list[int]) -> list[int]:
    """The order with each item put behind all that must precede it."""
    left, kept = list(order), []
    while left:
        item = next(item for item in left if not np.isinf(held[left, item]).any())
        kept.append(item)
        left.remove(item)
    return kept


def _moves(held: np.ndarray, order: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """For each place: what the best move of the item there adds to the cost (infinite where it can go nowhere), and where to."""
    costs = _move_costs(held, order)
    places = costs.argmin(axis=1)
    return costs[np.arange(len(order)), places], places


def _move_costs(held: np.ndarray, order: list[int]) -> np.ndarray:
    """What moving the item at a place (row) to another place (column) adds to the cost; infinite where a precedence forbids it."""
    number = len(order)
    seen = held[np.ix_(order, order)]
    change = np.full((number, number), np.inf)
    for at in range(number):
        change[at, at + 1 :] = np.cumsum(seen[at, at + 1 :] - seen[at + 1 :, at])  # its wishes to be before those that pass it
        change[at, :at] = np.cumsum((seen[:at, at] - seen[at, :at])[::-1])[::-1]
    return change


def _cost(wanted: np.ndarray, order: Sequence[int]) -> float:
    """The weight of the wishes that an order does not follow; what is beyond all weight (precedences) is kept and costs nothing."""
    seen = wanted[np.ix_(order, order)]
    return float(np.tril(np.where(np.isinf(seen), 0.0, seen), -1).sum())


def _against(wanted: np.ndarray, order: Sequence[int], before: np.ndarray, named: Sequence[Any]) -> tuple[Against, ...]:
    """The pairs that stand against their majority, the largest margin first, each with the precedence or the circle that is why."""
    majority = (wanted > wanted.T) | before
    found = []
    for at, above in enumerate(order):
        for below in order[at + 1 :]:
            margin = float(wanted[below, above] - wanted[above, below])
            if margin <= _SAME:
                continue
            if before[above, below]:
                found.append(Against(named[above], named[below], margin, "precedence"))
            else:
                path = _path(majority & ~before.T, above, below)
                found.append(Against(named[above], named[below], margin, "cycle", (named[below], *(named[number] for number in path[:-1]))))
    return tuple(sorted(found, key=lambda pair: -pair.margin))


def _path(majority: np.ndarray, start: int, end: int) -> list[int]:
    """The shortest way from one item to another along majorities."""
    came = {start: start}
    edge = [start]
    while end not in came and edge:
        nexts = []
        for number in edge:
            for other in np.flatnonzero(majority[number]).tolist():
                if other not in came:
                    came[other] = number
                    nexts.append(other)
        edge = nexts
    path = [end]
    while path[-1] != start and path[-1] in came:
        path.append(came[path[-1]])
    return path[::-1]


def _nearest(wanted: np.ndarray, before: np.ndarray, order: list[int], named: Sequence[Any]) -> Nearest | None:
    """The cheapest move of one item that alters the first three; None where precedences or the number of items leave none."""
    if len(order) < 2:
        return None
    costs = _move_costs(np.where(before, np.inf, np.where(before.T, 0.0, wanted)), order)
    costs[3:, 3:] = np.inf
    at, place = np.unravel_index(int(costs.argmin()), costs.shape)
    if not np.isfinite(costs[at, place]):
        return None
    return Nearest(named[order[at]], int(place), float(max(costs[at, place], 0.0)))
