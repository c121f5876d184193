"""Bargaining problems made from a seed with their optimum by enumeration, and a table that answers for their parties: the scorer's form, so that a folder of such problems can be used instead."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Problem = dict[str, Any]
MOST = 20_000  # outcomes of a problem made here
LARGEST = 64  # outcomes in one message


def read(folder: Path, kind: str) -> list[Problem]:
    """The problems of a folder: `domains.json` or `conflicts.json`."""
    problems: list[Problem] = json.loads((folder / f"{kind}.json").read_text(encoding="utf-8"))
    return problems


def make(kind: str, seed: int, count: int) -> list[Problem]:
    """`domains`: sums over issues, a reservation each. `conflicts`: also pairs of values, weights, rules and a fallback that is an outcome."""
    rng = np.random.default_rng([seed, kind == "conflicts"])
    out: list[Problem] = []
    while len(out) < count:
        problem = _conflict(rng) if kind == "conflicts" else _domain(rng)
        offers, gains, allowed = enumerated(problem)
        rational = allowed & (gains > 1e-6).all(axis=0)
        if not rational.any():
            continue
        weights = np.array([party.get("weight", 1.0) for party in problem["parties"]])
        logs = (weights / weights.sum()) @ np.log(np.maximum(gains, 1e-12))
        best = int(np.where(rational, logs, -np.inf).argmax())
        out.append({**problem, "id": f"{kind}-{seed}-{len(out)}", "reference": {"outcomes": len(offers), "log": float(logs[best])}})
    return out


def enumerated(problem: Problem) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """Every outcome, every party's gain, and whether the constraints allow it."""
    sizes = sizes_of(problem)
    offers = np.stack(np.unravel_index(np.arange(math.prod(sizes)), sizes), axis=1)
    gains = np.array(
        [sum(np.asarray(column)[offers[:, issue]] for issue, column in enumerate(party["contrib"])) - party["reservation"] for party in problem["parties"]]
    )
    for at, party in enumerate(problem["parties"]):
        for i, a, j, b, extra in party.get("pairs", ()):
            gains[at] += extra * ((offers[:, i] == a) & (offers[:, j] == b))
    given = problem.get("constraints") or {}
    allowed = np.ones(len(offers), dtype=bool)
    for issue, value in given.get("forbidden_values", ()):
        allowed &= offers[:, issue] != value
    for i, a, j, b in given.get("forbidden_pairs", ()):
        allowed &= (offers[:, i] != a) | (offers[:, j] != b)
    for cap in given.get("caps", ()):
        allowed &= sum(np.asarray(costs)[offers[:, issue]] for issue, costs in enumerate(cap["cost"])) <= cap["limit"] + 1e-9
    return offers, gains, allowed


def sizes_of(problem: Problem) -> list[int]:
    """How many values each issue has."""
    return list(problem.get("sizes") or [len(issue["values"]) for issue in problem["issues"]])


def nash(problem: Problem, offer: Sequence[int] | None) -> float | None:
    """The share of the best Nash product that an outcome reaches: 0 where it breaks something; None where the problem holds no figure for it."""
    reference = problem["reference"]
    weights = np.array([party.get("weight", 1.0) for party in problem["parties"]])
    if "log" in reference:
        best = reference["log"]
    elif "weight" in problem["parties"][0]:
        if reference.get("nash") is None:
            return None
        best = reference["nash"]["log"]
    elif "nash" in reference:
        best = math.log(reference["nash"]["value"]) / len(weights)
    else:
        return float(offer is None)
    if offer is None or broken(problem, offer):
        return 0.0
    gains = np.array([worth(party, offer) - party["reservation"] for party in problem["parties"]])
    if (gains <= 0).any():
        return 0.0
    share = float(np.exp(weights @ np.log(gains) / weights.sum() - best))
    return share if "weight" in problem["parties"][0] else share ** len(weights)


def broken(problem: Problem, offer: Sequence[int]) -> int:
    """How many constraints an outcome breaks."""
    given = problem.get("constraints") or {}
    return (
        sum(offer[issue] == value for issue, value in given.get("forbidden_values", ()))
        + sum(offer[i] == a and offer[j] == b for i, a, j, b in given.get("forbidden_pairs", ()))
        + sum(sum(costs[value] for costs, value in zip(cap["cost"], offer, strict=True)) > cap["limit"] + 1e-9 for cap in given.get("caps", ()))
    )


def worth(party: dict[str, Any], offer: Sequence[int] | None) -> float:
    """What an outcome is worth to a party; None is no agreement."""
    if offer is None:
        return float(party["reservation"])
    paired = sum(extra for i, a, j, b, extra in party.get("pairs", ()) if offer[i] == a and offer[j] == b)
    return float(sum(column[value] for column, value in zip(party["contrib"], offer, strict=True)) + paired)


class Table:
    """Answers for a problem's parties at one level, and counts messages; scores and orders carry noise with this deviation."""

    def __init__(self, problem: Problem, level: str, limit: int, noise: float, seed: int = 0) -> None:
        self.sizes, self.constraints, self.fallback = sizes_of(problem), problem.get("constraints"), problem.get("fallback")
        self.level, self.limit, self.n = level, limit, len(problem["parties"])
        self.weights = [party.get("weight", 1.0) for party in problem["parties"]]
        self.messages = [0] * self.n
        self._parties, self._noise, self._rng = problem["parties"], noise, np.random.default_rng(seed)

    def utilities(self, party: int) -> dict[str, Any]:
        """The whole of it."""
        self._count(party, 0)
        told: dict[str, Any] = self._parties[party]
        return told

    def score(self, party: int, offers: Sequence[Sequence[int] | None]) -> list[float]:
        """A number for each."""
        self._count(party, len(offers))
        return [self._seen(party, offer) for offer in offers]

    def rank(self, party: int, lists: Sequence[Sequence[Sequence[int] | None]]) -> list[list[Sequence[int] | None]]:
        """Each list with the best first."""
        self._count(party, sum(map(len, lists)))
        return [sorted(offers, key=lambda offer: -self._seen(party, offer)) for offers in lists]

    def counter(self, party: int, offer: Sequence[int]) -> list[int] | None:
        """The change of one issue that it likes most, where that is better for it than the offer and the fallback; else None."""
        self._count(party, 1)
        here, home = worth(self._parties[party], offer), worth(self._parties[party], None)
        best, most = None, max(here, home) + 1e-9
        for issue, size in enumerate(self.sizes):
            for value in range(size):
                other = [*offer[:issue], value, *offer[issue + 1 :]]
                if (there := worth(self._parties[party], other)) > most:
                    best, most = other, there
        return best

    def accept(self, party: int, offer: Sequence[int]) -> bool:
        """Whether it is at or above the fallback with it."""
        return worth(self._parties[party], offer) >= worth(self._parties[party], None) - 1e-9

    def _seen(self, party: int, offer: Sequence[int] | None) -> float:
        return worth(self._parties[party], offer) + (float(self._rng.normal(0, self._noise)) if self._noise else 0.0)

    def _count(self, party: int, items: int) -> None:
        self.messages[party] += 1
        if items > LARGEST or self.messages[party] > self.limit:
            raise RuntimeError("a message too many, or too long a one")


def _sizes(rng: np.random.Generator) -> list[int]:
    while True:
        sizes: list[int] = rng.integers(2, 7, size=int(rng.integers(3, 9))).tolist()
        if 30 <= math.prod(sizes) <= MOST:
            return sizes


def _domain(rng: np.random.Generator) -> Problem:
    sizes = _sizes(rng)
    parties = []
    for _ in range(int(rng.choice([2, 2, 3, 3, 5]))):
        share = rng.dirichlet(np.full(len(sizes), 2.0))
        contrib = [(share[issue] * _column(rng, size)).round(6).tolist() for issue, size in enumerate(sizes)]
        parties.append({"contrib": contrib, "reservation": round(float(rng.uniform(0, 0.55)), 6)})
    return {"sizes": sizes, "parties": parties}


def _column(rng: np.random.Generator, size: int) -> npt.NDArray[np.float64]:
    """What an issue's values are worth: in their order, against it, or without one; the best is 1."""
    steps = np.cumsum(rng.dirichlet(np.ones(size)))
    found: npt.NDArray[np.float64] = (steps, steps[::-1], rng.permutation(steps))[int(rng.integers(3))]
    return found / found.max()


def _conflict(rng: np.random.Generator) -> Problem:
    problem = _domain(rng)
    sizes = problem["sizes"]
    for party in problem["parties"]:
        pairs = [sorted(rng.choice(len(sizes), 2, replace=False).tolist()) for _ in range(int(rng.integers(0, 6)))]
        party["pairs"] = [[i, int(rng.integers(sizes[i])), j, int(rng.integers(sizes[j])), round(float(rng.normal(0, 0.1)), 6)] for i, j in pairs]
        party["weight"] = round(float(rng.uniform(0.5, 2.0)), 2)
    cost = [rng.random(size).round(3).tolist() for size in sizes]
    apart = [sorted(rng.choice(len(sizes), 2, replace=False).tolist()) for _ in range(2 * len(sizes))]
    problem["constraints"] = {
        "forbidden_values": [],
        "forbidden_pairs": [[i, int(rng.integers(sizes[i])), j, int(rng.integers(sizes[j]))] for i, j in apart],
        "caps": [{"name": "budget", "cost": cost, "limit": round(0.6 * sum(map(max, cost)), 3)}],
    }
    offers, gains, allowed = enumerated(problem)
    if allowed.any():  # the fallback: an allowed outcome that is poor for most
        welfare = gains.sum(axis=0)
        low = np.flatnonzero(allowed & (welfare <= np.quantile(welfare[allowed], 0.15)))
        problem["fallback"] = offers[int(rng.choice(low))].tolist()
        for party in problem["parties"]:
            party["reservation"] = worth(party, problem["fallback"])
    return problem
